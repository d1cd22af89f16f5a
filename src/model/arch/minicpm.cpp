// MiniCPM 1, 2 and 4: Llama with three scales, and long and short rope factors in later models.
#include <cmath>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

void emit_scales(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const double base = config.need_number("dim_model_base");
  if (!(base > 0)) config.refuse("dim_model_base", "is not positive");
  const auto layers = static_cast<double>(config.block_count());
  build.set("embedding_scale", static_cast<float>(config.need_number("scale_emb")));
  build.set("residual_scale", static_cast<float>(config.need_number("scale_depth") / std::sqrt(layers)));
  build.set("logit_scale", static_cast<float>(static_cast<double>(config.hidden_size()) / base));
}

}  // namespace

ArchSpec minicpm() {
  ArchSpec spec;
  spec.classes = {"MiniCPMForCausalLM"};
  spec.gguf_name = "minicpm";
  spec.tokenizer = sentencepiece_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 2048,
                      "scale_emb": 1, "scale_depth": 1, "dim_model_base": 1})";
  spec.keys = joined<KeyRule>({standard_keys(), {computed_keys(emit_scales)}});
  spec.tensors = joined<TensorRule>({trunk(), attention_permuted(), mlp_norm(), gated_mlp()});
  spec.prepare = [](ModelConfig& config) {
    // Heads are always hidden size / heads wide here, whatever head_dim says.
    config.set("head_dim", nullptr);
    fill_in_kv_heads(config);
  };
  spec.finish = [](ArchBuild& build) { add_long_rope_factors(build, build.config.head_dim()); };
  return spec;
}

}  // namespace qtz::arch
