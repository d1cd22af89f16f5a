// Safetensors files as text, well-formed or with one fault: length prefix, header, data.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace qtz::test {

inline std::string little_endian_u64(std::uint64_t value) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &value, 8);
  return bytes;
}

/// A file with that header text and `data_bytes` of data 0, 1, 2 ...
inline std::string safetensors_file(std::string_view header, std::size_t data_bytes) {
  std::string file = little_endian_u64(header.size()) + std::string(header);
  for (std::size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i);
  return file;
}

/// One header entry: "name":{"dtype":...,"shape":[...],"data_offsets":[begin,end]}.
inline std::string entry(std::string_view name, std::string_view dtype, std::string_view shape,
                         std::uint64_t begin, std::uint64_t end) {
  return "\"" + std::string(name) + "\":{\"dtype\":\"" + std::string(dtype) +
         "\",\"shape\":" + std::string(shape) + ",\"data_offsets\":[" + std::to_string(begin) + "," +
         std::to_string(end) + "]}";
}

}  // namespace qtz::test
