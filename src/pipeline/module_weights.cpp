#include "module_weights.h"

#include <algorithm>

#include "qtz/core/error.h"
#include "qtz/core/parallel.h"

namespace qtz {

std::vector<float> read_module_weights(const TensorSource& source, const TensorInfo& tensor,
                                       const Backend& backend, unsigned threads, const CancelToken& cancel) {
  if (!backend.can_decode(tensor.dtype)) {
    throw Error(ErrorKind::input_invalid, "tensor '" + printable(tensor.name) + "' is stored as " +
                                              std::string(name_of(tensor.dtype)) + ", which are no weights");
  }
  constexpr std::uint64_t kRows = 64;
  const std::uint64_t rows = tensor.shape.rows(), cols = tensor.shape.cols();
  const std::uint64_t row = row_bytes(tensor.dtype, cols);
  std::vector<float> weights(rows * cols);
  std::vector<std::vector<std::byte>> buffers(threads);
  const std::uint64_t pieces = (rows + kRows - 1) / kRows;
  std::vector<std::uint64_t> bad(pieces, ~std::uint64_t{0});
  parallel_for(pieces, threads, cancel, [&](unsigned worker, std::uint64_t piece) {
    const std::uint64_t first = piece * kRows;
    const std::uint64_t count = std::min(kRows, rows - first);
    std::vector<std::byte>& buffer = buffers[worker];
    buffer.resize(count * row);
    source.read(tensor, first * row, buffer);
    float* const out = weights.data() + first * cols;
    backend.decode(tensor.dtype, buffer.data(), out, count * cols);
    const std::uint64_t found = backend.find_nonfinite(out, count * cols);
    if (found < count * cols) bad[piece] = first * cols + found;
  });
  const std::uint64_t first_bad = pieces == 0 ? ~std::uint64_t{0} : *std::min_element(bad.begin(), bad.end());
  if (first_bad != ~std::uint64_t{0}) {
    throw Error(ErrorKind::numeric,
                "tensor '" + printable(tensor.name) + "' has a NaN or infinite weight at [" +
                    std::to_string(first_bad / cols) + ", " + std::to_string(first_bad % cols) + "]",
                "quantize from a sound original");
  }
  return weights;
}

void check_scales(const IntegerMatrix& matrix, const TensorInfo& tensor) {
  const bool sound = std::all_of(matrix.scales.begin(), matrix.scales.end(),
                                 [](float scale) { return std::isfinite(scale); });
  if (sound) return;
  throw Error(ErrorKind::numeric, "tensor '" + printable(tensor.name) +
                                      "' holds weights too large for scales of " +
                                      (matrix.scheme.bf16_scales ? "BF16" : "FP16"));
}

}  // namespace qtz
