#include "model/key_check.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace qtz {

namespace {

/// Without these llama.cpp does not load a file, or computes with zeros.
struct NeededKey {
  std::string_view key;
  std::string_view field;  ///< what most configurations call it
  std::string_view with;   ///< needed when an output tensor's name has this in it; empty: always
};

constexpr NeededKey kNeeded[] = {
    {"block_count", "num_hidden_layers", ""},
    {"context_length", "max_position_embeddings", ""},
    {"embedding_length", "hidden_size", ""},
    {"attention.head_count", "num_attention_heads", ".attn_output."},
    {"feed_forward_length", "intermediate_size", ".ffn_up."},
    {"expert_count", "num_experts", "_exps."},
    {"expert_used_count", "num_experts_per_tok", "_exps."},
};

/// Rotary angles are powers of these.
constexpr std::string_view kRopeBases[] = {"rope.freq_base", "rope.freq_base_swa"};

constexpr std::string_view kEpsilons[] = {"attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"};

/// Fields of f32 keys that architectures compute from more than one place.
std::string_view field_of(std::string_view key) {
  if (std::find(std::begin(kRopeBases), std::end(kRopeBases), key) != std::end(kRopeBases))
    return "rope_theta";
  if (key == kEpsilons[0]) return "rms_norm_eps";
  if (key == kEpsilons[1]) return "layer_norm_epsilon";
  return key;
}

/// The field under the name this configuration has for it, or `field`.
std::string own_name(const ModelConfig& config, std::string_view field) {
  if (field == "rms_norm_eps") field = "rms_norm_eps|norm_eps|layer_norm_epsilon|layernorm_epsilon";
  if (field == "layer_norm_epsilon") field = "layer_norm_epsilon|layer_norm_eps|norm_epsilon|norm_eps";
  const auto found = config.find(field);
  return found ? found->name : std::string(field.substr(0, field.find('|')));
}

bool has_tensor(const ArchBuild& build, std::string_view part) {
  return std::any_of(build.tensors.begin(), build.tensors.end(),
                     [&](const auto& tensor) { return tensor.first.find(part) != std::string::npos; });
}

const GgufValue* find_key(const ArchBuild& build, std::string_view key) {
  return build.keys.find(std::string(build.arch) + "." + std::string(key));
}

void check_number(const ArchBuild& build, std::string_view key, float value) {
  const ModelConfig& config = build.config;
  if (!std::isfinite(value)) {
    config.refuse(own_name(config, field_of(key)),
                  "is not finite in single precision, in which '" + std::string(key) + "' is written");
  }
  const auto is_one_of = [&](std::span<const std::string_view> keys) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  if ((is_one_of(kEpsilons) || is_one_of(kRopeBases)) && !(value > 0)) {
    config.refuse(own_name(config, field_of(key)), "is not positive in single precision");
  }
}

}  // namespace

void check_keys(const ArchBuild& build) {
  for (const NeededKey& needed : kNeeded) {
    const bool wanted = needed.with.empty() || has_tensor(build, needed.with);
    if (!wanted || find_key(build, needed.key) != nullptr) continue;
    build.config.refuse(needed.field, "is missing, but '" + std::string(needed.key) + "' is needed");
  }
  const auto is_there = [&](std::string_view key) { return find_key(build, key) != nullptr; };
  if (std::none_of(std::begin(kEpsilons), std::end(kEpsilons), is_there)) {
    build.config.refuse("rms_norm_eps", "is missing, but the norms need an epsilon");
  }
  const std::string prefix = std::string(build.arch) + ".";
  for (const KvList::Entry& entry : build.keys.entries()) {
    if (!entry.key.starts_with(prefix)) continue;
    const float* number = std::get_if<float>(&entry.value.storage());
    if (number != nullptr) check_number(build, std::string_view(entry.key).substr(prefix.size()), *number);
  }
}

}  // namespace qtz
