// Both forms as llama-imatrix writes them: entries by name, sums and counts in the GGUF, means in the .dat.
#include <algorithm>
#include <limits>

#include "formats/imatrix_reader.h"
#include "qtz/core/bytes.h"
#include "qtz/core/error.h"
#include "qtz/formats/gguf.h"

namespace qtz {
namespace {

template <typename T>
T fitting(std::uint64_t value, const std::string& what) {
  if (value <= static_cast<std::uint64_t>(std::numeric_limits<T>::max())) return static_cast<T>(value);
  throw Error(ErrorKind::input_invalid,
              "an importance matrix cannot hold " + what + " of " + std::to_string(value) + " in this form");
}

void write_gguf(const StoredImatrix& matrix, const std::filesystem::path& path,
                const OutputOptions& options) {
  KvList metadata;
  metadata.set("general.type", "imatrix");
  metadata.set("imatrix.datasets", matrix.datasets);
  metadata.set("imatrix.chunk_count", fitting<std::uint32_t>(matrix.chunks, "a number of windows"));
  metadata.set("imatrix.chunk_size", fitting<std::uint32_t>(matrix.chunk_size, "windows"));
  std::vector<GgufTensor> tensors;
  for (const auto& [name, entry] : matrix.entries) {
    const std::uint64_t counts = entry.counts.size();
    // ggml leaves out an outermost dimension of 1.
    const bool one = counts == 1;
    const Shape sums = one ? Shape{entry.cols()} : Shape{counts, entry.cols()};
    tensors.push_back({name + std::string(kSumsSuffix), DType::f32, sums});
    tensors.push_back({name + std::string(kCountsSuffix), DType::f32, one ? Shape{1} : Shape{counts, 1}});
  }
  const GgufLayout layout = make_gguf_layout(metadata, tensors);
  OutputFile file(path, layout.file_bytes, options);
  file.write(0, layout.header);
  std::size_t at = 0;
  for (const auto& [name, entry] : matrix.entries) {
    const std::vector<float> counts(entry.counts.begin(), entry.counts.end());
    file.write(layout.offsets[at++], std::as_bytes(std::span(entry.sums)));
    file.write(layout.offsets[at++], std::as_bytes(std::span(counts)));
  }
  file.commit();
}

/// Windows that went into an entry. Rounded up, so that no entry with data has none.
std::int32_t calls_of(const StoredSums& entry, std::uint64_t chunk_size) {
  const std::uint64_t most = *std::max_element(entry.counts.begin(), entry.counts.end());
  return fitting<std::int32_t>(most / chunk_size + (most % chunk_size != 0 ? 1 : 0), "a number of windows");
}

std::uint64_t dat_bytes(const std::string& name, const StoredSums& entry) {
  return 3 * sizeof(std::int32_t) + name.size() + entry.sums.size() * sizeof(float);
}

/// Means times calls; 1 times calls where there is no data, which is what readers of the GGUF take.
std::vector<float> dat_values(const StoredSums& entry, std::int32_t calls) {
  std::vector<float> values(entry.sums.size());
  const auto cols = static_cast<std::size_t>(entry.cols());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint64_t count = entry.counts[i / cols];
    const float mean = count > 0 ? entry.sums[i] / static_cast<float>(count) : 1.0f;
    values[i] = mean * static_cast<float>(calls);
  }
  return values;
}

void put_length(ByteWriter& out, std::uint64_t length, const std::string& what) {
  out.put(fitting<std::int32_t>(length, what));
}

/// What the reader takes as the name of a data set: one, short, without control characters.
std::string dat_dataset(const StoredImatrix& matrix) {
  if (matrix.datasets.empty()) return {};
  return without_controls(matrix.datasets.back()).substr(0, kImatrixMaxNameBytes);
}

void write_dat(const StoredImatrix& matrix, const std::filesystem::path& path, const OutputOptions& options) {
  std::vector<const std::string*> names;
  const std::string dataset = dat_dataset(matrix);
  std::uint64_t bytes = 3 * sizeof(std::int32_t) + dataset.size();
  for (const auto& [name, entry] : matrix.entries) {
    const bool has_data =
        std::any_of(entry.counts.begin(), entry.counts.end(), [](std::uint64_t count) { return count > 0; });
    if (!has_data) continue;
    if (name.size() > static_cast<std::size_t>(kImatrixMaxNameBytes))
      throw Error(ErrorKind::input_invalid, "a .dat cannot hold names as long as '" + printable(name) + "'");
    names.push_back(&name);
    bytes += dat_bytes(name, entry);
  }
  if (names.empty()) throw Error(ErrorKind::input_invalid, "no tensor of the importance matrix has data");
  OutputFile file(path, bytes, options);
  ByteWriter head;
  put_length(head, names.size(), "a number of entries");
  file.write(0, head.bytes());
  std::uint64_t at = head.size();
  for (const std::string* name : names) {
    const StoredSums& entry = matrix.entries.find(*name)->second;
    const std::int32_t calls = calls_of(entry, matrix.chunk_size);
    ByteWriter start;
    put_length(start, name->size(), "a name");
    start.put(std::string_view(*name));
    start.put(calls);
    put_length(start, entry.sums.size(), "a number of values");
    const std::vector<float> values = dat_values(entry, calls);
    file.write(at, start.bytes());
    file.write(at + start.size(), std::as_bytes(std::span(values)));
    at += dat_bytes(*name, entry);
  }
  ByteWriter tail;
  put_length(tail, matrix.chunks, "a number of windows");
  put_length(tail, dataset.size(), "a name");
  tail.put(std::string_view(dataset));
  file.write(at, tail.bytes());
  file.commit();
}

}  // namespace

void write_imatrix(const StoredImatrix& matrix, ImatrixForm form, const std::filesystem::path& path,
                   const OutputOptions& options) {
  QTZ_CHECK(matrix.form == ImatrixForm::gguf && matrix.chunk_size > 0);
  if (form == ImatrixForm::gguf) {
    write_gguf(matrix, path, options);
  } else {
    write_dat(matrix, path, options);
  }
}

}  // namespace qtz
