#include "model/reranker_hint.h"

#include "model/folder_file.h"
#include "qtz/core/error.h"
#include "qtz/core/input_file.h"
#include "qtz/core/text.h"

namespace qtz {

namespace {

constexpr std::uint64_t kLargestCard = std::uint64_t{16} << 20;
constexpr std::string_view kNames[] = {"qwen3-reranker", "qwen3-vl-reranker"};

bool names_reranker(std::string_view text, std::string_view before = {}) {
  const std::string lower = ascii_lower(text);
  for (const std::string_view name : kNames) {
    if (lower.find(std::string(before) + std::string(name)) != std::string::npos) return true;
  }
  return false;
}

/// The card's title.
bool card_names_reranker(const std::filesystem::path& card) {
  return has_file(card) && names_reranker(read_text_file(card, kLargestCard), "# ");
}

}  // namespace

std::optional<std::string> reranker_warning(std::string_view arch, const std::filesystem::path& folder,
                                            std::string_view folder_name, const JsonValue& config) {
  if (arch != "qwen3") return std::nullopt;
  const JsonValue* path = config.find("_name_or_path");
  std::string sign;
  if (names_reranker(folder_name)) {
    sign = "the folder's name";
  } else if (path != nullptr && path->is_string() && names_reranker(*path->as_string())) {
    sign = "config.json's '_name_or_path'";
  } else if (card_names_reranker(folder / "README.md")) {
    sign = "README.md";
  } else {
    return std::nullopt;
  }
  return sign +
         " calls this a Qwen3 reranker; it is made as a plain language model. As a reranker llama.cpp needs "
         "a classifier head (cls.output.weight), rank pooling, labels and a rerank template, which its own "
         "converter writes";
}

}  // namespace qtz
