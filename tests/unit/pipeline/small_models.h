// Models and texts for the tests that run models.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "qtz/model/gguf_model.h"
#include "support/arch_checkpoint.h"
#include "support/scratch_folder.h"

namespace qtz::test {

/// The tiny checkpoint of an architecture, opened; it lies in `scratch`.
inline GgufModel small_model(const std::string& name, const ScratchFolder& scratch) {
  return open_model(write_checkpoint(arch_data_folder() / name, scratch.path()), ModelOptions{});
}

/// Made-up tokens of a text, the same every time, that all small vocabularies have.
inline std::vector<std::uint32_t> some_tokens(std::size_t count) {
  std::vector<std::uint32_t> tokens;
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 1664525U + 1013904223U;
    tokens.push_back((state >> 16) % 2000U);
  }
  return tokens;
}

}  // namespace qtz::test
