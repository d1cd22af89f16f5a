// Convolutions of each channel over a token and the few before it, of the same text.
#include <algorithm>
#include <string>

#include "forward/layer_run.h"
#include "qtz/core/error.h"

namespace qtz {

Matrix convolve(const LayerRun& run, std::string_view part, const Matrix& in) {
  const std::string name = run.name(part) + ".weight";
  const Matrix& kernel = run.weights.read(name);
  if (kernel.rows != in.cols || kernel.cols == 0) {
    throw Error(ErrorKind::input_invalid, "tensor '" + name + "' has " + std::to_string(kernel.rows) +
                                              " channels, but the forward pass needs " +
                                              std::to_string(in.cols));
  }
  const std::vector<float>& bias = run.weights.vector_if(run.name(part) + ".bias", in.cols);
  const std::vector<std::uint64_t> positions = positions_of(run.batch);
  Matrix out{in.rows, in.cols, std::vector<float>(in.values.size())};
  for_row_pieces(run, in.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      const std::uint64_t before = std::min(positions[r], kernel.cols - 1);
      for (std::uint64_t c = 0; c < in.cols; ++c) {
        const float* weights = kernel.row(c) + kernel.cols - 1 - before;
        float sum = bias.empty() ? 0.0f : bias[c];
        for (std::uint64_t k = 0; k <= before; ++k) sum += weights[k] * in.row(r - before + k)[c];
        out.row(r)[c] = sum;
      }
    }
  });
  return out;
}

Matrix short_convolution(const LayerRun& run, const Matrix& in) {
  const Matrix all = linear(run, "shortconv.in_proj", in);
  const std::uint64_t width = all.cols / 3;
  require_cols(run, all, 3 * in.cols, "gates and inputs of a convolution");
  Matrix gated = columns(run, all, 0, width);
  for_row_pieces(run, in.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      for (std::uint64_t c = 0; c < width; ++c) gated.row(r)[c] *= all.row(r)[2 * width + c];
    }
  });
  Matrix out = convolve(run, "shortconv.conv", gated);
  for_row_pieces(run, in.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      for (std::uint64_t c = 0; c < width; ++c) out.row(r)[c] *= all.row(r)[width + c];
    }
  });
  return linear(run, "shortconv.out_proj", out);
}

}  // namespace qtz
