// StarCoder (GPT-BigCode): GPT-2 with one key and value head, and weights the usual way round.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

ArchSpec gpt_bigcode() {
  ArchSpec spec = gpt2();
  spec.classes = {"GPTBigCodeForCausalLM"};
  spec.gguf_name = "starcoder";
  spec.keys = {
      u32_key("context_length", "n_positions"),
      u32_key("embedding_length", "n_embd"),
      computed_keys([](ArchBuild& build) {
        const std::uint64_t inner = build.config.uint("n_inner").value_or(4 * build.config.hidden_size());
        build.set("feed_forward_length", static_cast<std::uint32_t>(inner));
        if (!build.config.boolean("multi_query").value_or(true)) {
          build.config.refuse("multi_query", "is false, which llama.cpp does not know");
        }
        build.set("attention.head_count_kv", std::uint32_t{1});
      }),
      u32_key("block_count", "n_layer"),
      u32_key("attention.head_count", "n_head"),
      f32_key("attention.layer_norm_epsilon", "layer_norm_epsilon"),
  };
  for (TensorRule& rule : spec.tensors) rule.transform = nullptr;
  spec.parts = {{"*.bias", always}};
  return spec;
}

}  // namespace qtz::arch
