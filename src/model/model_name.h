// Taking a model's name apart: "Org/Qwen2.5-7B-Instruct-v2" has a basename, a size, a finetune, a version.
// The rules are those of llama.cpp's converter (gguf-py metadata heuristics), so that general.* keys agree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace qtz {

struct NameParts {
  std::optional<std::string> full_name;  ///< without the organization
  std::optional<std::string> organization;
  std::optional<std::string> basename;
  std::optional<std::string> finetune;
  std::optional<std::string> version;
  std::optional<std::string> size_label;
};

/// `id` is a hub id, a folder name, or any text with spaces (then it is only a name). `parameters` decides
/// whether "7B" or "128k" is this model's size; 0 accepts any.
NameParts split_model_id(std::string_view id, std::uint64_t parameters);

/// "gemma-2b-it" to "Gemma 2b It": words in title case unless they hold capitals, start with a digit or are a
/// version.
std::string title_of(std::string_view id);

/// "2.2M", "8x7B": two significant digits at least. With experts: their number, times shared plus one
/// expert's weights.
std::string size_label_of(std::uint64_t parameters);

}  // namespace qtz
