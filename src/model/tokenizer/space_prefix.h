// Whether a SentencePiece-like tokenizer.json puts a space before a text. llama.cpp does unless
// tokenizer.ggml.add_space_prefix says no.
#pragma once

#include <optional>

#include "model/tokenizer/tokenizer_json.h"

namespace qtz {

/// True when a step prepends U+2581, false when spaces become U+2581 and none is prepended; empty when no
/// step says anything about spaces.
std::optional<bool> prepends_space(const TokenizerJson& json);

}  // namespace qtz
