// Mamba 2 and Codestral Mamba.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/mamba_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

constexpr std::uint32_t kAnyLength = 1U << 20;  // a recurrent model has no length of its own

void emit_keys(ArchBuild& build) {
  const ModelConfig& config = build.config;
  build.set("context_length", kAnyLength);
  build.set("embedding_length", static_cast<std::uint32_t>(config.hidden_size()));
  build.set("feed_forward_length", std::uint32_t{0});
  build.set("attention.head_count", std::uint32_t{0});
  build.set("block_count", static_cast<std::uint32_t>(config.block_count()));
  emit_mamba2_sizes(build);
  build.set("attention.layer_norm_rms_epsilon",
            static_cast<float>(config.number("layer_norm_epsilon|rms_norm_eps").value_or(1e-5)));
}

/// Mistral's export puts the backbone into a model.
std::string rename(std::string name, const ModelConfig&) {
  constexpr std::string_view kModel = "model.";
  if (name.starts_with("model.backbone.") || name.starts_with("model.lm_head.")) name.erase(0, kModel.size());
  return name;
}

}  // namespace

ArchSpec mamba2() {
  ArchSpec spec = mamba();
  spec.classes = {"Mamba2ForCausalLM"};
  spec.gguf_name = "mamba2";
  spec.keys = {computed_keys(emit_keys)};
  spec.tensors = joined<TensorRule>({
      {
          {"backbone.embeddings.weight", "token_embd.weight", nullptr, "?"},
          {"backbone.embedding.weight", "token_embd.weight", nullptr, "?"},
          {"backbone.norm_f.weight", "output_norm.weight"},
          {"lm_head.weight", "output.weight", nullptr, "?"},
          {"backbone.layers.{L}.norm.weight", "blk.{L}.attn_norm.weight"},
      },
      mamba2_mixer(MixerNames::backbone),
  });
  spec.rename = rename;
  spec.finish = nullptr;
  spec.parts = {{"token_embd.weight", always}};
  return spec;
}

}  // namespace qtz::arch
