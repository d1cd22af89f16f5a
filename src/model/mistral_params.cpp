#include "model/mistral_params.h"

#include "model/config_file.h"
#include "model/folder_file.h"

namespace qtz {

std::filesystem::path model_config_path(const std::filesystem::path& folder) {
  for (const char* name : {"config.json", "params.json"}) {
    if (has_file(folder / name)) return folder / name;
  }
  return {};
}

JsonValue read_model_config(const std::filesystem::path& path, std::vector<std::string>& warnings) {
  JsonValue document = read_config_file(path, warnings);
  // Other formats have a params.json, too; Mistral's has these two.
  const bool is_mistral = path.filename() == "params.json" && document.find("dim") != nullptr &&
                          document.find("n_layers") != nullptr;
  if (is_mistral) document.set("architectures", JsonArray{JsonValue(kMistralFormatClass)});
  return document;
}

}  // namespace qtz
