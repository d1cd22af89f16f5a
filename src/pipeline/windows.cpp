#include "pipeline/windows.h"

#include <algorithm>

#include "qtz/core/error.h"

namespace qtz {

Batch cut_windows(std::span<const std::uint32_t> tokens, const WindowOptions& options) {
  constexpr std::uint64_t kFewest = 2;
  if (options.length == 0 || tokens.size() < kFewest * options.length) {
    throw Error(ErrorKind::input_invalid,
                "the text has " + std::to_string(tokens.size()) + " tokens, fewer than two windows of " +
                    std::to_string(options.length),
                "take a longer text or a shorter --ctx");
  }
  std::uint64_t count = tokens.size() / options.length;
  if (options.count > 0) count = std::min(count, options.count);
  Batch batch;
  batch.tokens.assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count * options.length));
  for (std::uint64_t window = 0; window < count; ++window) {
    batch.starts.push_back(window * options.length);
    if (options.bos) batch.tokens[window * options.length] = *options.bos;
  }
  return batch;
}

void require_context(const Decoder& decoder, const GgufModel& model, std::uint64_t length) {
  if (decoder.context() == 0 || length <= decoder.context()) return;
  throw Error(ErrorKind::input_invalid,
              "a window of " + std::to_string(length) + " tokens is longer than the " +
                  std::to_string(decoder.context()) + " that " + model.architecture + " was trained with",
              "choose a shorter --ctx");
}

std::uint64_t layer_bytes(const GgufModel& model, std::uint64_t layer) {
  const std::string prefix = "blk." + std::to_string(layer) + ".";
  std::uint64_t bytes = 0;
  for (const ModelTensor& tensor : model.tensors) {
    const Shape& shape = tensor.expr->shape();
    if (tensor.name.starts_with(prefix))
      bytes += shape.rows() * row_bytes(tensor.expr->dtype(), shape.cols());
  }
  return bytes;
}

}  // namespace qtz
