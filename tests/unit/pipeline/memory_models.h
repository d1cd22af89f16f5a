// Models with weights in memory, encoded by the scalar backend.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "planned_models.h"
#include "qtz/kernels/backend.h"

namespace qtz::test {

inline const Backend& scalar() {
  return select_backend("scalar");
}

inline std::vector<std::byte> stored_as(DType type, std::span<const float> values, std::uint64_t cols) {
  std::vector<std::byte> bytes(values.size() / cols * row_bytes(type, cols));
  scalar().encode(type, values.data(), nullptr, values.size() / cols, cols, bytes.data());
  return bytes;
}

/// A tensor as a folder gives it: in a 16-bit file F32 vectors stay F32 and F32 matrices become F16.
inline ModelTensor in_memory(std::string name, Shape shape, DType type, std::span<const float> values) {
  auto bytes = stored_as(type, values, shape.cols());
  const DType unquantized = type == DType::f32 && shape.rank() > 1 ? DType::f16 : type;
  return {std::move(name), std::make_shared<MemoryExpr>(std::move(shape), type, std::move(bytes)),
          unquantized};
}

/// Repeatable weights between -1 and 1.
inline std::vector<float> weights(std::uint64_t count, std::uint32_t seed) {
  std::vector<float> values(count);
  for (float& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(static_cast<std::int32_t>(seed)) * 0x1p-31f;
  }
  return values;
}

}  // namespace qtz::test
