#include "qtz/pipeline/calibrate.h"

#include <algorithm>
#include <cmath>

#include "pipeline/calibration_checkpoint.h"
#include "pipeline/forward_budget.h"
#include "pipeline/windows.h"
#include "qtz/core/error.h"
#include "qtz/core/sha256.h"
#include "qtz/core/text.h"

namespace qtz {

namespace {

/// Rows of logits that are there at a time.
constexpr std::uint64_t kRows = 256;

void warn_of_unreached_experts(Calibration& calibration) {
  for (const auto& [name, entry] : calibration.statistics.entries()) {
    std::string missing;
    for (std::size_t expert = 0; expert < entry.counts.size(); ++expert) {
      if (entry.counts[expert] == 0) missing += (missing.empty() ? "" : ", ") + std::to_string(expert);
    }
    if (missing.empty()) continue;
    calibration.warnings.push_back("no token reached these experts of '" + name +
                                   "', which get equal importance: " + missing);
  }
}

void require_finite(const ActivationStatistics& statistics) {
  for (const auto& [name, entry] : statistics.entries()) {
    const bool finite = std::all_of(entry.squares.begin(), entry.squares.end(),
                                    [](double value) { return std::isfinite(static_cast<float>(value)); });
    if (finite) continue;
    throw Error(ErrorKind::input_invalid, "what goes into '" + name + "' is not finite",
                "`qtz verify` tells whether the model's weights are");
  }
}

void run_output(Decoder& decoder, const States& states, ActivationStatistics& statistics) {
  std::vector<float> logits;
  std::vector<float> rows;
  for (std::uint64_t first = 0; first < states.rows(); first += kRows) {
    const std::uint64_t count = std::min(kRows, states.rows() - first);
    rows.resize(count * states.width());
    states.read(first, count, rows.data());
    decoder.logits(rows, logits, &statistics);
  }
}

/// The same for runs that come to the same sums.
std::string identity_of(const GgufModel& model, const Batch& batch, const CalibrationOptions& options) {
  Sha256 hash;
  const auto add = [&hash](std::uint64_t value) { hash.update(std::as_bytes(std::span(&value, 1))); };
  hash.update(std::as_bytes(std::span(std::string_view(QTZ_VERSION))));
  hash.update(std::as_bytes(std::span(model.architecture)));
  for (const InputFile& file : model.source->files()) {
    const FileStamp& stamp = file.stamp();
    add(stamp.size);
    add(static_cast<std::uint64_t>(stamp.mtime_ns));
  }
  hash.update(std::as_bytes(std::span(batch.tokens)));
  hash.update(std::as_bytes(std::span(batch.starts)));
  add(options.process_output ? 1 : 0);
  return hash.finish();
}

/// All layers, or those that a checkpoint leaves.
void run_layers(Decoder& decoder, const GgufModel& model, const Batch& batch,
                const CalibrationOptions& options, StatePlace place,
                std::optional<CalibrationCheckpoint>& checkpoint, ActivationStatistics& statistics,
                Progress& progress, const CancelToken& cancel) {
  std::uint64_t done = 0;
  std::optional<States> states;
  if (checkpoint && checkpoint->exists()) {
    states.emplace(batch.size(), decoder.width(), place);
    done = checkpoint->restore(statistics, *states, progress);
  }
  if (done == 0) {
    states.reset();
    states = decoder.embed(batch, place);
  }
  for (std::uint64_t layer = 0; layer < decoder.layers(); ++layer) {
    cancel.poll();
    if (layer >= done) {
      decoder.run_layer(layer, batch, *states, &statistics);
      if (checkpoint) checkpoint->keep(layer + 1, statistics, *states, progress);
    }
    progress.advance(layer_bytes(model, layer));
    progress.item_done("layer " + std::to_string(layer));
  }
  if (options.process_output) run_output(decoder, *states, statistics);
}

/// The sums of all matrices, at the most, and the file that is made of them.
std::uint64_t bytes_of_statistics(const GgufModel& model) {
  constexpr std::uint64_t kBytes = sizeof(double) + 2 * sizeof(float);
  std::uint64_t columns = 0;
  for (const ModelTensor& tensor : model.tensors) {
    const Shape& shape = tensor.expr->shape();
    if (shape.rank() == 2) columns += shape.cols();
    if (shape.rank() == 3) columns += shape[0] * shape.cols();
  }
  return columns * kBytes;
}

ForwardBudget share(Decoder& decoder, const GgufModel& model, const Batch& batch,
                    const CalibrationOptions& options, Progress& progress) {
  ForwardNeed need;
  need.states = batch.size() * decoder.width() * sizeof(float);
  need.logit_rows = options.process_output ? kRows : 0;
  need.rest = bytes_of_statistics(model);
  Decoder* const decoders[] = {&decoder};
  const ForwardBudget budget =
      share_memory(decoders, batch, need, options.threads, options.max_memory, progress);
  decoder.limit_kept(budget.kept);
  return budget;
}

}  // namespace

Calibration calibrate(const GgufModel& model, std::span<const std::uint32_t> tokens,
                      const CalibrationOptions& options, const Backend& backend, Progress& progress,
                      const CancelToken& cancel) {
  const Batch batch = cut_windows(tokens, {options.context, options.chunks, options.bos});
  Decoder decoder(model, backend, {.threads = options.threads, .batch = options.batch}, cancel);
  require_context(decoder, model, options.context);
  std::uint64_t bytes = 0;
  for (std::uint64_t layer = 0; layer < decoder.layers(); ++layer) bytes += layer_bytes(model, layer);

  Calibration calibration;
  calibration.windows = batch.texts();
  calibration.context = options.context;
  const ForwardBudget budget = share(decoder, model, batch, options, progress);
  progress.begin("calibrating", bytes, decoder.layers(), "layers");
  std::optional<CalibrationCheckpoint> checkpoint;
  if (!options.checkpoint.empty()) {
    checkpoint.emplace(options.checkpoint, identity_of(model, batch, options), options.checkpoint_interval);
  }
  try {
    run_layers(decoder, model, batch, options, budget.place, checkpoint, calibration.statistics, progress,
               cancel);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::interrupted || !checkpoint || !checkpoint->kept()) throw;
    throw Error(ErrorKind::interrupted, "interrupted; the same command goes on after layer " +
                                            std::to_string(*checkpoint->kept()) + " of " +
                                            std::to_string(decoder.layers()));
  }
  progress.end();
  require_finite(calibration.statistics);
  warn_of_unreached_experts(calibration);
  return calibration;
}

StoredImatrix to_imatrix(const Calibration& calibration, std::vector<std::string> datasets) {
  StoredImatrix matrix;
  matrix.datasets = std::move(datasets);
  matrix.chunks = calibration.windows;
  matrix.chunk_size = calibration.context;
  for (const auto& [name, entry] : calibration.statistics.entries()) {
    StoredSums& stored = matrix.entries[name];
    stored.sums.assign(entry.squares.begin(), entry.squares.end());
    stored.counts = entry.counts;
  }
  return matrix;
}

}  // namespace qtz
