#include "qtz/pipeline/folder_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "folder_writer.h"
#include "gptq_run.h"
#include "module_weights.h"
#include "qtz/core/error.h"
#include "qtz/core/memory.h"
#include "qtz/core/parallel.h"

namespace qtz {
namespace {

constexpr std::size_t kWorst = 3;

double sum_of_squares(const std::vector<float>& values) {
  double sum = 0.0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return sum;
}

void note_worst(ModuleError error, std::vector<ModuleError>& worst) {
  const auto place = std::upper_bound(worst.begin(), worst.end(), error,
                                      [](const auto& a, const auto& b) { return a.sqnr_db < b.sqnr_db; });
  worst.insert(place, std::move(error));
  if (worst.size() > kWorst) worst.pop_back();
}

/// The module's own part of what an importance matrix has for its tensor; empty if that is nothing.
std::span<const float> importance_of(const ImportanceMatrix* matrix, const LinearModule& module) {
  if (matrix == nullptr) return {};
  const std::span<const float> all = matrix->find(module.tensor);
  const std::uint64_t cols = module.cols();
  if (all.size() == cols) return all;
  if (all.size() == cols * module.experts) return all.subspan(module.expert * cols, cols);
  if (all.empty()) return {};
  throw Error(ErrorKind::input_invalid,
              matrix->name() + ": '" + printable(module.tensor) + "' has " + std::to_string(all.size()) +
                  " values, '" + printable(module.name) + "' " + std::to_string(cols) + " inputs",
              "the importance matrix is of another model");
}

void round_modules(const FolderPlan& plan, const Backend& backend, const FolderRunOptions& options,
                   FolderWriter& writer, FolderResult& result, Progress& progress,
                   const CancelToken& cancel) {
  for (std::size_t i = 0; i < plan.modules.size(); ++i) {
    const PlannedModule& planned = plan.modules[i];
    const TensorInfo& tensor = *planned.module.weight;
    const std::vector<float> weights =
        read_module_weights(*plan.source, tensor, backend, result.threads, cancel);
    InputKnowledge inputs;
    inputs.importance = importance_of(options.importance.get(), planned.module);
    if (options.importance != nullptr && inputs.importance.empty())
      result.without_importance.push_back(planned.module.name);
    IntegerScheme scheme = planned.scheme;
    const IntegerMatrix matrix = quantize_matrix(weights, tensor.shape.rows(), tensor.shape.cols(), scheme,
                                                 inputs, backend, result.threads, cancel);
    check_scales(matrix, tensor);
    if (matrix.loss > 0.0) {
      note_worst({planned.module.name, 10.0 * std::log10(sum_of_squares(weights) / matrix.loss)},
                 result.worst);
    }
    writer.write(i, matrix);
    progress.advance(tensor.bytes);
    progress.item_done(tensor.name);
  }
}

}  // namespace

std::uint64_t folder_memory(const FolderPlan& plan) {
  // Weights in f32, codes, the same codes turned and packed.
  constexpr std::uint64_t kBytes = sizeof(float) + 3;
  std::uint64_t most = 0;
  for (const PlannedModule& planned : plan.modules)
    most = std::max(most, planned.module.weight->shape.elements() * kBytes);
  return most + (16u << 20);
}

FolderResult execute_folder(const FolderPlan& plan, const std::filesystem::path& output,
                            const Backend& backend, const FolderRunOptions& options, Progress& progress,
                            const CancelToken& cancel) {
  const auto start = std::chrono::steady_clock::now();
  FolderResult result;
  result.threads = resolve_threads(options.threads);
  require_memory(resident_bytes() + folder_memory(plan), options.max_memory);
  OutputOptions output_options{.overwrite = options.overwrite, .protect = options.protect};
  for (const InputFile& input : plan.source->files()) output_options.protect.push_back(input.identity());
  for (const auto& [name, path] : plan.side_files) output_options.protect.push_back(stamp_of(path).identity);
  FolderWriter writer(plan, output, output_options);
  for (const TensorInfo& tensor : plan.source->tensors()) result.input_bytes += tensor.bytes;
  progress.begin("quantizing", result.input_bytes, plan.source->tensors().size(), "tensors");
  writer.copy(result.threads, progress, cancel);
  if (options.calibration != nullptr) {
    const auto done = [&](std::size_t index, const IntegerMatrix& matrix) {
      writer.write(index, matrix);
      progress.advance(plan.modules[index].module.weight->bytes);
      progress.item_done(plan.modules[index].module.weight->name);
    };
    result.remarks = run_gptq(plan, *options.calibration, backend, options, done, progress, cancel);
  } else {
    round_modules(plan, backend, options, writer, result, progress, cancel);
  }
  writer.commit();
  progress.end();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace qtz
