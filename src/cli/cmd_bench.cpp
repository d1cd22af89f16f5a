// qtz bench: how fast each encoder and decoder is here, on one core, next to a plain copy.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/signals.h"
#include "cli/table.h"
#include "qtz/core/json.h"
#include "qtz/core/text.h"
#include "qtz/kernels/backend.h"
#include "qtz/kernels/bench.h"
#include "qtz/pipeline/recipe.h"

namespace qtz::cli {
namespace {

struct BenchFlags {
  std::vector<std::string> types;
  std::vector<std::string> backends;
  std::string repetitions;
  bool json = false;
};

std::vector<DType> chosen_types(const BenchFlags& flags) {
  std::vector<DType> types;
  for (const auto& name : flags.types) types.push_back(find_tensor_type(name));
  if (!types.empty()) return types;
  for (const auto& type : all_dtypes()) {
    if (type.encodable) types.push_back(type.type);
  }
  return types;
}

std::vector<const Backend*> chosen_backends(const BenchFlags& flags) {
  std::vector<const Backend*> backends;
  for (const auto& name : flags.backends) backends.push_back(&select_backend(name));
  if (!backends.empty()) return backends;
  for (const auto& backend : list_backends()) {
    if (backend.supported) backends.push_back(&backend);
  }
  return backends;
}

struct Row {
  const Backend* backend;
  BenchResult result;
};

/// Copy and search once per backend, then type after type, so that a stop comes soon after it is asked for.
std::vector<Row> measure(const BenchFlags& flags, const BenchOptions& options, Console& console) {
  const std::vector<DType> types = chosen_types(flags);
  const std::vector<const Backend*> backends = chosen_backends(flags);
  std::vector<Row> rows;
  for (const Backend* backend : backends) {
    for (const auto& result : run_kernel_bench({}, *backend, options)) rows.push_back({backend, result});
    for (const DType& type : types) {
      cancel_token().poll();
      console.detail("timing " + std::string(name_of(type)) + " on " + std::string(backend->name));
      for (const auto& result : run_kernel_bench({&type, 1}, *backend, options)) {
        using Operation = BenchResult::Operation;
        if (result.operation == Operation::copy || result.operation == Operation::find_nonfinite) continue;
        rows.push_back({backend, result});
      }
    }
  }
  return rows;
}

std::string type_of(const BenchResult& result) {
  const bool any_type = result.operation == BenchResult::Operation::copy ||
                        result.operation == BenchResult::Operation::find_nonfinite;
  return any_type ? "-" : std::string(name_of(result.type));
}

std::string rows_text(const std::vector<Row>& rows) {
  using Align = TextTable::Align;
  TextTable table(
      {{"BACKEND"}, {"OPERATION"}, {"TYPE"}, {"M WEIGHTS/s", Align::right}, {"MB/s IN", Align::right}});
  for (const auto& [backend, result] : rows) {
    table.add({std::string(backend->name), std::string(name_of(result.operation)), type_of(result),
               format_fixed(result.weights_per_second / 1e6, 1),
               format_fixed(result.input_gb_per_second * 1e3, 0)});
  }
  return table.to_string();
}

JsonValue rows_json(const std::vector<Row>& rows) {
  JsonArray array;
  for (const auto& [backend, result] : rows) {
    array.push_back(JsonObject{{"backend", backend->name},
                               {"operation", name_of(result.operation)},
                               {"type", type_of(result)},
                               {"weights", result.weights},
                               {"seconds", result.seconds},
                               {"weights_per_second", result.weights_per_second},
                               {"input_bytes_per_second", result.input_gb_per_second * 1e9}});
  }
  return array;
}

ExitCode run(const BenchFlags& flags, Console& console) {
  constexpr std::uint64_t kMaxRepetitions = 1000;
  BenchOptions options;
  options.repetitions = static_cast<int>(parse_count(
      "--repetitions", flags.repetitions, static_cast<std::uint64_t>(options.repetitions), kMaxRepetitions));
  if (options.repetitions == 0) throw Error(ErrorKind::usage, "--repetitions must be at least 1");
  console.info("one core, the fastest of " + std::to_string(options.repetitions) + " repetitions counts");
  const std::vector<Row> rows = measure(flags, options, console);
  console.data(flags.json ? to_json(rows_json(rows)) + "\n" : rows_text(rows));
  return ExitCode::ok;
}

}  // namespace

Command setup_bench(CLI::App& root) {
  CLI::App* app = root.add_subcommand("bench",
                                      "time the encoders and decoders on this machine\n"
                                      "One core, random weights in memory, next to a plain copy.");
  const auto flags = std::make_shared<BenchFlags>();
  add_values(*app, "--type", flags->types, "T", "What", "only this block type (Q4_K, Q8_0 ...); repeatable");
  add_values(*app, "--backend", flags->backends, "NAME", "What",
             "only this backend; repeatable (default: all that work here)");
  add_value(*app, "--repetitions", flags->repetitions, "N", "What", "how often each is timed (default: 5)");
  add_switch(*app, "--json", flags->json, "Output", "machine-readable");
  set_examples(*app,
               "qtz bench\n"
               "qtz bench --type Q4_K --type Q8_0 --backend avx2");
  return {app, [flags](Console& console) { return run(*flags, console); }};
}

}  // namespace qtz::cli
