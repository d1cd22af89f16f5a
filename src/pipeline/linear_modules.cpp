#include "qtz/pipeline/linear_modules.h"

#include <set>
#include <string_view>

#include "tensor_role.h"

namespace qtz {
namespace {

constexpr std::string_view kWeight = ".weight";

/// Why no module, or nothing.
std::string_view unfit_reason(const TensorInfo& stored, const Shape& shape, std::uint64_t inputs) {
  if (!stored.name.ends_with(kWeight) && stored.shape.rank() == 2) return "it is no module's weight";
  if (stored.shape.rank() == 3) return "the matrices of all experts are stored as one";
  if (stored.shape.rank() != 2) return "it is no matrix";
  if (stored.shape.cols() != shape.cols()) return "it is stored transposed";
  const std::uint64_t experts = shape.rank() == 3 ? shape[0] : 1;
  return experts > 1 && inputs != experts ? "its experts are stored in another number of matrices"
                                          : std::string_view();
}

bool is_linear(const ModelTensor& tensor) {
  if (!tensor.name.ends_with(kWeight)) return false;
  const Shape& shape = tensor.expr->shape();
  if (shape.rank() < 2 || never_quantized(tensor.name, shape, false)) return false;
  return tensor.name == "output.weight" || layer_of(tensor.name).has_value();
}

}  // namespace

LinearModules find_linear_modules(const GgufModel& model) {
  LinearModules modules;
  std::set<const TensorInfo*> seen;
  std::set<const TensorInfo*> unfit;
  for (const ModelTensor& tensor : model.tensors) {
    if (!is_linear(tensor)) continue;
    const Shape& shape = tensor.expr->shape();
    std::vector<const TensorInfo*> inputs;
    tensor.expr->collect_inputs(inputs);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const TensorInfo& stored = *inputs[i];
      if (!unfit_reason(stored, shape, inputs.size()).empty()) {
        unfit.insert(&stored);
        continue;
      }
      if (!seen.insert(&stored).second) continue;
      LinearModule module;
      module.name = stored.name.substr(0, stored.name.size() - kWeight.size());
      module.weight = &stored;
      module.tensor = tensor.name;
      module.is_output = tensor.name == "output.weight";
      if (shape.rank() == 3) {
        module.experts = shape[0];
        module.expert = i;
      }
      modules.found.push_back(std::move(module));
    }
  }
  for (const ModelTensor& tensor : model.tensors) {
    if (!is_linear(tensor)) continue;
    std::vector<const TensorInfo*> inputs;
    tensor.expr->collect_inputs(inputs);
    for (const TensorInfo* stored : inputs) {
      if (seen.count(stored) > 0 || unfit.erase(stored) == 0) continue;
      modules.unfit.push_back(stored->name + ": " +
                              std::string(unfit_reason(*stored, tensor.expr->shape(), inputs.size())));
    }
  }
  return modules;
}

}  // namespace qtz
