// GGUF metadata values for people and for JSON. Strings come from untrusted files: they are escaped or left
// to the JSON writer, never printed raw.
#pragma once

#include <cstddef>
#include <string>

#include "qtz/core/json.h"
#include "qtz/formats/gguf.h"

namespace qtz::cli {

/// "u32", "string", "array of 2048 string".
std::string type_text(const GgufValue& value);

/// One line; arrays show their first elements only, unless `whole`.
std::string value_text(const GgufValue& value, bool whole);

/// {"type", "value"}; arrays {"type": "array", "of", "length", "value"} with the first elements only, unless
/// `whole`.
JsonValue value_json(const GgufValue& value, bool whole);

}  // namespace qtz::cli
