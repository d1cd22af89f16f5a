#include "formats/safetensors_folder.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string_view>

#include "qtz/core/error.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndexSuffix = ".safetensors.index.json";
constexpr std::string_view kSuffix = ".safetensors";

std::string shown(const fs::path& path) {
  return printable(path.native());
}

/// Names in a folder, sorted: the order of a directory is nobody's promise.
std::vector<std::string> list_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().native());
  }
  if (error)
    throw Error(ErrorKind::input_missing, "cannot list folder " + shown(folder) + ": " + error.message());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> ending_with(const std::vector<std::string>& names, std::string_view suffix) {
  std::vector<std::string> found;
  std::copy_if(names.begin(), names.end(), std::back_inserter(found),
               [&](const std::string& name) { return name.ends_with(suffix); });
  return found;
}

/// "a, b, c and 4 more".
std::string enumerate(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 3; ++i) text += (i > 0 ? ", " : "") + printable(names[i]);
  if (names.size() > 3) text += " and " + std::to_string(names.size() - 3) + " more";
  return text;
}

/// True when the (sorted) names are STEM-00001-of-0000N to STEM-0000N-of-0000N for one stem, N being their
/// number.
bool is_complete_set(const std::vector<std::string>& names) {
  char tail[64];
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::snprintf(tail, sizeof tail, "-%05zu-of-%05zu.safetensors", i + 1, names.size());
    const std::size_t tail_size = std::string_view(tail).size();
    if (!names[i].ends_with(tail)) return false;
    if (names[i].size() != names[0].size() ||
        !names[i].starts_with(names[0].substr(0, names[0].size() - tail_size))) {
      return false;
    }
  }
  return true;
}

[[noreturn]] void fail_without_weights(const fs::path& folder, const std::vector<std::string>& names) {
  std::vector<std::string> pickles;
  for (const std::string_view suffix : {".bin", ".pt", ".pth", ".ckpt"}) {
    const auto found = ending_with(names, suffix);
    pickles.insert(pickles.end(), found.begin(), found.end());
  }
  if (!pickles.empty()) {
    throw Error(
        ErrorKind::input_invalid,
        "folder " + shown(folder) + " holds no .safetensors file, only other checkpoints (" +
            enumerate(pickles) + ")",
        "qtz does not read pickle files (.bin, .pt, .pth, .ckpt), because loading one runs code; convert "
        "them to safetensors first");
  }
  const auto ggufs = ending_with(names, ".gguf");
  if (!ggufs.empty()) {
    throw Error(
        ErrorKind::input_invalid,
        "folder " + shown(folder) + " holds no .safetensors file, only GGUF (" + enumerate(ggufs) + ")",
        "give the .gguf file itself");
  }
  const bool unfinished = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name.ends_with(".incomplete") || name.ends_with(".part");
  });
  throw Error(ErrorKind::input_missing, "folder " + shown(folder) + " holds no .safetensors file",
              unfinished ? "a download has not finished; fetch the model again" : "");
}

SafetensorsFiles find_in_folder(const fs::path& folder) {
  const auto names = list_names(folder);
  const auto has = [&](const std::string& name) {
    return std::binary_search(names.begin(), names.end(), name);
  };
  const auto weights = ending_with(names, kSuffix);
  const auto indexes = ending_with(names, kIndexSuffix);
  SafetensorsFiles found;
  if (has("model.safetensors.index.json")) {
    found.index = folder / "model.safetensors.index.json";
    if (has("model.safetensors")) {
      found.warnings.push_back(shown(folder) + " holds model.safetensors and an index; the index is used");
    }
  } else if (indexes.size() == 1) {
    found.index = folder / indexes[0];
  } else if (has("model.safetensors")) {
    found.files = {folder / "model.safetensors"};
  } else if (weights.size() == 1 || (!weights.empty() && is_complete_set(weights))) {
    for (const std::string& name : weights) found.files.push_back(folder / name);
  } else if (!indexes.empty()) {
    throw Error(ErrorKind::input_invalid,
                "folder " + shown(folder) + " holds several indexes (" + enumerate(indexes) + ")",
                "give the one you mean");
  } else if (!weights.empty()) {
    throw Error(ErrorKind::input_invalid,
                "folder " + shown(folder) + " holds several .safetensors files (" + enumerate(weights) +
                    ") that are no complete numbered set, and no index",
                "fetch model.safetensors.index.json, or give the file you mean");
  } else {
    fail_without_weights(folder, names);
  }
  return found;
}

}  // namespace

SafetensorsFiles find_safetensors(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return find_in_folder(path);
  if (error) throw Error(ErrorKind::input_missing, "cannot open " + shown(path) + ": " + error.message());
  SafetensorsFiles found;
  if (path.native().ends_with(".index.json")) {
    found.index = path;
  } else {
    found.files = {path};
  }
  return found;
}

}  // namespace qtz
