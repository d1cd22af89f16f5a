// qtz calibrate: an importance matrix from a text.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/model_text.h"
#include "cli/output_name.h"
#include "cli/signals.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"
#include "qtz/pipeline/calibrate.h"

namespace qtz::cli {
namespace {

struct CalibrateFlags {
  std::string model;
  std::vector<std::string> data;
  std::string field;
  std::string output;
  std::string context;
  std::string chunks;
  std::string save_every;
  bool process_output = false;
  bool force = false;
  std::string threads;
  std::string max_memory;
  std::string backend;
};

constexpr std::uint64_t kMostTokens = 1U << 20;
constexpr std::uint64_t kSaveEvery = 60;
constexpr std::uint64_t kLongestPause = 1U << 20;

OutputOptions output_options(const CalibrateFlags& flags, const GgufModel& model, const Console& console) {
  OutputOptions options;
  options.overwrite = flags.force;
  options.protect = console.own_files();
  for (const InputFile& file : model.source->files()) options.protect.push_back(file.identity());
  return options;
}

ExitCode run(const CalibrateFlags& flags, Console& console) {
  require_value(flags.model, "a MODEL", "calibrate");
  require_value(flags.output, "-o FILE", "calibrate");
  if (flags.data.empty())
    throw Error(ErrorKind::usage, "calibrate needs --data TEXT", "see 'qtz calibrate -h'");
  refuse_stream("an importance matrix", "-o", flags.output);
  const Backend& backend = select_backend(flags.backend);
  const GgufModel model = open_model(flags.model, ModelOptions{});
  for (const std::string& warning : model.warnings) console.warn(warning);
  const OutputOptions output = output_options(flags, model, console);
  check_output_possible(flags.output, 0, output);

  const TextEncoder encoder = TextEncoder::from_metadata(model.metadata);
  std::vector<std::uint32_t> tokens;
  std::vector<std::string> datasets;
  for (const std::string& data : flags.data) {
    const std::vector<std::uint32_t> more = read_tokens(data, flags.field, encoder);
    tokens.insert(tokens.end(), more.begin(), more.end());
    datasets.push_back(std::filesystem::path(data).filename().native());
  }
  CalibrationOptions options;
  options.context = parse_count("--ctx", flags.context, options.context, kMostTokens);
  options.chunks = parse_count("--chunks", flags.chunks, 0, kMostTokens);
  options.process_output = flags.process_output;
  options.checkpoint = flags.output + ".checkpoint";
  options.checkpoint_interval =
      std::chrono::seconds(parse_count("--save-every", flags.save_every, kSaveEvery, kLongestPause));
  options.threads = parse_threads(flags.threads);
  options.max_memory = parse_size("--max-memory", flags.max_memory);
  if (encoder.add_bos()) options.bos = encoder.bos();

  const Calibration found = calibrate(model, tokens, options, backend, console.progress(), cancel_token());
  for (const std::string& warning : found.warnings) console.warn(warning);
  write_importance_matrix(found, datasets, flags.output, output);
  remove_checkpoint(options.checkpoint);
  console.info("wrote   " + printable(flags.output) + ": " +
               std::to_string(found.statistics.entries().size()) + " tensors, " +
               std::to_string(found.windows) + " windows of " + std::to_string(found.context) + " tokens");
  return ExitCode::ok;
}

}  // namespace

Command setup_calibrate(CLI::App& root) {
  CLI::App* app = root.add_subcommand(
      "calibrate",
      "make an importance matrix from a text\n"
      "Runs the model over windows of --ctx tokens, one layer at a time, and writes what goes into each\n"
      "matrix as llama.cpp's importance matrix, for --imatrix of 'qtz quantize' and llama-quantize.");
  share_line(*app, "a text and a model: importance matrix, measured loss, tokens");
  const auto flags = std::make_shared<CalibrateFlags>();
  add_positional(*app, "MODEL", flags->model, "a GGUF file or a model folder");
  add_values(*app, "--data", flags->data, "TEXT|-", "Text",
             "a file with text, or with a JSON object on each line; several times for more");
  add_value(*app, "--field", flags->field, "NAME", "Text", "of the objects in .jsonl files (default: text)");
  add_value(*app, "--ctx", flags->context, "N", "Text", "tokens of a window (default: 512)");
  add_value(*app, "--chunks", flags->chunks, "N", "Text", "only the first N windows");
  add_value(*app, "-o,--output", flags->output, "FILE", "Output", "the matrix, as a GGUF");
  add_switch(*app, "--process-output", flags->process_output, "Output",
             "also what goes into output.weight, where the model has one");
  add_value(*app, "--save-every", flags->save_every, "SECONDS", "Output",
            "keep what is known so far in FILE.checkpoint, from which the same command goes on after a kill\n"
            "(default: 60; 0 for after every layer)");
  add_switch(*app, "--force", flags->force, "Output", "replace FILE if it exists");
  add_value(*app, "--threads", flags->threads, "N", "Resources", "threads (default: all cores)");
  add_value(*app, "--max-memory", flags->max_memory, "SIZE", "Resources",
            "use no more memory than this, for example 8G; states of the text that have no room are kept\n"
            "in a file in $TMPDIR or /var/tmp (default: what the machine has left)");
  add_value(*app, "--backend", flags->backend, "NAME", "Resources", "see 'qtz backends'");
  set_examples(*app,
               "qtz calibrate ./model --data calibration.txt -o imatrix.gguf\n"
               "qtz quantize ./model --type IQ3_M --imatrix imatrix.gguf");
  return {app, [flags](Console& console) { return run(*flags, console); }};
}

}  // namespace qtz::cli
