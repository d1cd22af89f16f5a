// Golden rows and bytes for the kernel tests: the compact set in tests/golden, always there, and the full one
// in the shared folder where it exists.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "qtz/core/dtype.h"
#include "qtz/core/json.h"
#include "qtz/kernels/backend.h"

namespace qtz::testing_kernels {

inline std::optional<std::vector<std::byte>> read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  const std::vector<char> chars{std::istreambuf_iterator<char>(file), {}};
  const auto* data = reinterpret_cast<const std::byte*>(chars.data());
  return std::vector<std::byte>(data, data + chars.size());
}

inline std::vector<float> read_floats(const std::filesystem::path& path) {
  const auto bytes = read_bytes(path);
  if (!bytes) return {};
  std::vector<float> out(bytes->size() / sizeof(float));
  std::memcpy(out.data(), bytes->data(), out.size() * sizeof(float));
  return out;
}

struct GoldenSet {
  std::filesystem::path folder;
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  std::vector<float> x;
  std::vector<float> importance;
  std::vector<std::string> labels;

  bool present() const { return !x.empty(); }

  /// The expected bytes of all rows; empty when the set has none for this type.
  std::optional<std::vector<std::byte>> expected(DType type, bool with_importance) const {
    if (type == DType::f32) return read_bytes(folder / "x.f32");
    const std::string name(name_of(type));
    if (with_importance) {
      if (auto bytes = read_bytes(folder / (name + ".importance.bin"))) return bytes;
    }
    return read_bytes(folder / (name + ".plain.bin"));
  }
};

inline GoldenSet load_golden(const std::filesystem::path& folder) {
  GoldenSet set;
  set.folder = folder;
  if (!std::filesystem::exists(folder / "index.json")) return set;
  const JsonValue index = parse_json_file(folder / "index.json", JsonLimits{});
  set.rows = index.find("rows")->as_uint().value();
  set.cols = index.find("cols")->as_uint().value();
  for (const JsonValue& label : *index.find("labels")->as_array()) set.labels.push_back(*label.as_string());
  set.x = read_floats(folder / "x.f32");
  set.importance = read_floats(folder / "importance.f32");
  return set;
}

/// The set that is part of the project.
inline const GoldenSet& own_golden() {
  static const GoldenSet set = load_golden(std::filesystem::path(QTZ_TESTS_DIR) / "golden");
  return set;
}

/// The larger one; not present() without the shared folder.
inline const GoldenSet& shared_golden() {
  static const GoldenSet set = load_golden(std::filesystem::path(QTZ_SHARED_DIR) / "data" / "golden");
  return set;
}

/// What a mismatch is, in words: the first row and block that differ.
inline std::string first_difference(const GoldenSet& set, DType type, const std::vector<std::byte>& got,
                                    const std::vector<std::byte>& want) {
  const std::uint64_t per_row = row_bytes(type, set.cols);
  std::uint64_t count = 0;
  std::string first;
  for (std::uint64_t row = 0; row < set.rows; ++row) {
    for (std::uint64_t at = 0; at < per_row; ++at) {
      if (got[row * per_row + at] == want[row * per_row + at]) continue;
      if (count++ == 0) {
        first = "row " + std::to_string(row) + " (" + set.labels[row] + ") block " +
                std::to_string(at / traits(type).block_bytes) + " byte " +
                std::to_string(at % traits(type).block_bytes) + ": got " +
                std::to_string(std::to_integer<int>(got[row * per_row + at])) + ", want " +
                std::to_string(std::to_integer<int>(want[row * per_row + at]));
      }
    }
  }
  return std::to_string(count) + " bytes differ, first " + first;
}

inline std::vector<DType> encodable_types() {
  std::vector<DType> types;
  for (std::size_t i = 0; i < kEncodableCount; ++i) types.push_back(static_cast<DType>(i));
  return types;
}

inline std::vector<std::string> backend_names() {
  std::vector<std::string> names;
  for (const Backend& backend : list_backends()) names.emplace_back(backend.name);
  return names;
}

inline const Backend& backend_named(const std::string& name) {
  for (const Backend& backend : list_backends()) {
    if (backend.name == name) return backend;
  }
  return list_backends().back();
}

/// Names of parameterized tests.
inline std::string type_and_backend(const testing::TestParamInfo<std::tuple<DType, std::string>>& info) {
  return std::string(name_of(std::get<0>(info.param))) + "_" + std::get<1>(info.param);
}
inline std::string only_backend(const testing::TestParamInfo<std::string>& info) {
  return info.param;
}

}  // namespace qtz::testing_kernels
