// Nemotron H and Nemotron 3: each layer is one of Mamba 2, attention, MLP or experts.
#include <algorithm>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/mamba_family.h"
#include "model/config_parts.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

constexpr std::uint32_t kAnyLength = 1U << 20;  // attention without positions

/// 'M' Mamba, '*' attention, '-' MLP, 'E' experts; one letter a layer.
std::string layer_letters(const ModelConfig& config) {
  if (const auto pattern = config.text("hybrid_override_pattern")) return *pattern;
  std::string letters;
  for (const std::string& type : config.texts("layers_block_type")) {
    const bool mamba = type == "mamba" || type == "linear_attention";
    const bool attention = type == "attention" || type == "full_attention";
    letters += mamba ? 'M' : attention ? '*' : type == "moe" ? 'E' : type == "mlp" ? '-' : '?';
  }
  return letters;
}

/// The prediction layer's two stored layers, attention and experts, become one: 'P' among the letters.
void count_prediction_layer(ModelConfig& config, const TensorSource& source, std::string letters) {
  const std::uint64_t told = config.uint("num_nextn_predict_layers").value_or(0);
  const auto tensors = source.tensors();
  const bool stored = std::any_of(tensors.begin(), tensors.end(), [](const TensorInfo& tensor) {
    return tensor.name.starts_with("mtp.layers.");
  });
  if (told == 0 || !(stored || tensors.empty())) return;
  if (told > 1) {
    config.refuse(
        "num_nextn_predict_layers",
        "is " + std::to_string(told) + "; llama.cpp knows one prediction layer of this architecture");
  }
  config.set("trunk_layers", config.block_count());
  config.set("prediction_layers", told);
  config.set("num_hidden_layers", config.block_count() + told);
  config.set("layer_letters", letters + "P");
}

void adapt(ArchSpec& spec, ModelConfig& config, const TensorSource& source) {
  const std::string letters = layer_letters(config);
  if (!config.has("num_hidden_layers")) config.set("num_hidden_layers", letters.size());
  if (letters.size() != config.block_count() || letters.find_first_not_of("M*-E") != std::string::npos) {
    config.refuse("hybrid_override_pattern", "does not say for every layer what it is");
  }
  config.set("layer_letters", letters);
  if (!config.has("num_experts_per_tok")) return;
  spec.gguf_name = "nemotron_h_moe";
  spec.prediction = {.keep = true, .drop = true, .only = true};
  count_prediction_layer(config, source, letters);
}

/// "mtp.layers.0" is the prediction layer's input and attention, "mtp.layers.1" its experts and output norm.
std::string rename_prediction(std::string name, const ModelConfig& config) {
  constexpr std::string_view kParts[] = {"mtp.layers.0.", "mtp.layers.1."};
  for (const std::string_view part : kParts) {
    if (!name.starts_with(part) || !config.has("trunk_layers")) continue;
    std::string rest = name.substr(part.size());
    if (part == kParts[1] && rest == "norm.weight") rest = "post_attention_layernorm.weight";
    return "backbone.layers." + std::to_string(config.need_uint("trunk_layers")) + "." + rest;
  }
  return name;
}

std::vector<std::int32_t> per_layer(const ModelConfig& config, std::string_view letters,
                                    std::uint64_t value) {
  const std::string all = config.text("layer_letters")->substr(0, config.block_count());
  std::vector<std::int32_t> out;
  for (const char letter : all) {
    out.push_back(letters.find(letter) == std::string_view::npos ? 0 : static_cast<std::int32_t>(value));
  }
  return out;
}

void emit_keys(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const bool has_experts = build.arch == "nemotron_h_moe";
  build.set("context_length", kAnyLength);
  build.set("attention.head_count_kv", per_layer(config, "*P", config.kv_head_count()));
  build.set("rope.dimension_count", static_cast<std::uint32_t>(config.head_dim()));
  const std::uint64_t heads = config.need_uint("mamba_num_heads|num_heads");
  const std::uint64_t inner = heads * config.need_uint("mamba_head_dim");
  build.set("ssm.conv_kernel", static_cast<std::uint32_t>(config.need_uint("conv_kernel|d_conv")));
  build.set("ssm.state_size", static_cast<std::uint32_t>(config.need_uint("ssm_state_size|state_size")));
  build.set("ssm.group_count", static_cast<std::uint32_t>(mamba2_groups(config)));
  build.set("ssm.inner_size", static_cast<std::uint32_t>(inner));
  build.set("ssm.time_step_rank", static_cast<std::uint32_t>(heads));
  build.set("rope.scaling.finetuned", false);
  const auto predicted = config.uint("prediction_layers").value_or(0);
  if (predicted > 0) build.set("nextn_predict_layers", static_cast<std::uint32_t>(predicted));
  if (!has_experts) {
    build.set("feed_forward_length", per_layer(config, "-", config.need_uint("intermediate_size|n_inner")));
    // The tokenizer's post-processor adds the token although its configuration does not say so.
    build.keys.set("tokenizer.ggml.add_bos_token", true);
    return;
  }
  build.set("feed_forward_length", per_layer(config, "EP", config.need_uint("moe_intermediate_size")));
}

char letter_of(const ModelConfig& config, std::uint64_t layer) {
  const std::string letters = config.text("layer_letters").value_or("");
  return layer < letters.size() ? letters[layer] : '?';
}

template <char letter>
bool is_kind(const ModelConfig& config, std::uint64_t layer) {
  return letter_of(config, layer) == letter;
}

/// The prediction layer attends and has experts.
bool attends(const ModelConfig& config, std::uint64_t layer) {
  return is_kind<'*'>(config, layer) || is_kind<'P'>(config, layer);
}

bool has_experts(const ModelConfig& config, std::uint64_t layer) {
  return is_kind<'E'>(config, layer) || is_kind<'P'>(config, layer);
}

bool has_shared_experts(const ModelConfig& config, std::uint64_t layer) {
  return has_experts(config, layer) && config.uint("n_shared_experts").value_or(0) > 0;
}

bool has_latent_experts(const ModelConfig& config, std::uint64_t layer) {
  return has_experts(config, layer) && config.uint("moe_latent_size").value_or(0) > 0;
}

}  // namespace

ArchSpec nemotron_h() {
  ArchSpec spec;
  spec.classes = {"NemotronHForCausalLM"};
  spec.gguf_name = "nemotron_h";
  spec.tokenizer = bpe_tokenizer();
  spec.optional_prefix = "backbone.";
  spec.defaults = R"({"layer_norm_epsilon": 1e-5, "norm_eps": 1e-5, "max_position_embeddings": 4096,
                      "conv_kernel": 4})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          u32_key("vocab_size", "vocab_size"),
          computed_keys(emit_keys),
          optional_key(u32_key("expert_feed_forward_length", "moe_intermediate_size")),
          optional_key(u32_key("expert_shared_feed_forward_length", "moe_shared_expert_intermediate_size")),
          optional_key(u32_key("expert_shared_count", "n_shared_experts")),
          optional_key(bool_key("expert_weights_norm", "norm_topk_prob")),
          optional_key(f32_key("expert_weights_scale", "routed_scaling_factor")),
          optional_key(u32_key("moe_latent_size", "moe_latent_size")),
      },
  });
  spec.tensors = joined<TensorRule>({
      {
          {"backbone.embeddings.weight", "token_embd.weight"},
          {"backbone.norm_f.weight", "output_norm.weight"},
          {"lm_head.weight", "output.weight", nullptr, "?"},
          {"backbone.layers.{L}.norm.weight", "blk.{L}.attn_norm.weight"},
      },
      needed_as("layer:mamba", mamba2_mixer(MixerNames::backbone)),
      needed_as("layer:attention",
                {
                    {"backbone.layers.{L}.mixer.q_proj.{W}", "blk.{L}.attn_q.{W}", rope_query_rows},
                    {"backbone.layers.{L}.mixer.k_proj.{W}", "blk.{L}.attn_k.{W}", rope_key_rows},
                    {"backbone.layers.{L}.mixer.v_proj.{W}", "blk.{L}.attn_v.{W}"},
                    {"backbone.layers.{L}.mixer.o_proj.{W}", "blk.{L}.attn_output.{W}"},
                }),
      needed_as("layer:mlp",
                {
                    {"backbone.layers.{L}.mixer.up_proj.{W}", "blk.{L}.ffn_up.{W}"},
                    {"backbone.layers.{L}.mixer.down_proj.{W}", "blk.{L}.ffn_down.{W}"},
                }),
      needed_as(
          "layer:experts",
          {
              {"backbone.layers.{L}.mixer.gate.weight", "blk.{L}.ffn_gate_inp.weight"},
              {"backbone.layers.{L}.mixer.experts.{E}.up_proj.weight", "blk.{L}.ffn_up_exps.weight"},
              {"backbone.layers.{L}.mixer.experts.{E}.down_proj.weight", "blk.{L}.ffn_down_exps.weight"},
              {"backbone.layers.{L}.mixer.gate.e_score_correction_bias", "blk.{L}.exp_probs_b.bias", nullptr,
               "?"},
              {"backbone.layers.{L}.mixer.shared_experts.up_proj.weight", "blk.{L}.ffn_up_shexp.weight",
               nullptr, "?"},
              {"backbone.layers.{L}.mixer.shared_experts.down_proj.weight", "blk.{L}.ffn_down_shexp.weight",
               nullptr, "?"},
              {"backbone.layers.{L}.mixer.fc1_latent_proj.weight", "blk.{L}.ffn_latent_down.weight", nullptr,
               "?"},
              {"backbone.layers.{L}.mixer.fc2_latent_proj.weight", "blk.{L}.ffn_latent_up.weight", nullptr,
               "?"},
          }),
  });
  spec.tensors = joined<TensorRule>({
      spec.tensors,
      needed_as(
          "?",
          {
              {"backbone.layers.{L}.enorm.weight", "blk.{L}.nextn.enorm.weight"},
              {"backbone.layers.{L}.hnorm.weight", "blk.{L}.nextn.hnorm.weight"},
              {"backbone.layers.{L}.eh_proj.weight", "blk.{L}.nextn.eh_proj.weight"},
              {"backbone.layers.{L}.final_layernorm.weight", "blk.{L}.nextn.shared_head_norm.weight"},
              {"backbone.layers.{L}.post_attention_layernorm.weight", "blk.{L}.post_attention_norm.weight"},
          }),
  });
  spec.skips = {{"mtp.*", "prediction layers, of which config.json does not tell"}};
  spec.adapt = adapt;
  spec.parts = {
      {"layer:mamba", is_kind<'M'>},
      {"layer:attention", attends},
      {"layer:mlp", is_kind<'-'>},
      {"layer:experts", has_experts},
      {"blk.{L}.ssm_norm.weight", is_kind<'M'>},
      {"blk.{L}.exp_probs_b.bias", has_experts},
      {"blk.{L}.post_attention_norm.weight", is_kind<'P'>},
      {"blk.{L}.ffn_up_shexp.weight", has_shared_experts},
      {"blk.{L}.ffn_down_shexp.weight", has_shared_experts},
      {"blk.{L}.ffn_latent_down.weight", has_latent_experts},
      {"blk.{L}.ffn_latent_up.weight", has_latent_experts},
  };
  spec.rename = rename_prediction;
  return spec;
}

}  // namespace qtz::arch
