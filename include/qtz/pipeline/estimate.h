// How long a run will take, seen by doing a little of it.
#pragma once

#include <span>

#include "qtz/core/progress.h"
#include "qtz/kernels/backend.h"
#include "qtz/pipeline/plan.h"

namespace qtz {

/// Seconds that execute() would take with one thread, as far as reading and encoding decide: of every kind of
/// tensor (stored type, types it becomes) some rows are read and encoded, and nothing is written. A fraction
/// of a second on any model. 0 where the input cannot be read, which execute() will say. For people:
/// it differs from run to run.
double estimate_seconds(std::span<const QuantPlan> plans, const Backend& backend, const CancelToken& cancel);

}  // namespace qtz
