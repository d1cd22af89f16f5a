// OLMo 1: Llama's layout without any norm weights, q, k and v clipped to a range.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec olmo() {
  ArchSpec spec;
  spec.classes = {"OlmoForCausalLM", "OLMoForCausalLM"};
  spec.gguf_name = "olmo";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rope_theta": 10000.0, "max_position_embeddings": 2048})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          // Not in the configuration: the norm of the model's own code.
          computed_keys([](ArchBuild& build) { build.set("attention.layer_norm_epsilon", 1e-5F); }),
          optional_key(f32_key("attention.clamp_kqv", "clip_qkv")),
      },
  });
  std::vector<TensorRule> attention = attention_permuted();
  attention.erase(attention.begin());
  spec.tensors = joined<TensorRule>({
      {
          {"model.embed_tokens.weight", "token_embd.weight"},
          {"lm_head.weight", "output.weight", nullptr, "?"},
      },
      attention,
      gated_mlp(),
  });
  spec.prepare = fill_in_kv_heads;
  return spec;
}

}  // namespace qtz::arch
