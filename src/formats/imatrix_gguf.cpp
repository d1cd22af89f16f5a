#include <cmath>
#include <map>
#include <utility>

#include "formats/gguf_reader.h"
#include "formats/imatrix_reader.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

/// Of rows; far beyond any text, and whole as a float's neighbours are.
constexpr float kLargestCount = 1e15f;

/// The two tensors of one entry.
struct Pair {
  const TensorInfo* sums = nullptr;
  const TensorInfo* counts = nullptr;
};

class GgufImatrixReader {
 public:
  explicit GgufImatrixReader(const InputFile& file) : file_(file), header_(read_gguf_header(file, 0)) {}

  StoredImatrix read() {
    read_metadata();
    if (header_.tensors.empty()) fail("holds no entries");
    for (const auto& [name, pair] : pair_tensors()) {
      if (pair.sums == nullptr || pair.counts == nullptr) {
        fail("entry '" + printable(name) + "' has no " +
             std::string((pair.sums == nullptr ? kSumsSuffix : kCountsSuffix).substr(1)) + " tensor");
      }
      read_entry(name, pair);
    }
    if (content_.entries.empty()) fail("holds no entries");
    return std::move(content_);
  }

 private:
  [[noreturn]] void fail(const std::string& message, std::string hint = {}) const {
    throw Error(ErrorKind::input_invalid, printable(file_.path().native()) + ": " + message, std::move(hint));
  }

  const GgufValue& required(std::string_view key) const {
    if (const GgufValue* value = header_.metadata.find(key)) return *value;
    const GgufValue* type = header_.metadata.find("general.type");
    const std::string* name = type != nullptr ? type->as_string() : nullptr;
    fail("is a GGUF without " + std::string(key) +
             (name ? " (its general.type is '" + printable(*name) + "')" : ""),
         "give the file that llama-imatrix wrote");
  }

  void read_metadata() {
    const GgufArray* datasets = required("imatrix.datasets").as_array();
    const auto* names =
        datasets != nullptr ? std::get_if<std::vector<std::string>>(&datasets->elements) : nullptr;
    if (names == nullptr) fail("imatrix.datasets is not an array of strings");
    content_.datasets = *names;
    content_.chunks = required_u32("imatrix.chunk_count");
    content_.chunk_size = required_u32("imatrix.chunk_size");
  }

  std::uint32_t required_u32(std::string_view key) const {
    const GgufValue& value = required(key);
    if (value.type() != GgufType::u32) {
      fail(std::string(key) + " is not a u32 but of type " + std::string(name_of(value.type())));
    }
    return static_cast<std::uint32_t>(*value.as_uint());
  }

  std::map<std::string, Pair> pair_tensors() {
    std::map<std::string, Pair> pairs;
    for (const TensorInfo& tensor : header_.tensors) {
      const std::string_view name = tensor.name;
      const bool sums = name.ends_with(kSumsSuffix);
      if (!sums && !name.ends_with(kCountsSuffix)) {
        content_.warnings.push_back(printable(file_.path().native()) + ": tensor '" + printable(name) +
                                    "' is neither sums nor counts and is ignored");
        continue;
      }
      const std::size_t suffix = (sums ? kSumsSuffix : kCountsSuffix).size();
      Pair& pair = pairs[std::string(name.substr(0, name.size() - suffix))];
      const TensorInfo*& place = sums ? pair.sums : pair.counts;
      if (place != nullptr) fail("tensor '" + printable(name) + "' appears twice");
      place = &tensor;
    }
    return pairs;
  }

  std::vector<float> read_values(const TensorInfo& tensor) const {
    if (tensor.dtype != DType::f32) {
      fail("tensor '" + printable(tensor.name) + "' is not F32 but " + std::string(name_of(tensor.dtype)));
    }
    std::vector<float> values(static_cast<std::size_t>(tensor.bytes / sizeof(float)));
    if (values.empty()) fail("tensor '" + printable(tensor.name) + "' is empty");
    file_.read(tensor.offset, std::as_writable_bytes(std::span(values)));
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i]) || values[i] < 0) {
        fail("tensor '" + printable(tensor.name) + "' has a " +
                 (std::isfinite(values[i]) ? "negative" : "non-finite") + " value at position " +
                 std::to_string(i),
             "the matrix is damaged or was collected from a broken model; make it again");
      }
    }
    return values;
  }

  void read_entry(const std::string& name, const Pair& pair) {
    std::vector<float> values = read_values(*pair.sums);
    const std::vector<float> counts = read_values(*pair.counts);
    if (values.size() % counts.size() != 0) {
      fail("entry '" + printable(name) + "' has " + std::to_string(values.size()) +
           " sums, not a multiple of its " + std::to_string(counts.size()) + " counts");
    }
    StoredSums& entry = content_.entries[name];
    entry.sums = std::move(values);
    for (const float count : counts) {
      if (count > kLargestCount) fail("entry '" + printable(name) + "' counts more rows than any text has");
      // Counts are whole numbers stored as floats; llama.cpp rounds them half away from zero, as std::round
      // does.
      entry.counts.push_back(static_cast<std::uint64_t>(std::round(count)));
    }
  }

  const InputFile& file_;
  GgufHeader header_;
  StoredImatrix content_;
};

}  // namespace

StoredImatrix read_imatrix_gguf(const InputFile& file) {
  return GgufImatrixReader(file).read();
}

}  // namespace qtz
