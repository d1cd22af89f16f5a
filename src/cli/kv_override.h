// --override-kv: one metadata key set from the command line.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "qtz/formats/gguf.h"

namespace qtz::cli {

/// "KEY=TYPE:VALUE". llama-quantize's types: int (stored as u32, as it does), float (f32), bool (true|false),
/// str. Exact ones beside them: u8 i8 u16 i16 u32 i32 u64 i64 f32 f64. Numbers that do not fit are usage
/// errors, never cut; so is a negative int, whose sign llama-quantize would drop. Whether the type is that of
/// a key that is there is seen when the model is: make_plan.
std::pair<std::string, GgufValue> parse_kv_override(std::string_view text);

}  // namespace qtz::cli
