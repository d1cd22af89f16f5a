// qtz verify: reads an artifact back and, given the source, measures what was lost.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <exception>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/job.h"
#include "cli/signals.h"
#include "cli/table.h"
#include "qtz/core/json.h"
#include "qtz/core/text.h"
#include "qtz/kernels/backend.h"
#include "qtz/model/gguf_model.h"
#include "qtz/pipeline/verify.h"

namespace qtz::cli {
namespace {

struct VerifyFlags {
  std::string artifact;
  std::string manifest;
  bool no_manifest = false;
  std::string on_nan;
  JobFlags made_with;  ///< its input is the source
};

JsonValue number_or_null(double value) {
  return std::isfinite(value) ? JsonValue(value) : JsonValue();
}

JsonValue tensor_json(const TensorReport& tensor) {
  JsonObject row{{"name", tensor.name},
                 {"type", name_of(tensor.type)},
                 {"elements", tensor.elements},
                 {"decoded", tensor.decoded},
                 {"compared", tensor.compared}};
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

JsonValue report_json(const VerifyFlags& flags, const std::string& manifest, const VerifyReport& report) {
  JsonArray problems;
  for (const auto& problem : report.problems) problems.emplace_back(problem);
  JsonArray warnings;
  for (const auto& warning : report.warnings) warnings.emplace_back(warning);
  JsonArray tensors;
  for (const auto& tensor : report.tensors) tensors.push_back(tensor_json(tensor));
  const std::string& source = flags.made_with.input;
  return JsonObject{{"schema", 1},
                    {"artifact", flags.artifact},
                    {"source", source.empty() ? JsonValue() : JsonValue(source)},
                    {"manifest", manifest.empty() ? JsonValue() : JsonValue(manifest)},
                    {"ok", report.ok()},
                    {"problems", std::move(problems)},
                    {"hint", report.hint.empty() ? JsonValue() : JsonValue(report.hint)},
                    {"warnings", std::move(warnings)},
                    {"tensors", std::move(tensors)}};
}

std::string report_text(const VerifyReport& report) {
  using Align = TextTable::Align;
  const bool compared = std::any_of(report.tensors.begin(), report.tensors.end(),
                                    [](const auto& tensor) { return tensor.compared || tensor.reproduced; });
  std::vector<TextTable::Column> columns{{"TENSOR"}, {"TYPE"}, {"WEIGHTS", Align::right}};
  if (compared) {
    for (const char* title : {"RMSE", "MAX ERROR", "COSINE", "SQNR dB", "NOISE"})
      columns.push_back({title, Align::right});
  }
  columns.push_back({""});
  TextTable table(std::move(columns));
  for (const auto& tensor : report.tensors) {
    std::vector<std::string> row{printable(tensor.name), std::string(name_of(tensor.type)),
                                 group_digits(tensor.elements)};
    if (!compared) {
      // No columns to fill: there is no source, or nothing in it that goes with the artifact.
    } else if (!tensor.compared) {
      row.insert(row.end(), 5, "-");
      if (tensor.reproduced) row[3] = "same bytes";
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
    if (tensor.compared && tensor.elements > 0 && (worst == nullptr || tensor.sqnr_db < worst->sqnr_db))
      worst = &tensor;
  }
  return worst;
}

std::vector<std::string> all_problems(const VerifyReport& report) {
  std::vector<std::string> problems = report.problems;
  for (const auto& tensor : report.tensors) {
    if (!tensor.problem.empty())
      problems.push_back("tensor '" + printable(tensor.name) + "': " + tensor.problem);
  }
  return problems;
}

/// The first problem is the error; the others come before it, as many as a screen takes.
void throw_if_bad(const VerifyFlags& flags, const VerifyReport& report, Console& console) {
  if (report.ok()) return;
  constexpr std::size_t kShown = 20;
  const std::vector<std::string> problems = all_problems(report);
  for (std::size_t i = 1; i < std::min(problems.size(), kShown); ++i) console.warn(problems[i]);
  std::string what = problems.empty() ? "not what it should be" : problems.front();
  if (const std::string name = printable(flags.artifact); !what.starts_with(name)) what = name + ": " + what;
  if (problems.size() > 1) what += ", and " + std::to_string(problems.size() - 1) + " more";
  std::string hint = report.hint;
  if (hint.empty()) {
    hint = flags.made_with.input.empty()
               ? "do not publish this file; make it again from the source"
               : "unless --source or a flag is not what it was made with: do not publish this file";
  }
  throw Error(ErrorKind::verification, what, hint);
}

/// The source as it must be found in the artifact.
struct Source {
  QuantPlan wanted;
  std::vector<ManifestInput> files;
};

Source open_source(const JobFlags& flags, const std::string& artifact) {
  PlanOptions options = parse_plan_options(flags);
  ModelOptions model_options = parse_model_options(flags);
  model_options.keeps_nvfp4 = is_nvfp4_file(artifact);
  std::vector<ManifestInput> given;
  if (!flags.imatrix.empty()) {
    given.push_back(given_input(flags.imatrix));
    options.importance = std::make_shared<const ImportanceMatrix>(flags.imatrix);
  }
  if (!flags.metadata.empty()) given.push_back(given_input(flags.metadata));
  const GgufModel model = open_model(flags.input, model_options);
  return {plan_to_verify(model, options), manifest_inputs(model, std::move(given))};
}

/// The manifest to hold against the artifact: the one named, or the one that lies beside it. Empty: none.
std::string manifest_of(const VerifyFlags& flags) {
  if (flags.no_manifest && !flags.manifest.empty()) {
    throw Error(ErrorKind::usage, "--manifest and --no-manifest exclude each other");
  }
  if (flags.no_manifest || !flags.manifest.empty()) return flags.manifest;
  const std::filesystem::path beside = manifest_path(flags.artifact);
  std::error_code unknown;
  return std::filesystem::exists(beside, unknown) ? beside.native() : "";
}

void require_source(const JobFlags& flags) {
  if (!flags.input.empty()) return;
  const bool makes_sense = flags.imatrix.empty() && flags.include_weights.empty() &&
                           flags.exclude_weights.empty() && flags.model_name.empty() &&
                           flags.metadata.empty() && flags.override_kv.empty() &&
                           flags.prune_layers.empty() && flags.architecture.empty() &&
                           flags.tokenizer_pre.empty() && flags.mtp.empty();
  if (makes_sense) return;
  throw Error(ErrorKind::usage, "flags that say how the file was made need --source",
              "name the model that it was made from with --source");
}

void print_verdict(const VerifyFlags& flags, const std::string& manifest, const VerifyReport& report,
                   Console& console) {
  std::string verdict =
      printable(flags.artifact) + ": ok, " + std::to_string(report.tensors.size()) + " tensors";
  if (const TensorReport* worst = worst_tensor(report); worst != nullptr && std::isfinite(worst->sqnr_db)) {
    verdict += ", all within the band of their type; lowest signal-to-noise ratio " +
               format_fixed(worst->sqnr_db, 2) + " dB in " + printable(worst->name);
  } else if (flags.made_with.input.empty()) {
    verdict += " well-formed; give --source to measure what was lost";
  }
  if (!manifest.empty()) verdict += "; hashes as in " + printable(manifest);
  console.info(verdict);
}

ExitCode run(const VerifyFlags& flags, Console& console) {
  require_value(flags.artifact, "a FILE", "verify");
  require_source(flags.made_with);
  VerifyOptions options{.threads = parse_threads(flags.made_with.threads)};
  options.keep_nonfinite = parse_on_nan(flags.on_nan) == OnNan::keep;
  const Backend& backend = select_backend(flags.made_with.backend);
  const std::string manifest_name = manifest_of(flags);
  std::optional<Manifest> manifest;
  if (!manifest_name.empty()) options.manifest = &manifest.emplace(read_manifest(manifest_name));
  std::optional<Source> source;
  if (!flags.made_with.input.empty()) {
    source = open_source(flags.made_with, flags.artifact);
    options.source_files = source->files;
  }
  const VerifyReport report = verify(flags.artifact, source ? &source->wanted : nullptr, backend, options,
                                     console.progress(), cancel_token());
  console.progress().end();
  for (const auto& warning : report.warnings) console.warn(warning);
  JsonArray problems;
  for (std::string& problem : all_problems(report)) problems.emplace_back(std::move(problem));
  console.set_result(JsonObject{{"artifact", flags.artifact},
                                {"ok", report.ok()},
                                {"problems", std::move(problems)},
                                {"tensors", static_cast<std::uint64_t>(report.tensors.size())}});
  // A reader that left early, or a full disk behind stdout, must not hide the verdict.
  std::exception_ptr unwritten;
  try {
    if (flags.made_with.json) {
      console.data(to_json(report_json(flags, manifest_name, report)) + "\n");
    } else if (!report.tensors.empty()) {
      console.data(report_text(report));
    }
    console.flush_data();
  } catch (...) {
    unwritten = std::current_exception();
  }
  throw_if_bad(flags, report, console);
  if (unwritten) std::rethrow_exception(unwritten);
  print_verdict(flags, manifest_name, report, console);
  return ExitCode::ok;
}

}  // namespace

Command setup_verify(CLI::App& root) {
  CLI::App* app = root.add_subcommand(
      "verify",
      "check an artifact, and measure its loss against the source\n"
      "Reads every block back, and holds hashes against the manifest beside FILE if there is one.\n"
      "With --source each tensor's error must lie in the band that is usual for its type: NOISE is\n"
      "its squared error relative to what the type's steps foretell, about 1. Exit 7 when something is off, "
      "4 when FILE is no GGUF.");
  const auto flags = std::make_shared<VerifyFlags>();
  add_positional(*app, "FILE", flags->artifact, "the GGUF file to check (of a split file, the first)");
  JobFlags& made_with = flags->made_with;
  add_value(*app, "--source", made_with.input, "INPUT", "Comparison",
            "the model it was made from; then give the flags below as quantize got them");
  add_making_flags(*app, made_with);
  add_value(*app, "--manifest", flags->manifest, "MANIFEST", "Comparison",
            "hashes that FILE must have, and the weights of INPUT (default: FILE.manifest.json, if\n"
            "there). Other files of INPUT may differ, with a warning, as long as FILE says the same.");
  add_switch(*app, "--no-manifest", flags->no_manifest, "Comparison", "leave FILE.manifest.json alone");
  add_value(*app, "--on-nan", flags->on_nan, "fail|zero|keep", "Comparison",
            "keep: NaN and infinite weights in tensors that were copied are no problem (default: fail)");
  add_switch(*app, "--json", made_with.json, "Output", "machine-readable report on stdout");
  add_value(*app, "--threads", made_with.threads, "N", "Resources", "threads (default: all cores)");
  add_value(*app, "--backend", made_with.backend, "NAME", "Resources", "see 'qtz backends'");
  set_examples(*app,
               "qtz verify Llama-3.2-1B-Q4_K_M.gguf\n"
               "qtz verify Llama-3.2-1B-Q4_K_M.gguf --source ./Llama-3.2-1B\n"
               "qtz verify model.gguf --source ./model --json | jq '[.tensors[] | select(.sqnr_db)] | "
               "min_by(.sqnr_db)'\n"
               "qtz verify small.gguf --source ./model --imatrix imatrix.gguf");
  return {app, [flags](Console& console) { return run(*flags, console); }};
}

}  // namespace qtz::cli
