#include "qtz/formats/imatrix.h"

#include <algorithm>
#include <charconv>

#include "formats/imatrix_reader.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz {
namespace {

/// The mean of a squared activation is far from both. Above, the sums of the encoders overflow and write
/// blocks that are not numbers; what is below everywhere would make them write zeros.
constexpr float kLargestImportance = 1e15f;
constexpr float kSmallestImportance = 1e-20f;

bool starts_as_gguf(const InputFile& file) {
  char magic[4] = {};
  if (file.size() < sizeof magic) return false;
  file.read(0, std::as_writable_bytes(std::span(magic)));
  return std::string_view(magic, sizeof magic) == "GGUF";
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

/// Throws input_invalid for a value above kLargestImportance. Values that are all below kSmallestImportance
/// become 1 each, and the answer is false.
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

/// Sums to means.
void divide(std::span<float> values, std::uint64_t count, ImatrixForm form) {
  if (count == 0) {
    if (form == ImatrixForm::gguf) std::fill(values.begin(), values.end(), 0.0f);
    return;
  }
  for (float& value : values) value /= static_cast<float>(count);
}

}  // namespace

StoredImatrix read_imatrix(const InputFile& file) {
  const std::string shown = printable(file.path().native());
  if (file.size() == 0)
    throw Error(ErrorKind::input_invalid, shown + " is empty", "fetch or make the file again");
  if (file.size() > kImatrixMaxBytes) {
    throw Error(ErrorKind::input_invalid, shown + " has " + format_bytes(file.size()) +
                                              "; importance matrices of at most " +
                                              format_bytes(kImatrixMaxBytes) + " are read");
  }
  StoredImatrix stored = starts_as_gguf(file) ? read_imatrix_gguf(file) : read_imatrix_legacy(file);
  file.check_unchanged();
  for (std::string& dataset : stored.datasets) dataset = without_folders(dataset);
  return stored;
}

ImportanceMatrix::ImportanceMatrix(const std::filesystem::path& path)
    : path_(path), name_(printable(path.native())) {
  settle(read_imatrix(InputFile(path)));
}

ImportanceMatrix::ImportanceMatrix(StoredImatrix stored, std::string name) : name_(std::move(name)) {
  settle(std::move(stored));
}

void ImportanceMatrix::settle(StoredImatrix stored) {
  std::uint64_t unreached = 0;
  std::uint64_t unreached_entries = 0;
  std::string first_unreached;
  for (auto& [name, entry] : stored.entries) {
    const std::string subject = name_ + ": entry '" + printable(name) + "'";
    const auto cols = static_cast<std::size_t>(entry.cols());
    std::uint64_t found = 0;
    for (std::size_t i = 0; i < entry.counts.size(); ++i) {
      const std::span<float> values = std::span(entry.sums).subspan(i * cols, cols);
      divide(values, entry.counts[i], stored.form);
      if (!settle_importance(values, subject)) ++found;
    }
    if (found > 0 && unreached_entries++ == 0) first_unreached = name;
    unreached += found;
    entries_.emplace_hint(entries_.end(), name, std::move(entry.sums));
  }
  datasets_ = std::move(stored.datasets);
  chunks_ = stored.chunks;
  warnings_ = std::move(stored.warnings);
  if (unreached == 0) return;
  if (stored.form == ImatrixForm::dat) {
    warnings_.push_back(name_ + ": " + std::to_string(unreached) +
                        " entries have no data and get equal importance; collect with more text");
    return;
  }
  warnings_.push_back(name_ + ": " + std::to_string(unreached) + " experts in " +
                      std::to_string(unreached_entries) +
                      " entries have no data and get equal importance (first: '" +
                      printable(first_unreached) + "'); collect with more text");
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
