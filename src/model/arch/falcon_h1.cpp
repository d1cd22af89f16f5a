// Falcon H1: attention and Mamba 2 side by side in every layer; its multipliers are folded into the weights.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/mamba_family.h"
#include "model/tensor_ops.h"

namespace qtz::arch {

namespace {

/// Multiplied one after another in F32, as the converter does; factors of one leave the stored bytes alone.
TensorExprPtr scaled(TensorExprPtr input, std::initializer_list<double> factors) {
  for (const double factor : factors) {
    if (factor != 1.0) input = times(std::move(input), static_cast<float>(factor));
  }
  return input;
}

double multiplier(const ArchBuild& build, std::string_view field) {
  return build.config.number(field).value_or(1.0);
}

std::vector<double> multipliers(const ArchBuild& build, std::string_view field, std::size_t count) {
  std::vector<double> values;
  const auto found = build.config.find(field);
  if (!found) return std::vector<double>(count, 1.0);
  if (const JsonArray* list = found->value->as_array(); list != nullptr) {
    for (const JsonValue& item : *list) values.push_back(item.as_double().value_or(1.0));
  }
  if (values.size() != count)
    build.config.refuse(field, "is not a list of " + std::to_string(count) + " numbers");
  return values;
}

TensorExprPtr scaled_query(TensorExprPtr input, const ArchBuild& build) {
  return scaled(std::move(input), {multiplier(build, "attention_in_multiplier")});
}
TensorExprPtr scaled_key(TensorExprPtr input, const ArchBuild& build) {
  return scaled(std::move(input),
                {multiplier(build, "key_multiplier"), multiplier(build, "attention_in_multiplier")});
}
TensorExprPtr scaled_attention(TensorExprPtr input, const ArchBuild& build) {
  return scaled(std::move(input), {multiplier(build, "attention_out_multiplier")});
}
TensorExprPtr scaled_gate(TensorExprPtr input, const ArchBuild& build) {
  return scaled(std::move(input), {multipliers(build, "mlp_multipliers", 2)[0]});
}
TensorExprPtr scaled_down(TensorExprPtr input, const ArchBuild& build) {
  return scaled(std::move(input), {multipliers(build, "mlp_multipliers", 2)[1]});
}
TensorExprPtr scaled_mixer(TensorExprPtr input, const ArchBuild& build) {
  return scaled(std::move(input), {multiplier(build, "ssm_out_multiplier")});
}
TensorExprPtr scaled_embedding(TensorExprPtr input, const ArchBuild& build) {
  return scaled(std::move(input), {multiplier(build, "embedding_multiplier")});
}
TensorExprPtr scaled_output(TensorExprPtr input, const ArchBuild& build) {
  return scaled(std::move(input), {multiplier(build, "lm_head_multiplier")});
}

/// The rows of z, x, B, C and dt have a multiplier each.
TensorExprPtr scaled_mixer_input(TensorExprPtr input, const ArchBuild& build) {
  const ModelConfig& config = build.config;
  const double all = multiplier(build, "ssm_in_multiplier");
  const std::vector<double> parts = multipliers(build, "ssm_multipliers", 5);
  if (all == 1.0 && std::vector<double>(5, 1.0) == parts) return input;
  const std::uint64_t inner = mamba2_inner_size(config);
  const std::uint64_t states = mamba2_groups(config) * config.need_uint("mamba_d_state");
  const std::uint64_t rows = input->shape().rank() == 0 ? 0 : input->shape()[0];
  const std::uint64_t ends[] = {inner, 2 * inner, 2 * inner + states, 2 * inner + 2 * states, rows};
  std::vector<TensorExprPtr> pieces;
  std::uint64_t begin = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::uint64_t count = ends[i] > begin ? ends[i] - begin : 0;
    // Each piece is F32, whatever its factor, so that they join.
    pieces.push_back(widened(scaled(sliced(input, 0, begin, count), {all, parts[i]})));
    begin = ends[i];
  }
  return concatenated(std::move(pieces));
}

void emit_keys(ArchBuild& build) {
  const auto activation = build.config.text("hidden_act");
  if (activation && *activation != "silu") build.config.refuse("hidden_act", "is not 'silu'");
  emit_mamba2_sizes(build);
}

}  // namespace

ArchSpec falcon_h1() {
  ArchSpec spec;
  spec.classes = {"FalconH1ForCausalLM"};
  spec.gguf_name = "falcon-h1";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 100000.0, "max_position_embeddings": 8192})";
  spec.keys = {
      u32_key("context_length", "max_position_embeddings"),
      u32_key("embedding_length", "hidden_size"),
      u32_key("feed_forward_length", "intermediate_size"),
      u32_key("attention.head_count", "num_attention_heads"),
      u32_key("block_count", "num_hidden_layers"),
      computed_keys(emit_keys),
      f32_key("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
      u32_key("vocab_size", "vocab_size"),
      u32_key("attention.head_count_kv", "num_key_value_heads|num_attention_heads"),
      u32_key("attention.key_length", "head_dim"),
      u32_key("attention.value_length", "head_dim"),
      rope_keys(),
  };
  spec.tensors = joined<TensorRule>({
      {
          {"model.embed_tokens.weight", "token_embd.weight", scaled_embedding},
          {"model.final_layernorm.weight", "output_norm.weight"},
          {"lm_head.weight", "output.weight", scaled_output, "?"},
          {"model.layers.{L}.input_layernorm.weight", "blk.{L}.attn_norm.weight"},
          // llama.cpp's name for this one has no ".weight".
          {"model.layers.{L}.pre_ff_layernorm.weight", "blk.{L}.ffn_norm"},
          {"model.layers.{L}.self_attn.q_proj.{W}", "blk.{L}.attn_q.{W}", scaled_query},
          {"model.layers.{L}.self_attn.k_proj.{W}", "blk.{L}.attn_k.{W}", scaled_key},
          {"model.layers.{L}.self_attn.v_proj.{W}", "blk.{L}.attn_v.{W}", scaled_query},
          {"model.layers.{L}.self_attn.o_proj.{W}", "blk.{L}.attn_output.{W}", scaled_attention},
          {"model.layers.{L}.feed_forward.gate_proj.{W}", "blk.{L}.ffn_gate.{W}", scaled_gate},
          {"model.layers.{L}.feed_forward.up_proj.{W}", "blk.{L}.ffn_up.{W}"},
          {"model.layers.{L}.feed_forward.down_proj.{W}", "blk.{L}.ffn_down.{W}", scaled_down},
      },
      mamba2_mixer(MixerNames::layer),
  });
  for (TensorRule& rule : spec.tensors) {
    if (rule.source == "model.layers.{L}.mamba.in_proj.{W}") rule.transform = scaled_mixer_input;
    if (rule.source == "model.layers.{L}.mamba.out_proj.{W}") rule.transform = scaled_mixer;
  }
  return spec;
}

}  // namespace qtz::arch
