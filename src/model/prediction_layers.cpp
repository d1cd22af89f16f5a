#include "model/prediction_layers.h"

#include <algorithm>

#include "model/name_pattern.h"
#include "model/quantized/checkpoint_tensors.h"
#include "model/tensor_rules.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

constexpr std::string_view kShared[] = {"token_embd.weight", "output_norm.{W}", "output_norm.weight",
                                        "output.{W}", "output.weight"};

std::string_view word_of(PredictionLayers choice) {
  return choice == PredictionLayers::keep ? "keep" : choice == PredictionLayers::drop ? "drop" : "only";
}

bool is_offered(const PredictionChoices& choices, PredictionLayers choice) {
  switch (choice) {
    case PredictionLayers::keep:
      return choices.keep;
    case PredictionLayers::drop:
      return choices.drop;
    case PredictionLayers::only:
      return choices.only;
    case PredictionLayers::by_class:
      break;
  }
  return true;
}

std::string offered(const PredictionChoices& choices) {
  std::string words;
  for (const PredictionLayers each :
       {PredictionLayers::keep, PredictionLayers::drop, PredictionLayers::only}) {
    if (is_offered(choices, each))
      words += (words.empty() ? "--mtp " : ", --mtp ") + std::string(word_of(each));
  }
  return words;
}

/// Whether a stored tensor belongs to a layer past the trunk.
bool has_weights(const ArchSpec& spec, const ModelConfig& config, const ArchBuild& build,
                 std::uint64_t trunk) {
  const auto tensors = build.source.tensors();
  if (tensors.empty()) return true;  // a configuration alone: what it promises
  return std::any_of(tensors.begin(), tensors.end(), [&](const TensorInfo& tensor) {
    const std::string name = table_name(spec, config, tensor.name);
    const auto match = match_name("*layers.{L}.*", name);
    return match && *match->layer >= trunk && other_part(tensor.name).empty();
  });
}

[[noreturn]] void refuse_absent(const ModelConfig& config, PredictionLayers choice) {
  throw Error(
      ErrorKind::usage,
      config.where() + ": --mtp " + std::string(word_of(choice)) + ", but the model has no prediction layers",
      "leave --mtp out");
}

[[noreturn]] void refuse(const ArchSpec& spec, const ModelConfig& config, PredictionLayers choice) {
  const std::string class_name =
      config.class_name().empty() ? std::string(spec.gguf_name) : printable(config.class_name());
  const std::string words = offered(spec.prediction);
  throw Error(ErrorKind::usage,
              "--mtp " + std::string(word_of(choice)) + " cannot be done with models of class " + class_name,
              words.empty() ? "llama.cpp's converter has no choice for this class either; leave --mtp out"
                            : "there is " + words);
}

}  // namespace

bool serves_prediction(std::string_view target) {
  return std::find(std::begin(kShared), std::end(kShared), target) != std::end(kShared);
}

void refuse_prediction_choice(PredictionLayers choice, std::string_view what) {
  if (choice == PredictionLayers::by_class) return;
  throw Error(ErrorKind::usage,
              "--mtp " + std::string(word_of(choice)) + ": " + std::string(what) + " has no choice of layers",
              "give the model's folder, or leave --mtp out");
}

void settle_prediction_layers(ArchSpec& spec, ModelConfig& config, ArchBuild& build,
                              PredictionLayers choice) {
  if (!is_offered(spec.prediction, choice)) refuse(spec, config, choice);
  const std::uint64_t layers = config.uint("prediction_layers").value_or(0);
  if (layers == 0) {
    if (choice == PredictionLayers::by_class) return;
    refuse_absent(config, choice);
  }
  const std::uint64_t trunk = config.need_uint("trunk_layers");
  // What a configuration promises may have been left out of the weights; leaving it out is then no mistake.
  const bool wants = choice == PredictionLayers::keep || choice == PredictionLayers::only;
  if (wants && !has_weights(spec, config, build, trunk)) refuse_absent(config, choice);
  const bool drop =
      choice == PredictionLayers::drop || (choice == PredictionLayers::by_class && !spec.prediction.kept);
  if (drop) {
    config.set("num_hidden_layers", trunk);
    config.set("prediction_layers", std::uint64_t{0});
    config.set("num_nextn_predict_layers", JsonValue());
    spec.extra_layers_reason = choice == PredictionLayers::drop
                                   ? "multi-token prediction, left out as --mtp drop says"
                                   : "multi-token prediction; --mtp only makes a file of it";
  }
  if (choice == PredictionLayers::only) build.first_layer = trunk;
}

}  // namespace qtz
