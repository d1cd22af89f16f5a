// DeepSeek 4: queries of low rank and one shared key-value head, compressed keys in most layers with an
// indexer in some, output projections in groups, residual streams that are mixed (hyper-connections), experts
// chosen by a table of tokens in the first layers. Prediction layers ("mtp.N") are a file of their own or
// nothing.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/deepseek_family.h"
#include "model/config_parts.h"
#include "model/expr_indices.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

void emit_keys(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const auto limit = static_cast<float>(config.need_number("swiglu_limit"));
  const std::vector<float> limits(config.block_count(), limit);
  build.set("swiglu_clamp_exp", limits);
  build.set("swiglu_clamp_shexp", limits);
  std::vector<std::int32_t> ratios;
  for (const std::uint64_t ratio : config.uints("compress_ratios")) {
    ratios.push_back(static_cast<std::int32_t>(ratio));
  }
  if (ratios.size() < config.block_count()) {
    config.refuse("compress_ratios", "has " + std::to_string(ratios.size()) + " entries for " +
                                         std::to_string(config.block_count()) + " layers");
  }
  build.set("attention.compress_ratios", ratios);
  const std::uint64_t streams = config.need_uint("hc_mult");
  const std::uint64_t size = config.hidden_size();
  if (streams == 0 || streams > 64) config.refuse("hc_mult", "is " + std::to_string(streams));
  build.set("embedding_length_out", static_cast<std::uint32_t>(size * streams));
  const auto predicted = config.uint("prediction_layers").value_or(0);
  if (predicted > 0) build.set("nextn_predict_layers", static_cast<std::uint32_t>(predicted));
}

/// How many tokens of the context become one compressed key; 0 in layers that compress nothing.
std::uint64_t compress_ratio(const ModelConfig& config, std::uint64_t layer) {
  const std::vector<std::uint64_t> ratios = config.uints("compress_ratios");
  return layer < ratios.size() ? ratios[layer] : 0;
}

/// Short spans overlap, so that two keys of each token are needed; they alone have an indexer.
constexpr std::uint64_t kOverlappingRatio = 4;

bool compresses(const ModelConfig& config, std::uint64_t layer) {
  return compress_ratio(config, layer) > 0;
}

bool has_indexer(const ModelConfig& config, std::uint64_t layer) {
  return compress_ratio(config, layer) == kOverlappingRatio;
}

bool routes_by_table(const ModelConfig& config, std::uint64_t layer) {
  return layer < config.uint("num_hash_layers").value_or(0);
}

bool routes_by_scores(const ModelConfig& config, std::uint64_t layer) {
  return !routes_by_table(config, layer);
}

/// For the shapes: how many keys of a token the compressor makes, layer by layer.
void count_overlaps(ModelConfig& config) {
  JsonArray overlaps;
  for (const std::uint64_t ratio : config.uints("compress_ratios")) {
    overlaps.emplace_back(ratio == kOverlappingRatio ? 2 : 1);
  }
  config.set("compressor_overlaps", std::move(overlaps));
}

TensorExprPtr expert_numbers(TensorExprPtr input, const ArchBuild& build) {
  return indices(std::move(input), build.config.expert_count(), "experts");
}

/// "mtp.0.attn.wq_a.weight" to "layers.43.attn.wq_a.weight". The head that mixes the streams is the model's
/// own in a file of prediction layers.
std::string rename_prediction(std::string name, const ModelConfig& config) {
  constexpr std::string_view kPrefix = "mtp.";
  if (!name.starts_with(kPrefix) || !config.has("trunk_layers")) return name;
  std::string_view rest = std::string_view(name).substr(kPrefix.size());
  std::uint64_t number = 0;
  std::size_t digits = 0;
  while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9' && digits < 6) {
    number = number * 10 + static_cast<std::uint64_t>(rest[digits++] - '0');
  }
  if (digits == 0 || digits == rest.size() || rest[digits] != '.') return name;
  rest.remove_prefix(digits + 1);
  const bool kept = config.uint("prediction_layers").value_or(0) > 0;
  if (kept && rest.starts_with("hc_head_")) return std::string(rest);
  constexpr std::string_view kOwn[] = {"e_proj.", "h_proj.", "enorm.", "hnorm."};
  std::string part(rest);
  for (const std::string_view own : kOwn) {
    if (rest.starts_with(own)) part = "nextn." + std::string(rest);
  }
  if (rest == "norm.weight") part = "nextn.shared_head_norm.weight";
  return "layers." + std::to_string(config.need_uint("trunk_layers") + number) + "." + part;
}

/// The projections of embedding and state lie side by side: [size, 2 x size].
void join_projections(ArchBuild& build) {
  for (std::uint64_t layer = build.first_layer; layer < build.config.block_count(); ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".nextn.";
    const TensorExprPtr embedding = build.find_tensor(block + "e_proj.weight");
    const TensorExprPtr state = build.find_tensor(block + "h_proj.weight");
    if (embedding == nullptr && state == nullptr) continue;
    if (embedding == nullptr || state == nullptr || embedding->shape().rank() != 2 ||
        embedding->shape() != state->shape()) {
      throw Error(ErrorKind::input_invalid,
                  build.config.where() + ": the weights of prediction layer " + std::to_string(layer) +
                      " lack a pair of equal projections e_proj and h_proj",
                  "download the model again");
    }
    std::erase_if(build.tensors, [&](const auto& tensor) {
      return tensor.first == block + "e_proj.weight" || tensor.first == block + "h_proj.weight";
    });
    build.tensors.emplace_back(block + "eh_proj.weight",
                               transposed(concatenated({transposed(embedding), transposed(state)})));
  }
}

std::vector<TensorRule> layer_rules() {
  std::vector<TensorRule> rules = {
      {"layers.{L}.attn_norm.weight", "blk.{L}.attn_norm.weight"},
      {"layers.{L}.attn.attn_sink", "blk.{L}.attn_sinks.weight"},
      {"layers.{L}.attn.wq_a.weight", "blk.{L}.attn_q_a.weight"},
      {"layers.{L}.attn.wq_b.weight", "blk.{L}.attn_q_b.weight"},
      {"layers.{L}.attn.q_norm.weight", "blk.{L}.attn_q_a_norm.weight"},
      {"layers.{L}.attn.wkv.weight", "blk.{L}.attn_kv.weight"},
      {"layers.{L}.attn.kv_norm.weight", "blk.{L}.attn_kv_a_norm.weight"},
      {"layers.{L}.attn.wo_a.weight", "blk.{L}.attn_output_a.weight"},
      {"layers.{L}.attn.wo_b.weight", "blk.{L}.attn_output_b.weight"},
      {"layers.{L}.hc_attn_fn", "blk.{L}.hc_attn_fn.weight"},
      {"layers.{L}.hc_attn_base", "blk.{L}.hc_attn_base.weight"},
      {"layers.{L}.hc_attn_scale", "blk.{L}.hc_attn_scale.weight"},
      {"layers.{L}.hc_ffn_fn", "blk.{L}.hc_ffn_fn.weight"},
      {"layers.{L}.hc_ffn_base", "blk.{L}.hc_ffn_base.weight"},
      {"layers.{L}.hc_ffn_scale", "blk.{L}.hc_ffn_scale.weight"},
      {"layers.{L}.ffn_norm.weight", "blk.{L}.ffn_norm.weight"},
      {"layers.{L}.ffn.gate.weight", "blk.{L}.ffn_gate_inp.weight"},
      {"layers.{L}.ffn.gate.bias", "blk.{L}.exp_probs_b.bias", nullptr, "route:scores"},
      {"layers.{L}.ffn.gate.tid2eid", "blk.{L}.ffn_gate_tid2eid.weight", expert_numbers, "route:table"},
      {"layers.{L}.ffn.experts.{E}.w1.weight", "blk.{L}.ffn_gate_exps.weight"},
      {"layers.{L}.ffn.experts.{E}.w2.weight", "blk.{L}.ffn_down_exps.weight"},
      {"layers.{L}.ffn.experts.{E}.w3.weight", "blk.{L}.ffn_up_exps.weight"},
      {"layers.{L}.ffn.shared_experts.w1.weight", "blk.{L}.ffn_gate_shexp.weight"},
      {"layers.{L}.ffn.shared_experts.w2.weight", "blk.{L}.ffn_down_shexp.weight"},
      {"layers.{L}.ffn.shared_experts.w3.weight", "blk.{L}.ffn_up_shexp.weight"},
  };
  for (TensorRule& rule : rules) rule.integers = rule.transform == expert_numbers;
  return rules;
}

std::vector<TensorRule> layer_options() {
  return needed_as(
      "?", {
               {"layers.{L}.attn.compressor.ape", "blk.{L}.attn_compressor_ape.weight"},
               {"layers.{L}.attn.compressor.wkv.weight", "blk.{L}.attn_compressor_kv.weight"},
               {"layers.{L}.attn.compressor.wgate.weight", "blk.{L}.attn_compressor_gate.weight"},
               {"layers.{L}.attn.compressor.norm.weight", "blk.{L}.attn_compressor_norm.weight"},
               {"layers.{L}.attn.indexer.wq_b.weight", "blk.{L}.indexer.attn_q_b.weight"},
               {"layers.{L}.attn.indexer.weights_proj.weight", "blk.{L}.indexer.proj.weight"},
               {"layers.{L}.attn.indexer.compressor.ape", "blk.{L}.indexer_compressor_ape.weight"},
               {"layers.{L}.attn.indexer.compressor.wkv.weight", "blk.{L}.indexer_compressor_kv.weight"},
               {"layers.{L}.attn.indexer.compressor.wgate.weight", "blk.{L}.indexer_compressor_gate.weight"},
               {"layers.{L}.attn.indexer.compressor.norm.weight", "blk.{L}.indexer_compressor_norm.weight"},
               {"layers.{L}.nextn.e_proj.weight", "blk.{L}.nextn.e_proj.weight"},
               {"layers.{L}.nextn.h_proj.weight", "blk.{L}.nextn.h_proj.weight"},
               {"layers.{L}.nextn.enorm.weight", "blk.{L}.nextn.enorm.weight"},
               {"layers.{L}.nextn.hnorm.weight", "blk.{L}.nextn.hnorm.weight"},
               {"layers.{L}.nextn.shared_head_norm.weight", "blk.{L}.nextn.shared_head_norm.weight"},
               {"layers.{L}.nextn.embed_tokens.weight", "blk.{L}.nextn.embed_tokens.weight"},
               {"layers.{L}.nextn.shared_head_head.weight", "blk.{L}.nextn.shared_head_head.weight"},
           });
}

}  // namespace

ArchSpec deepseek4() {
  ArchSpec spec;
  spec.classes = {"DeepseekV4ForCausalLM"};
  spec.gguf_name = "deepseek4";
  spec.tokenizer = bpe_tokenizer();
  spec.optional_prefix = {};
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "routed_scaling_factor": 1.5,
                      "norm_topk_prob": true, "swiglu_limit": 10.0, "scoring_func": "sqrtsoftplus"})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          u32_key("rope.dimension_count", "qk_rope_head_dim"),
          u32_key("attention.q_lora_rank", "q_lora_rank"),
          u32_key("attention.sliding_window", "sliding_window"),
          u32_key("expert_feed_forward_length", "moe_intermediate_size"),
          u32_key("expert_shared_count", "n_shared_experts"),
          f32_key("expert_weights_scale", "routed_scaling_factor"),
          bool_key("expert_weights_norm", "norm_topk_prob"),
          u32_key("attention.indexer.head_count", "index_n_heads"),
          u32_key("attention.indexer.key_length", "index_head_dim"),
          u32_key("attention.indexer.top_k", "index_topk"),
          u32_key("attention.output_group_count", "o_groups"),
          u32_key("attention.output_lora_rank", "o_lora_rank"),
          f32_key("attention.compress_rope_freq_base", "compress_rope_theta"),
          u32_key("hyper_connection.count", "hc_mult"),
          u32_key("hyper_connection.sinkhorn_iterations", "hc_sinkhorn_iters"),
          f32_key("hyper_connection.epsilon", "hc_eps"),
          u32_key("hash_layer_count", "num_hash_layers"),
          computed_keys(emit_keys),
      },
  });
  spec.tensors = joined<TensorRule>({
      {
          {"embed.weight", "token_embd.weight"},
          {"norm.weight", "output_norm.weight"},
          {"head.weight", "output.weight", nullptr, "?"},
          {"hc_head_fn", "output_hc_fn.weight"},
          {"hc_head_base", "output_hc_base.weight"},
          {"hc_head_scale", "output_hc_scale.weight"},
      },
      layer_rules(),
      layer_options(),
  });
  spec.prediction = {.kept = false, .keep = false, .drop = true, .only = true};
  spec.stored_floats = true;
  spec.parts = {
      {"route:table", routes_by_table},
      {"route:scores", routes_by_scores},
      {"blk.{L}.exp_probs_b.bias", routes_by_scores},
      {"blk.{L}.attn_compressor_*", compresses},
      {"blk.{L}.indexer.*", has_indexer},
      {"blk.{L}.indexer_compressor_*", has_indexer},
      {"blk.{L}.nextn.embed_tokens.weight", never},
      {"blk.{L}.nextn.shared_head_head.weight", never},
  };
  spec.prepare = [](ModelConfig& config) {
    count_prediction_layers(config);
    count_overlaps(config);
  };
  spec.rename = rename_prediction;
  spec.finish = join_projections;
  return spec;
}

}  // namespace qtz::arch
