// qtz verify: reads an artifact back and, given the source, measures what was lost.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/signals.h"
#include "cli/table.h"
#include "qtz/core/json.h"
#include "qtz/kernels/backend.h"
#include "qtz/model/gguf_model.h"
#include "qtz/pipeline/verify.h"

namespace qtz::cli {
namespace {

struct VerifyFlags {
  std::string artifact;
  std::string source;
  std::string architecture;
  std::string tokenizer_pre;
  std::string threads;
  std::string backend;
  bool json = false;
};

JsonValue number_or_null(double value) {
  return std::isfinite(value) ? JsonValue(value) : JsonValue();
}

JsonValue tensor_json(const TensorReport& tensor) {
  JsonObject row{{"name", tensor.name}, {"type", name_of(tensor.type)}, {"elements", tensor.elements}};
  if (tensor.compared) {
    row.emplace_back("rmse", number_or_null(tensor.rmse));
    row.emplace_back("max_abs", number_or_null(tensor.max_abs));
    row.emplace_back("cosine", number_or_null(tensor.cosine));
    row.emplace_back("sqnr_db", number_or_null(tensor.sqnr_db));
    row.emplace_back("noise_ratio", number_or_null(tensor.noise_ratio));
    row.emplace_back("exact", tensor.max_abs == 0);
    row.emplace_back("reproduced", tensor.reproduced);
  }
  row.emplace_back("problem", tensor.problem.empty() ? JsonValue() : JsonValue(tensor.problem));
  return row;
}

JsonValue report_json(const VerifyFlags& flags, const VerifyReport& report) {
  JsonArray problems;
  for (const auto& problem : report.problems) problems.emplace_back(problem);
  JsonArray tensors;
  for (const auto& tensor : report.tensors) tensors.push_back(tensor_json(tensor));
  return JsonObject{{"schema", 1},
                    {"artifact", flags.artifact},
                    {"source", flags.source.empty() ? JsonValue() : JsonValue(flags.source)},
                    {"ok", report.ok()},
                    {"problems", std::move(problems)},
                    {"tensors", std::move(tensors)}};
}

std::string report_text(const VerifyReport& report) {
  using Align = TextTable::Align;
  TextTable table({{"TENSOR"},
                   {"TYPE"},
                   {"WEIGHTS", Align::right},
                   {"RMSE", Align::right},
                   {"MAX ERROR", Align::right},
                   {"COSINE", Align::right},
                   {"SQNR dB", Align::right},
                   {"NOISE", Align::right},
                   {""}});
  for (const auto& tensor : report.tensors) {
    std::vector<std::string> row{printable(tensor.name), std::string(name_of(tensor.type)),
                                 group_digits(tensor.elements)};
    if (!tensor.compared) {
      row.insert(row.end(), 5, "-");
    } else if (tensor.max_abs == 0) {
      row.insert(row.end(), {"exact", "-", "-", "-", "-"});
    } else {
      row.insert(row.end(), {format_fixed(tensor.rmse, 7), format_fixed(tensor.max_abs, 6),
                             format_fixed(tensor.cosine, 7), format_fixed(tensor.sqnr_db, 2),
                             format_fixed(tensor.noise_ratio, 2)});
    }
    if (!tensor.problem.empty()) row.push_back("<- " + tensor.problem);
    table.add(std::move(row));
  }
  return table.to_string();
}

/// The compared tensor that lost most, relative to its own size.
const TensorReport* worst_tensor(const VerifyReport& report) {
  const TensorReport* worst = nullptr;
  for (const auto& tensor : report.tensors) {
    if (tensor.compared && (worst == nullptr || tensor.sqnr_db < worst->sqnr_db)) worst = &tensor;
  }
  return worst;
}

void throw_if_bad(const VerifyFlags& flags, const VerifyReport& report) {
  if (report.ok()) return;
  std::vector<std::string> problems = report.problems;
  for (const auto& tensor : report.tensors) {
    if (!tensor.problem.empty())
      problems.push_back("tensor '" + printable(tensor.name) + "': " + tensor.problem);
  }
  std::string what = problems.empty() ? "not what it should be" : problems.front();
  if (const std::string name = printable(flags.artifact); !what.starts_with(name)) what = name + ": " + what;
  if (problems.size() > 1) what += ", and " + std::to_string(problems.size() - 1) + " more";
  throw Error(ErrorKind::verification, what, "do not publish this file; make it again from the source");
}

ExitCode run(const VerifyFlags& flags, Console& console) {
  require_value(flags.artifact, "a FILE", "verify");
  const VerifyOptions options{.threads = parse_threads(flags.threads)};
  const Backend& backend = select_backend(flags.backend);
  std::optional<GgufModel> source;
  if (!flags.source.empty()) {
    ModelOptions model_options;
    if (!flags.architecture.empty()) model_options.architecture = flags.architecture;
    if (!flags.tokenizer_pre.empty()) model_options.tokenizer_pre = flags.tokenizer_pre;
    source = open_model(flags.source, model_options);
  }
  const VerifyReport report = verify(flags.artifact, source ? &*source : nullptr, backend, options,
                                     console.progress(), cancel_token());
  console.progress().end();
  if (flags.json) {
    console.data(to_json(report_json(flags, report)) + "\n");
  } else if (!report.tensors.empty()) {
    console.data(report_text(report));
  }
  console.flush_data();
  throw_if_bad(flags, report);
  std::string verdict =
      printable(flags.artifact) + ": ok, " + std::to_string(report.tensors.size()) + " tensors";
  if (const TensorReport* worst = worst_tensor(report); worst != nullptr && std::isfinite(worst->sqnr_db)) {
    verdict += ", all within the band of their type; lowest signal-to-noise ratio " +
               format_fixed(worst->sqnr_db, 2) + " dB in " + printable(worst->name);
  } else if (!source) {
    verdict += " well-formed; give --source to measure what was lost";
  }
  console.info(verdict);
  return ExitCode::ok;
}

}  // namespace

Command setup_verify(CLI::App& root) {
  CLI::App* app = root.add_subcommand(
      "verify",
      "check an artifact, and measure its loss against the source\n"
      "Reads every block back. With --source each tensor's error must lie in the band\n"
      "that is usual for its type: NOISE is its squared error relative to what the type's steps\n"
      "foretell, about 1. Exit 7 when something is off.");
  const auto flags = std::make_shared<VerifyFlags>();
  add_positional(*app, "FILE", flags->artifact, "the GGUF file to check (of a split file, the first)");
  add_value(*app, "--source", flags->source, "INPUT", "Comparison", "the model it was made from");
  add_value(*app, "--arch", flags->architecture, "NAME", "Comparison",
            "architecture of the source, as for quantize");
  add_value(*app, "--tokenizer-pre", flags->tokenizer_pre, "NAME", "Comparison",
            "pre-tokenizer of the source, as for quantize");
  add_switch(*app, "--json", flags->json, "Output", "machine-readable report on stdout");
  add_value(*app, "--threads", flags->threads, "N", "Resources", "threads (default: all cores)");
  add_value(*app, "--backend", flags->backend, "NAME", "Resources", "see 'qtz backends'");
  set_examples(*app,
               "qtz verify Llama-3.2-1B-Q4_K_M.gguf\n"
               "qtz verify Llama-3.2-1B-Q4_K_M.gguf --source ./Llama-3.2-1B\n"
               "qtz verify model.gguf --source ./model --json | jq '.tensors | min_by(.sqnr_db)'");
  return {app, [flags](Console& console) { return run(*flags, console); }};
}

}  // namespace qtz::cli
