#include "cli/compare_report.h"

#include <cmath>

#include "cli/table.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz::cli {
namespace {

/// JSON has no infinity; null stands for "no error" and is only used where the tensors are equal.
JsonValue number_or_null(double value) {
  return std::isfinite(value) ? JsonValue(value) : JsonValue();
}

JsonValue strings(const std::vector<std::string>& texts) {
  JsonArray array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

JsonValue counts(const std::array<std::uint64_t, kHistogramBins>& bins) {
  JsonArray array;
  for (const std::uint64_t count : bins) array.emplace_back(count);
  return array;
}

JsonValue histogram_json(const Histogram& histogram) {
  JsonArray codes;
  for (const auto& [code, count] : histogram.codes)
    codes.push_back(JsonArray{static_cast<std::int64_t>(code), count});
  return JsonObject{{"limit", histogram.limit},
                    {"a", counts(histogram.first)},
                    {"b", counts(histogram.second)},
                    {"b_codes", std::move(codes)}};
}

JsonValue tensor_json(const TensorDifference& tensor) {
  JsonArray shape;
  for (const auto dim : tensor.shape.dims()) shape.emplace_back(dim);
  JsonObject row{{"name", tensor.name},
                 {"role", tensor.role},
                 {"layer", tensor.layer ? JsonValue(static_cast<std::uint64_t>(*tensor.layer)) : JsonValue()},
                 {"shape", std::move(shape)},
                 {"elements", tensor.shape.elements()},
                 {"a_type", name_of(tensor.first_type)},
                 {"b_type", name_of(tensor.second_type)},
                 {"a_bytes", tensor.first_bytes},
                 {"b_bytes", tensor.second_bytes},
                 {"problem", tensor.problem.empty() ? JsonValue() : JsonValue(tensor.problem)}};
  if (tensor.compared()) {
    row.emplace_back("equal", tensor.equal());
    row.emplace_back("nonfinite", tensor.nonfinite);
    row.emplace_back("rmse", number_or_null(tensor.rmse));
    row.emplace_back("max_abs", number_or_null(tensor.max_abs));
    row.emplace_back("relative", number_or_null(tensor.relative));
    row.emplace_back("cosine", tensor.cosine);
    row.emplace_back("sqnr_db", number_or_null(tensor.sqnr_db));
  }
  if (tensor.histogram.limit > 0) row.emplace_back("histogram", histogram_json(tensor.histogram));
  return row;
}

double bits_per_weight(const ModelSizes& sizes) {
  if (sizes.elements == 0) return 0;
  return 8 * static_cast<double>(sizes.bytes) / static_cast<double>(sizes.elements);
}

JsonValue model_json(const std::string& name, const ModelSizes& sizes) {
  JsonObject by_type;
  for (const auto& [type, bytes] : sizes.bytes_by_type) by_type.emplace_back(name_of(type), bytes);
  return JsonObject{{"name", printable(name)},
                    {"tensor_bytes", sizes.bytes},
                    {"bytes_by_type", std::move(by_type)},
                    {"elements", sizes.elements},
                    {"bits_per_weight", bits_per_weight(sizes)}};
}

}  // namespace

std::string comparison_table(const ModelComparison& found) {
  using Align = TextTable::Align;
  TextTable table({{"TENSOR"},
                   {"A"},
                   {"B"},
                   {"WEIGHTS", Align::right},
                   {"RMSE", Align::right},
                   {"MAX ERROR", Align::right},
                   {"COSINE", Align::right},
                   {"SQNR dB", Align::right},
                   {""}});
  for (const TensorDifference& tensor : found.tensors) {
    std::vector<std::string> row{printable(tensor.name), std::string(name_of(tensor.first_type)),
                                 std::string(name_of(tensor.second_type)),
                                 group_digits(tensor.shape.elements())};
    if (!tensor.compared()) {
      row.insert(row.end(), {"-", "-", "-", "-", "<- " + printable(tensor.problem)});
    } else if (tensor.equal()) {
      row.insert(row.end(), {"equal", "-", "-", "-"});
    } else {
      row.insert(row.end(), {format_fixed(tensor.rmse, 7), format_fixed(tensor.max_abs, 6),
                             format_fixed(tensor.cosine, 7),
                             std::isfinite(tensor.sqnr_db) ? format_fixed(tensor.sqnr_db, 2) : "-"});
      if (tensor.nonfinite > 0)
        row.push_back("<- " + group_digits(tensor.nonfinite) + " NaN or infinite on one side");
    }
    table.add(std::move(row));
  }
  return table.to_string();
}

std::string model_size_text(const ModelSizes& sizes) {
  std::string text = format_bytes(sizes.bytes);
  if (sizes.elements > 0) text += ", " + format_fixed(bits_per_weight(sizes), 2) + " bits per weight";
  return text;
}

JsonValue comparison_json(const ComparedModels& models) {
  const ModelComparison& found = models.found;
  JsonArray tensors;
  for (const TensorDifference& tensor : found.tensors) tensors.push_back(tensor_json(tensor));
  return JsonObject{{"schema", 1},
                    {"a", model_json(models.first, found.first_sizes)},
                    {"b", model_json(models.second, found.second_sizes)},
                    {"tensors", std::move(tensors)},
                    {"only_a", strings(found.only_first)},
                    {"only_b", strings(found.only_second)},
                    {"keys", JsonObject{{"only_a", strings(found.keys_only_first)},
                                        {"only_b", strings(found.keys_only_second)},
                                        {"different", strings(found.keys_different)}}}};
}

}  // namespace qtz::cli
