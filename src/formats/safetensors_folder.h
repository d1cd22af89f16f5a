// Which files a path stands for: a file itself, an index, or what a model folder holds.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace qtz {

/// What to open for a path given by a person.
struct SafetensorsFiles {
  std::filesystem::path index;               ///< empty without an index
  std::vector<std::filesystem::path> files;  ///< without an index: one file, or a complete numbered set
  std::vector<std::string> warnings;
};

/// A file whose name ends with ".index.json" is an index, any other file is itself. In a folder the first of
/// these wins: model.safetensors.index.json, the only other *.safetensors.index.json, model.safetensors, the
/// only *.safetensors, a complete set STEM-0000i-of-0000N.safetensors. Throws input_missing, or input_invalid
/// with what is there instead.
SafetensorsFiles find_safetensors(const std::filesystem::path& path);

}  // namespace qtz
