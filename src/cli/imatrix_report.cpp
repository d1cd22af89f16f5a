#include "cli/imatrix_report.h"

#include <utility>

#include "cli/table.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"
#include "qtz/pipeline/importance_statistics.h"

namespace qtz::cli {
namespace {

std::string percent(double share) {
  return format_fixed(100 * share, 1) + " %";
}

double share_of(std::uint64_t part, std::uint64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

std::uint64_t columns_reached(const ImportanceStatistics& found) {
  return found.reached * (found.values / found.experts);
}

std::vector<std::string> row_of(const std::string& name, const ImportanceStatistics& found) {
  const std::string rows = found.fewest == found.most
                               ? std::to_string(found.most)
                               : std::to_string(found.fewest) + "-" + std::to_string(found.most);
  return {printable(name),
          std::to_string(found.values),
          std::to_string(found.reached) + "/" + std::to_string(found.experts),
          rows,
          percent(share_of(found.active, columns_reached(found))),
          format_significant(found.lowest),
          format_significant(found.mean),
          format_significant(found.highest),
          percent(found.top_share),
          format_fixed(found.entropy, 4)};
}

JsonObject json_of(const std::string& name, const StoredSums& entry, const ImportanceStatistics& found) {
  JsonArray counts;
  for (const std::uint64_t count : entry.counts) counts.emplace_back(count);
  return JsonObject{{"name", name},
                    {"values", found.values},
                    {"experts", found.experts},
                    {"reached", found.reached},
                    {"counts", std::move(counts)},
                    {"active", found.active},
                    {"lowest", found.lowest},
                    {"mean", found.mean},
                    {"highest", found.highest},
                    {"top_share", found.top_share},
                    {"entropy", found.entropy}};
}

TextTable empty_table() {
  using Align = TextTable::Align;
  return TextTable({{"TENSOR"},
                    {"VALUES", Align::right},
                    {"EXPERTS", Align::right},
                    {"ROWS", Align::right},
                    {"ACTIVE", Align::right},
                    {"LOWEST", Align::right},
                    {"MEAN", Align::right},
                    {"HIGHEST", Align::right},
                    {"TOP 1 %", Align::right},
                    {"ENTROPY", Align::right}});
}

std::string summary_of(const std::string& file, std::uint64_t bytes, const StoredImatrix& matrix) {
  std::string text = printable(file) + ": importance matrix, " + format_bytes(bytes) + ", " +
                     std::to_string(matrix.entries.size()) + " entries, " + std::to_string(matrix.chunks) +
                     " chunks";
  if (matrix.chunk_size > 0) text += " of " + std::to_string(matrix.chunk_size) + " tokens";
  text += "\n";
  for (const std::string& dataset : matrix.datasets) text += "dataset " + printable(dataset) + "\n";
  return text;
}

}  // namespace

void print_imatrix(const std::string& file, bool json, Console& console) {
  const InputFile input(file);
  StoredImatrix matrix = read_imatrix(input);
  TextTable table = empty_table();
  JsonArray entries;
  for (const auto& [name, entry] : matrix.entries) {
    const ImportanceStatistics found = importance_statistics(entry, matrix.form);
    if (json) {
      entries.push_back(json_of(name, entry, found));
    } else {
      table.add(row_of(name, found));
    }
  }
  const std::string summary = summary_of(file, input.size(), matrix);
  JsonObject root{{"schema", 1},
                  {"path", file},
                  {"format", "imatrix"},
                  {"form", matrix.form == ImatrixForm::dat ? "dat" : "gguf"},
                  {"bytes", input.size()},
                  {"chunks", matrix.chunks},
                  {"chunk_size", matrix.chunk_size},
                  {"datasets", json_strings(matrix.datasets)},
                  {"entries", std::move(entries)}};
  // Made for what it refuses and warns of.
  const ImportanceMatrix used(std::move(matrix), printable(file));
  for (const std::string& warning : used.warnings()) console.warn(warning);
  console.data(json ? to_json(std::move(root)) + "\n" : summary + "\n" + table.to_string());
}

}  // namespace qtz::cli
