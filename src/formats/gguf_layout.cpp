#include <numeric>
#include <type_traits>
#include <unordered_set>

#include "formats/gguf_reader.h"
#include "formats/tensor_size.h"
#include "qtz/core/bytes.h"
#include "qtz/core/checked.h"
#include "qtz/core/error.h"
#include "qtz/formats/gguf.h"
#include "qtz/formats/gguf_split.h"

namespace qtz {
namespace {

[[noreturn]] void fail(const std::string& message, std::string hint = {}) {
  throw Error(ErrorKind::input_invalid, message, std::move(hint));
}

void put_text(ByteWriter& out, std::string_view text) {
  out.put(static_cast<std::uint64_t>(text.size()));
  out.put(text);
}

void put_type(ByteWriter& out, GgufType type) {
  out.put(static_cast<std::uint32_t>(type));
}

void put_array(ByteWriter& out, const GgufArray& array) {
  put_type(out, array.type);
  out.put(static_cast<std::uint64_t>(array.size()));
  std::visit(
      [&](const auto& values) {
        for (const auto& value : values) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>) {
            put_text(out, value);
          } else {
            out.put(value);
          }
        }
      },
      array.elements);
}

void put_entry(ByteWriter& out, const KvList::Entry& entry) {
  if (entry.key.empty() || entry.key.size() > kGgufMaxKeyBytes || entry.key.find('\0') != std::string::npos) {
    fail("metadata key '" + printable(entry.key) + "' cannot be stored in a GGUF (1 to " +
         std::to_string(kGgufMaxKeyBytes) + " bytes, no NUL)");
  }
  put_text(out, entry.key);
  put_type(out, entry.value.type());
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          put_text(out, value);
        } else if constexpr (std::is_same_v<T, GgufArray>) {
          put_array(out, value);
        } else if constexpr (std::is_same_v<T, bool>) {
          out.put(static_cast<std::uint8_t>(value ? 1 : 0));
        } else {
          out.put(value);
        }
      },
      entry.value.storage());
}

std::uint32_t alignment_of(const KvList& metadata) {
  const GgufValue* value = metadata.find("general.alignment");
  if (value == nullptr) return kGgufDefaultAlignment;
  const auto alignment = value->as_uint();
  if (value->type() != GgufType::u32 || !alignment || !std::has_single_bit(*alignment)) {
    fail("metadata key general.alignment must be a u32 power of two");
  }
  if (*alignment > kGgufMaxAlignment) {
    fail("metadata key general.alignment is " + std::to_string(*alignment) + ", more than the limit of " +
         std::to_string(kGgufMaxAlignment));
  }
  return static_cast<std::uint32_t>(*alignment);
}

void check_name(const std::string& name, std::unordered_set<std::string_view>& names) {
  const std::string subject = "tensor '" + printable(name) + "'";
  if (name.empty()) fail("a tensor has an empty name, which GGUF cannot hold");
  if (name.size() > kGgufMaxNameBytes) {
    fail(subject + " has a name of " + std::to_string(name.size()) + " bytes; GGUF holds names of at most " +
         std::to_string(kGgufMaxNameBytes));
  }
  if (name.find('\0') != std::string::npos) fail(subject + " has a NUL byte in its name");
  if (!names.insert(name).second) fail(subject + " would be written twice");
}

/// One tensor's record; returns its size.
std::uint64_t put_tensor(ByteWriter& out, const GgufTensor& tensor, std::uint64_t offset) {
  const std::string subject = "tensor '" + printable(tensor.name) + "'";
  const DTypeTraits& type = traits(tensor.dtype);
  if (type.gguf_id < 0) fail(subject + " has type " + std::string(type.name) + ", which GGUF cannot hold");
  if (tensor.shape.rank() > kGgufMaxRank) {
    fail(subject + " has shape " + tensor.shape.to_string() + "; GGUF holds at most " +
         std::to_string(kGgufMaxRank) + " dimensions");
  }
  std::uint64_t bytes = 0;
  try {
    bytes = checked_tensor_bytes(tensor.dtype, tensor.shape);
  } catch (Error& error) {
    error.add_context(subject);
    throw;
  }
  const std::vector<std::uint64_t> dims =
      tensor.shape.rank() > 0 ? tensor.shape.dims() : std::vector<std::uint64_t>{1};
  put_text(out, tensor.name);
  out.put(static_cast<std::uint32_t>(dims.size()));
  for (auto dim = dims.rbegin(); dim != dims.rend(); ++dim) out.put(*dim);
  out.put(static_cast<std::uint32_t>(type.gguf_id));
  out.put(offset);
  return bytes;
}

/// The file that holds the chosen tensors.
GgufLayout lay_out(const KvList& metadata, std::span<const GgufTensor> tensors,
                   std::vector<std::size_t> chosen) {
  const std::uint32_t alignment = alignment_of(metadata);
  GgufLayout layout;
  ByteWriter out;
  out.put(std::string_view("GGUF"));
  out.put(kGgufVersion);
  out.put(static_cast<std::uint64_t>(chosen.size()));
  out.put(static_cast<std::uint64_t>(metadata.entries().size()));
  for (const KvList::Entry& entry : metadata.entries()) put_entry(out, entry);

  std::uint64_t data_bytes = 0;
  for (const std::size_t index : chosen) {
    const std::uint64_t bytes = put_tensor(out, tensors[index], data_bytes);
    layout.offsets.push_back(data_bytes);
    layout.sizes.push_back(bytes);
    const auto padded = checked_align(bytes, alignment);
    const auto sum = padded ? checked_add(data_bytes, *padded) : std::nullopt;
    if (!sum || *sum >> 63 != 0) fail("the tensors need more bytes than a file can have");
    data_bytes = *sum;
  }
  out.put_zeros((alignment - out.size() % alignment) % alignment);
  const auto file_bytes = checked_add(out.size(), data_bytes);
  if (!file_bytes || *file_bytes >> 63 != 0) fail("the tensors need more bytes than a file can have");
  for (std::uint64_t& offset : layout.offsets) offset += out.size();
  layout.file_bytes = *file_bytes;
  layout.tensors = std::move(chosen);
  layout.header = std::move(out).take();
  return layout;
}

void check_names(std::span<const GgufTensor> tensors) {
  std::unordered_set<std::string_view> names;
  for (const GgufTensor& tensor : tensors) check_name(tensor.name, names);
}

}  // namespace

GgufLayout make_gguf_layout(const KvList& metadata, std::span<const GgufTensor> tensors) {
  check_names(tensors);
  std::vector<std::size_t> all(tensors.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return lay_out(metadata, tensors, std::move(all));
}

std::vector<GgufLayout> make_gguf_split_layouts(const KvList& metadata, std::span<const GgufTensor> tensors,
                                                std::span<const std::uint32_t> shard_of_tensor) {
  QTZ_CHECK(shard_of_tensor.size() == tensors.size());
  std::vector<std::vector<std::size_t>> chosen(1);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::uint32_t shard = shard_of_tensor[i];
    if (shard >= kMaxSplits)
      fail("a split GGUF cannot have more than " + std::to_string(kMaxSplits) + " files");
    if (shard >= chosen.size()) chosen.resize(shard + std::size_t{1});
    chosen[shard].push_back(i);
  }
  KvList own = metadata;
  for (const std::string_view key : {kSplitNoKey, kSplitCountKey, kSplitTensorsKey}) own.erase(key);
  if (chosen.size() == 1) return {make_gguf_layout(own, tensors)};

  check_names(tensors);
  std::vector<GgufLayout> layouts;
  for (std::size_t shard = 0; shard < chosen.size(); ++shard) {
    own.set(std::string(kSplitNoKey), static_cast<std::uint16_t>(shard));
    own.set(std::string(kSplitCountKey), static_cast<std::uint16_t>(chosen.size()));
    own.set(std::string(kSplitTensorsKey), static_cast<std::int32_t>(tensors.size()));
    layouts.push_back(lay_out(own, tensors, std::move(chosen[shard])));
    own = KvList();
  }
  return layouts;
}

}  // namespace qtz
