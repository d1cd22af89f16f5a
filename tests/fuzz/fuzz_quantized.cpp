// Weights that are quantized already: a line with the "quantization_config", then a safetensors file. What
// the readers make of it is read, too, whole and in pieces.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "fuzz/fuzz_input.h"
#include "model/quantized/quant_methods.h"
#include "qtz/formats/safetensors.h"

namespace {

constexpr std::uint64_t kMostBytes = 1u << 22;  // of a tensor that is read

void read_all(const qtz::TensorExpr& expr) {
  const qtz::Shape& shape = expr.shape();
  const std::uint64_t row = qtz::row_bytes(expr.dtype(), shape.cols());
  const std::uint64_t rows = shape.rows();
  if (shape.elements() == 0 || row == 0 || rows > kMostBytes / row) return;
  std::vector<std::byte> whole(rows * row);
  expr.read_rows(0, rows, whole);
  std::vector<std::byte> last(row);
  expr.read_rows(rows - 1, 1, last);
  if (!std::equal(last.begin(), last.end(), whole.end() - static_cast<std::ptrdiff_t>(row))) std::abort();
  if (qtz::traits(expr.dtype()).block_elems > 1 || shape.cols() < 3) return;
  const std::uint64_t element = qtz::row_bytes(expr.dtype(), 1);
  std::vector<std::byte> inner((shape.cols() - 2) * element);
  expr.read_block(rows / 2, 1, 1, shape.cols() - 2, inner);
  const auto at = whole.begin() + static_cast<std::ptrdiff_t>(rows / 2 * row + element);
  if (!std::equal(inner.begin(), inner.end(), at)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const qtz::fuzz::Folder folder;
  const std::string_view input = qtz::fuzz::text_of(data, size);
  const auto end = input.find('\n');
  if (end == std::string_view::npos) return 0;
  folder.write("model.safetensors", input.substr(end + 1));
  const std::string config = R"({"quantization_config": )" + std::string(input.substr(0, end)) + "}";
  qtz::fuzz::attempt([&] {
    const qtz::SafetensorsSource source(folder.path() / "model.safetensors");
    const qtz::ModelConfig parsed(qtz::parse_json(config, qtz::JsonLimits{}, "config.json"), "config.json");
    const qtz::DecodedCheckpoint decoded =
        qtz::decode_checkpoint(source, parsed, folder.path(), nullptr, true);
    for (const qtz::TensorInfo& tensor : decoded.tensors.tensors()) {
      qtz::fuzz::attempt([&] { read_all(*decoded.tensors.expression(tensor)); });
      const qtz::KeptBlocks* kept = decoded.tensors.kept(tensor);
      if (kept == nullptr) continue;
      qtz::fuzz::attempt([&] {
        read_all(*kept->blocks);
        read_all(*kept->scale);
      });
    }
  });
  return 0;
}
