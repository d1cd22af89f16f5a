#include "model/config_outline.h"

#include <algorithm>
#include <set>

#include "model/config_parts.h"
#include "model/name_pattern.h"
#include "model/prediction_layers.h"
#include "model/shape_check.h"
#include "qtz/core/checked.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

constexpr std::size_t kNamesShown = 8;

/// A tensor of weights that are not here.
class Promised final : public TensorExpr {
 public:
  Promised(std::string name, Shape shape, DType type)
      : TensorExpr(std::move(shape), type), name_(std::move(name)) {}

  void read_rows(std::uint64_t, std::uint64_t, std::span<std::byte>) const override {
    throw Error(ErrorKind::input_invalid, "tensor '" + printable(name_) + "' is planned without its weights");
  }
  std::uint64_t staging_bytes(std::uint64_t) const override { return 0; }
  void collect_inputs(std::vector<const TensorInfo*>&) const override {}

 private:
  std::string name_;
};

/// The experts' weights are published as MXFP4, which GGUF keeps.
bool has_mxfp4_experts(const ModelConfig& config) {
  if (config.text("expert_dtype") == "fp4") return true;
  const auto method = config.find("quantization_config");
  const JsonValue* format = method ? method->value->find("format") : nullptr;
  const std::string* name = format != nullptr ? format->as_string() : nullptr;
  return name != nullptr && *name == "mxfp4-pack-quantized";
}

bool has_layers(std::string_view pattern) {
  return pattern.find("{L}") != std::string_view::npos;
}

class Outline {
 public:
  Outline(ArchBuild& build, const ArchSpec& spec, DType weights)
      : build_(build), spec_(spec), weights_(weights), mxfp4_experts_(has_mxfp4_experts(build.config)) {}

  void draw() {
    for (const TensorRule& rule : spec_.tensors) {
      const bool serves = build_.first_layer == 0 || serves_prediction(rule.target);
      if (!has_layers(rule.target) && serves) draw(rule, 0);
    }
    for (std::uint64_t layer = build_.first_layer; layer < build_.config.block_count(); ++layer) {
      for (const TensorRule& rule : spec_.tensors) {
        if (has_layers(rule.target)) draw(rule, layer);
      }
      if (open_.size() > kNamesShown) break;
    }
    if (!open_.empty()) refuse();
  }

 private:
  void draw(const TensorRule& rule, std::uint64_t layer) {
    const bool both = rule.target.find("{W}") != std::string_view::npos;
    add(rule, fill_name(rule.target, NameMatch{layer, 0, "weight"}), layer, false);
    if (both) add(rule, fill_name(rule.target, NameMatch{layer, 0, "bias"}), layer, true);
  }

  void add(const TensorRule& rule, std::string name, std::uint64_t layer, bool optional_bias) {
    if (drawn_.count(name) > 0 || !chosen(rule.needed, layer)) return;
    // A table that says when a tensor is needed is overruled by its own architecture alone.
    auto told = own_answer(spec_, build_.config, name, layer);
    if (!told && (optional_bias || rule.needed == "?")) told = common_answer(build_.config, name, layer);
    if (told.has_value() ? !*told : optional_bias) return;
    if (!told && rule.needed == "?") return leave_open(name);
    const auto shape = expected_shape(build_, name);
    if (!shape || !is_countable(*shape)) return leave_open(name);
    build_.tensors.emplace_back(name, std::make_shared<Promised>(name, *shape, type_of(rule)));
    drawn_.insert(std::move(name));
  }

  /// Whether the layer chooses one of "ffn:experts|ffn:fused".
  bool chosen(std::string_view needed, std::uint64_t layer) {
    if (needed.empty() || needed == "?") return true;
    while (!needed.empty()) {
      const auto bar = std::min(needed.find('|'), needed.size());
      const std::string_view alternative = needed.substr(0, bar);
      auto told = own_answer(spec_, build_.config, alternative, layer);
      if (!told) told = common_answer(build_.config, alternative, layer);
      if (!told) leave_open(std::string(alternative));
      if (told.value_or(false)) return true;
      needed.remove_prefix(std::min(bar + 1, needed.size()));
    }
    return false;
  }

  static bool is_countable(const Shape& shape) {
    std::optional<std::uint64_t> elements = 1;
    for (const std::uint64_t dim : shape.dims()) {
      if (elements) elements = checked_mul(*elements, dim);
    }
    return elements && *elements < (std::uint64_t{1} << 60);
  }

  /// The type that the weights are published in, of which GGUF keeps integers, MXFP4 and, where the
  /// architecture has it so, F32: parameters that belong to no layer of their own are stored so.
  DType type_of(const TensorRule& rule) const {
    constexpr std::string_view kWeight = ".weight";
    if (rule.integers) return DType::i32;
    const bool of_experts = rule.target.find("_exps.") != std::string_view::npos;
    if (rule.source.ends_with("_blocks") || (of_experts && mxfp4_experts_)) return DType::mxfp4;
    if (spec_.stored_floats && !rule.source.ends_with(kWeight)) return DType::f32;
    return weights_;
  }

  void leave_open(std::string what) {
    if (std::find(open_.begin(), open_.end(), what) == open_.end()) open_.push_back(std::move(what));
  }

  [[noreturn]] void refuse() const {
    std::string listed;
    for (std::size_t i = 0; i < std::min(open_.size(), kNamesShown); ++i) {
      listed += (i > 0 ? ", '" : "'") + printable(open_[i]) + "'";
    }
    if (open_.size() > kNamesShown) listed += " and more";
    throw Error(ErrorKind::input_invalid,
                build_.config.where() + ": does not tell by itself whether or how large these parts of '" +
                    std::string(build_.arch) + "' are: " + listed,
                "plan the folder with the weights instead, without --config-only");
  }

  ArchBuild& build_;
  const ArchSpec& spec_;
  const DType weights_;
  const bool mxfp4_experts_;
  std::set<std::string> drawn_;
  std::vector<std::string> open_;
};

}  // namespace

void outline_tensors(ArchBuild& build, const ArchSpec& spec, DType weights) {
  Outline(build, spec, weights).draw();
}

}  // namespace qtz
