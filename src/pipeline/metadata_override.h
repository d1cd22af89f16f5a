// --override-kv on the metadata of a plan.
#pragma once

#include <string>

#include "qtz/formats/gguf.h"

namespace qtz {

/// Sets the key. One that is there keeps its type, which runtimes count on: a u32, as `int` gives it, becomes
/// any integer type that can hold it; any other type is a usage error that names both. So is an alignment
/// that GGUF cannot have.
void override_key(KvList& metadata, const std::string& key, const GgufValue& value);

}  // namespace qtz
