#include "qtz/formats/imatrix.h"

#include <algorithm>
#include <charconv>

#include "formats/imatrix_reader.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz {
namespace {

bool starts_as_gguf(const InputFile& file) {
  char magic[4] = {};
  if (file.size() < sizeof magic) return false;
  file.read(0, std::as_writable_bytes(std::span(magic)));
  return std::string_view(magic, sizeof magic) == "GGUF";
}

ImatrixContent read_content(const InputFile& file) {
  const std::string shown = printable(file.path().native());
  if (file.size() == 0)
    throw Error(ErrorKind::input_invalid, shown + " is empty", "fetch or make the file again");
  if (file.size() > kImatrixMaxBytes) {
    throw Error(ErrorKind::input_invalid, shown + " has " + format_bytes(file.size()) +
                                              "; importance matrices of at most " +
                                              format_bytes(kImatrixMaxBytes) + " are read");
  }
  return starts_as_gguf(file) ? read_imatrix_gguf(file) : read_imatrix_legacy(file);
}

/// The name of a data set without the folders of the machine it was on, Windows' too.
std::string without_folders(const std::string& name) {
  const auto slash = name.find_last_of("/\\");
  return slash == std::string::npos ? name : name.substr(slash + 1);
}

std::string shortest(float value) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

}  // namespace

bool settle_importance(std::span<float> values, const std::string& subject) {
  const auto largest = std::max_element(values.begin(), values.end());
  if (largest == values.end()) return true;
  if (*largest > kLargestImportance) {
    throw Error(ErrorKind::input_invalid,
                subject + " has the importance " + shortest(*largest) + " at position " +
                    std::to_string(largest - values.begin()) + ", which no activations have",
                "the matrix is damaged or was collected from a broken model; make it again");
  }
  if (*largest >= kSmallestImportance) return true;
  std::fill(values.begin(), values.end(), 1.0f);
  return false;
}

ImportanceMatrix::ImportanceMatrix(const std::filesystem::path& path) : file_(path) {
  ImatrixContent content = read_content(file_);
  file_.check_unchanged();
  entries_ = std::move(content.entries);
  chunks_ = content.chunks;
  warnings_ = std::move(content.warnings);
  for (const std::string& dataset : content.datasets) datasets_.push_back(without_folders(dataset));
}

std::span<const float> ImportanceMatrix::find(std::string_view tensor) const noexcept {
  const auto at = entries_.find(tensor);
  return at != entries_.end() ? std::span<const float>(at->second) : std::span<const float>();
}

std::vector<std::string> ImportanceMatrix::names() const {
  std::vector<std::string> names;
  names.reserve(entries_.size());
  for (const auto& [name, values] : entries_) names.push_back(name);
  return names;
}

}  // namespace qtz
