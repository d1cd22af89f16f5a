// Expressions that move rows: reshape, gather, concatenate. Slices, strides, group swaps and stacks are
// gathers and concatenations under other shapes.
#include <algorithm>
#include <cstring>
#include <utility>

#include "model/tensor_ops.h"
#include "qtz/core/checked.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

[[noreturn]] void misfit(const TensorExpr& input, const std::string& problem) {
  throw Error(ErrorKind::input_invalid, describe(input) + " " + problem,
              "check that config.json belongs to these weights");
}

/// Elements that are stored several together cannot be taken apart.
void refuse_blocks(const TensorExpr& input) {
  if (traits(input.dtype()).block_elems == 1) return;
  misfit(input,
         "has type " + std::string(name_of(input.dtype())) + ", whose elements cannot be moved singly");
}

class Reshaped final : public TensorExpr {
 public:
  Reshaped(TensorExprPtr input, Shape shape)
      : TensorExpr(std::move(shape), input->dtype()), input_(std::move(input)) {}

  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const override {
    const std::uint64_t to = shape().cols();
    const std::uint64_t from = input_->shape().cols();
    if (to == from) return input_->read_rows(first, count, out);
    // A run of elements: the end of one input row, whole rows, the start of another.
    std::uint64_t at = first * to;
    const std::uint64_t end = at + count * to;
    std::span<std::byte> rest = out;
    const auto take = [&](std::uint64_t elems) {
      const auto part = rest.first(row_bytes(dtype(), elems));
      rest = rest.subspan(part.size());
      at += elems;
      return part;
    };
    while (at < end) {
      const std::uint64_t row = at / from;
      const std::uint64_t col = at % from;
      if (col == 0 && end - at >= from) {
        const std::uint64_t rows = (end - at) / from;
        input_->read_rows(row, rows, take(rows * from));
      } else {
        const std::uint64_t cols = std::min(from - col, end - at);
        input_->read_block(row, 1, col, cols, take(cols));
      }
    }
  }

  void read_block(std::uint64_t first_row, std::uint64_t rows, std::uint64_t first_col, std::uint64_t cols,
                  std::span<std::byte> out) const override {
    if (shape().cols() != input_->shape().cols()) {
      return TensorExpr::read_block(first_row, rows, first_col, cols, out);
    }
    input_->read_block(first_row, rows, first_col, cols, out);
  }

  std::uint64_t staging_bytes(std::uint64_t count) const override {
    const std::uint64_t from = std::max<std::uint64_t>(input_->shape().cols(), 1);
    const std::uint64_t rows = count * shape().cols() / from + 2;
    const std::uint64_t partial = shape().cols() == from ? 0 : row_bytes(dtype(), from);
    return input_->staging_bytes(rows) + partial;
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    input_->collect_inputs(inputs);
  }

 private:
  TensorExprPtr input_;
};

class Gathered final : public TensorExpr {
 public:
  Gathered(TensorExprPtr input, Shape shape, RowMap map)
      : TensorExpr(std::move(shape), input->dtype()), input_(std::move(input)), map_(std::move(map)) {}

  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const override {
    const std::uint64_t bytes = row_bytes(dtype(), shape().cols());
    read_runs(first, count, bytes, out, [&](std::uint64_t row, std::uint64_t rows, std::span<std::byte> to) {
      input_->read_rows(row, rows, to);
    });
  }

  void read_block(std::uint64_t first_row, std::uint64_t rows, std::uint64_t first_col, std::uint64_t cols,
                  std::span<std::byte> out) const override {
    read_runs(first_row, rows, row_bytes(dtype(), cols), out,
              [&](std::uint64_t row, std::uint64_t count, std::span<std::byte> to) {
                input_->read_block(row, count, first_col, cols, to);
              });
  }

  std::uint64_t staging_bytes(std::uint64_t count) const override {
    const std::uint64_t bytes = row_bytes(dtype(), shape().cols());
    // The widest run: every second row wanted, the rows between read along.
    return count * (2 * bytes + sizeof(Move)) + kGapBytes + input_->staging_bytes(2 * count);
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    input_->collect_inputs(inputs);
  }

 private:
  struct Move {
    std::uint64_t from, to;
  };
  // Rows lying between two wanted ones are read along when that is cheaper than another system call.
  static constexpr std::uint64_t kGapBytes = 16384;

  template <typename Read>
  void read_runs(std::uint64_t first, std::uint64_t count, std::uint64_t bytes, std::span<std::byte> out,
                 Read&& read) const {
    QTZ_CHECK(out.size() == count * bytes);
    if (count == 0) return;
    std::vector<Move> moves(count);
    bool in_order = true;
    for (std::uint64_t r = 0; r < count; ++r) {
      moves[r] = {map_(first + r), r};
      in_order = in_order && moves[r].from == moves[0].from + r;
    }
    if (in_order) return read(moves[0].from, count, out);
    std::sort(moves.begin(), moves.end(), [](const Move& a, const Move& b) { return a.from < b.from; });
    std::vector<std::byte> staging;
    for (std::size_t begin = 0; begin < moves.size();) {
      std::size_t end = begin + 1;
      std::uint64_t skipped = 0;
      while (end < moves.size()) {
        const std::uint64_t gap = moves[end].from - moves[end - 1].from;
        const std::uint64_t unread = gap > 1 ? gap - 1 : 0;
        const bool dense = skipped + unread <= end - begin || (skipped + unread) * bytes <= kGapBytes;
        if (!dense) break;
        skipped += unread;
        ++end;
      }
      const std::uint64_t base = moves[begin].from;
      const std::uint64_t rows = moves[end - 1].from - base + 1;
      if (rows == 1 && end == begin + 1) {
        read(base, 1, out.subspan(moves[begin].to * bytes, bytes));
      } else {
        staging.resize(rows * bytes);
        read(base, rows, std::span<std::byte>(staging));
        for (std::size_t i = begin; i < end; ++i) {
          std::memcpy(out.data() + moves[i].to * bytes, staging.data() + (moves[i].from - base) * bytes,
                      bytes);
        }
      }
      begin = end;
    }
  }

  TensorExprPtr input_;
  RowMap map_;
};

class Concatenated final : public TensorExpr {
 public:
  Concatenated(std::vector<TensorExprPtr> inputs, Shape shape)
      : TensorExpr(std::move(shape), inputs.front()->dtype()), inputs_(std::move(inputs)) {
    ends_.reserve(inputs_.size());
    std::uint64_t end = 0;
    for (const TensorExprPtr& input : inputs_) ends_.push_back(end += input->shape().rows());
  }

  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const override {
    const std::uint64_t bytes = row_bytes(dtype(), shape().cols());
    each_part(first, count,
              [&](const TensorExpr& input, std::uint64_t from, std::uint64_t rows, std::uint64_t at) {
                input.read_rows(from, rows, out.subspan(at * bytes, rows * bytes));
              });
  }

  void read_block(std::uint64_t first_row, std::uint64_t rows, std::uint64_t first_col, std::uint64_t cols,
                  std::span<std::byte> out) const override {
    const std::uint64_t bytes = row_bytes(dtype(), cols);
    each_part(first_row, rows,
              [&](const TensorExpr& input, std::uint64_t from, std::uint64_t part, std::uint64_t at) {
                input.read_block(from, part, first_col, cols, out.subspan(at * bytes, part * bytes));
              });
  }

  std::uint64_t staging_bytes(std::uint64_t count) const override {
    std::uint64_t most = 0;
    for (const TensorExprPtr& input : inputs_) {
      most = std::max(most, input->staging_bytes(std::min(count, input->shape().rows())));
    }
    return most;
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    for (const TensorExprPtr& input : inputs_) input->collect_inputs(inputs);
  }

 private:
  template <typename Visit>
  void each_part(std::uint64_t first, std::uint64_t count, Visit&& visit) const {
    auto part = static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), first) - ends_.begin());
    for (std::uint64_t done = 0; done < count; ++part) {
      QTZ_CHECK(part < inputs_.size());
      const std::uint64_t begin = part == 0 ? 0 : ends_[part - 1];
      const std::uint64_t rows = std::min(ends_[part] - (first + done), count - done);
      if (rows > 0) visit(*inputs_[part], first + done - begin, rows, done);
      done += rows;
    }
  }

  std::vector<TensorExprPtr> inputs_;
  std::vector<std::uint64_t> ends_;
};

/// Columns in another order, or some of them: whole rows are read, runs of columns copied.
class PickedColumns final : public TensorExpr {
 public:
  PickedColumns(TensorExprPtr input, Shape shape, const RowMap& map)
      : TensorExpr(std::move(shape), input->dtype()), input_(std::move(input)) {
    const std::uint64_t elem = traits(dtype()).block_bytes;
    for (std::uint64_t col = 0; col < this->shape().cols(); ++col) {
      const std::uint64_t from = map(col) * elem;
      if (!runs_.empty() && runs_.back().from + runs_.back().bytes == from) {
        runs_.back().bytes += elem;
      } else {
        runs_.push_back({from, elem});
      }
    }
  }

  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const override {
    const std::uint64_t row = row_bytes(dtype(), input_->shape().cols());
    std::vector<std::byte> rows(count * row);
    input_->read_rows(first, count, rows);
    std::byte* to = out.data();
    for (std::uint64_t r = 0; r < count; ++r) {
      for (const Run& run : runs_) {
        std::memcpy(to, rows.data() + r * row + run.from, run.bytes);
        to += run.bytes;
      }
    }
    QTZ_CHECK(to == out.data() + out.size());
  }

  std::uint64_t staging_bytes(std::uint64_t count) const override {
    return count * row_bytes(dtype(), input_->shape().cols()) + input_->staging_bytes(count);
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    input_->collect_inputs(inputs);
  }

 private:
  struct Run {
    std::uint64_t from, bytes;
  };
  TensorExprPtr input_;
  std::vector<Run> runs_;
};

/// An axis with what lies outside and inside of it, inside counted in rows when the axis is not the last.
struct AxisView {
  std::uint64_t outside = 1;
  std::uint64_t inside = 1;
};

AxisView view_axis(const Shape& shape, std::size_t axis) {
  AxisView view;
  for (std::size_t i = 0; i < axis; ++i) view.outside *= shape[i];
  for (std::size_t i = axis + 1; i + 1 < shape.rank(); ++i) view.inside *= shape[i];
  return view;
}

/// Picks indices of one axis: output index i of the axis is input index map(i).
TensorExprPtr picked(TensorExprPtr input, std::size_t axis, std::uint64_t count, const RowMap& map) {
  const Shape& shape = input->shape();
  if (axis >= shape.rank()) misfit(*input, "has no axis " + std::to_string(axis));
  std::vector<std::uint64_t> dims = shape.dims();
  const std::uint64_t length = dims[axis];
  dims[axis] = count;
  if (axis + 1 == shape.rank()) {
    refuse_blocks(*input);
    return std::make_shared<PickedColumns>(std::move(input), Shape(std::move(dims)), map);
  }
  const AxisView view = view_axis(shape, axis);
  return gathered_rows(std::move(input), Shape(std::move(dims)), [=](std::uint64_t row) {
    const std::uint64_t inner = row % view.inside;
    const std::uint64_t index = row / view.inside % count;
    const std::uint64_t outer = row / view.inside / count;
    return (outer * length + map(index)) * view.inside + inner;
  });
}

}  // namespace

TensorExprPtr reshaped(TensorExprPtr input, Shape shape) {
  if (input->shape() == shape) return input;
  if (input->shape().elements() != shape.elements()) {
    misfit(*input, "cannot be seen as " + shape.to_string());
  }
  if (input->shape().cols() != shape.cols()) refuse_blocks(*input);
  return std::make_shared<Reshaped>(std::move(input), std::move(shape));
}

TensorExprPtr gathered_rows(TensorExprPtr input, Shape shape, RowMap map) {
  QTZ_CHECK(shape.cols() == input->shape().cols());
  return std::make_shared<Gathered>(std::move(input), std::move(shape), std::move(map));
}

TensorExprPtr sliced(TensorExprPtr input, std::size_t axis, std::uint64_t first, std::uint64_t count) {
  const auto end = checked_add(first, count);
  if (axis >= input->shape().rank() || !end || *end > input->shape()[axis]) {
    misfit(*input, "has no indices " + std::to_string(first) + " to " + std::to_string(first + count) +
                       " on axis " + std::to_string(axis));
  }
  if (first == 0 && count == input->shape()[axis]) return input;
  return picked(std::move(input), axis, count, [first](std::uint64_t i) { return first + i; });
}

TensorExprPtr strided(TensorExprPtr input, std::size_t axis, std::uint64_t first, std::uint64_t step) {
  if (axis >= input->shape().rank() || input->shape()[axis] % step != 0) {
    misfit(*input, "cannot be split in " + std::to_string(step) + " along axis " + std::to_string(axis));
  }
  const std::uint64_t count = input->shape()[axis] / step;
  return picked(std::move(input), axis, count, [=](std::uint64_t i) { return first + i * step; });
}

TensorExprPtr swapped_groups(TensorExprPtr input, std::size_t axis, std::uint64_t outer, std::uint64_t a,
                             std::uint64_t b) {
  const auto ab = checked_mul(a, b);
  const auto groups = ab ? checked_mul(*ab, outer) : std::nullopt;
  if (axis >= input->shape().rank() || !groups || *groups == 0 || input->shape()[axis] % *groups != 0) {
    misfit(*input, "cannot be seen as " + std::to_string(outer) + " x " + std::to_string(a) + " x " +
                       std::to_string(b) + " groups along axis " + std::to_string(axis));
  }
  const std::uint64_t length = input->shape()[axis];
  const std::uint64_t inner = length / *groups;
  return picked(std::move(input), axis, length, [=](std::uint64_t i) {
    const std::uint64_t low = i % inner;
    const std::uint64_t in_a = i / inner % a;
    const std::uint64_t in_b = i / inner / a % b;
    const std::uint64_t high = i / inner / a / b;
    return ((high * a + in_a) * b + in_b) * inner + low;
  });
}

TensorExprPtr stacked(std::vector<TensorExprPtr> inputs) {
  QTZ_CHECK(!inputs.empty());
  const Shape& one = inputs.front()->shape();
  for (const TensorExprPtr& input : inputs) {
    if (!(input->shape() == one) || input->dtype() != inputs.front()->dtype()) {
      misfit(*input, "cannot be stacked with " + describe(*inputs.front()) + ": shape or type differ");
    }
  }
  std::vector<std::uint64_t> dims{inputs.size()};
  dims.insert(dims.end(), one.dims().begin(), one.dims().end());
  if (one.rank() == 0) dims.push_back(1);
  return std::make_shared<Concatenated>(std::move(inputs), Shape(std::move(dims)));
}

TensorExprPtr concatenated(std::vector<TensorExprPtr> inputs) {
  QTZ_CHECK(!inputs.empty());
  if (inputs.size() == 1) return inputs.front();
  std::vector<std::uint64_t> dims = inputs.front()->shape().dims();
  const bool vectors = dims.size() == 1;
  std::uint64_t length = 0;
  for (TensorExprPtr& input : inputs) {
    std::vector<std::uint64_t> other = input->shape().dims();
    const bool fits = other.size() == dims.size() && !other.empty() &&
                      std::equal(other.begin() + 1, other.end(), dims.begin() + 1) &&
                      input->dtype() == inputs.front()->dtype();
    const auto sum = fits ? checked_add(length, other.front()) : std::nullopt;
    if (!sum) misfit(*input, "cannot be joined to " + describe(*inputs.front()) + ": shape or type differ");
    length = *sum;
    if (vectors) input = reshaped(std::move(input), Shape{other.front(), 1});
  }
  dims.front() = length;
  if (!vectors) return std::make_shared<Concatenated>(std::move(inputs), Shape(std::move(dims)));
  TensorExprPtr column = std::make_shared<Concatenated>(std::move(inputs), Shape{length, 1});
  return reshaped(std::move(column), Shape{length});
}

}  // namespace qtz
