// Finding out what an input is.
#include <array>

#include "model/folder_file.h"
#include "model/general_metadata.h"
#include "model/mistral_params.h"
#include "model/model_parts.h"
#include "qtz/core/error.h"
#include "qtz/core/json.h"

namespace qtz {

namespace {

namespace fs = std::filesystem;

bool is_gguf(const fs::path& path) {
  if (path.extension() == ".gguf") return true;
  const InputFile file(path);
  std::array<std::byte, 4> magic{};
  if (file.size() < magic.size()) return false;
  file.read(0, magic);
  constexpr std::array kMagic{std::byte{'G'}, std::byte{'G'}, std::byte{'U'}, std::byte{'F'}};
  return magic == kMagic;
}

/// Diffusers keep a config.json too, but it describes no language model.
bool is_model_config(const fs::path& path) {
  std::vector<std::string> shown_later;
  const JsonValue document = read_model_config(path, shown_later);
  const bool has_class = document.find("architectures") != nullptr;
  if (path.filename() == "params.json") return has_class;
  return document.find("_class_name") == nullptr || has_class;
}

[[noreturn]] void refuse_as_adapter(const fs::path& path) {
  throw Error(ErrorKind::input_invalid, printable(path.native()) + ": this is a LoRA adapter, not a model",
              "merge it into its base model first, or convert it with llama.cpp's convert_lora_to_gguf.py");
}

void refuse_adapter(const fs::path& folder) {
  if (!has_file(folder / "adapter_config.json") || has_file(folder / "config.json")) return;
  refuse_as_adapter(folder);
}

/// The same by what is stored: PEFT's names, and those of programs that train image models.
void refuse_adapter_weights(const fs::path& path, const SafetensorsSource& source) {
  constexpr std::string_view kMarks[] = {".lora_A.", ".lora_B.", ".lora_up.", ".lora_down."};
  for (const TensorInfo& tensor : source.tensors()) {
    for (const std::string_view mark : kMarks) {
      if (tensor.name.find(mark) != std::string::npos) refuse_as_adapter(path);
    }
  }
}

/// What llama.cpp keeps in GGUF files beside models.
void refuse_part_of_model(const fs::path& path, const GgufModel& model) {
  const auto text = [&](std::string_view key) {
    const GgufValue* value = model.metadata.find(key);
    const std::string* found = value != nullptr ? value->as_string() : nullptr;
    return found != nullptr ? *found : std::string();
  };
  if (text("general.type") == "adapter") {
    throw Error(
        ErrorKind::input_invalid,
        printable(path.native()) + ": this is a LoRA adapter, not a model (general.type)",
        "it is used as it is beside a quantized model; convert_lora_to_gguf.py --outtype makes it smaller");
  }
  if (text("general.type") == "mmproj" || model.architecture == "clip") {
    throw Error(ErrorKind::input_invalid,
                printable(path.native()) + ": this is a multimodal projector, not a language model",
                "llama-quantize takes it; llama.cpp's convert_hf_to_gguf.py --mmproj --outtype q8_0 makes a "
                "small one from the model's folder");
  }
}

/// Without its configuration a language model has neither architecture nor tokenizer: as a generic GGUF it
/// would look whole and be of no use. Weights that are no language model's may have none.
void refuse_lost_config(const fs::path& folder, const SafetensorsSource& source) {
  std::string sign;
  std::error_code error;
  for (fs::directory_iterator at(folder, error); !error && at != fs::directory_iterator();
       at.increment(error)) {
    const std::string name = at->path().filename().native();
    if (name.starts_with("tokenizer") && (sign.empty() || name < sign)) sign = name;
  }
  for (const TensorInfo& tensor : source.tensors()) {
    if (!sign.empty()) break;
    if (tensor.name.find("model.layers.") != std::string::npos) sign = "tensor '" + tensor.name + "'";
  }
  if (sign.empty()) return;
  throw Error(
      ErrorKind::input_missing,
      printable(folder.native()) + ": config.json is missing, but this is a language model (it has " +
          printable(sign) + ")",
      "fetch config.json from where the weights come from; for a generic GGUF of the bare weights, name "
      "the .safetensors file or give --arch");
}

GgufModel open_any(const fs::path& input, const ModelOptions& options) {
  std::error_code error;
  const fs::file_status status = fs::status(input, error);
  if (!fs::exists(status)) {
    const bool absent = status.type() == fs::file_type::not_found;
    throw Error(ErrorKind::input_missing,
                printable(input.native()) + ": " + (absent ? "no such file or folder" : error.message()));
  }
  const bool is_folder = fs::is_directory(status);
  if (!is_folder && is_gguf(input)) {
    GgufModel model = open_gguf_model(std::make_shared<const GgufSource>(input), options);
    refuse_part_of_model(input, model);
    return model;
  }
  const fs::path parent = input.has_parent_path() ? input.parent_path() : fs::path(".");
  const fs::path folder = is_folder ? input : parent;
  if (is_folder) refuse_adapter(folder);
  const auto source = std::make_shared<const SafetensorsSource>(input);
  const fs::path config = model_config_path(folder);
  if (!config.empty() && is_model_config(config)) {
    return open_folder_model(folder, source, options);
  }
  refuse_adapter_weights(input, *source);
  // A file that is named is what is wanted; an index stands for its folder.
  const bool names_file = !is_folder && input.extension() == ".safetensors";
  if (!names_file && !options.architecture && !has_file(folder / "config.json"))
    refuse_lost_config(folder, *source);
  std::string name = is_folder ? folder_model_id(folder) : input.stem().native();
  return open_generic_model(name, source, options);
}

}  // namespace

GgufModel open_model(const fs::path& input, const ModelOptions& options) {
  GgufModel model = open_any(input, options);
  if (model.tensors.empty()) {
    throw Error(ErrorKind::input_invalid, printable(input.native()) + ": holds no tensors",
                "check that this is the file or folder you mean, and that it is complete");
  }
  return model;
}

}  // namespace qtz
