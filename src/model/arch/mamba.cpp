// Mamba 1 and Falcon Mamba: no attention at all.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/mamba_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

constexpr std::uint32_t kAnyLength = 1U << 20;  // a recurrent model has no length of its own

void emit_keys(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const auto set = [&](std::string_view key, std::uint64_t value) {
    build.set(key, static_cast<std::uint32_t>(value));
  };
  const std::uint64_t size = config.hidden_size();
  set("context_length", kAnyLength);
  set("embedding_length", size);
  set("feed_forward_length", 0);
  set("attention.head_count", 0);
  set("block_count", config.block_count());
  set("ssm.conv_kernel", config.uint("conv_kernel|d_conv").value_or(4));
  set("ssm.inner_size", config.uint("intermediate_size|d_inner").value_or(2 * size));
  set("ssm.state_size", config.uint("state_size|d_state").value_or(16));
  // "auto" means a sixteenth.
  const auto rank = config.find("time_step_rank|dt_rank");
  const bool automatic = !rank || rank->value->is_string();
  set("ssm.time_step_rank", automatic ? (size + 15) / 16 : config.need_uint("time_step_rank|dt_rank"));
  build.set("attention.layer_norm_rms_epsilon",
            static_cast<float>(config.number("layer_norm_epsilon|rms_norm_eps").value_or(1e-5)));
  build.set("ssm.dt_b_c_rms", config.text("model_type").value_or("") == "falcon_mamba");
}

}  // namespace

ArchSpec mamba() {
  ArchSpec spec;
  spec.classes = {"MambaForCausalLM", "MambaLMHeadModel", "FalconMambaForCausalLM"};
  spec.gguf_name = "mamba";
  spec.tokenizer = bpe_or_sentencepiece_tokenizer();
  spec.optional_prefix = "backbone.";
  spec.keys = {computed_keys(emit_keys)};
  spec.tensors = joined<TensorRule>({
      {
          {"backbone.embeddings.weight", "token_embd.weight", nullptr, "?"},
          {"backbone.embedding.weight", "token_embd.weight", nullptr, "?"},
          {"backbone.norm_f.weight", "output_norm.weight"},
          {"lm_head.weight", "output.weight", nullptr, "?"},
          {"backbone.layers.{L}.norm.weight", "blk.{L}.attn_norm.weight"},
      },
      mamba_mixer(MixerNames::backbone),
  });
  spec.finish = drop_repeated_output;
  spec.parts = {{"token_embd.weight", always}};
  return spec;
}

}  // namespace qtz::arch
