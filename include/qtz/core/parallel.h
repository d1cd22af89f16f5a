// Running independent items on a fixed number of threads. Outputs are split between threads, sums never are.
#pragma once

#include <cstdint>
#include <functional>

#include "qtz/core/progress.h"

namespace qtz {

/// `requested`, or the number of cores this process may use when 0. At least 1.
unsigned resolve_threads(unsigned requested) noexcept;

/// Calls fn(worker, item) for every item in [0, count), items handed out in order, worker < threads. Stops
/// early and rethrows the first exception of any item; throws interrupted when `cancel` is set. Fewer threads
/// than asked for are used when the system refuses to create them.
void parallel_for(std::uint64_t count, unsigned threads, const CancelToken& cancel,
                  const std::function<void(unsigned worker, std::uint64_t item)>& fn);

}  // namespace qtz
