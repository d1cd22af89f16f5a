#include "qtz/methods/integer_matrix.h"

#include <algorithm>
#include <numeric>

#include "qtz/core/error.h"
#include "qtz/core/parallel.h"

namespace qtz {

namespace {

/// Where columns are and which group they are of, in the order in which they are quantized.
struct ColumnOrder {
  std::vector<std::uint32_t> column;    ///< of the matrix
  std::vector<std::uint32_t> group_of;  ///< [cols]
  std::vector<std::uint32_t> members;   ///< positions in the order, group after group
  std::vector<std::uint32_t> starts;    ///< [groups + 1]

  /// Groups are the matrix's, which gets them from the order where they follow that.
  ColumnOrder(IntegerMatrix& matrix, std::span<const std::uint32_t> order, bool groups_in_order) {
    column.resize(matrix.cols);
    if (order.empty()) {
      std::iota(column.begin(), column.end(), 0U);
    } else {
      QTZ_CHECK(order.size() == matrix.cols);
      std::copy(order.begin(), order.end(), column.begin());
    }
    if (groups_in_order) {
      std::vector<std::uint32_t> groups(matrix.cols);
      for (std::uint64_t i = 0; i < matrix.cols; ++i)
        groups[column[i]] = static_cast<std::uint32_t>(matrix.group_of(i));
      matrix.column_groups = std::move(groups);
    }
    const std::uint64_t groups = matrix.scheme.groups(matrix.cols);
    starts.resize(groups + 1);
    for (const std::uint32_t at : column) {
      group_of.push_back(static_cast<std::uint32_t>(matrix.group_of(at)));
      ++starts[group_of.back() + 1];
    }
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    members.resize(matrix.cols);
    std::vector<std::uint32_t> next(starts.begin(), starts.end() - 1);
    for (std::uint32_t i = 0; i < matrix.cols; ++i) members[next[group_of[i]]++] = i;
  }
};

/// Buffers of one thread.
struct Slab {
  std::vector<float> weights;
  std::vector<std::uint8_t> codes;
  std::vector<float> scales;
  std::vector<std::uint8_t> zeros;
  std::vector<float> errors;
  std::vector<float> levels;
  std::vector<float> gradients;
  float losses[kSlabRows] = {};
};

}  // namespace

std::vector<float> IntegerMatrix::weights() const {
  std::vector<float> out(rows * cols);
  for (std::uint64_t c = 0; c < cols; ++c) {
    const std::uint64_t group = group_of(c) * rows;
    for (std::uint64_t r = 0; r < rows; ++r) {
      const int level = static_cast<int>(codes[c * rows + r]) - static_cast<int>(zeros[group + r]);
      out[r * cols + c] = scales[group + r] * static_cast<float>(level);
    }
  }
  return out;
}

IntegerMatrix quantize_matrix(std::span<const float> weights, std::uint64_t rows, std::uint64_t cols,
                              const IntegerScheme& scheme, const InputKnowledge& inputs,
                              const Backend& backend, unsigned threads, const CancelToken& cancel) {
  QTZ_CHECK(weights.size() == rows * cols && scheme.bits >= 2 && scheme.bits <= 8);
  QTZ_CHECK(inputs.importance.empty() || inputs.importance.size() == cols);
  QTZ_CHECK(inputs.factor.empty() || inputs.factor.size() == cols * cols);
  IntegerMatrix out;
  out.scheme = scheme;
  out.rows = rows;
  out.cols = cols;
  const std::uint64_t groups = scheme.groups(cols);
  out.codes.resize(cols * rows);
  out.scales.resize(groups * rows);
  out.zeros.resize(groups * rows);
  const ColumnOrder order(out, inputs.order, inputs.groups_in_order);
  std::vector<float> importance;
  for (const std::uint32_t column : order.column) {
    if (!inputs.importance.empty()) importance.push_back(inputs.importance[column]);
  }

  const std::uint64_t slabs = (rows + kSlabRows - 1) / kSlabRows;
  std::vector<double> losses(slabs);
  std::vector<Slab> buffers(threads);
  parallel_for(slabs, threads, cancel, [&](unsigned worker, std::uint64_t slab) {
    Slab& buffer = buffers[worker];
    const std::uint64_t first = slab * kSlabRows;
    const std::uint64_t live = std::min(kSlabRows, rows - first);
    buffer.weights.assign(cols * kSlabRows, 0.0f);
    buffer.codes.resize(cols * kSlabRows);
    buffer.scales.resize(groups * kSlabRows);
    buffer.zeros.resize(groups * kSlabRows);
    for (std::uint64_t r = 0; r < live; ++r) {
      const float* const row = weights.data() + (first + r) * cols;
      for (std::uint64_t c = 0; c < cols; ++c) buffer.weights[c * kSlabRows + r] = row[order.column[c]];
    }
    GroupQuantizeJob job;
    job.cols = cols;
    job.groups = groups;
    job.group_of = order.group_of.data();
    job.members = order.members.data();
    job.starts = order.starts.data();
    job.fixed_scales = inputs.fixed_scales;
    job.bits = scheme.bits;
    job.symmetric = scheme.symmetric;
    job.least_zero = scheme.least_zero;
    job.bf16_scales = scheme.bf16_scales;
    job.importance = importance.empty() ? nullptr : importance.data();
    job.factor = inputs.factor.empty() ? nullptr : inputs.factor.data();
    job.weights = buffer.weights.data();
    job.codes = buffer.codes.data();
    job.scales = buffer.scales.data();
    job.zeros = buffer.zeros.data();
    job.losses = buffer.losses;
    if (!inputs.hessian.empty()) {
      buffer.errors = buffer.weights;
      buffer.levels.resize(buffer.weights.size());
      buffer.gradients.resize(buffer.weights.size());
      job.hessian = inputs.hessian.data();
      job.sweeps = inputs.sweeps;
      job.errors = buffer.errors.data();
      job.levels = buffer.levels.data();
      job.gradients = buffer.gradients.data();
    }
    backend.group_quantize(job);
    for (std::uint64_t c = 0; c < cols; ++c) {
      std::copy_n(buffer.codes.data() + c * kSlabRows, live,
                  out.codes.data() + order.column[c] * rows + first);
    }
    for (std::uint64_t g = 0; g < groups; ++g) {
      std::copy_n(buffer.scales.data() + g * kSlabRows, live, out.scales.data() + g * rows + first);
      std::copy_n(buffer.zeros.data() + g * kSlabRows, live, out.zeros.data() + g * rows + first);
    }
    for (std::uint64_t r = 0; r < live; ++r) losses[slab] += static_cast<double>(buffer.losses[r]);
  });
  out.loss = std::accumulate(losses.begin(), losses.end(), 0.0);
  return out;
}

}  // namespace qtz
