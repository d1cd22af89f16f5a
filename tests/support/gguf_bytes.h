// GGUF files as text, field by field, so that a test can put exactly one wrong field into an otherwise good
// file.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace qtz::test {

template <typename T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

/// u64 length and text, as GGUF stores strings.
inline std::string gguf_text(std::string_view text) {
  return raw<std::uint64_t>(text.size()) + std::string(text);
}

/// A key with its value type and the value's stored bytes.
inline std::string gguf_key(std::string_view key, std::uint32_t type, const std::string& value) {
  return gguf_text(key) + raw(type) + value;
}

inline std::string gguf_array(std::uint32_t element_type, std::uint64_t count, const std::string& elements) {
  return raw(element_type) + raw(count) + elements;
}

/// A tensor record; dimensions innermost first, as stored.
inline std::string gguf_tensor(std::string_view name, const std::vector<std::uint64_t>& dims,
                               std::uint32_t type, std::uint64_t offset) {
  std::string bytes = gguf_text(name) + raw(static_cast<std::uint32_t>(dims.size()));
  for (const std::uint64_t dim : dims) bytes += raw(dim);
  return bytes + raw(type) + raw(offset);
}

struct GgufParts {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::vector<std::string> keys;
  std::vector<std::string> tensors;
  std::string data;
  std::size_t alignment = 32;

  std::string file() const {
    std::string bytes =
        magic + raw(version) + raw<std::uint64_t>(tensors.size()) + raw<std::uint64_t>(keys.size());
    for (const std::string& key : keys) bytes += key;
    for (const std::string& tensor : tensors) bytes += tensor;
    if (!tensors.empty()) bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    return bytes + data;
  }
};

}  // namespace qtz::test
