#include "cli/output_name.h"

#include <algorithm>

#include "qtz/core/error.h"
#include "qtz/core/text.h"
#include "qtz/formats/gguf_split.h"

namespace qtz::cli {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTypeField = "{type}";

std::string folder_label(const fs::path& folder) {
  const std::string name = folder.filename().string();
  const fs::path snapshots = folder.parent_path();
  const std::string repository = snapshots.parent_path().filename().string();
  if (snapshots.filename() == "snapshots" && repository.starts_with("models--")) {
    return repository.substr(repository.rfind("--") + 2);
  }
  return name.empty() ? "model" : name;
}

std::string without_extension(const std::string& name, std::string_view extension) {
  if (name.size() <= extension.size() ||
      !equals_ignoring_case(name.substr(name.size() - extension.size()), extension)) {
    return name;
  }
  return name.substr(0, name.size() - extension.size());
}

std::string replace_type(std::string text, std::string_view type) {
  for (auto at = text.find(kTypeField); at != std::string::npos;
       at = text.find(kTypeField, at + type.size())) {
    text.replace(at, kTypeField.size(), type);
  }
  return text;
}

}  // namespace

void refuse_stream(std::string_view what, std::string_view flag, std::string_view output) {
  const bool names_stream = output == "-" || output == "/dev/stdout" || output == "/dev/stderr" ||
                            output.starts_with("/dev/fd/") || output.starts_with("/proc/self/fd/");
  if (!names_stream) return;
  const std::string name = output == "-" ? "standard output" : printable(output);
  throw Error(ErrorKind::usage, std::string(what) + " cannot be written to " + name,
              "name a file with " + std::string(flag));
}

std::string model_label(const fs::path& input) {
  std::error_code ignored;
  fs::path path = fs::absolute(input, ignored).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // "folder/"
  if (fs::is_directory(path, ignored)) return folder_label(path);
  const std::string name = path.filename().string();
  const bool beside_config = fs::exists(path.parent_path() / "config.json", ignored);
  if (name.ends_with(".json") || (name.ends_with(".safetensors") && beside_config)) {
    return folder_label(path.parent_path());
  }
  // A shard stands for the whole model; only output_paths gives outputs numbers.
  if (const auto split = parse_split_file_name(name); split && !split->stem.empty()) return split->stem;
  return without_extension(without_extension(name, ".safetensors"), ".gguf");
}

std::vector<fs::path> output_names(const fs::path& input, const std::string& output,
                                   std::span<const std::string_view> types, std::string_view prefix) {
  refuse_stream("an artifact", "-o", output);
  std::error_code ignored;
  const bool has_field = output.find(kTypeField) != std::string::npos;
  const bool is_folder =
      !output.empty() && !has_field && (output.back() == '/' || fs::is_directory(output, ignored));
  const bool several = types.size() > 1;
  if (several && !output.empty() && !has_field && !is_folder && ascii_lower(output).ends_with(".gguf")) {
    throw Error(
        ErrorKind::usage,
        "-o '" + printable(output) + "' names one file for " + std::to_string(types.size()) + " types",
        "name a folder, or write {type} where the type's name belongs");
  }
  const bool into_folder = is_folder || (several && !output.empty() && !has_field);

  std::vector<fs::path> names;
  for (const auto type : types) {
    const std::string by_default =
        std::string(prefix) + model_label(input) + "-" + std::string(type) + ".gguf";
    fs::path name = output.empty() ? fs::path(by_default)
                    : into_folder  ? fs::path(output) / by_default
                                   : fs::path(replace_type(output, type));
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      throw Error(ErrorKind::usage, "two outputs would be called '" + printable(name.string()) + "'",
                  "give each --type once");
    }
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace qtz::cli
