// A config.json without weights to a GGUF model that can be planned.
#include "model/config_outline.h"
#include "model/key_check.h"
#include "model/key_rules.h"
#include "model/mistral_params.h"
#include "model/model_assembly.h"
#include "model/prediction_layers.h"
#include "model/quantized/checkpoint_tensors.h"
#include "qtz/core/error.h"
#include "qtz/model/arch_spec.h"

namespace qtz {

namespace {

namespace fs = std::filesystem;

/// The configuration as the only input file, with no tensor in it.
class ConfigSource final : public TensorSource {
 public:
  explicit ConfigSource(const fs::path& config) { files_.emplace_back(config); }
  std::span<const TensorInfo> tensors() const override { return {}; }
  std::span<const InputFile> files() const override { return files_; }

 private:
  std::vector<InputFile> files_;
};

fs::path config_path(const fs::path& input) {
  std::error_code error;
  if (!fs::exists(input, error)) {
    throw Error(ErrorKind::input_missing, printable(input.native()) + ": no such file or folder");
  }
  if (!fs::is_directory(input, error)) return input;
  if (fs::path path = model_config_path(input); !path.empty()) return path;
  throw Error(ErrorKind::input_missing, printable(input.native()) + ": holds no config.json",
              "--config-only plans from a config.json, or from the folder that holds one");
}

/// Weights are published in the type that the configuration names.
DType weight_type(const ModelConfig& config) {
  const std::string name = config.text("dtype|torch_dtype").value_or("bfloat16");
  if (name == "float16") return DType::f16;
  return name == "float32" ? DType::f32 : DType::bf16;
}

void say_what_is_left_out(const ModelConfig& config, std::vector<std::string>& warnings) {
  for (const char* part : {"vision_config", "audio_config", "talker_config"}) {
    const JsonValue* found = config.stored().find(part);
    if (found == nullptr || !found->is_object()) continue;
    warnings.push_back(config.where() + ": the part of '" + part +
                       "' is not counted; a GGUF holds the language model");
  }
}

}  // namespace

GgufModel open_config(const fs::path& input, const ModelOptions& options) {
  const fs::path path = config_path(input);
  GgufModel model;
  const auto source = std::make_shared<const ConfigSource>(path);
  ModelConfig config(read_model_config(path, model.warnings), printable(path.native()));
  ArchSpec spec = choose_architecture(config, options, model.warnings);
  config.apply_defaults(spec.defaults);
  if (spec.adapt != nullptr) spec.adapt(spec, config, *source);

  model.source = source;
  model.architecture = std::string(spec.gguf_name);
  const CheckpointTensors none(*source);
  KvList keys;
  // Nothing else is looked for: a file has nothing in it.
  ArchBuild build{config, none, path, model.architecture, keys};
  build.token_count = config.need_uint("vocab_size");
  if (spec.prepare != nullptr) spec.prepare(config);
  settle_prediction_layers(spec, config, build, options.prediction_layers);
  config.check_plausible();
  apply_key_rules(build, spec.keys);
  outline_tensors(build, spec, weight_type(config));
  if (spec.finish != nullptr) spec.finish(build);
  check_keys(build);

  say_what_is_left_out(config, build.warnings);
  model.notes.push_back("from the configuration alone: the tokenizer's part of the file is not counted");
  GeneralSources general;
  const bool has_own_name = path.filename() != "config.json" && path.filename() != "params.json";
  general.fallback_name = has_own_name ? path.stem().native() : folder_model_id(path.parent_path());
  const DType type = weight_type(config);
  complete_model(model, build, spec, options, type == DType::f32 ? DType::f16 : type, std::move(general));
  return model;
}

}  // namespace qtz
