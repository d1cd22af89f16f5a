// DeciLM and Nemotron found by architecture search: Llama whose layers differ: in key heads, in the width of
// their MLP, without attention, with one matrix instead of attention, or without an MLP.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

constexpr double kLargest = 0x1p31;
constexpr std::uint64_t kMultiple = 256;

/// What one entry of block_configs says.
struct Layer {
  std::int32_t heads = 0;     ///< 0: no attention
  std::int32_t kv_heads = 0;  ///< 0 with heads: one matrix in place of attention
  std::int32_t ffn = 0;       ///< 0: no MLP
};

const JsonValue& member(const ModelConfig& config, const JsonValue& block, std::string_view name) {
  const JsonValue* value = block.find(name);
  if (value == nullptr || !value->is_object()) {
    config.refuse("block_configs", "has an entry without '" + std::string(name) + "'");
  }
  return *value;
}

std::int32_t feed_forward_size(const ModelConfig& config, const JsonValue& ffn) {
  const JsonValue* multiplier = ffn.find("ffn_mult");
  if (multiplier == nullptr || multiplier->is_null()) return 0;
  const double width =
      2 * multiplier->as_double().value_or(-1) * static_cast<double>(config.hidden_size()) / 3;
  if (!(width >= 0) || width >= kLargest - kMultiple) {
    config.refuse("block_configs", "has an 'ffn_mult' of " + printable(to_json(*multiplier, -1)));
  }
  const auto whole = static_cast<std::uint64_t>(width);
  return static_cast<std::int32_t>((whole + kMultiple - 1) / kMultiple * kMultiple);
}

std::vector<Layer> layers_of(const ModelConfig& config) {
  const auto blocks = config.find("block_configs");
  const JsonArray* list = blocks ? blocks->value->as_array() : nullptr;
  if (list == nullptr || list->size() != config.block_count()) {
    config.refuse("block_configs", "is not a list with an entry for each of the " +
                                       std::to_string(config.block_count()) + " layers");
  }
  const std::uint64_t all_heads = config.head_count();
  std::vector<Layer> out;
  for (const JsonValue& block : *list) {
    const JsonValue& attention = member(config, block, "attention");
    Layer layer;
    const JsonValue* in_group = attention.find("n_heads_in_group");
    const JsonValue* linear = attention.find("replace_with_linear");
    if (in_group != nullptr && !in_group->is_null()) {
      const auto heads = in_group->as_uint();
      if (!heads || *heads == 0 || all_heads % *heads != 0) {
        config.refuse("block_configs", "has an 'n_heads_in_group' of " + printable(to_json(*in_group, -1)) +
                                           " for " + std::to_string(all_heads) + " heads");
      }
      layer.heads = static_cast<std::int32_t>(all_heads);
      layer.kv_heads = static_cast<std::int32_t>(all_heads / *heads);
    } else if (linear != nullptr && linear->as_bool().value_or(false)) {
      layer.heads = static_cast<std::int32_t>(all_heads);
    }
    layer.ffn = feed_forward_size(config, member(config, block, "ffn"));
    out.push_back(layer);
  }
  return out;
}

std::vector<std::int32_t> column(const std::vector<Layer>& layers, std::int32_t Layer::*field) {
  std::vector<std::int32_t> out;
  for (const Layer& layer : layers) out.push_back(layer.*field);
  return out;
}

void emit_layers(ArchBuild& build) {
  const ModelConfig& config = build.config;
  if (config.has("block_configs")) {
    const std::vector<Layer> layers = layers_of(config);
    build.set("attention.head_count", column(layers, &Layer::heads));
    build.set("attention.head_count_kv", column(layers, &Layer::kv_heads));
    build.set("feed_forward_length", column(layers, &Layer::ffn));
    const auto per_head = static_cast<std::uint32_t>(config.hidden_size() / config.head_count());
    build.set("attention.key_length", per_head);
    build.set("attention.value_length", per_head);
  } else if (config.has("num_key_value_heads_per_layer")) {
    const std::vector<std::uint64_t> heads = config.uints("num_key_value_heads_per_layer");
    if (heads.size() != config.block_count()) {
      config.refuse("num_key_value_heads_per_layer", "has " + std::to_string(heads.size()) + " entries for " +
                                                         std::to_string(config.block_count()) + " layers");
    }
    build.set("attention.head_count_kv", std::vector<std::int32_t>(heads.begin(), heads.end()));
  }
}

/// Key heads differ from layer to layer: as many as the matrix has rows for; that it is the right number is
/// checked with its shape.
TensorExprPtr key_rows(TensorExprPtr input, const ArchBuild& build) {
  const std::uint64_t rows = input->shape().rank() == 0 ? 0 : input->shape()[0];
  const std::uint64_t dim = build.config.head_dim();
  if (rows == 0 || dim == 0 || dim % 2 != 0 || rows % dim != 0) {
    throw Error(ErrorKind::input_invalid,
                build.config.where() + ": " + describe(*input) + " does not divide into heads of " +
                    std::to_string(dim) + " rows",
                "check that config.json belongs to these weights");
  }
  return swapped_groups(std::move(input), 0, rows / dim, 2, dim / 2);
}

/// Layers have what their entry says and nothing else.
void check_layers(const ArchBuild& build) {
  if (!build.config.has("block_configs")) return;
  const std::vector<Layer> layers = layers_of(build.config);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto expect = [&](std::string_view part, bool wanted) {
      const std::string name = "blk." + std::to_string(i) + "." + std::string(part) + ".weight";
      if ((build.find_tensor(name) != nullptr) == wanted) return;
      build.config.refuse("block_configs", std::string("says that layer ") + std::to_string(i) + " has " +
                                               (wanted ? "a" : "no") + " tensor '" + name +
                                               "', but the weights say otherwise");
    };
    expect("attn_norm", layers[i].heads > 0);
    expect("attn_output", layers[i].heads > 0);
    for (const char* part : {"attn_q", "attn_k", "attn_v"}) expect(part, layers[i].kv_heads > 0);
    for (const char* part : {"ffn_norm", "ffn_gate", "ffn_up", "ffn_down"}) expect(part, layers[i].ffn > 0);
  }
}

void finish(ArchBuild& build) {
  check_layers(build);
  add_llama3_rope_factors(build);
}

/// Whether an entry of block_configs gives the layer such a part; without entries every layer has all.
template <std::int32_t Layer::*field>
bool has_part(const ModelConfig& config, std::uint64_t layer) {
  if (!config.has("block_configs")) return true;
  const std::vector<Layer> layers = layers_of(config);
  return layer < layers.size() && layers[layer].*field > 0;
}

/// The searched models state their keys themselves; DeciLM-7B is Llama with one list more.
void adapt(ArchSpec& spec, ModelConfig& config, const TensorSource&) {
  if (!config.has("block_configs")) return;
  spec.keys = joined<KeyRule>({
      {
          u32_key("block_count", "num_hidden_layers"),
          u32_key("context_length", "max_position_embeddings"),
          u32_key("embedding_length", "hidden_size"),
          rope_keys(),
          f32_key("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
          computed_keys(emit_layers),
      },
      vocabulary_and_rope_size(),
  });
  // Which tensors a layer has is checked against its entry.
  for (TensorRule& rule : spec.tensors) {
    if (rule.source.find("{L}") != std::string_view::npos) rule.needed = "?";
  }
}

}  // namespace

ArchSpec deci() {
  ArchSpec spec;
  spec.classes = {"DeciLMForCausalLM"};
  spec.gguf_name = "deci";
  spec.tokenizer = bpe_tokenizer();  // Llama 3's, or Llama 2's in its tokenizer.json
  spec.tokenizer.sources = {TokenizerSource::sentencepiece_json, TokenizerSource::byte_bpe};
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 2048})";
  spec.keys = joined<KeyRule>({standard_keys(), {computed_keys(emit_layers)}, vocabulary_and_rope_size()});
  std::vector<TensorRule> attention_rules = attention_permuted();
  attention_rules[2].transform = key_rows;
  spec.tensors = joined<TensorRule>({
      {{"rope_freqs.weight", "rope_freqs.weight", nullptr, "?"}},
      trunk(),
      attention_rules,
      {{"model.layers.{L}.self_attn.linear_attn.weight", "blk.{L}.attn_output.weight", nullptr, "?"}},
      mlp_norm(),
      gated_mlp(),
  });
  spec.parts = {
      {"blk.{L}.attn_norm.weight", has_part<&Layer::heads>},
      {"blk.{L}.attn_q.weight", has_part<&Layer::kv_heads>},
      {"blk.{L}.attn_k.weight", has_part<&Layer::kv_heads>},
      {"blk.{L}.attn_v.weight", has_part<&Layer::kv_heads>},
      {"blk.{L}.attn_output.weight", has_part<&Layer::heads>},
      {"blk.{L}.ffn_norm.weight", has_part<&Layer::ffn>},
      {"blk.{L}.ffn_gate.weight", has_part<&Layer::ffn>},
      {"blk.{L}.ffn_up.weight", has_part<&Layer::ffn>},
      {"blk.{L}.ffn_down.weight", has_part<&Layer::ffn>},
  };
  spec.adapt = adapt;
  spec.finish = finish;
  return spec;
}

}  // namespace qtz::arch
