#include <cmath>

#include "formats/byte_reader.h"
#include "formats/imatrix_reader.h"
#include "qtz/core/error.h"
#include "qtz/formats/foreign_file.h"

namespace qtz {
namespace {

/// Name length, one byte of name, calls, number of values, one value.
constexpr std::uint64_t kMinEntryBytes = 4 + 1 + 4 + 4 + 4;

std::uint64_t read_length(ByteReader& reader, std::int32_t lowest, std::int32_t highest,
                          const std::string& what) {
  const auto length = reader.read<std::int32_t>(what);
  if (length < lowest || length > highest) reader.fail(what + " is " + std::to_string(length));
  return static_cast<std::uint64_t>(length);
}

std::string read_text(ByteReader& reader, std::int32_t lowest, const std::string& what) {
  const auto length = read_length(reader, lowest, kImatrixMaxNameBytes, "the length of " + what);
  std::string text = reader.read_text(length, what);
  if (text.find('\0') != std::string::npos) reader.fail(what + " holds a NUL byte");
  return text;
}

void read_entry(ByteReader& reader, std::uint64_t index, StoredImatrix& content) {
  const std::string name = read_text(reader, 1, "the name of entry " + std::to_string(index + 1));
  const std::string subject = "entry '" + printable(name) + "'";
  const auto calls = read_length(reader, 0, INT32_MAX, "the number of calls of " + subject);
  const auto count = read_length(reader, 1, INT32_MAX, "the number of values of " + subject);
  auto values = reader.read_array<float>(count, "the values of " + subject);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i]) || values[i] < 0) {
      reader.fail(subject + " has a " + (std::isfinite(values[i]) ? "negative" : "non-finite") +
                      " value at position " + std::to_string(i),
                  "the matrix is damaged or was collected from a broken model; make it again");
    }
  }
  if (!content.entries.emplace(name, StoredSums{std::move(values), {calls}}).second)
    reader.fail(subject + " appears twice");
}

StoredImatrix read_entries(const InputFile& file) {
  ByteReader reader(file, kImatrixMaxBytes);
  StoredImatrix content;
  content.form = ImatrixForm::dat;
  const auto count = read_length(reader, 1, INT32_MAX, "the number of entries");
  reader.check_count(count, kMinEntryBytes, "the list of entries");
  for (std::uint64_t i = 0; i < count; ++i) read_entry(reader, i, content);
  if (reader.remaining() == 0) return content;  // the oldest files end here
  content.chunks = read_length(reader, 0, INT32_MAX, "the number of chunks");
  const std::string dataset = read_text(reader, 0, "the name of the data set");
  if (!dataset.empty()) content.datasets.push_back(dataset);
  if (reader.remaining() > 0)
    reader.fail(std::to_string(reader.remaining()) + " bytes follow the end of the matrix");
  return content;
}

}  // namespace

StoredImatrix read_imatrix_legacy(const InputFile& file) {
  try {
    return read_entries(file);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input_invalid) throw;
    refuse_foreign(file, FileFormat::other);
    throw;
  }
}

}  // namespace qtz
