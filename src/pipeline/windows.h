// A text cut into windows that a model runs over, and what the commands that run models share.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "qtz/forward/decoder.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

struct WindowOptions {
  std::uint64_t length;              ///< tokens
  std::uint64_t count;               ///< at most so many; 0: as many as there are
  std::optional<std::uint32_t> bos;  ///< replaces the first token of each
};

/// Windows one after another; what is left at the end of the text is dropped. Throws input_invalid for a text
/// of fewer than two windows, which llama.cpp's tools refuse, too.
Batch cut_windows(std::span<const std::uint32_t> tokens, const WindowOptions& options);

/// Throws input_invalid for windows longer than the model was trained with.
void require_context(const Decoder& decoder, const GgufModel& model, std::uint64_t length);

/// Stored bytes that running a layer reads.
std::uint64_t layer_bytes(const GgufModel& model, std::uint64_t layer);

}  // namespace qtz
