#include "cli/eval_report.h"

#include <algorithm>
#include <cmath>
#include <functional>
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

std::uint64_t elements_of(const GgufModel& model) {
  std::uint64_t elements = 0;
  for (const ModelTensor& tensor : model.tensors) elements += tensor.expr->shape().elements();
  return elements;
}

double bits_per_weight(const GgufModel& model) {
  constexpr double kBits = 8;
  const std::uint64_t elements = elements_of(model);
  return elements == 0 ? 0.0 : kBits * static_cast<double>(bytes_of(model)) / static_cast<double>(elements);
}

/// With at least `digits` behind the point, and as many more as show two of the error's.
std::string with_error(const Estimate& estimate, int digits) {
  constexpr int kMostDigits = 8;
  if (estimate.error > 0) {
    const int wanted = 1 - static_cast<int>(std::floor(std::log10(estimate.error)));
    digits = std::clamp(wanted, digits, std::max(digits, kMostDigits));
  }
  return format_fixed(estimate.value, digits) + " ± " + format_fixed(estimate.error, digits);
}

constexpr double kPercent = 100.0;
std::string percent_with_error(const Estimate& share, int digits) {
  return with_error({kPercent * share.value, kPercent * share.error}, digits);
}

std::vector<std::size_t> by_size(const EvaluatedModels& evaluated) {
  std::vector<std::size_t> order(evaluated.models.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return bytes_of(evaluated.models[a]) < bytes_of(evaluated.models[b]);
  });
  return order;
}

/// A column of a table: its name, and what it says of a candidate.
struct Column {
  const char* name;
  std::function<std::string(std::size_t candidate)> cell;
};

/// One row for each candidate, smallest first.
std::string table_of(const EvaluatedModels& evaluated, const std::vector<Column>& columns) {
  std::vector<TextTable::Column> heads{{"MODEL"}};
  for (const Column& column : columns) heads.push_back({column.name, TextTable::Align::right});
  TextTable table(std::move(heads));
  for (const std::size_t i : by_size(evaluated)) {
    std::vector<std::string> row{printable(evaluated.names[i])};
    for (const Column& column : columns) row.push_back(column.cell(i));
    table.add(std::move(row));
  }
  return table.to_string();
}

std::vector<Column> size_columns(const EvaluatedModels& evaluated) {
  return {
      {"BYTES", [&](std::size_t i) { return format_bytes(bytes_of(evaluated.models[i])); }},
      {"BPW", [&](std::size_t i) { return format_fixed(bits_per_weight(evaluated.models[i]), 2); }},
      {"PERPLEXITY", [&](std::size_t i) { return with_error(evaluated.found.candidates[i].perplexity, 4); }}};
}

/// A column of what `found` tells of a candidate's divergence.
Column column_of(const EvaluatedModels& evaluated, const char* name,
                 const std::function<std::string(const Divergence& found)>& cell) {
  return {name,
          [&evaluated, cell](std::size_t i) { return cell(*evaluated.found.candidates[i].divergence); }};
}

std::string divergences(const EvaluatedModels& evaluated) {
  using D = const Divergence&;
  const auto of = [&](const char* name, const std::function<std::string(D)>& cell) {
    return column_of(evaluated, name, cell);
  };
  const auto kld = [&](const char* name, Estimate Divergence::*part) {
    return of(name, [part](D found) { return with_error(found.*part, 5); });
  };
  const auto change = [&](const char* name, Estimate Divergence::*part) {
    return of(name, [part](D found) { return percent_with_error(found.*part, 2); });
  };
  std::vector<Column> summary = size_columns(evaluated);
  summary.push_back(of("PPL RATIO", [](D found) { return with_error(found.perplexity_ratio, 4); }));
  summary.push_back(kld("MEAN KLD", &Divergence::mean));
  summary.push_back(change("SAME TOP %", &Divergence::same_top));
  return table_of(evaluated, summary) + "\nKullback-Leibler divergence, nats: percentiles\n" +
         table_of(evaluated, {kld("MEDIAN", &Divergence::median), kld("90%", &Divergence::percentile_90),
                              kld("95%", &Divergence::percentile_95), kld("99%", &Divergence::percentile_99),
                              kld("99.9%", &Divergence::percentile_999),
                              of("MAXIMUM", [](D found) { return format_fixed(found.maximum, 4); })}) +
         "\nchange of the probability of the text's token, %: mean, root of the mean square, percentiles\n" +
         table_of(evaluated,
                  {change("MEAN DP", &Divergence::probability_change),
                   change("RMS DP", &Divergence::root_mean_square), change("1%", &Divergence::change_1),
                   change("5%", &Divergence::change_5), change("25%", &Divergence::change_25),
                   change("MEDIAN", &Divergence::change_50), change("75%", &Divergence::change_75),
                   change("95%", &Divergence::change_95), change("99%", &Divergence::change_99)});
}

/// What a token of the text, or a guessed one, stands for.
std::string text_of(const EvaluatedModels& evaluated, std::uint32_t token) {
  const TextEncoder& encoder = *evaluated.encoder;
  return token < encoder.vocabulary_size() ? printable(encoder.text_of(token)) : "?";
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
    table.add({format_fixed(each.divergence, 3), format_fixed(each.reference, 4),
               format_fixed(each.candidate, 4), "'" + text_of(evaluated, evaluated.tokens[each.at]) + "'",
               "'" + text_of(evaluated, each.guessed) + "'", text_before(evaluated, each.at)});
  }
  return "\nworst predictions of " + printable(evaluated.names[i]) + "\n" + table.to_string();
}

JsonValue estimate_json(const Estimate& estimate) {
  return JsonObject{{"value", estimate.value}, {"error", estimate.error}};
}

JsonValue divergence_json(const EvaluatedModels& evaluated, const Divergence& found) {
  JsonArray worst;
  for (const WorstPrediction& each : found.worst) {
    const std::uint32_t token = evaluated.tokens[each.at];
    worst.push_back(JsonObject{{"at", each.at},
                               {"kld", each.divergence},
                               {"probability_reference", each.reference},
                               {"probability", each.candidate},
                               {"token", token},
                               {"text", text_of(evaluated, token)},
                               {"guessed", each.guessed},
                               {"guessed_text", text_of(evaluated, each.guessed)},
                               {"before", text_before(evaluated, each.at)}});
  }
  JsonArray distribution;
  for (const Quantile& each : found.distribution) {
    distribution.push_back(JsonArray{each.share, each.divergence});
  }
  return JsonObject{{"mean", estimate_json(found.mean)},
                    {"minimum", found.minimum},
                    {"median", estimate_json(found.median)},
                    {"percentile_90", estimate_json(found.percentile_90)},
                    {"percentile_95", estimate_json(found.percentile_95)},
                    {"percentile_99", estimate_json(found.percentile_99)},
                    {"percentile_99_9", estimate_json(found.percentile_999)},
                    {"maximum", found.maximum},
                    {"distribution", std::move(distribution)},
                    {"same_top", estimate_json(found.same_top)},
                    {"perplexity_ratio", estimate_json(found.perplexity_ratio)},
                    {"correlation_of_log_perplexity", found.correlation},
                    {"probability_change", JsonObject{{"mean", estimate_json(found.probability_change)},
                                                      {"rms", estimate_json(found.root_mean_square)},
                                                      {"percentile_1", estimate_json(found.change_1)},
                                                      {"percentile_5", estimate_json(found.change_5)},
                                                      {"percentile_25", estimate_json(found.change_25)},
                                                      {"median", estimate_json(found.change_50)},
                                                      {"percentile_75", estimate_json(found.change_75)},
                                                      {"percentile_95", estimate_json(found.change_95)},
                                                      {"percentile_99", estimate_json(found.change_99)}}},
                    {"worst", std::move(worst)}};
}

}  // namespace

std::string evaluation_text(const EvaluatedModels& evaluated) {
  const Evaluations& found = evaluated.found;
  std::string out = std::to_string(found.windows) + " windows of " + std::to_string(evaluated.context) +
                    " tokens, " + std::to_string(found.candidates.front().scored) + " predictions scored\n";
  if (!found.reference) return out + table_of(evaluated, size_columns(evaluated));
  out += "reference " + printable(evaluated.reference) + ": perplexity " +
         with_error(found.reference->perplexity, 4) + "\n" + divergences(evaluated);
  for (const std::size_t i : by_size(evaluated)) out += worst_predictions(evaluated, i);
  return out;
}

JsonObject evaluation_fields(const EvaluatedModels& evaluated) {
  const Evaluations& found = evaluated.found;
  JsonArray models;
  for (std::size_t i = 0; i < found.candidates.size(); ++i) {
    JsonObject model{{"model", printable(evaluated.names[i])},
                     {"bytes", bytes_of(evaluated.models[i])},
                     {"elements", elements_of(evaluated.models[i])},
                     {"bits_per_weight", bits_per_weight(evaluated.models[i])},
                     {"perplexity", estimate_json(found.candidates[i].perplexity)}};
    if (found.candidates[i].divergence) {
      model.emplace_back("kld", divergence_json(evaluated, *found.candidates[i].divergence));
    }
    models.push_back(std::move(model));
  }
  JsonObject root{{"data", printable(evaluated.data)},
                  {"context", evaluated.context},
                  {"windows", found.windows},
                  {"scored", found.candidates.front().scored}};
  if (found.reference) {
    root.emplace_back("reference", JsonObject{{"model", printable(evaluated.reference)},
                                              {"perplexity", estimate_json(found.reference->perplexity)}});
  }
  root.emplace_back("models", std::move(models));
  return root;
}

}  // namespace qtz::cli
