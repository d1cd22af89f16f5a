// Command-R and Aya: attention and MLP side by side under one norm, scaled logits, tied embeddings.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

bool has_query_key_norms(const ModelConfig& config, std::uint64_t) {
  return config.boolean("use_qk_norm").value_or(false);
}

}  // namespace

ArchSpec cohere() {
  ArchSpec spec;
  spec.classes = {"CohereForCausalLM"};
  spec.gguf_name = "command-r";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"layer_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 8192,
                      "logit_scale": 0.0625})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          // The trained context is longer than max_position_embeddings of the first models.
          u32_key("context_length", "model_max_length|max_position_embeddings"),
          f32_key("logit_scale", "logit_scale"),
          computed_keys([](ArchBuild& build) { build.set("rope.scaling.type", "none"); }),
      },
  });
  spec.tensors = joined<TensorRule>({trunk(), attention(), needed_as("?", query_key_norms()), gated_mlp()});
  spec.parts = {
      {"blk.{L}.attn_q_norm.weight", has_query_key_norms},
      {"blk.{L}.attn_k_norm.weight", has_query_key_norms},
  };
  return spec;
}

}  // namespace qtz::arch
