#include "model/key_rules.h"

#include <cmath>

#include "qtz/core/error.h"

namespace qtz {

namespace {

float single_precision(const ModelConfig& config, std::string_view field) {
  const auto value = static_cast<float>(config.need_number(field));
  if (!std::isfinite(value)) config.refuse(field, "is not finite in single precision");
  return value;
}

GgufValue copied(const ModelConfig& config, const KeyRule& rule, const ModelConfig::Field& field) {
  switch (rule.kind) {
    case KeyRule::Kind::u32:
      if (field.value->is_array()) {
        // Per-layer values are stored as signed numbers.
        std::vector<std::int32_t> values;
        for (const std::uint64_t value : config.uints(field.name))
          values.push_back(static_cast<std::int32_t>(value));
        return values;
      }
      return static_cast<std::uint32_t>(config.need_uint(field.name));
    case KeyRule::Kind::f32:
      return single_precision(config, field.name);
    case KeyRule::Kind::boolean:
      return *config.boolean(field.name);
    case KeyRule::Kind::text:
      break;
  }
  return *config.text(field.name);
}

}  // namespace

void ArchBuild::set(std::string_view key, GgufValue value) {
  keys.set(std::string(arch) + "." + std::string(key), std::move(value));
}

TensorExprPtr ArchBuild::find_tensor(std::string_view name) const {
  for (const auto& [tensor, expr] : tensors) {
    if (tensor == name) return expr;
  }
  return nullptr;
}

void apply_key_rules(ArchBuild& build, std::span<const KeyRule> rules) {
  for (const KeyRule& rule : rules) {
    if (rule.emit != nullptr) {
      rule.emit(build);
      continue;
    }
    const auto field = build.config.find(rule.fields);
    if (field) {
      build.set(rule.key, copied(build.config, rule, *field));
    } else if (!rule.optional) {
      build.config.refuse(rule.fields.substr(0, rule.fields.find('|')), "is missing");
    }
  }
}

}  // namespace qtz
