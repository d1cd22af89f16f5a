#include "model/expr_indices.h"

#include <algorithm>
#include <vector>

#include "model/tensor_ops.h"
#include "qtz/core/bytes.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

class Indices final : public TensorExpr {
 public:
  Indices(TensorExprPtr input, std::uint64_t limit, std::string_view what)
      : TensorExpr(input->shape(), DType::i32), input_(std::move(input)), limit_(limit), what_(what) {}

  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const override {
    const std::uint64_t elements = count * shape().cols();
    QTZ_CHECK(out.size() == elements * sizeof(std::int32_t));
    std::vector<std::byte> stored(count * row_bytes(input_->dtype(), shape().cols()));
    input_->read_rows(first, count, stored);
    std::vector<std::int32_t> values(elements);
    const bool wide = input_->dtype() == DType::i64;
    for (std::uint64_t i = 0; i < elements; ++i) {
      const std::int64_t value =
          wide ? load_le<std::int64_t>(stored.data() + 8 * i) : load_le<std::int32_t>(stored.data() + 4 * i);
      if (value < 0 || static_cast<std::uint64_t>(value) >= limit_) refuse(value);
      values[i] = static_cast<std::int32_t>(value);
    }
    std::ranges::copy(std::as_bytes(std::span(values)), out.begin());
  }
  std::uint64_t staging_bytes(std::uint64_t count) const override {
    return count * shape().cols() * (sizeof(std::int64_t) + sizeof(std::int32_t)) +
           input_->staging_bytes(count);
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    input_->collect_inputs(inputs);
  }

 private:
  [[noreturn]] void refuse(std::int64_t value) const {
    throw Error(ErrorKind::input_invalid,
                describe(*input_) + " holds " + std::to_string(value) + ", but there are " +
                    std::to_string(limit_) + " " + std::string(what_),
                "download the model again, or check that config.json belongs to these weights");
  }

  TensorExprPtr input_;
  std::uint64_t limit_;
  std::string_view what_;
};

}  // namespace

TensorExprPtr indices(TensorExprPtr input, std::uint64_t limit, std::string_view what) {
  if (input->dtype() != DType::i64 && input->dtype() != DType::i32) {
    throw Error(ErrorKind::input_invalid,
                describe(*input) + " has type " + std::string(name_of(input->dtype())) +
                    ", but whole numbers are needed here",
                "download the model again");
  }
  QTZ_CHECK(limit <= (std::uint64_t{1} << 31));
  return std::make_shared<Indices>(std::move(input), limit, what);
}

}  // namespace qtz
