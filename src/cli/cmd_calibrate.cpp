// qtz calibrate: an importance matrix from a text, from other matrices, or from both.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>

#include "cli/calibration_text.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/model_text.h"
#include "cli/output_name.h"
#include "cli/signals.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"
#include "qtz/pipeline/importance_merge.h"

namespace qtz::cli {
namespace {

struct CalibrateFlags {
  std::string model;
  CalibrationFlags text;
  std::vector<std::string> merge;
  std::string output;
  std::string format;
  std::string save_every;
  bool process_output = false;
  bool force = false;
  bool json = false;
  std::string threads;
  std::string batch;
  std::string max_memory;
  std::string backend;
};

constexpr std::uint64_t kSaveEvery = 60;
constexpr std::uint64_t kLongestPause = 1U << 20;

ImatrixForm parse_form(const CalibrateFlags& flags) {
  if (flags.format.empty())
    return ascii_lower(flags.output).ends_with(".dat") ? ImatrixForm::dat : ImatrixForm::gguf;
  if (flags.format == "gguf") return ImatrixForm::gguf;
  if (flags.format == "dat") return ImatrixForm::dat;
  throw Error(ErrorKind::usage, "--format is gguf or dat, not '" + printable(flags.format) + "'");
}

void check_usage(const CalibrateFlags& flags) {
  require_value(flags.output, "-o FILE", "calibrate");
  refuse_stream("an importance matrix", "-o", flags.output);
  const bool has_text = !flags.text.texts.empty();
  if (flags.merge.empty() || has_text) require_value(flags.model, "a MODEL", "calibrate");
  if (flags.merge.empty() && !has_text)
    throw Error(ErrorKind::usage, "calibrate needs --data TEXT", "see 'qtz calibrate -h'");
  if (!has_text && !flags.model.empty()) {
    throw Error(ErrorKind::usage, "--merge without --data does not run a model",
                "give a text with --data, or leave '" + printable(flags.model) + "' out");
  }
  if (!has_text && flags.process_output)
    throw Error(ErrorKind::usage, "--process-output is for runs with a model and --data");
  if (!has_text && !(flags.save_every.empty() && flags.max_memory.empty() && flags.batch.empty()))
    throw Error(ErrorKind::usage,
                "--save-every, --batch and --max-memory are for runs with a model and --data");
  if (!has_text && !(flags.text.chunks.empty() && flags.text.field.empty()))
    throw Error(ErrorKind::usage, "--chunks and --field are for a text", "give one with --data");
}

/// Where the matrix goes, and what must never be written over.
OutputOptions output_options(const CalibrateFlags& flags, const Console& console) {
  OutputOptions options;
  options.overwrite = flags.force;
  options.protect = console.own_files();
  return options;
}

/// The matrices of --merge, added up; nothing where there are none.
std::optional<NamedImatrix> read_merged(const CalibrateFlags& flags, OutputOptions& output) {
  if (flags.merge.empty()) return std::nullopt;
  std::vector<NamedImatrix> parts;
  for (const std::string& path : flags.merge) {
    const InputFile file(path);
    output.protect.push_back(file.identity());
    parts.push_back({read_imatrix(file), printable(path)});
  }
  const bool own_size = !flags.text.context.empty() || !flags.text.texts.empty();
  const std::uint64_t chunk_size = own_size ? parse_calibration(flags.text).context : 0;
  const std::string name = flags.merge.size() == 1 ? parts.front().name : "--merge";
  return NamedImatrix{merge_imatrices(std::move(parts), chunk_size), name};
}

/// Tensors with experts that have no data, and which these are.
JsonArray unreached_json(const StoredImatrix& matrix) {
  JsonArray tensors;
  for (const auto& [name, entry] : matrix.entries) {
    JsonArray experts;
    for (std::size_t i = 0; i < entry.counts.size(); ++i) {
      if (entry.counts[i] == 0) experts.emplace_back(static_cast<std::uint64_t>(i));
    }
    if (!experts.empty()) tensors.push_back(JsonObject{{"name", name}, {"experts", std::move(experts)}});
  }
  return tensors;
}

JsonObject result_of(const CalibrateFlags& flags, const StoredImatrix& matrix, ImatrixForm form) {
  return JsonObject{{"file", flags.output},
                    {"format", form == ImatrixForm::dat ? "dat" : "gguf"},
                    {"tensors", static_cast<std::uint64_t>(matrix.entries.size())},
                    {"windows", matrix.chunks},
                    {"context", matrix.chunk_size},
                    {"datasets", json_strings(matrix.datasets)},
                    {"merged", json_strings(flags.merge)},
                    {"unreached", unreached_json(matrix)}};
}

std::filesystem::path checkpoint_of(const CalibrateFlags& flags) {
  return flags.output + ".checkpoint";
}

/// Runs the model over the texts.
NamedImatrix collect(const CalibrateFlags& flags, const GgufModel& model, const CalibrationText& text,
                     const Backend& backend, Console& console) {
  CalibrationOptions options = text.options;
  options.process_output = flags.process_output;
  options.checkpoint = checkpoint_of(flags);
  options.checkpoint_interval =
      std::chrono::seconds(parse_count("--save-every", flags.save_every, kSaveEvery, kLongestPause));
  options.threads = parse_threads(flags.threads);
  options.batch = parse_batch(flags.batch);
  options.max_memory = parse_size("--max-memory", flags.max_memory);
  const Calibration found =
      calibrate(model, text.tokens, options, backend, console.progress(), cancel_token());
  for (const std::string& warning : found.warnings) console.warn(warning);
  return {to_imatrix(found, text.datasets), printable(flags.model)};
}

ExitCode run(const CalibrateFlags& flags, Console& console) {
  check_usage(flags);
  const ImatrixForm form = parse_form(flags);
  const Backend& backend = select_backend(flags.backend);
  OutputOptions output = output_options(flags, console);
  std::optional<NamedImatrix> merged = read_merged(flags, output);
  if (merged) {
    for (const std::string& warning : merged->matrix.warnings) console.warn(warning);
    merged->matrix.warnings.clear();
  }

  StoredImatrix matrix;
  if (flags.model.empty()) {
    check_output_possible(flags.output, 0, output);
    matrix = std::move(merged->matrix);
  } else {
    const GgufModel model = open_model(flags.model, ModelOptions{});
    for (const std::string& warning : model.warnings) console.warn(warning);
    for (const InputFile& file : model.source->files()) output.protect.push_back(file.identity());
    check_output_possible(flags.output, 0, output);
    if (merged) require_fits(merged->matrix, merged->name, model);
    const CalibrationText text = read_calibration_text(flags.text, model.metadata);
    console.event("plan", JsonObject{{"architecture", model.architecture},
                                     {"tokens", static_cast<std::uint64_t>(text.tokens.size())},
                                     {"context", text.options.context},
                                     {"datasets", json_strings(text.datasets)},
                                     {"merged", json_strings(flags.merge)},
                                     {"file", flags.output}});
    NamedImatrix collected = collect(flags, model, text, backend, console);
    if (merged) {
      std::vector<NamedImatrix> parts;
      parts.push_back(std::move(*merged));
      parts.push_back(std::move(collected));
      matrix = merge_imatrices(std::move(parts), text.options.context);
    } else {
      matrix = std::move(collected.matrix);
    }
  }
  write_imatrix(matrix, form, flags.output, output);
  if (!flags.model.empty()) remove_checkpoint(checkpoint_of(flags));
  console.info("wrote   " + printable(flags.output) + ": " + std::to_string(matrix.entries.size()) +
               " tensors, " + std::to_string(matrix.chunks) + " windows of " +
               std::to_string(matrix.chunk_size) + " tokens");
  JsonObject fields = result_of(flags, matrix, form);
  console.set_result(fields);
  if (flags.json) {
    fields.insert(fields.begin(), {"schema", 1});
    console.data(to_json(JsonValue(std::move(fields))) + "\n");
  }
  return ExitCode::ok;
}

}  // namespace

Command setup_calibrate(CLI::App& root) {
  CLI::App* app = root.add_subcommand(
      "calibrate",
      "make an importance matrix from a text\n"
      "Runs the model over windows of --ctx tokens, one layer at a time, and writes what goes into each\n"
      "matrix as llama.cpp's importance matrix, for --imatrix of 'qtz quantize' and llama-quantize.\n"
      "With --merge it adds matrices up, with or without a model.");
  share_line(*app, "a text and a model: importance matrix, measured loss, tokens");
  const auto flags = std::make_shared<CalibrateFlags>();
  add_positional(*app, "MODEL", flags->model, "a GGUF file or a model folder");
  add_values(*app, "--data", flags->text.texts, "TEXT|-", "Text",
             "a file with text, or with a JSON object on each line; several times for more");
  add_value(*app, "--field", flags->text.field, "NAME", "Text",
            "of the objects in .jsonl files (default: text)");
  add_value(*app, "--ctx", flags->text.context, "N", "Text", "tokens of a window (default: 512)");
  add_value(*app, "--chunks", flags->text.chunks, "N", "Text", "only the first N windows");
  add_values(*app, "--merge", flags->merge, "FILE", "Matrices",
             "add an importance matrix (.gguf or .dat); several times for more\n"
             "Sums and counts are added, data sets joined. Without --data no model is run.");
  add_value(*app, "-o,--output", flags->output, "FILE", "Output", "the matrix");
  add_value(*app, "--format", flags->format, "gguf|dat", "Output",
            "llama.cpp's GGUF, or the older form (default: dat if FILE ends so, else gguf)");
  add_switch(*app, "--process-output", flags->process_output, "Output",
             "also what goes into output.weight, where the model has one");
  add_value(*app, "--save-every", flags->save_every, "SECONDS", "Output",
            "keep what is known so far in FILE.checkpoint, from which the same command goes on after a kill\n"
            "(default: 60; 0 for after every layer)");
  add_switch(*app, "--force", flags->force, "Output", "replace FILE if it exists");
  add_switch(*app, "--json", flags->json, "Output", "machine-readable result on stdout");
  add_value(*app, "--threads", flags->threads, "N", "Resources", "threads (default: all cores)");
  add_batch(*app, flags->batch);
  add_value(*app, "--max-memory", flags->max_memory, "SIZE", "Resources",
            "use no more memory than this, for example 8G; states of the text that have no room are kept\n"
            "in a file in $TMPDIR or /var/tmp (default: what the machine has left)");
  add_value(*app, "--backend", flags->backend, "NAME", "Resources", "see 'qtz backends'");
  set_examples(
      *app,
      "qtz calibrate ./model --data calibration.txt -o imatrix.gguf\n"
      "qtz calibrate ./model --data prose.txt --data code.jsonl --merge earlier.gguf -o imatrix.gguf\n"
      "qtz calibrate --merge prose.gguf --merge code.dat -o both.gguf\n"
      "qtz quantize ./model --type IQ3_M --imatrix imatrix.gguf");
  return {app, [flags](Console& console) { return run(*flags, console); }, [flags] { return flags->json; }};
}

}  // namespace qtz::cli
