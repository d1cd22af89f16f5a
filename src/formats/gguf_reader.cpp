#include "formats/gguf_reader.h"

#include <algorithm>
#include <unordered_set>

#include "formats/byte_reader.h"
#include "formats/tensor_size.h"
#include "qtz/core/checked.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"
#include "qtz/formats/foreign_file.h"
#include "qtz/formats/gguf.h"

namespace qtz {
namespace {

std::string in_quotes(std::string_view name) {
  return "'" + printable(name) + "'";
}

/// The smallest stored key-value pair (one-byte key, one-byte value) and tensor record (no dimensions): what
/// a claimed count must at least be followed by.
constexpr std::uint64_t kMinKeyRecord = 8 + 1 + 4 + 1;
constexpr std::uint64_t kMinTensorRecord = 8 + 1 + 4 + 4 + 8;

class HeaderReader {
 public:
  HeaderReader(const InputFile& file, std::uint32_t shard)
      : file_(file), shard_(shard), reader_(file, kGgufMaxMetadataMemory) {}

  GgufHeader read() {
    read_version();
    const auto tensor_count = reader_.read<std::uint64_t>("the number of tensors");
    const auto key_count = reader_.read<std::uint64_t>("the number of keys");
    check_limit("keys", key_count, kGgufMaxKeys);
    check_limit("tensors", tensor_count, kGgufMaxTensors);
    reader_.check_count(key_count, kMinKeyRecord, "the list of keys");
    read_metadata(key_count);
    read_alignment();
    reader_.check_count(tensor_count, kMinTensorRecord, "the list of tensors");
    reader_.charge(tensor_count * sizeof(TensorInfo));
    header_.tensors.reserve(static_cast<std::size_t>(tensor_count));
    for (std::uint64_t i = 0; i < tensor_count; ++i) read_tensor(i);
    place_tensors();
    return std::move(header_);
  }

 private:
  [[noreturn]] void fail(const std::string& message, std::string hint = {}) const {
    reader_.fail(message, std::move(hint));
  }

  void check_limit(std::string_view what, std::uint64_t count, std::uint64_t limit) const {
    if (count <= limit) return;
    fail("claims " + std::to_string(count) + " " + std::string(what) + ", more than the limit of " +
         std::to_string(limit));
  }

  void read_version() {
    if (file_.size() == 0) {
      throw Error(ErrorKind::input_invalid, printable(file_.path().native()) + " is empty",
                  "fetch the file again");
    }
    char magic[4] = {};
    if (file_.size() >= sizeof magic) reader_.read(std::as_writable_bytes(std::span(magic)), "the magic");
    if (std::string_view(magic, sizeof magic) != "GGUF") {
      refuse_foreign(file_, FileFormat::gguf);
      throw WrongFile(printable(file_.path().native()) + ": does not start with 'GGUF'",
                      "this is not a GGUF file");
    }
    header_.version = reader_.read<std::uint32_t>("the version");
    if (header_.version == 2 || header_.version == kGgufVersion) return;
    if ((header_.version & 0xFFFF) == 0 && header_.version != 0) {
      fail("is a big-endian GGUF file (version " + std::to_string(__builtin_bswap32(header_.version)) + ")",
           "qtz reads little-endian files; convert it with gguf-py's gguf-convert-endian");
    }
    fail("has GGUF version " + std::to_string(header_.version) + "; versions 2 and 3 are read",
         header_.version == 1 ? "convert the original model again" : "");
  }

  std::string read_name(std::string_view what, std::uint64_t limit) {
    const auto length = reader_.read<std::uint64_t>("the length of " + std::string(what));
    if (length > limit) {
      fail(std::string(what) + " has " + std::to_string(length) + " bytes, more than the limit of " +
           std::to_string(limit));
    }
    std::string text = reader_.read_text(length, what);
    if (text.empty()) fail(std::string(what) + " is empty");
    if (text.find('\0') != std::string::npos)
      fail(std::string(what) + " " + in_quotes(text) + " holds a NUL byte");
    return text;
  }

  void read_metadata(std::uint64_t count) {
    std::vector<KvList::Entry> entries;
    std::unordered_set<std::string> keys;
    for (std::uint64_t i = 0; i < count; ++i) {
      std::string key = read_name("key " + std::to_string(i), kGgufMaxKeyBytes);
      reader_.charge(2 * sizeof(KvList::Entry) + 2 * key.size());
      if (!keys.insert(key).second) fail("key " + in_quotes(key) + " appears twice");
      GgufValue value = read_value(key);
      entries.push_back({std::move(key), std::move(value)});
    }
    header_.metadata = KvList(std::move(entries));
  }

  GgufValue read_value(const std::string& key) {
    const std::string what = "the value of key " + in_quotes(key);
    const auto type = reader_.read<std::uint32_t>(what);
    if (type != static_cast<std::uint32_t>(GgufType::array)) return read_scalar(type, key, what);
    const auto element_type = reader_.read<std::uint32_t>(what);
    const auto count = reader_.read<std::uint64_t>(what);
    return GgufValue(read_array(element_type, count, key, what));
  }

  GgufValue read_scalar(std::uint32_t type, const std::string& key, const std::string& what) {
    switch (static_cast<GgufType>(type)) {
      case GgufType::u8:
        return reader_.read<std::uint8_t>(what);
      case GgufType::i8:
        return reader_.read<std::int8_t>(what);
      case GgufType::u16:
        return reader_.read<std::uint16_t>(what);
      case GgufType::i16:
        return reader_.read<std::int16_t>(what);
      case GgufType::u32:
        return reader_.read<std::uint32_t>(what);
      case GgufType::i32:
        return reader_.read<std::int32_t>(what);
      case GgufType::f32:
        return reader_.read<float>(what);
      case GgufType::boolean:
        return reader_.read<std::uint8_t>(what) != 0;
      case GgufType::string:
        return read_string(key, what);
      case GgufType::u64:
        return reader_.read<std::uint64_t>(what);
      case GgufType::i64:
        return reader_.read<std::int64_t>(what);
      case GgufType::f64:
        return reader_.read<double>(what);
      default:
        fail("key " + in_quotes(key) + " has the unknown value type " + std::to_string(type));
    }
  }

  std::string read_string(const std::string& key, const std::string& what) {
    const auto length = reader_.read<std::uint64_t>(what);
    if (length > kGgufMaxStringBytes) {
      fail("key " + in_quotes(key) + " has a string of " + std::to_string(length) +
           " bytes, more than the limit of " + format_bytes(kGgufMaxStringBytes));
    }
    return reader_.read_text(length, what);
  }

  GgufArray read_array(std::uint32_t type, std::uint64_t count, const std::string& key,
                       const std::string& what) {
    const auto element = static_cast<GgufType>(type);
    switch (element) {
      case GgufType::u8:
        return {element, reader_.read_array<std::uint8_t>(count, what)};
      case GgufType::i8:
        return {element, reader_.read_array<std::int8_t>(count, what)};
      case GgufType::u16:
        return {element, reader_.read_array<std::uint16_t>(count, what)};
      case GgufType::i16:
        return {element, reader_.read_array<std::int16_t>(count, what)};
      case GgufType::u32:
        return {element, reader_.read_array<std::uint32_t>(count, what)};
      case GgufType::i32:
        return {element, reader_.read_array<std::int32_t>(count, what)};
      case GgufType::f32:
        return {element, reader_.read_array<float>(count, what)};
      case GgufType::u64:
        return {element, reader_.read_array<std::uint64_t>(count, what)};
      case GgufType::i64:
        return {element, reader_.read_array<std::int64_t>(count, what)};
      case GgufType::f64:
        return {element, reader_.read_array<double>(count, what)};
      case GgufType::boolean: {
        auto flags = reader_.read_array<std::uint8_t>(count, what);
        for (std::uint8_t& flag : flags) flag = flag != 0 ? 1 : 0;
        return {element, std::move(flags)};
      }
      case GgufType::string: {
        reader_.check_count(count, sizeof(std::uint64_t), what);
        reader_.charge(count * sizeof(std::string));
        std::vector<std::string> texts;
        texts.reserve(static_cast<std::size_t>(count));
        for (std::uint64_t i = 0; i < count; ++i) texts.push_back(read_string(key, what));
        return {element, std::move(texts)};
      }
      case GgufType::array:
        fail("key " + in_quotes(key) + " is an array of arrays, which GGUF readers do not support");
      default:
        fail("key " + in_quotes(key) + " is an array of the unknown type " + std::to_string(type));
    }
  }

  void read_alignment() {
    header_.alignment = kGgufDefaultAlignment;
    const GgufValue* value = header_.metadata.find("general.alignment");
    if (value == nullptr) return;
    if (value->type() != GgufType::u32) {
      fail("general.alignment must be a u32 but is of type " + std::string(name_of(value->type())));
    }
    header_.alignment = static_cast<std::uint32_t>(*value->as_uint());
    if (!std::has_single_bit(header_.alignment)) {
      fail("general.alignment is " + std::to_string(header_.alignment) + ", not a power of two");
    }
    if (header_.alignment > kGgufMaxAlignment) {
      fail("general.alignment is " + std::to_string(header_.alignment) + ", more than the limit of " +
           std::to_string(kGgufMaxAlignment));
    }
  }

  void read_tensor(std::uint64_t index) {
    TensorInfo tensor{};
    tensor.shard = shard_;
    tensor.name = read_name("the name of tensor " + std::to_string(index), kGgufMaxNameBytes);
    const std::string subject = "tensor " + in_quotes(tensor.name);
    const auto rank = reader_.read<std::uint32_t>(subject);
    if (rank > kGgufMaxRank) {
      fail(subject + " has " + std::to_string(rank) + " dimensions, more than " +
           std::to_string(kGgufMaxRank));
    }
    std::vector<std::uint64_t> dims(rank);
    for (std::uint32_t axis = rank; axis-- > 0;) {
      dims[axis] = reader_.read<std::uint64_t>(subject);
      if (dims[axis] >> 63 != 0) {
        fail(subject + " has the negative dimension " +
             std::to_string(static_cast<std::int64_t>(dims[axis])));
      }
    }
    tensor.shape = Shape(std::move(dims));
    const auto type = reader_.read<std::uint32_t>(subject);
    const auto dtype = dtype_from_gguf(type);
    if (!dtype) fail(subject + " has the unknown or withdrawn type number " + std::to_string(type));
    tensor.dtype = *dtype;
    try {
      tensor.bytes = checked_tensor_bytes(tensor.dtype, tensor.shape);
    } catch (Error& error) {
      error.add_context(printable(file_.path().native()) + ": " + subject);
      throw;
    }
    tensor.offset = reader_.read<std::uint64_t>(subject);
    header_.tensors.push_back(std::move(tensor));
  }

  /// Offsets must be exactly the padded sizes summed up, and all data inside the file.
  void place_tensors() {
    const auto start = checked_align(reader_.position(), header_.alignment);
    std::uint64_t expected = 0;
    for (TensorInfo& tensor : header_.tensors) {
      const std::string subject = "tensor " + in_quotes(tensor.name);
      if (tensor.offset != expected) {
        fail(subject + " has offset " + std::to_string(tensor.offset) + " but the tensors before it end at " +
             std::to_string(expected));
      }
      const auto padded = checked_align(tensor.bytes, header_.alignment);
      const auto next = padded ? checked_add(expected, *padded) : std::nullopt;
      if (!next) fail(subject + " ends beyond any possible file (the sum of sizes overflows)");
      const auto begin = start ? checked_add(*start, expected) : std::nullopt;
      const auto end = begin ? checked_add(*begin, tensor.bytes) : std::nullopt;
      if (!end || *end > file_.size()) {
        fail(subject + " needs data " + (end ? "up to byte " + std::to_string(*end) : "far beyond the file") +
                 " but the file has " + std::to_string(file_.size()),
             "the file is incomplete or damaged; fetch it again");
      }
      tensor.offset = *begin;
      expected = *next;
    }
    // Without tensors there is no data section, and some writers leave out its padding: nothing more to ask
    // for.
    const auto end = start ? checked_add(*start, expected) : std::nullopt;
    if (end && *end < file_.size()) header_.trailing_bytes = file_.size() - *end;
  }

  const InputFile& file_;
  std::uint32_t shard_;
  ByteReader reader_;
  GgufHeader header_;
};

}  // namespace

GgufHeader read_gguf_header(const InputFile& file, std::uint32_t shard) {
  return HeaderReader(file, shard).read();
}

}  // namespace qtz
