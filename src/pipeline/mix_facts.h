// What mix rules need to know of a model beside tensor names: a few numbers from its GGUF metadata.
#pragma once

#include <cstdint>
#include <string>

#include "qtz/formats/gguf.h"

namespace qtz {

struct MixFacts {
  std::string architecture;        ///< empty for a generic GGUF
  std::uint64_t layers = 0;        ///< block_count
  std::uint64_t experts = 0;       ///< expert_count
  std::uint64_t heads_per_kv = 0;  ///< query heads that share one key/value head, in the first layer
  bool falcon = false;
  bool seventy_b = false;  ///< one of the shapes llama.cpp calls 70B: attn_v is small there
};

/// Missing keys count as zero, per-layer arrays by their first element, as llama-quantize reads them.
MixFacts read_mix_facts(const KvList& metadata);

}  // namespace qtz
