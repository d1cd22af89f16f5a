// From file type, rules and options to the type of every tensor, with the reason.
#include <algorithm>

#include "file_types.h"
#include "mix_facts.h"
#include "mix_rules.h"
#include "tensor_role.h"

namespace qtz {
namespace {

bool holds_numbers(DType type) noexcept {
  return traits(type).encodable || is_quantized(type) || type == DType::f64;
}

bool is_half(DType type) noexcept {
  return type == DType::f16 || type == DType::bf16;
}

const TypeRule* first_match(const std::vector<TypeRule>& rules, std::string_view name) {
  const auto found = std::find_if(rules.begin(), rules.end(),
                                  [&](const TypeRule& rule) { return rule.pattern.search(name); });
  return found == rules.end() ? nullptr : &*found;
}

TensorChoice by_rule(const TypeRule& rule, const std::string& origin) {
  return {rule.type, origin + rule.pattern.pattern(), false, false, &rule};
}

/// A type whose blocks fit the row, walking down the list of substitutes.
TensorChoice fit_to_row(TensorChoice choice, std::uint64_t cols) {
  const DType wanted = choice.type;
  while (cols % traits(choice.type).block_elems != 0) {
    const DType next = traits(choice.type).fallback;
    choice.type = next == choice.type ? DType::f16 : next;
  }
  if (choice.type == wanted) return choice;
  choice.fallback = true;
  choice.why = "fallback from " + std::string(name_of(wanted)) + ": rows of " + std::to_string(cols) +
               " are not a multiple of " + std::to_string(traits(wanted).block_elems);
  return choice;
}

class TypeChooser {
 public:
  TypeChooser(const FileType& file_type, std::span<const ModelTensor> tensors, const KvList& metadata,
              const ModelOrigin& origin, const TypeOptions& options)
      : file_type_(file_type),
        origin_(origin),
        options_(options),
        facts_(read_mix_facts(metadata)),
        keeps_rest_(file_type.default_type == DType::nvfp4 && !options.pure && any_stored_as_nvfp4(tensors)),
        rules_(setting(tensors), facts_) {}

  TensorChoice choose(const ModelTensor& tensor) {
    const Shape& shape = tensor.expr->shape();
    if (!holds_numbers(tensor.expr->dtype())) {
      return {tensor.unquantized, "not numbers to quantize", true};
    }
    if (const auto why = never_quantized(tensor.name, shape, origin_.generic)) {
      return {unquantized_type(tensor), std::string(*why), true};
    }
    if (const TypeRule* rule = first_match(options_.tensor_rules, tensor.name)) {
      return fit_to_row(by_rule(*rule, "--tensor-type "), shape.cols());
    }
    if (const TypeRule* rule = first_match(options_.recipe, tensor.name)) {
      return fit_to_row(by_rule(*rule, "recipe "), shape.cols());
    }
    if (keeps_blocks(tensor)) return {tensor.unquantized, "stored in these blocks, copied without loss"};
    return fit_to_row(without_rules(tensor), shape.cols());
  }

 private:
  static bool any_stored_as_nvfp4(std::span<const ModelTensor> tensors) {
    return std::any_of(tensors.begin(), tensors.end(),
                       [](const ModelTensor& tensor) { return tensor.expr->dtype() == DType::nvfp4; });
  }

  /// Checkpoints that were trained in blocks GGUF has (MXFP4): any other type only loses. A GGUF's blocks are
  /// the mix's business, as they are llama-quantize's.
  bool keeps_blocks(const ModelTensor& tensor) const noexcept {
    return origin_.keeps_blocks && is_quantized(tensor.expr->dtype());
  }

  MixRules::Setting setting(std::span<const ModelTensor> tensors) const {
    const auto role_count = [&](TensorRole role) {
      return static_cast<std::uint64_t>(
          std::count_if(tensors.begin(), tensors.end(),
                        [&](const ModelTensor& each) { return role_of(each.name) == role; }));
    };
    return {.mix = mix_of(file_type_),
            .base = file_type_.default_type,
            .has_importance = origin_.has_importance,
            .tied_embeddings = role_count(TensorRole::output) == 0,
            .values = role_count(TensorRole::attention_value)};
  }

  bool writes_blocks() const noexcept { return traits(file_type_.default_type).block_elems > 1; }

  /// A 16-bit or F32 file made from a hub folder is the converter's: one float type for all that is not F32
  /// by rule. Otherwise tensors that are not quantized keep the type they have.
  DType unquantized_type(const ModelTensor& tensor) const noexcept {
    const bool converts = !origin_.from_gguf && !writes_blocks() && is_half(tensor.unquantized);
    return converts ? file_type_.default_type : tensor.unquantized;
  }

  /// Output and embedding options, then the mix.
  TensorChoice without_rules(const ModelTensor& tensor) {
    const TensorRole role = role_of(tensor.name);
    if (role == TensorRole::output) {
      if (options_.leave_output_tensor) return {unquantized_type(tensor), "--leave-output-tensor"};
      if (options_.output_tensor_type) return {*options_.output_tensor_type, "--output-tensor-type"};
    }
    if (role == TensorRole::token_embedding && options_.token_embedding_type) {
      return {*options_.token_embedding_type, "--token-embedding-type"};
    }
    const std::string base(name_of(file_type_.default_type));
    if (!writes_blocks()) {
      // What the converter keeps in F32 stays so, even where llama-quantize would shrink it.
      const bool converters = !origin_.from_gguf && !origin_.generic;
      if (converters && tensor.unquantized == DType::f32) return {DType::f32, "F32 in every 16-bit file"};
      return {file_type_.default_type, "all " + base};
    }
    if (options_.pure) return {file_type_.default_type, "pure " + base};
    // Whoever made those blocks left the others whole on purpose, and the converter does so, too.
    if (keeps_rest_) return {tensor.unquantized, "as in a 16-bit file: not stored in blocks of NVFP4"};
    const bool tied = rules_.tied_embeddings();
    if (role == TensorRole::token_embedding && tied && options_.output_tensor_type) {
      return {*options_.output_tensor_type, "--output-tensor-type, as the embedding is the output too"};
    }
    const std::string label = "mix " + std::string(file_type_.name) + ": ";
    if (const auto pick = rules_.next(role, tensor.name, tensor.expr->shape())) {
      return {pick->type, label + std::string(role_name(role)) + ", " + std::string(pick->why)};
    }
    return {file_type_.default_type, label + "base type"};
  }

  const FileType& file_type_;
  const ModelOrigin& origin_;
  const TypeOptions& options_;
  MixFacts facts_;
  const bool keeps_rest_;  ///< tensors that are no blocks of NVFP4 beside those that are
  MixRules rules_;
};

}  // namespace

std::vector<TensorChoice> choose_types(const FileType& file_type, std::span<const ModelTensor> tensors,
                                       const KvList& metadata, const ModelOrigin& origin,
                                       const TypeOptions& options) {
  TypeChooser chooser(file_type, tensors, metadata, origin, options);
  std::vector<TensorChoice> choices;
  choices.reserve(tensors.size());
  for (const ModelTensor& tensor : tensors) choices.push_back(chooser.choose(tensor));
  return choices;
}

}  // namespace qtz
