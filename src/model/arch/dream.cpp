// Dream: Qwen 2.5 read in both directions: a model of diffusion.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

ArchSpec dream() {
  ArchSpec spec;
  spec.classes = {"DreamModel"};
  spec.gguf_name = "dream";
  spec.tokenizer = dream_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 32768,
                      "num_key_value_heads": 32})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          pooling_key(),
          computed_keys([](ArchBuild& build) { build.set("attention.causal", false); }),
      },
  });
  spec.tensors = joined<TensorRule>({trunk(), attention(), mlp_norm(), gated_mlp()});
  spec.parts = {
      {"blk.{L}.attn_q.bias", always}, {"blk.{L}.attn_k.bias", always}, {"blk.{L}.attn_v.bias", always}};
  return spec;
}

}  // namespace qtz::arch
