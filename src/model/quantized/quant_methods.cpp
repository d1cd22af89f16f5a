#include "model/quantized/quant_methods.h"

#include <algorithm>

#include "model/folder_file.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz {

namespace {

/// A "quant_method" and who reads its tensors, in this order.
struct QuantMethod {
  std::string_view name;
  std::vector<void (*)(DecodeBuild&)> readers;
  bool lossy;  ///< few enough bits that the 16-bit original is worth looking for
};

const std::vector<QuantMethod>& quant_methods() {
  static const std::vector<QuantMethod> kMethods = {
      {"fp8", {decode_microscaled, decode_scaled_weights}, false},
      {"fbgemm_fp8", {decode_scaled_weights}, false},
      {"compressed-tensors", {decode_microscaled, decode_packed_integers, decode_scaled_weights}, true},
      {"modelopt", {decode_microscaled, decode_scaled_weights}, true},
      {"mxfp4", {decode_microscaled}, false},
      {"gptq", {decode_gptq}, true},
      {"awq", {decode_awq}, true},
      {"auto-round", {decode_auto_round}, true},
      {"intel/auto-round", {decode_auto_round}, true},
      {"bitsandbytes", {decode_bitsandbytes}, true},
      {"bitnet", {decode_bitnet}, false},
  };
  return kMethods;
}

/// Names of numbers that only kernels with quantized activations or caches use.
constexpr std::string_view kActivationScales[] = {
    "activation_scale",
    ".input_scale",
    ".input_global_scale",
    ".qscale_act",
    ".q_scale",
    ".k_scale",
    ".v_scale",
    ".output_scale",
    ".prob_output_scale",
    ".input_zero_point",
    ".weight_scale_inv_2",
};

/// How the weights are stored, and where that is said.
struct Settings {
  JsonValue values;  ///< null: nothing says that they are quantized
  std::string where;
};

constexpr JsonLimits kSmall{.max_bytes = 4u << 20, .max_depth = 16};

JsonValue object_or_null(const JsonValue* value) {
  return value != nullptr && value->is_object() ? *value : JsonValue();
}

Settings find_settings(const ModelConfig& config, const std::filesystem::path& folder) {
  for (const std::string_view field : {"quantization_config", "compression_config"}) {
    if (const auto found = config.find(field)) {
      if (!found->value->is_object()) config.refuse(field, "is not an object");
      Settings settings{*found->value, config.where() + ": '" + std::string(field) + "'"};
      const JsonValue* producer = settings.values.find("producer");
      if (settings.values.find("quant_method") == nullptr && producer != nullptr) {
        if (const JsonValue* name = producer->find("name")) settings.values.set("quant_method", *name);
      }
      return settings;
    }
  }
  // Before the settings moved into config.json each tool had a file of its own.
  struct OwnFile {
    std::string_view name, method;
  };
  for (const OwnFile& own : {OwnFile{"hf_quant_config.json", "modelopt"},
                             OwnFile{"quantize_config.json", "gptq"}, OwnFile{"quant_config.json", "awq"}}) {
    const std::filesystem::path path = folder / own.name;
    if (!has_file(path)) continue;
    const JsonValue document = read_folder_json(path, kSmall);
    JsonValue values = object_or_null(document.find("quantization"));
    if (values.is_null()) values = object_or_null(&document);
    const std::string where = printable(path.native());
    if (values.is_null()) throw Error(ErrorKind::input_invalid, where + ": is not an object");
    if (values.find("quant_method") == nullptr) values.set("quant_method", own.method);
    return {std::move(values), where};
  }
  return {};
}

const QuantMethod& find_method(const ModelConfig& settings) {
  const std::string name = settings.text("quant_method").value_or("");
  const auto& all = quant_methods();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const QuantMethod& method) { return method.name == name; });
  if (found != all.end()) return *found;
  std::string known;
  for (const QuantMethod& method : all) known += (known.empty() ? "" : ", ") + std::string(method.name);
  throw Error(ErrorKind::input_invalid,
              settings.where() + ": the weights are quantized with " +
                  (name.empty() ? "an unnamed method" : "'" + printable(name) + "'") +
                  ", which qtz cannot read",
              "use the model's 16-bit original; known are " + known);
}

void leave_out_activation_scales(DecodeBuild& build) {
  for (const TensorInfo* tensor : build.left()) {
    for (const std::string_view suffix : kActivationScales) {
      if (!tensor->name.ends_with(suffix)) continue;
      build.leave_out(*tensor, kActivationReason);
      break;
    }
  }
}

}  // namespace

DecodedCheckpoint decode_checkpoint(const TensorSource& stored, const ModelConfig& config,
                                    const std::filesystem::path& folder,
                                    void (*first)(DecodeBuild&, const ModelConfig&), bool keeps_blocks) {
  Settings found = find_settings(config, folder);
  if (found.values.is_null()) return {CheckpointTensors(stored), {}, {}, {}};
  const ModelConfig settings(std::move(found.values), found.where);
  const QuantMethod& method = find_method(settings);
  DecodeBuild build(stored, settings, keeps_blocks);
  if (first != nullptr) first(build, config);
  for (const auto reader : method.readers) reader(build);
  leave_out_activation_scales(build);

  const std::string count = std::to_string(build.count());
  if (build.count() == 0) {
    return {CheckpointTensors(stored),
            {},
            {},
            {settings.where() + " names the method '" + std::string(method.name) +
             "', but no tensor is stored that way; all are taken as they are"}};
  }
  if (config.class_name().starts_with("GPT2")) {
    // Its Conv1D matrices are stored transposed; quantizers turn them, some of them square.
    settings.refuse("quant_method", "quantized GPT-2 models cannot be read; use the 16-bit original");
  }
  std::vector<std::string> notes = {"weights: " + count + " tensors are quantized already (" +
                                    std::string(method.name) + ")" +
                                    (keeps_blocks ? "" : " and decoded while they are read")};
  std::vector<std::string> warnings;
  if (method.lossy) {
    warnings.push_back(settings.where() + ": the weights were quantized before (" + std::string(method.name) +
                       "); what that lost stays lost, a 16-bit original gives a better model");
  }
  std::vector<std::string> skipped = std::move(build.skipped());
  return {std::move(build).finish(), std::move(skipped), std::move(notes), std::move(warnings)};
}

}  // namespace qtz
