// Expressions that compute: rows are read in the stored type, widened to F32 and mapped value by value.
#include <algorithm>
#include <cmath>
#include <span>

#include "model/tensor_ops.h"
#include "qtz/core/bytes.h"
#include "qtz/core/error.h"
#include "qtz/core/half.h"

namespace qtz {

namespace {

using ValueMap = float (*)(float value, float parameter);

class Mapped final : public TensorExpr {
 public:
  Mapped(TensorExprPtr input, ValueMap map, float parameter)
      : TensorExpr(input->shape(), DType::f32), input_(std::move(input)), map_(map), parameter_(parameter) {}

  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const override {
    std::vector<std::byte> staging(count * row_bytes(input_->dtype(), shape().cols()));
    input_->read_rows(first, count, staging);
    std::vector<float> values(count * shape().cols());
    widen_to_f32(input_->dtype(), staging, values);
    if (map_ != nullptr) {
      for (float& value : values) value = map_(value, parameter_);
    }
    QTZ_CHECK(out.size() == values.size() * sizeof(float));
    std::ranges::copy(std::as_bytes(std::span(values)), out.begin());
  }
  std::uint64_t staging_bytes(std::uint64_t count) const override {
    const std::uint64_t cols = shape().cols();
    return count * (row_bytes(input_->dtype(), cols) + cols * sizeof(float)) + input_->staging_bytes(count);
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    input_->collect_inputs(inputs);
  }

 private:
  TensorExprPtr input_;
  ValueMap map_;
  float parameter_;
};

bool can_widen(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16 || type == DType::f64;
}

TensorExprPtr mapped(TensorExprPtr input, ValueMap map, float parameter) {
  if (!can_widen(input->dtype())) {
    throw Error(ErrorKind::input_invalid,
                describe(*input) + " has type " + std::string(name_of(input->dtype())) +
                    ", but floating-point numbers are needed here",
                "check that config.json belongs to these weights");
  }
  return std::make_shared<Mapped>(std::move(input), map, parameter);
}

}  // namespace

void widen_to_f32(DType type, std::span<const std::byte> bytes, std::span<float> out) {
  QTZ_CHECK(bytes.size() == out.size() * traits(type).block_bytes);
  const std::byte* at = bytes.data();
  switch (type) {
    case DType::f32:
      std::ranges::copy(bytes, std::as_writable_bytes(out).begin());
      return;
    case DType::f16:
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = f16_to_f32(load_le<std::uint16_t>(at + 2 * i));
      return;
    case DType::bf16:
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = bf16_to_f32(load_le<std::uint16_t>(at + 2 * i));
      return;
    default:
      QTZ_CHECK(type == DType::f64);
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(load_le<double>(at + 8 * i));
  }
}

TensorExprPtr plus(TensorExprPtr input, float value) {
  return mapped(
      std::move(input), [](float x, float v) { return x + v; }, value);
}

TensorExprPtr times(TensorExprPtr input, float value) {
  return mapped(
      std::move(input), [](float x, float v) { return x * v; }, value);
}

TensorExprPtr negative_exp(TensorExprPtr input) {
  // In double, rounded once: libraries' float exp differ in the last bit.
  return mapped(
      std::move(input), [](float x, float) { return -static_cast<float>(std::exp(static_cast<double>(x))); },
      0);
}

TensorExprPtr widened(TensorExprPtr input) {
  if (input->dtype() == DType::f32) return input;
  return mapped(std::move(input), nullptr, 0);
}

std::vector<float> read_floats(const TensorExpr& input) {
  if (!can_widen(input.dtype())) {
    throw Error(ErrorKind::input_invalid,
                describe(input) + " has type " + std::string(name_of(input.dtype())) +
                    ", but floating-point numbers are needed here",
                "check that config.json belongs to these weights");
  }
  const std::uint64_t rows = input.shape().rows();
  std::vector<std::byte> bytes(rows * row_bytes(input.dtype(), input.shape().cols()));
  input.read_rows(0, rows, bytes);
  std::vector<float> values(input.shape().elements());
  widen_to_f32(input.dtype(), bytes, values);
  return values;
}

}  // namespace qtz
