// Seed-OSS: Qwen 2's build with heads of a size of their own.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec seed_oss() {
  ArchSpec spec;
  spec.classes = {"SeedOssForCausalLM"};
  spec.gguf_name = "seed_oss";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 524288,
                      "num_key_value_heads": 8, "head_dim": 128})";
  spec.keys = standard_keys();
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      {{"model.layers.{L}.post_attention_layernorm.{W}", "blk.{L}.post_attention_norm.{W}"}},
      gated_mlp(),
  });
  return spec;
}

}  // namespace qtz::arch
