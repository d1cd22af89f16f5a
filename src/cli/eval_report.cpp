#include "cli/eval_report.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "cli/table.h"
#include "qtz/core/text.h"

namespace qtz::cli {
namespace {

/// Tokens before a prediction that are shown with it.
constexpr std::uint64_t kContextShown = 12;

std::uint64_t bytes_of(const GgufModel& model) {
  std::uint64_t bytes = 0;
  for (const ModelTensor& tensor : model.tensors) {
    const Shape& shape = tensor.expr->shape();
    bytes += shape.rows() * row_bytes(tensor.expr->dtype(), shape.cols());
  }
  return bytes;
}

std::string with_error(const Estimate& estimate, int digits) {
  return format_fixed(estimate.value, digits) + " ± " + format_fixed(estimate.error, digits);
}

std::vector<std::size_t> by_size(const EvaluatedModels& evaluated) {
  std::vector<std::size_t> order(evaluated.models.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return bytes_of(evaluated.models[a]) < bytes_of(evaluated.models[b]);
  });
  return order;
}

std::string perplexities(const EvaluatedModels& evaluated) {
  using Align = TextTable::Align;
  TextTable table({{"MODEL"}, {"BYTES", Align::right}, {"PERPLEXITY", Align::right}});
  for (const std::size_t i : by_size(evaluated)) {
    table.add({printable(evaluated.names[i]), format_bytes(bytes_of(evaluated.models[i])),
               with_error(evaluated.found.candidates[i].perplexity, 4)});
  }
  return table.to_string();
}

std::string divergences(const EvaluatedModels& evaluated) {
  using Align = TextTable::Align;
  TextTable table({{"MODEL"},
                   {"BYTES", Align::right},
                   {"PERPLEXITY", Align::right},
                   {"PPL RATIO", Align::right},
                   {"MEAN KLD", Align::right},
                   {"MEDIAN", Align::right},
                   {"99%", Align::right},
                   {"MAXIMUM", Align::right},
                   {"SAME TOP %", Align::right},
                   {"RMS DP %", Align::right}});
  for (const std::size_t i : by_size(evaluated)) {
    const Evaluation& found = evaluated.found.candidates[i];
    const Divergence& divergence = *found.divergence;
    table.add({printable(evaluated.names[i]), format_bytes(bytes_of(evaluated.models[i])),
               with_error(found.perplexity, 4), with_error(divergence.perplexity_ratio, 4),
               with_error(divergence.mean, 5), format_fixed(divergence.median, 5),
               format_fixed(divergence.percentile_99, 4), format_fixed(divergence.maximum, 3),
               format_fixed(100.0 * divergence.same_top.value, 2),
               format_fixed(100.0 * divergence.root_mean_square.value, 2)});
  }
  return table.to_string();
}

/// "... the cat sat on the": what stands before a token of the text.
std::string text_before(const EvaluatedModels& evaluated, std::uint64_t at) {
  const std::uint64_t first = at > kContextShown ? at - kContextShown : 0;
  return printable(evaluated.encoder->decode(evaluated.tokens.subspan(first, at - first)));
}

std::string worst_predictions(const EvaluatedModels& evaluated, std::size_t i) {
  const Divergence& divergence = *evaluated.found.candidates[i].divergence;
  if (divergence.worst.empty()) return {};
  using Align = TextTable::Align;
  TextTable table({{"KLD", Align::right},
                   {"P REFERENCE", Align::right},
                   {"P", Align::right},
                   {"TOKEN"},
                   {"GUESSED"},
                   {"AFTER"}});
  for (const WorstPrediction& each : divergence.worst) {
    const TextEncoder& encoder = *evaluated.encoder;
    const std::string guessed =
        each.guessed < encoder.vocabulary_size() ? printable(encoder.text_of(each.guessed)) : "?";
    table.add({format_fixed(each.divergence, 3), format_fixed(each.reference, 4),
               format_fixed(each.candidate, 4),
               "'" + printable(encoder.text_of(evaluated.tokens[each.at])) + "'", "'" + guessed + "'",
               text_before(evaluated, each.at)});
  }
  return "\nworst predictions of " + printable(evaluated.names[i]) + "\n" + table.to_string();
}

JsonValue estimate_json(const Estimate& estimate) {
  return JsonObject{{"value", estimate.value}, {"error", estimate.error}};
}

JsonValue divergence_json(const EvaluatedModels& evaluated, const Divergence& found) {
  JsonArray worst;
  for (const WorstPrediction& each : found.worst) {
    worst.push_back(JsonObject{{"at", each.at},
                               {"kld", each.divergence},
                               {"probability_reference", each.reference},
                               {"probability", each.candidate},
                               {"token", evaluated.tokens[each.at]},
                               {"guessed", each.guessed}});
  }
  return JsonObject{{"mean", estimate_json(found.mean)},
                    {"minimum", found.minimum},
                    {"median", found.median},
                    {"percentile_90", found.percentile_90},
                    {"percentile_95", found.percentile_95},
                    {"percentile_99", found.percentile_99},
                    {"percentile_99_9", found.percentile_999},
                    {"maximum", found.maximum},
                    {"same_top", estimate_json(found.same_top)},
                    {"perplexity_ratio", estimate_json(found.perplexity_ratio)},
                    {"correlation_of_log_perplexity", found.correlation},
                    {"probability_change", JsonObject{{"mean", estimate_json(found.probability_change)},
                                                      {"rms", estimate_json(found.root_mean_square)},
                                                      {"percentile_1", found.change_1},
                                                      {"percentile_5", found.change_5},
                                                      {"percentile_25", found.change_25},
                                                      {"median", found.change_50},
                                                      {"percentile_75", found.change_75},
                                                      {"percentile_95", found.change_95},
                                                      {"percentile_99", found.change_99}}},
                    {"worst", std::move(worst)}};
}

}  // namespace

std::string evaluation_text(const EvaluatedModels& evaluated) {
  const Evaluations& found = evaluated.found;
  std::string out = std::to_string(found.windows) + " windows of " + std::to_string(evaluated.context) +
                    " tokens, " + std::to_string(found.candidates.front().scored) + " predictions scored\n";
  if (!found.reference) return out + perplexities(evaluated);
  out += "reference " + printable(evaluated.reference) + ": perplexity " +
         with_error(found.reference->perplexity, 4) + "\n" + divergences(evaluated);
  for (const std::size_t i : by_size(evaluated)) out += worst_predictions(evaluated, i);
  return out;
}

JsonValue evaluation_json(const EvaluatedModels& evaluated) {
  const Evaluations& found = evaluated.found;
  JsonArray models;
  for (std::size_t i = 0; i < found.candidates.size(); ++i) {
    JsonObject model{{"model", evaluated.names[i]},
                     {"bytes", bytes_of(evaluated.models[i])},
                     {"perplexity", estimate_json(found.candidates[i].perplexity)}};
    if (found.candidates[i].divergence) {
      model.emplace_back("kld", divergence_json(evaluated, *found.candidates[i].divergence));
    }
    models.push_back(std::move(model));
  }
  JsonObject root{{"schema", 1},
                  {"data", evaluated.data},
                  {"context", evaluated.context},
                  {"windows", found.windows},
                  {"scored", found.candidates.front().scored}};
  if (found.reference) {
    root.emplace_back("reference", JsonObject{{"model", evaluated.reference},
                                              {"perplexity", estimate_json(found.reference->perplexity)}});
  }
  root.emplace_back("models", std::move(models));
  return root;
}

}  // namespace qtz::cli
