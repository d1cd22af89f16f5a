#include "formats/safetensors_header.h"

#include <algorithm>
#include <span>

#include "formats/tensor_size.h"
#include "qtz/core/bytes.h"
#include "qtz/core/error.h"
#include "qtz/core/json.h"
#include "qtz/formats/foreign_file.h"

namespace qtz {
namespace {

constexpr const char* kIncomplete = "the file is incomplete or damaged; fetch it again";

std::string in_quotes(std::string_view name) {
  return "'" + printable(name) + "'";
}

/// Fills a SafetensorsHeader from the header's JSON events. Offsets stay relative to the data section.
class HeaderVisitor final : public JsonVisitor {
 public:
  HeaderVisitor(const InputFile& file, std::uint32_t shard) : file_(file), shard_(shard) {}

  SafetensorsHeader take() { return std::move(header_); }

  void on_null() override {
    // Writers without metadata store null, and the reference reader takes it for none.
    if (place_ == Place::top && key_ == "__metadata__") return start_metadata();
    refuse("null");
  }
  void on_bool(bool) override { refuse("a boolean"); }
  void on_int(std::int64_t value) override { refuse(std::to_string(value)); }
  void on_double(double) override { refuse("a number that is not an integer below 2^64"); }

  void on_uint(std::uint64_t value) override {
    if (place_ == Place::shape) {
      if (shape_.size() == kSafetensorsMaxRank) {
        fail(subject() + " has more than " + std::to_string(kSafetensorsMaxRank) + " dimensions");
      }
      shape_.push_back(value);
    } else if (place_ == Place::offsets) {
      if (offsets_.size() == 2) fail(subject() + " has more than two data_offsets");
      offsets_.push_back(value);
    } else {
      refuse(std::to_string(value));
    }
  }

  void on_string(std::string& value) override {
    if (place_ == Place::metadata) {
      header_.metadata.emplace_back(std::move(key_), std::move(value));
    } else if (place_ == Place::tensor && key_ == "dtype") {
      dtype_ = dtype_from_safetensors(value);
      if (!dtype_) fail(subject() + " has the unknown dtype " + in_quotes(value));
    } else {
      refuse("a string");
    }
  }

  void on_key(std::string& key) override {
    if (place_ == Place::tensor) {
      unsigned field = 0;
      if (key == "dtype") field = kDtype;
      if (key == "shape") field = kShape;
      if (key == "data_offsets") field = kOffsets;
      if (field == 0) fail(subject() + " has the unknown key " + in_quotes(key));
      if ((seen_ & field) != 0) fail(subject() + " has the key " + in_quotes(key) + " twice");
      seen_ |= field;
    } else if (place_ == Place::metadata) {
      if (header_.metadata.size() == kSafetensorsMaxMetadata) {
        fail("__metadata__ has more than " + std::to_string(kSafetensorsMaxMetadata) + " entries");
      }
    }
    key_ = std::move(key);
  }

  void on_start_object() override {
    switch (place_) {
      case Place::before:
        place_ = Place::top;
        break;
      case Place::top:
        if (key_ == "__metadata__") {
          start_metadata();
          place_ = Place::metadata;
        } else {
          start_tensor();
        }
        break;
      default:
        refuse("an object");
    }
  }

  void on_end_object() override {
    if (place_ == Place::tensor) end_tensor();
    if (place_ == Place::metadata) check_metadata_keys();
    place_ = place_ == Place::top ? Place::after : Place::top;
  }

  void on_start_array() override {
    if (place_ == Place::tensor && key_ == "shape") {
      place_ = Place::shape;
    } else if (place_ == Place::tensor && key_ == "data_offsets") {
      place_ = Place::offsets;
    } else {
      refuse("an array");
    }
  }

  void on_end_array() override { place_ = Place::tensor; }

 private:
  enum class Place { before, top, metadata, tensor, shape, offsets, after };
  static constexpr unsigned kDtype = 1, kShape = 2, kOffsets = 4;

  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorKind::input_invalid, printable(file_.path().native()) + ": " + message);
  }

  std::string subject() const { return "tensor " + in_quotes(name_); }

  /// A value of a wrong kind, wherever we are.
  [[noreturn]] void refuse(const std::string& found) const {
    switch (place_) {
      case Place::before:
        fail("the header is not a JSON object but " + found);
      case Place::top:
        fail("entry " + in_quotes(key_) + " is not an object but " + found);
      case Place::metadata:
        fail("__metadata__ value of " + in_quotes(key_) + " is not a string but " + found);
      default:
        fail(subject() + " has " + found + " in its " + in_quotes(key_));
    }
  }

  void start_metadata() {
    if (has_metadata_) fail("__metadata__ appears twice");
    has_metadata_ = true;
  }

  void start_tensor() {
    if (header_.tensors.size() == kSafetensorsMaxTensors) {
      fail("holds more than " + std::to_string(kSafetensorsMaxTensors) + " tensors");
    }
    name_ = std::move(key_);
    shape_.clear();
    offsets_.clear();
    dtype_.reset();
    seen_ = 0;
    place_ = Place::tensor;
  }

  void end_tensor() {
    if (name_.empty()) fail("a tensor has an empty name");
    if ((seen_ & kDtype) == 0) fail(subject() + " has no dtype");
    if ((seen_ & kShape) == 0) fail(subject() + " has no shape");
    if ((seen_ & kOffsets) == 0) fail(subject() + " has no data_offsets");
    if (offsets_.size() != 2)
      fail(subject() + " has " + std::to_string(offsets_.size()) + " data_offsets, not two");
    if (offsets_[1] < offsets_[0]) {
      fail(subject() + " has data_offsets that end (" + std::to_string(offsets_[1]) +
           ") before they begin (" + std::to_string(offsets_[0]) + ")");
    }
    header_.tensors.push_back(
        {std::move(name_), *dtype_, Shape(shape_), offsets_[0], offsets_[1] - offsets_[0], shard_});
  }

  void check_metadata_keys() const {
    std::vector<std::string_view> keys;
    keys.reserve(header_.metadata.size());
    for (const auto& [key, value] : header_.metadata) keys.push_back(key);
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end()) fail("__metadata__ has the key " + in_quotes(*twice) + " twice");
  }

  const InputFile& file_;
  std::uint32_t shard_;
  SafetensorsHeader header_;
  Place place_ = Place::before;
  std::string key_;
  bool has_metadata_ = false;
  // The tensor being read.
  std::string name_;
  std::vector<std::uint64_t> shape_;
  std::vector<std::uint64_t> offsets_;
  std::optional<DType> dtype_;
  unsigned seen_ = 0;
};

/// The header's text, with the length checked against the format's limit and the file before it is believed.
std::string read_header_text(const InputFile& file) {
  if (file.size() == 0)
    throw Error(ErrorKind::input_invalid, printable(file.path().native()) + " is empty", kIncomplete);
  if (file.size() < 8) {
    fail_as_foreign(file, FileFormat::safetensors,
                    "too short (" + std::to_string(file.size()) + " bytes) to be a safetensors file",
                    kIncomplete);
  }
  std::byte prefix[8];
  file.read(0, prefix);
  const auto length = load_le<std::uint64_t>(prefix);
  const std::string header = "header of " + std::to_string(length) + " bytes";
  if (length > kSafetensorsMaxHeaderBytes) {
    fail_as_foreign(file, FileFormat::safetensors, header + " is larger than the format's limit of 100 MB",
                    "this is not a safetensors file");
  }
  if (length > file.size() - 8) {
    fail_as_foreign(file, FileFormat::safetensors,
                    header + " does not fit in the file of " + std::to_string(file.size()) + " bytes",
                    kIncomplete);
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  file.read(8, std::as_writable_bytes(std::span(text)));
  if (!text.starts_with('{'))
    fail_as_foreign(file, FileFormat::safetensors, "header does not start with '{'",
                    "this is not a safetensors file");
  return text;
}

/// Tensors must tile the data section: no hole, no overlap, nothing after the last.
void check_tiling(const InputFile& file, std::span<const TensorInfo> sorted, std::uint64_t data_bytes) {
  const std::string path = printable(file.path().native());
  std::uint64_t end = 0;
  for (const TensorInfo& tensor : sorted) {
    if (tensor.offset != end) {
      throw Error(ErrorKind::input_invalid,
                  path + ": tensor " + in_quotes(tensor.name) + " begins at byte " +
                      std::to_string(tensor.offset) + " of the data but the tensor before it ends at " +
                      std::to_string(end) + (tensor.offset > end ? " (a hole)" : " (an overlap)"));
    }
    end += tensor.bytes;  // bytes = end - begin of a u64 pair whose begin is `end`: cannot wrap
  }
  if (end > data_bytes) {
    throw Error(ErrorKind::input_invalid,
                path + ": tensors need " + std::to_string(end) + " bytes of data but the file has " +
                    std::to_string(data_bytes),
                kIncomplete);
  }
  if (end < data_bytes) {
    throw Error(ErrorKind::input_invalid, path + ": " + std::to_string(data_bytes - end) +
                                              " bytes follow the last tensor and belong to none");
  }
}

}  // namespace

SafetensorsHeader read_safetensors_header(const InputFile& file, std::uint32_t shard) {
  SafetensorsHeader header;
  std::uint64_t data_start = 8;
  {
    const std::string text = read_header_text(file);
    data_start += text.size();
    HeaderVisitor visitor(file, shard);
    visit_json(text, {kSafetensorsMaxHeaderBytes, 16}, printable(file.path().native()) + ": header", visitor);
    header = visitor.take();
  }
  std::sort(header.tensors.begin(), header.tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    if (a.offset != b.offset) return a.offset < b.offset;
    if (a.bytes != b.bytes) return a.bytes < b.bytes;
    return a.name < b.name;
  });
  for (const TensorInfo& tensor : header.tensors) {
    std::uint64_t expected = 0;
    try {
      expected = checked_tensor_bytes(tensor.dtype, tensor.shape);
    } catch (Error& error) {
      error.add_context(printable(file.path().native()) + ": tensor " + in_quotes(tensor.name));
      throw;
    }
    if (expected != tensor.bytes) {
      throw Error(ErrorKind::input_invalid,
                  printable(file.path().native()) + ": tensor " + in_quotes(tensor.name) + " has " +
                      std::to_string(tensor.bytes) + " bytes of data but " +
                      std::string(name_of(tensor.dtype)) + " " + tensor.shape.to_string() + " needs " +
                      std::to_string(expected));
    }
  }
  check_tiling(file, header.tensors, file.size() - data_start);
  for (TensorInfo& tensor : header.tensors) tensor.offset += data_start;
  return header;
}

}  // namespace qtz
