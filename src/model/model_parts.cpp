#include "model/model_parts.h"

#include <algorithm>
#include <charconv>

#include "model/model_name.h"
#include "model/storage_type.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

/// N of "blk.N.", -1 for other names.
std::int64_t block_of(std::string_view name) {
  constexpr std::string_view kBlock = "blk.";
  std::int64_t block = -1;
  if (!name.starts_with(kBlock)) return -1;
  const char* const end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + kBlock.size(), end, block);
  return parsed.ec == std::errc{} && parsed.ptr != end && *parsed.ptr == '.' ? block : -1;
}

/// "<path>: " of the file that holds the tensor or its first part; empty for what is made of nothing stored.
std::string file_of(const ModelTensor& tensor, const TensorSource& source) {
  std::vector<const TensorInfo*> inputs;
  tensor.expr->collect_inputs(inputs);
  if (inputs.empty()) return {};
  return printable(source.files()[inputs.front()->shard].path().native()) + ": ";
}

}  // namespace

void fit_to_gguf(GgufModel& model) {
  for (ModelTensor& tensor : model.tensors) {
    const auto fail = [&](const std::string& problem, std::string_view hint = {}) {
      throw Error(ErrorKind::input_invalid,
                  file_of(tensor, *model.source) + "tensor '" + printable(tensor.name) + "' has " + problem,
                  std::string(hint));
    };
    if (tensor.name.empty() || tensor.name.size() > kGgufMaxNameBytes) {
      fail("a name of " + std::to_string(tensor.name.size()) + " bytes, but a GGUF name has 1 to " +
               std::to_string(kGgufMaxNameBytes),
           model.generic ? "a config.json beside the weights gives them GGUF names" : "");
    }
    if (tensor.name.find('\0') != std::string::npos) fail("a NUL byte in its name");
    const Shape& shape = tensor.expr->shape();
    if (shape.rank() > kGgufMaxRank) {
      fail(std::to_string(shape.rank()) + " dimensions " + shape.to_string() +
           ", but a GGUF tensor has at most " + std::to_string(kGgufMaxRank));
    }
    if (traits(tensor.expr->dtype()).gguf_id < 0) {
      fail("type " + std::string(name_of(tensor.expr->dtype())) + ", which GGUF does not have",
           hint_for_type(tensor.expr->dtype()));
    }
    if (shape.rank() == 0) tensor.expr = reshaped(tensor.expr, Shape{1});
  }
}

void sort_as_llama_cpp(GgufModel& model) {
  std::sort(model.tensors.begin(), model.tensors.end(), [](const ModelTensor& a, const ModelTensor& b) {
    const std::int64_t block_a = block_of(a.name);
    const std::int64_t block_b = block_of(b.name);
    return block_a != block_b ? block_a < block_b : a.name < b.name;
  });
}

std::uint64_t parameter_count(const GgufModel& model) {
  std::uint64_t total = 0;
  for (const ModelTensor& tensor : model.tensors) total += tensor.expr->shape().elements();
  return total;
}

std::string size_label_of(const GgufModel& model) {
  std::uint64_t once = 0;  // shared weights and one expert's
  std::uint64_t experts = 0;
  std::uint64_t expert_tensors = 0;
  for (const ModelTensor& tensor : model.tensors) {
    const Shape& shape = tensor.expr->shape();
    const bool bias = tensor.name.find(".bias") != std::string::npos;
    const std::size_t from_end = bias ? 2 : 3;
    if (tensor.name.find("_exps.") != std::string::npos && shape.rank() >= 3 &&
        shape[shape.rank() - from_end] > 0) {
      const std::uint64_t count = shape[shape.rank() - from_end];
      once += shape.elements() / count;
      experts += count;
      ++expert_tensors;
    } else {
      once += shape.elements();
    }
  }
  const std::string size = size_label_of(once);
  return expert_tensors == 0 ? size : std::to_string(experts / expert_tensors) + "x" + size;
}

}  // namespace qtz
