// GLM-4 of 2024 as transformers has it (GlmForCausalLM); llama.cpp knows it as ChatGLM.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_keys(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const auto size = config.hidden_size();
  const auto set = [&](std::string_view key, std::uint64_t value) {
    build.set(key, static_cast<std::uint32_t>(value));
  };
  // Without seq_length, which only the first ChatGLM files have, the converter writes the hidden size.
  set("context_length", config.uint("seq_length").value_or(size));
  set("embedding_length", size);
  set("feed_forward_length", config.uint("ffn_hidden_size|intermediate_size").value_or(4 * size));
  set("block_count", config.block_count());
  set("attention.head_count", config.head_count());
  set("attention.head_count_kv", config.uint("multi_query_group_num").value_or(config.kv_head_count()));
  build.set("attention.layer_norm_rms_epsilon",
            static_cast<float>(config.number("layernorm_epsilon").value_or(1e-5)));
  const double part = config.rope_number(config.rope(), "partial_rotary_factor").value_or(0.5);
  const auto dims = config.uint("attention_dim").value_or(size / config.head_count());
  set("rope.dimension_count", static_cast<std::uint64_t>(static_cast<double>(dims) * part));
  build.set("rope.freq_base", static_cast<float>(10000.0 * config.number("rope_ratio").value_or(1.0)));
}

}  // namespace

ArchSpec glm() {
  ArchSpec spec;
  spec.classes = {"GlmForCausalLM"};
  spec.gguf_name = "chatglm";
  spec.tokenizer = chatglm_tokenizer();
  spec.defaults = R"({"head_dim": 128, "num_key_value_heads": 2})";
  spec.keys = {computed_keys(emit_keys)};
  spec.tensors = joined<TensorRule>({trunk(), attention(), mlp_norm(), fused_gated_mlp()});
  spec.parts = {{"blk.{L}.attn_output.bias", never}};
  return spec;
}

}  // namespace qtz::arch
