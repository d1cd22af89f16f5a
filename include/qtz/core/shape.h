// The shape of a tensor in the order of safetensors and torch: outermost dimension first, rows contiguous.
// GGUF's reversed order exists only inside formats/gguf.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace qtz {

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::uint64_t> dims) : dims_(dims) {}
  explicit Shape(std::vector<std::uint64_t> dims) : dims_(std::move(dims)) {}

  std::size_t rank() const noexcept { return dims_.size(); }
  std::uint64_t operator[](std::size_t axis) const noexcept { return dims_[axis]; }
  const std::vector<std::uint64_t>& dims() const noexcept { return dims_; }

  /// Product of all dimensions; 1 for a scalar. The product was checked for overflow when the shape was read.
  std::uint64_t elements() const noexcept;
  /// Length of a row: the last dimension, 1 for a scalar.
  std::uint64_t cols() const noexcept { return dims_.empty() ? 1 : dims_.back(); }
  /// Number of rows: the product of all dimensions but the last.
  std::uint64_t rows() const noexcept;

  bool operator==(const Shape&) const = default;

  /// "[2048, 256]"
  std::string to_string() const;

 private:
  std::vector<std::uint64_t> dims_;
};

}  // namespace qtz
