#include "gptq_run.h"

#include <algorithm>
#include <map>

#include "forward_budget.h"
#include "qtz/core/memory.h"
#include "qtz/core/parallel.h"
#include "qtz/forward/decoder.h"
#include "tensor_role.h"
#include "windows.h"

namespace qtz {
namespace {

/// The model once more, with weights that quantized ones can take the place of.
GgufModel open_replaceable(const FolderPlan& plan, const Backend& backend, ReplaceableWeights& weights) {
  std::map<std::string, const PlannedModule*> by_weight;
  for (const PlannedModule& planned : plan.modules) by_weight[planned.module.weight->name] = &planned;
  ModelOptions options = plan.model_options;
  options.replace_weight = [&](const TensorInfo& stored, const TensorExprPtr& weight) -> TensorExprPtr {
    const auto found = by_weight.find(stored.name);
    if (found == by_weight.end()) return nullptr;
    const auto made = std::make_shared<ReplaceableWeight>(weight, backend);
    weights[found->second->module.name] = made;
    return made;
  };
  return open_model(plan.folder, options);
}

/// Bytes of the moments of inputs, of their factors, and of one matrix on its way to integers.
struct GptqMemory {
  std::uint64_t one_module = 0;
  std::uint64_t layer_sums = 0;  ///< where the inputs of a whole layer are collected
};

GptqMemory memory_of(const FolderPlan& plan) {
  constexpr std::uint64_t kSums = sizeof(double);
  constexpr std::uint64_t kFactors = sizeof(double) + 2 * sizeof(float);
  constexpr std::uint64_t kWeights = 2 * sizeof(float) + 3;
  GptqMemory memory;
  std::map<std::uint32_t, std::uint64_t> layers;
  for (const PlannedModule& planned : plan.modules) {
    const std::uint64_t square = planned.module.cols() * planned.module.cols();
    memory.one_module = std::max(
        memory.one_module, square * (kSums + kFactors) + planned.module.weight->shape.elements() * kWeights);
    if (const auto layer = layer_of(planned.module.tensor)) layers[*layer] += square * kSums;
  }
  for (const auto& [layer, bytes] : layers) memory.layer_sums = std::max(memory.layer_sums, bytes);
  return memory;
}

/// Whether all tokens can go through a layer at once.
bool has_room(const Decoder& decoder, const Batch& batch, std::uint64_t rest, unsigned threads,
              std::uint64_t max_memory) {
  const DecoderMemory memory = decoder.memory(batch, threads);
  const std::uint64_t states = batch.size() * decoder.width() * sizeof(float);
  const std::uint64_t needed = memory.layer + memory.piece + states + rest;
  const std::uint64_t available = available_bytes().value_or(0) / 4 * 3;
  const std::uint64_t held = resident_bytes();
  return needed <= (max_memory == 0 ? available : max_memory - std::min(max_memory, held));
}

bool has_head(const FolderPlan& plan) {
  return std::any_of(plan.modules.begin(), plan.modules.end(),
                     [](const PlannedModule& planned) { return planned.module.is_output; });
}

/// What goes into the head.
void collect_output(Decoder& decoder, const States& states, GptqModules& modules) {
  constexpr std::uint64_t kRows = 256;
  std::vector<float> rows;
  std::vector<float> logits;
  for (std::uint64_t first = 0; first < states.rows(); first += kRows) {
    const std::uint64_t count = std::min(kRows, states.rows() - first);
    rows.resize(count * states.width());
    states.read(first, count, rows.data());
    decoder.logits(rows, logits, &modules);
  }
}

}  // namespace

std::vector<std::string> run_gptq(const FolderPlan& plan, const FolderCalibration& calibration,
                                  const Backend& backend, const FolderRunOptions& options,
                                  const GptqModules::Done& done, Progress& progress,
                                  const CancelToken& cancel) {
  ReplaceableWeights weights;
  const GgufModel model = open_replaceable(plan, backend, weights);
  const CalibrationOptions& text = calibration.options;
  const Batch batch = cut_windows(calibration.tokens, {text.context, text.chunks, text.bos});
  const unsigned threads = resolve_threads(options.threads);
  const GptqMemory memory = memory_of(plan);
  auto decoder = std::make_unique<Decoder>(model, backend,
                                           DecoderOptions{.threads = threads, .batch = batch.size()}, cancel);
  require_context(*decoder, model, text.context);
  const bool at_once = has_room(*decoder, batch, memory.one_module, threads, options.max_memory);
  if (!at_once)
    decoder = std::make_unique<Decoder>(model, backend, DecoderOptions{.threads = threads}, cancel);
  ForwardNeed need;
  need.states = batch.size() * decoder->width() * sizeof(float);
  need.rest = memory.one_module + (at_once ? 0 : memory.layer_sums);
  Decoder* const decoders[] = {decoder.get()};
  const ForwardBudget budget = share_memory(decoders, batch, need, threads, options.max_memory, progress);
  decoder->limit_kept(0);

  GptqModules modules(plan, std::move(weights), GptqSettings{}, backend, done);
  States states = decoder->embed(batch, budget.place);
  for (std::uint64_t layer = 0; layer < decoder->layers(); ++layer) {
    cancel.poll();
    const bool is_last = layer + 1 == decoder->layers() && !has_head(plan);
    if (at_once) {
      decoder->run_layer(layer, batch, states, &modules);
    } else {
      modules.start_collecting();
      decoder->observe_layer(layer, batch, states, modules);
      modules.quantize_collected(budget.threads, cancel);
      if (!is_last) decoder->run_layer(layer, batch, states);
    }
    modules.release();
  }
  if (has_head(plan)) {
    modules.start_collecting();
    collect_output(*decoder, states, modules);
    modules.quantize_collected(budget.threads, cancel);
  }
  modules.round_the_rest(budget.threads, cancel);
  return modules.remarks();
}

}  // namespace qtz
