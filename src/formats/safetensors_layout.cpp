#include "qtz/formats/safetensors_layout.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <numeric>

#include "qtz/core/error.h"
#include "qtz/core/json.h"
#include "tensor_size.h"

namespace qtz {
namespace {

/// Which file each tensor is in, and how many there are.
struct Shards {
  std::vector<std::uint32_t> of;
  std::uint32_t count = 1;
};

Shards cut_shards(const std::vector<std::uint64_t>& bytes, std::uint64_t split_max_bytes) {
  Shards shards;
  std::uint64_t in_file = 0;
  for (const std::uint64_t own : bytes) {
    if (split_max_bytes > 0 && in_file > 0 && in_file + own > split_max_bytes) {
      ++shards.count;
      in_file = 0;
    }
    shards.of.push_back(shards.count - 1);
    in_file += own;
  }
  return shards;
}

std::string file_name(std::uint32_t file, std::uint32_t count) {
  if (count == 1) return "model.safetensors";
  char name[64];
  std::snprintf(name, sizeof name, "model-%05u-of-%05u.safetensors", file + 1, count);
  return name;
}

JsonArray shape_json(const Shape& shape) {
  JsonArray dims;
  for (const std::uint64_t dim : shape.dims()) dims.emplace_back(dim);
  return dims;
}

/// The length of the header, the header, and spaces, so that data begins at a multiple of eight.
std::vector<std::byte> header_of(JsonObject entries) {
  constexpr std::size_t kAlignment = 8;
  std::string text = to_json(JsonValue(std::move(entries)), -1);
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  std::vector<std::byte> header(sizeof(std::uint64_t) + text.size());
  const std::uint64_t length = text.size();
  std::memcpy(header.data(), &length, sizeof length);
  std::memcpy(header.data() + sizeof length, text.data(), text.size());
  return header;
}

std::string index_of(std::span<const SafetensorsTensor> tensors, const Shards& shards, std::uint64_t total) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return tensors[a].name < tensors[b].name; });
  JsonObject map;
  for (const std::size_t i : order) map.emplace_back(tensors[i].name, file_name(shards.of[i], shards.count));
  const JsonObject index{{"metadata", JsonObject{{"total_size", total}}}, {"weight_map", std::move(map)}};
  return to_json(JsonValue(index)) + "\n";
}

}  // namespace

SafetensorsLayout make_safetensors_layout(std::span<const SafetensorsTensor> tensors,
                                          std::uint64_t split_max_bytes) {
  std::vector<std::uint64_t> bytes;
  for (const SafetensorsTensor& tensor : tensors) {
    if (dtype_from_safetensors(name_of(tensor.dtype)) != tensor.dtype) {
      throw Error(ErrorKind::input_invalid, "tensor '" + printable(tensor.name) +
                                                "': safetensors has no type " +
                                                std::string(name_of(tensor.dtype)));
    }
    bytes.push_back(checked_tensor_bytes(tensor.dtype, tensor.shape));
  }
  const Shards shards = cut_shards(bytes, split_max_bytes);
  SafetensorsLayout layout;
  layout.places.resize(tensors.size());
  for (std::uint32_t file = 0; file < shards.count; ++file) {
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (shards.of[i] == file) members.push_back(i);
    }
    std::stable_sort(members.begin(), members.end(), [&](std::size_t a, std::size_t b) {
      return traits(tensors[a].dtype).block_bytes > traits(tensors[b].dtype).block_bytes;
    });
    JsonObject entries{{"__metadata__", JsonObject{{"format", "pt"}}}};
    std::uint64_t at = 0;
    for (const std::size_t i : members) {
      layout.places[i] = {file, at, bytes[i]};
      const std::uint64_t end = at + bytes[i];
      entries.emplace_back(tensors[i].name, JsonObject{{"dtype", name_of(tensors[i].dtype)},
                                                       {"shape", shape_json(tensors[i].shape)},
                                                       {"data_offsets", JsonArray{at, end}}});
      at = end;
    }
    SafetensorsLayout::File made{file_name(file, shards.count), header_of(std::move(entries)), 0};
    for (const std::size_t i : members) layout.places[i].offset += made.header.size();
    made.bytes = made.header.size() + at;
    layout.files.push_back(std::move(made));
  }
  if (shards.count > 1) {
    layout.index = index_of(tensors, shards, std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0}));
  }
  return layout;
}

}  // namespace qtz
