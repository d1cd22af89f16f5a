#include "pipeline/calibration_checkpoint.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "qtz/core/checked.h"
#include "qtz/core/error.h"
#include "qtz/core/input_file.h"
#include "qtz/core/output_file.h"
#include "qtz/core/sha256.h"
#include "qtz/core/text.h"
#include "qtz/pipeline/calibrate.h"

namespace qtz {

namespace {

namespace fs = std::filesystem;

// The file: kMark, the identity; layers, rows, width, number of tensors; of each tensor the length of its
// name, the name, columns, experts, counts, sums; the states; the digest of all of that. Numbers are u64 or
// f64, states f32, all as the machine has them: the file never leaves it.
constexpr std::string_view kMark = "qtz calibration 1\n";
constexpr std::size_t kDigest = 64;

/// States that are copied at a time.
constexpr std::uint64_t kRows = 256;

/// Writes a file from its beginning to its end.
class Writer {
 public:
  Writer(const fs::path& path, std::uint64_t size) : file_(path, size, {.overwrite = true, .protect = {}}) {}

  void write(std::span<const std::byte> bytes) {
    file_.write(at_, bytes);
    hash_.update(bytes);
    at_ += bytes.size();
  }
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  void write(std::uint64_t value) { write(std::as_bytes(std::span(&value, 1))); }

  void commit() {
    write(hash_.finish());
    file_.commit();
  }

 private:
  OutputFile file_;
  Sha256 hash_;
  std::uint64_t at_ = 0;
};

/// Reads one from its beginning to its end; throws input_invalid for one that is too short.
class Reader {
 public:
  explicit Reader(const fs::path& path) : file_(path) {}

  void read(std::span<std::byte> bytes) {
    file_.read(at_, bytes);
    hash_.update(bytes);
    at_ += bytes.size();
  }
  std::string text(std::uint64_t length) {
    require(length);
    std::string text(length, '\0');
    read(std::as_writable_bytes(std::span(text)));
    return text;
  }
  std::uint64_t number() {
    std::uint64_t value = 0;
    read(std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }
  template <typename T>
  std::vector<T> numbers(std::uint64_t count) {
    require(checked_mul(count, std::uint64_t{sizeof(T)}).value_or(file_.size() + 1));
    std::vector<T> values(count);
    read(std::as_writable_bytes(std::span(values)));
    return values;
  }
  /// Whether the digest of all that was read comes now, and nothing else.
  bool ends_well() {
    const std::string expected = hash_.finish();
    std::string found(kDigest, '\0');
    if (file_.size() - at_ != kDigest) return false;
    file_.read(at_, std::as_writable_bytes(std::span(found)));
    return found == expected;
  }

 private:
  void require(std::uint64_t bytes) const {
    if (bytes > file_.size() - at_) throw Error(ErrorKind::input_invalid, "it ends too early");
  }

  InputFile file_;
  Sha256 hash_;
  std::uint64_t at_ = 0;
};

std::uint64_t size_of(const ActivationStatistics& statistics, const States& states) {
  constexpr std::uint64_t kNumber = sizeof(std::uint64_t);
  constexpr std::uint64_t kNumbersOfHead = 4;
  constexpr std::uint64_t kNumbersOfTensor = 3;
  std::uint64_t size = kMark.size() + 2 * kDigest + kNumbersOfHead * kNumber;
  for (const auto& [name, entry] : statistics.entries()) {
    size += name.size() + kNumber * (kNumbersOfTensor + entry.counts.size() + entry.squares.size());
  }
  return size + states.rows() * states.width() * sizeof(float);
}

/// A number of layers, and what is known after them.
struct Restored {
  std::uint64_t layers = 0;
  ActivationStatistics::Entries entries;
};

ActivationStatistics::Entries read_entries(Reader& reader) {
  ActivationStatistics::Entries entries;
  for (std::uint64_t left = reader.number(); left > 0; --left) {
    const std::string name = reader.text(reader.number());
    TensorStatistics& entry = entries[name];
    entry.cols = reader.number();
    const std::uint64_t experts = reader.number();
    entry.counts = reader.numbers<std::uint64_t>(experts);
    entry.squares = reader.numbers<double>(checked_mul(experts, entry.cols).value_or(~std::uint64_t{0}));
  }
  return entries;
}

bool begins_with_mark(const fs::path& path) {
  const InputFile file(path);
  std::string found(std::min<std::uint64_t>(kMark.size(), file.size()), '\0');
  file.read(0, std::as_writable_bytes(std::span(found)));
  return found == kMark;
}

/// Throws output for a file that is something else: it must not be written over.
void require_mark(const fs::path& path) {
  if (begins_with_mark(path)) return;
  throw Error(
      ErrorKind::output,
      printable(path.native()) + " exists, and calibrations keep under that name what they know so far",
      "move it, or choose another name for the matrix");
}

/// Reads the file and, into `states`, its last part. nullopt for one that is damaged or of another run.
std::optional<Restored> read_checkpoint(const fs::path& path, const std::string& identity, States& states) {
  try {
    Reader reader(path);
    if (reader.text(kMark.size()) != kMark || reader.text(kDigest) != identity) return std::nullopt;
    Restored restored;
    restored.layers = reader.number();
    if (reader.number() != states.rows() || reader.number() != states.width()) return std::nullopt;
    restored.entries = read_entries(reader);
    for (std::uint64_t first = 0; first < states.rows(); first += kRows) {
      const std::uint64_t count = std::min(kRows, states.rows() - first);
      states.write(first, count, reader.numbers<float>(count * states.width()).data());
    }
    if (!reader.ends_well()) return std::nullopt;
    return restored;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input_invalid) throw;
    return std::nullopt;
  }
}

void write_checkpoint(const fs::path& path, const std::string& identity, std::uint64_t layers,
                      const ActivationStatistics& statistics, const States& states) {
  Writer writer(path, size_of(statistics, states));
  writer.write(kMark);
  writer.write(identity);
  writer.write(layers);
  writer.write(states.rows());
  writer.write(states.width());
  writer.write(std::uint64_t{statistics.entries().size()});
  for (const auto& [name, entry] : statistics.entries()) {
    writer.write(std::uint64_t{name.size()});
    writer.write(name);
    writer.write(entry.cols);
    writer.write(std::uint64_t{entry.counts.size()});
    writer.write(std::as_bytes(std::span(entry.counts)));
    writer.write(std::as_bytes(std::span(entry.squares)));
  }
  std::vector<float> rows(std::min(kRows, states.rows()) * states.width());
  for (std::uint64_t first = 0; first < states.rows(); first += kRows) {
    const std::uint64_t count = std::min(kRows, states.rows() - first);
    states.read(first, count, rows.data());
    writer.write(std::as_bytes(std::span(rows).first(count * states.width())));
  }
  writer.commit();
}

}  // namespace

void remove_checkpoint(const fs::path& path) {
  std::error_code ignored;
  if (fs::exists(path, ignored) && begins_with_mark(path)) fs::remove(path, ignored);
}

CalibrationCheckpoint::CalibrationCheckpoint(fs::path path, std::string identity,
                                             std::chrono::seconds interval)
    : path_(std::move(path)),
      identity_(std::move(identity)),
      interval_(interval),
      last_(std::chrono::steady_clock::now()) {
  QTZ_CHECK(identity_.size() == kDigest);
}

bool CalibrationCheckpoint::exists() const {
  std::error_code none;
  if (!fs::exists(path_, none)) return false;
  require_mark(path_);
  return true;
}

std::uint64_t CalibrationCheckpoint::restore(ActivationStatistics& statistics, States& states,
                                             Progress& progress) {
  std::optional<Restored> restored = read_checkpoint(path_, identity_, states);
  if (!restored) {
    progress.warn(printable(path_.native()) +
                  " is not of this run, or not whole: starting from the first layer");
    return 0;
  }
  statistics = ActivationStatistics(std::move(restored->entries));
  kept_ = restored->layers;
  return restored->layers;
}

void CalibrationCheckpoint::keep(std::uint64_t layers, const ActivationStatistics& statistics,
                                 const States& states, Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  if (failed_ || now - last_ < interval_) return;
  try {
    write_checkpoint(path_, identity_, layers, statistics, states);
    kept_ = layers;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::output) throw;
    failed_ = true;
    progress.warn("a killed run will have to start again: " + error.message());
  }
  last_ = std::chrono::steady_clock::now();
}

}  // namespace qtz
