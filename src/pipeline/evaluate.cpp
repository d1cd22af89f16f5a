#include "qtz/pipeline/evaluate.h"

#include <algorithm>
#include <memory>

#include "pipeline/forward_budget.h"
#include "pipeline/token_scores.h"
#include "pipeline/windows.h"
#include "qtz/core/error.h"
#include "qtz/core/parallel.h"

namespace qtz {

namespace {

/// Rows of logits that are there at a time, of each model.
constexpr std::uint64_t kRows = 256;

/// The text cut into windows, and which predictions count: those of the second half, which have at least half
/// a window before them.
struct Windows {
  Batch batch;
  std::uint64_t first;              ///< token of a window that predicts what counts
  std::uint64_t scored;             ///< so many from there do
  std::vector<std::uint32_t> next;  ///< the token that follows each of all windows'
  std::vector<std::uint64_t> at;    ///< its index in the text

  std::uint64_t rows() const noexcept { return next.size(); }
};

Windows cut(std::span<const std::uint32_t> tokens, const EvaluationOptions& options) {
  constexpr std::uint64_t kShortest = 4;
  const std::uint64_t length = options.context;
  if (length < kShortest) {
    throw Error(ErrorKind::usage,
                "a window of " + std::to_string(length) + " tokens is too short to score half of it");
  }
  Windows windows{cut_windows(tokens, {length, options.chunks, options.bos}),
                  length / 2,
                  length - 1 - length / 2,
                  {},
                  {}};
  for (const std::uint64_t start : windows.batch.starts) {
    for (std::uint64_t i = length / 2; i + 1 < length; ++i) {
      windows.next.push_back(tokens[start + i + 1]);
      windows.at.push_back(start + i + 1);
    }
  }
  return windows;
}

/// A model, and its states where predictions count: [rows, width].
struct Runner {
  std::unique_ptr<Decoder> decoder;
  std::optional<States> states;
  ScoredTokens scores;
};

void run_layers(Runner& runner, const GgufModel& model, const Windows& windows, StatePlace place,
                Progress& progress, const CancelToken& cancel) {
  States states = runner.decoder->embed(windows.batch, place);
  for (std::uint64_t layer = 0; layer < runner.decoder->layers(); ++layer) {
    cancel.poll();
    runner.decoder->run_layer(layer, windows.batch, states);
    progress.advance(layer_bytes(model, layer));
    progress.item_done("layer " + std::to_string(layer));
  }
  runner.states.emplace(windows.rows(), states.width(), place);
  std::vector<float> rows(windows.scored * states.width());
  for (std::uint64_t window = 0; window < windows.batch.texts(); ++window) {
    states.read(windows.batch.starts[window] + windows.first, windows.scored, rows.data());
    runner.states->write(window * windows.scored, windows.scored, rows.data());
  }
}

/// Logits of some rows by every model, and what they say. The reference, if there is one, is the first.
class Scorer {
 public:
  Scorer(std::vector<Runner>& runners, const Windows& windows, bool has_reference, unsigned threads,
         const CancelToken& cancel)
      : runners_(runners),
        windows_(windows),
        has_reference_(has_reference),
        threads_(threads),
        cancel_(cancel) {
    for (std::size_t i = 0; i < runners.size(); ++i) {
      ScoredTokens& scores = runners[i].scores;
      scores.logarithms.resize(windows.rows());
      scores.likeliest.resize(windows.rows());
      if (has_reference && i > 0) scores.divergences.resize(windows.rows());
    }
  }

  void score(std::uint64_t first, std::uint64_t count) {
    std::vector<TokenScore> reference_scores(has_reference_ ? count : 0);
    for (std::size_t i = 0; i < runners_.size(); ++i) {
      Runner& runner = runners_[i];
      std::vector<float>& logits = has_reference_ && i == 0 ? reference_ : candidate_;
      states_.resize(count * runner.decoder->width());
      runner.states->read(first, count, states_.data());
      runner.decoder->logits(states_, logits);
      const std::uint64_t size = logits.size() / count;
      parallel_for(count, threads_, cancel_, [&](unsigned, std::uint64_t r) {
        const std::span<const float> row(logits.data() + r * size, size);
        const TokenScore score = score_token(row, windows_.next[first + r]);
        runner.scores.logarithms[first + r] = score.logarithm;
        runner.scores.likeliest[first + r] = score.likeliest;
        if (!has_reference_) return;
        if (i == 0) {
          reference_scores[r] = score;
          return;
        }
        const std::span<const float> expected(reference_.data() + r * size, size);
        runner.scores.divergences[first + r] = divergence_of(expected, reference_scores[r], row, score);
      });
    }
  }

 private:
  std::vector<Runner>& runners_;
  const Windows& windows_;
  bool has_reference_;
  unsigned threads_;
  const CancelToken& cancel_;
  std::vector<float> states_;
  std::vector<float> reference_;
  std::vector<float> candidate_;
};

/// Bytes that scores take: of each model and token, and sorted copies of one model's.
std::uint64_t bytes_of_scores(std::uint64_t models, std::uint64_t rows) {
  constexpr std::uint64_t kScores = 2 * sizeof(double) + sizeof(std::uint32_t);
  constexpr std::uint64_t kSorted = 4 * sizeof(double);
  constexpr std::uint64_t kWindows = sizeof(std::uint32_t) + sizeof(std::uint64_t);
  return rows * (models * kScores + kSorted + kWindows);
}

ForwardBudget share(const std::vector<Runner>& runners, const Windows& windows,
                    const EvaluationOptions& options, Progress& progress) {
  std::vector<Decoder*> decoders;
  ForwardNeed need;
  std::uint64_t widest = 0;
  for (const Runner& runner : runners) {
    decoders.push_back(runner.decoder.get());
    widest = std::max(widest, runner.decoder->width());
    need.states += windows.rows() * runner.decoder->width() * sizeof(float);
  }
  need.states += windows.batch.size() * widest * sizeof(float);
  need.logit_rows = 2 * kRows;
  need.rest = bytes_of_scores(runners.size(), windows.rows());
  return share_memory(decoders, windows.batch, need, options.threads, options.max_memory, progress);
}

void require_one_vocabulary(const std::vector<Runner>& runners) {
  for (const Runner& runner : runners) {
    if (runner.decoder->vocabulary() == runners.front().decoder->vocabulary()) continue;
    throw Error(ErrorKind::input_invalid,
                "the models predict " + std::to_string(runners.front().decoder->vocabulary()) + " and " +
                    std::to_string(runner.decoder->vocabulary()) + " tokens, so they cannot be compared");
  }
}

void require_finite(const Runner& runner, const GgufModel& model) {
  const auto bad = std::find_if(runner.scores.logarithms.begin(), runner.scores.logarithms.end(),
                                [](double value) { return !(value <= 0.0) || value < -1e300; });
  if (bad == runner.scores.logarithms.end()) return;
  throw Error(ErrorKind::input_invalid,
              "the " + model.architecture + " model predicts numbers that are not finite",
              "`qtz verify` tells whether its weights are");
}

}  // namespace

Evaluations evaluate(std::span<const GgufModel* const> candidates, const GgufModel* reference,
                     std::span<const std::uint32_t> tokens, const EvaluationOptions& options,
                     const Backend& backend, Progress& progress, const CancelToken& cancel) {
  const Windows windows = cut(tokens, options);
  std::vector<const GgufModel*> models(candidates.begin(), candidates.end());
  if (reference != nullptr) models.insert(models.begin(), reference);
  std::vector<Runner> runners;
  std::uint64_t layers = 0;
  std::uint64_t bytes = 0;
  for (const GgufModel* model : models) {
    const DecoderOptions decoder_options{.threads = options.threads, .batch = options.batch};
    runners.push_back(
        {std::make_unique<Decoder>(*model, backend, decoder_options, cancel), std::nullopt, {}});
    require_context(*runners.back().decoder, *model, options.context);
    layers += runners.back().decoder->layers();
    for (std::uint64_t i = 0; i < runners.back().decoder->layers(); ++i) bytes += layer_bytes(*model, i);
  }
  require_one_vocabulary(runners);

  const ForwardBudget budget = share(runners, windows, options, progress);
  progress.begin("evaluating", bytes, layers, "layers");
  for (std::size_t i = 0; i < runners.size(); ++i) {
    runners[i].decoder->limit_kept(budget.kept);
    run_layers(runners[i], *models[i], windows, budget.place, progress, cancel);
    runners[i].decoder->limit_kept(budget.kept / runners.size());
  }
  Scorer scorer(runners, windows, reference != nullptr, budget.threads, cancel);
  for (std::uint64_t first = 0; first < windows.rows(); first += kRows) {
    cancel.poll();
    scorer.score(first, std::min<std::uint64_t>(kRows, windows.rows() - first));
  }
  progress.end();

  Evaluations out;
  out.windows = windows.batch.texts();
  for (std::size_t i = 0; i < runners.size(); ++i) {
    require_finite(runners[i], *models[i]);
    Evaluation evaluation;
    evaluation.perplexity = perplexity_of(runners[i].scores.logarithms);
    evaluation.scored = windows.rows();
    if (reference != nullptr && i == 0) {
      out.reference = std::move(evaluation);
      continue;
    }
    if (reference != nullptr) {
      evaluation.divergence =
          compare_scores(runners.front().scores, runners[i].scores, windows.at, options.worst);
    }
    out.candidates.push_back(std::move(evaluation));
  }
  return out;
}

}  // namespace qtz
