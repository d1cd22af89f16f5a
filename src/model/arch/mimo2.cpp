// MiMo V2: windowed layers with more key and value heads than the others and with sinks, values narrower than
// keys, leading dense layers, sigmoid-routed experts; prediction layers ("model.mtp.layers.N") are kept.
#include <algorithm>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/deepseek_family.h"
#include "model/arch/qwen_family.h"
#include "model/config_parts.h"
#include "model/name_pattern.h"
#include "model/quantized/decode_build.h"
#include "model/quantized/packed_ops.h"
#include "model/tensor_ops.h"
#include "model/tensor_rules.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

/// Which layers slide; prediction layers do.
std::vector<std::int32_t> sliding_layers(const ModelConfig& config) {
  std::vector<std::int32_t> out;
  for (const std::uint64_t flag : config.uints("hybrid_layer_pattern")) {
    if (flag > 1) config.refuse("hybrid_layer_pattern", "holds something that is not 0 or 1");
    out.push_back(static_cast<std::int32_t>(flag));
  }
  const std::uint64_t predicted = config.uint("prediction_layers").value_or(0);
  if (out.size() + predicted != config.block_count()) {
    config.refuse("hybrid_layer_pattern", "has " + std::to_string(out.size()) + " entries for " +
                                              std::to_string(config.block_count() - predicted) + " layers");
  }
  out.resize(config.block_count(), 1);
  return out;
}

/// llama.cpp has one head size for both kinds of layers.
void require_equal(const ModelConfig& config, std::string_view sliding, std::string_view full) {
  const auto value = config.uint(sliding);
  if (value && *value != config.need_uint(full)) {
    config.refuse(sliding, "is " + std::to_string(*value) + ", but '" + std::string(full) + "' is " +
                               std::to_string(config.need_uint(full)) + "; llama.cpp needs both the same");
  }
}

void emit_keys(ArchBuild& build) {
  const ModelConfig& config = build.config;
  require_equal(config, "swa_head_dim", "head_dim");
  require_equal(config, "swa_num_attention_heads", "num_attention_heads");
  require_equal(config, "swa_v_head_dim", "v_head_dim");
  const std::vector<std::int32_t> slides = sliding_layers(config);
  const auto full = static_cast<std::int32_t>(config.need_uint("num_key_value_heads"));
  const auto windowed = static_cast<std::int32_t>(config.need_uint("swa_num_key_value_heads"));
  std::vector<std::int32_t> heads;
  heads.reserve(slides.size());
  for (const std::int32_t flag : slides) heads.push_back(flag == 1 ? windowed : full);
  build.set("attention.head_count_kv", heads);
  build.set("attention.sliding_window_pattern", slides);
  const double part = config.rope_number(config.rope(), "partial_rotary_factor").value_or(1.0);
  build.set("rope.dimension_count",
            static_cast<std::uint32_t>(static_cast<double>(config.head_dim()) * part));
  const auto predicted = config.uint("prediction_layers").value_or(0);
  if (predicted > 0) build.set("nextn_predict_layers", static_cast<std::uint32_t>(predicted));
}

/// "model.mtp.layers.0.eh_proj.weight" to "model.layers.48.eh_proj.weight"
std::string rename_prediction(std::string name, const ModelConfig& config) {
  constexpr std::string_view kBias = "attention_sink_bias";
  if (name.ends_with(kBias)) name += ".weight";
  return rename_mtp(std::move(name), config);
}

/// The published models have three prediction layers, which their configurations do not tell of.
constexpr std::uint64_t kPredictionLayers = 3;

void adapt(ArchSpec& spec, ModelConfig& config, const TensorSource& source) {
  if (!source.tensors().empty()) return count_mtp_layers(spec, config, source);
  config.set("trunk_layers", config.block_count());
  config.set("prediction_layers", kPredictionLayers);
  config.set("num_hidden_layers", config.block_count() + kPredictionLayers);
}

bool predicts(const ModelConfig& config, std::uint64_t layer) {
  return layer >= first_prediction_layer(config);
}

bool has_experts(const ModelConfig& config, std::uint64_t layer) {
  return !predicts(config, layer) && layer_has_experts(config, layer);
}

bool has_sinks(const ModelConfig& config, std::uint64_t layer) {
  const bool slides = sliding_layers(config)[layer] == 1;
  return config.boolean(slides ? "add_swa_attention_sink_bias" : "add_full_attention_sink_bias")
      .value_or(false);
}

bool is_fused(const ModelConfig& config, std::uint64_t) {
  return config.class_name() == "MiMoV2ForCausalLM";
}

std::vector<PartRule> parts() {
  return {
      {"qkv:fused", is_fused},
      {"qkv:apart", [](const ModelConfig& config, std::uint64_t layer) { return !is_fused(config, layer); }},
      {"norm:prediction", predicts},
      {"norm:trunk", [](const ModelConfig& config, std::uint64_t layer) { return !predicts(config, layer); }},
      {"ffn:fused", never},
      {"ffn:experts", has_experts},
      {"ffn:dense",
       [](const ModelConfig& config, std::uint64_t layer) { return !has_experts(config, layer); }},
      {"blk.{L}.attn_sinks.weight", has_sinks},
      {"blk.{L}.exp_probs_b.bias", has_experts},
      {"blk.{L}.nextn.embed_tokens.weight", never},
      {"blk.{L}.nextn.shared_head_*", never},
  };
}

constexpr std::uint64_t kBlock = 128;

std::uint64_t blocks_in(std::uint64_t size) {
  return (size + kBlock - 1) / kBlock;
}

/// In how many shards a fused projection was quantized, each with blocks of its own; the larger where two
/// fit.
std::uint64_t shards_of(std::uint64_t rows, std::uint64_t scale_rows) {
  for (const std::uint64_t shards : {std::uint64_t{8}, std::uint64_t{4}}) {
    if (rows % shards == 0 && scale_rows == shards * blocks_in(rows / shards)) return shards;
  }
  return 0;
}

/// FP8 of MiMo V2.5: query, key and value rows lie shard by shard as they were on the machines of its
/// training. They become all of q, all of k, all of v.
void join_shards(DecodeBuild& build, const ModelConfig& config) {
  const std::vector<std::uint64_t> pattern = config.uints("hybrid_layer_pattern");
  for (const TensorInfo* scale : build.left()) {
    const std::string_view base = before(scale->name, "_scale_inv");
    const std::string name = canonical_name(base);
    const auto match = match_name("model.layers.{L}.self_attn.qkv_proj.weight", name);
    const TensorInfo* weight = match ? build.find(base) : nullptr;
    if (weight == nullptr || *match->layer >= pattern.size()) continue;
    const bool slides = pattern[*match->layer] == 1;
    const std::uint64_t kv = config.need_uint(slides ? "swa_num_key_value_heads" : "num_key_value_heads");
    const std::uint64_t sizes[] = {config.head_count() * config.head_dim(), kv * config.head_dim(),
                                   kv * config.need_uint("v_head_dim")};
    const std::uint64_t rows = sizes[0] + sizes[1] + sizes[2];
    const Shape& shape = weight->shape;
    const Shape& factors = scale->shape;
    if (weight->dtype != DType::f8_e4m3 || shape.rank() != 2 || shape[0] != rows) {
      build.refuse(*weight,
                   "should be F8_E4M3 with " + std::to_string(rows) + " rows of queries, keys and values");
    }
    const std::uint64_t shards = factors.rank() == 2 ? shards_of(rows, factors[0]) : 0;
    const bool divides = shards > 0 && std::all_of(std::begin(sizes), std::end(sizes),
                                                   [&](std::uint64_t size) { return size % shards == 0; });
    if (!divides || !is_plain(scale->dtype) || factors[1] != blocks_in(shape[1])) {
      build.refuse(*scale, "should have blocks of 128 x 128 for '" + printable(weight->name) + "' " +
                               shape.to_string() + " in 4 or 8 shards");
    }
    const TensorExprPtr codes = build.take(*weight);
    const TensorExprPtr scales = build.take(*scale);
    const std::uint64_t height = rows / shards;
    const std::uint64_t blocks = blocks_in(height);
    std::vector<TensorExprPtr> parts[3];
    for (std::uint64_t shard = 0; shard < shards; ++shard) {
      const TensorExprPtr values =
          scaled(sliced(codes, 0, shard * height, height), sliced(scales, 0, shard * blocks, blocks),
                 {height, kBlock, kBlock});
      std::uint64_t first = 0;
      for (std::size_t part = 0; part < 3; ++part) {
        parts[part].push_back(sliced(values, 0, first, sizes[part] / shards));
        first += sizes[part] / shards;
      }
    }
    build.give(*weight, weight->name, concatenated(joined<TensorExprPtr>({parts[0], parts[1], parts[2]})));
  }
}

}  // namespace

ArchSpec mimo2() {
  ArchSpec spec;
  spec.classes = {"MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM"};
  spec.gguf_name = "mimo2";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"layernorm_epsilon": 1e-5})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          computed_keys(emit_keys),
          u32_key("attention.sliding_window", "sliding_window"),
          u32_key("attention.value_length", "v_head_dim"),
          u32_key("expert_feed_forward_length", "moe_intermediate_size"),
          f32_key("attention.layer_norm_rms_epsilon", "layernorm_epsilon"),
          optional_key(f32_key("attention.value_scale", "attention_value_scale")),
      },
  });
  spec.tensors = joined<TensorRule>({
      trunk(),
      {
          {"model.layers.{L}.input_layernorm.{W}", "blk.{L}.attn_norm.{W}"},
          {"model.layers.{L}.self_attn.q_proj.{W}", "blk.{L}.attn_q.{W}", nullptr, "qkv:apart"},
          {"model.layers.{L}.self_attn.k_proj.{W}", "blk.{L}.attn_k.{W}", nullptr, "qkv:apart"},
          {"model.layers.{L}.self_attn.v_proj.{W}", "blk.{L}.attn_v.{W}", nullptr, "qkv:apart"},
          {"model.layers.{L}.self_attn.qkv_proj.{W}", "blk.{L}.attn_qkv.{W}", nullptr, "qkv:fused"},
          {"model.layers.{L}.self_attn.o_proj.{W}", "blk.{L}.attn_output.{W}"},
          {"model.layers.{L}.self_attn.attention_sink_bias.weight", "blk.{L}.attn_sinks.weight", nullptr,
           "?"},
          {"model.layers.{L}.post_attention_layernorm.{W}", "blk.{L}.ffn_norm.{W}", nullptr, "norm:trunk"},
          {"model.layers.{L}.pre_mlp_layernorm.{W}", "blk.{L}.ffn_norm.{W}", nullptr, "norm:prediction"},
          {"model.layers.{L}.final_layernorm.{W}", "blk.{L}.layer_output_norm.{W}", nullptr, "?"},
          {"model.layers.{L}.mlp.gate.e_score_correction_bias", "blk.{L}.exp_probs_b.bias", nullptr, "?"},
      },
      experts(),
      gated_mlp(),
      prediction_layer(),
  });
  spec.decode = join_shards;
  spec.parts = parts();
  spec.adapt = adapt;
  spec.rename = rename_prediction;
  return spec;
}

}  // namespace qtz::arch
