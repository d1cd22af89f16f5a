// qtz eval: how well models predict a text, and how far they are from a reference.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/eval_report.h"
#include "cli/flags.h"
#include "cli/model_text.h"
#include "cli/output_name.h"
#include "cli/report_page.h"
#include "cli/signals.h"
#include "qtz/core/error.h"
#include "qtz/core/input_file.h"
#include "qtz/core/output_file.h"
#include "qtz/core/text.h"
#include "qtz/model/text_encoder.h"

namespace qtz::cli {
namespace {

struct EvalFlags {
  std::vector<std::string> models;
  std::string data;
  std::string field;
  std::string reference;
  std::string context;
  std::string chunks;
  std::string worst;
  std::string html;
  bool force = false;
  bool json = false;
  std::string threads;
  std::string batch;
  std::string max_memory;
  std::string backend;
};

constexpr std::uint64_t kMostTokens = 1U << 20;

GgufModel open_candidate(const std::string& path, Console& console) {
  GgufModel model = open_model(path, ModelOptions{});
  for (const std::string& warning : model.warnings) console.warn(printable(path) + ": " + warning);
  return model;
}

/// All models must cut the text in the same way.
void require_same_tokens(const TextEncoder& first, const GgufModel& other, const std::string& name) {
  const TextEncoder encoder = TextEncoder::from_metadata(other.metadata);
  bool same = encoder.kind() == first.kind() && encoder.vocabulary_size() == first.vocabulary_size();
  for (std::uint32_t token = 0; same && token < first.vocabulary_size(); ++token) {
    same = encoder.text_of(token) == first.text_of(token);
  }
  if (same) return;
  throw Error(ErrorKind::input_invalid, printable(name) + ": has another vocabulary than the first model",
              "only models of one family can be compared");
}

EvaluationOptions make_options(const EvalFlags& flags, const TextEncoder& encoder) {
  EvaluationOptions options;
  options.context = parse_count("--ctx", flags.context, options.context, kMostTokens);
  options.chunks = parse_count("--chunks", flags.chunks, 0, kMostTokens);
  options.worst = parse_count("--worst", flags.worst, options.worst, kMostTokens);
  options.threads = parse_threads(flags.threads);
  options.batch = parse_batch(flags.batch);
  options.max_memory = parse_size("--max-memory", flags.max_memory);
  if (encoder.add_bos()) options.bos = encoder.bos();
  return options;
}

/// A page replaces neither a model nor the text.
OutputOptions page_options(const EvalFlags& flags, std::vector<const GgufModel*> models,
                           const GgufModel* reference, const Console& console) {
  if (reference != nullptr) models.push_back(reference);
  OutputOptions options = report_output(flags.force, models, console);
  if (flags.data != "-") options.protect.push_back(InputFile(flags.data).identity());
  return options;
}

JsonObject plan_of(const EvalFlags& flags, const EvaluationOptions& options,
                   const std::vector<const GgufModel*>& candidates, std::uint64_t tokens) {
  return JsonObject{{"architecture", candidates.front()->architecture},
                    {"models", json_strings(flags.models)},
                    {"reference", flags.reference.empty() ? JsonValue(nullptr) : JsonValue(flags.reference)},
                    {"data", flags.data},
                    {"tokens", tokens},
                    {"context", options.context}};
}

ExitCode run(const EvalFlags& flags, Console& console) {
  if (flags.models.empty()) throw Error(ErrorKind::usage, "eval needs a MODEL", "see 'qtz eval -h'");
  require_value(flags.data, "--data TEXT", "eval");
  refuse_stream("a page", "--html", flags.html);
  const Backend& backend = select_backend(flags.backend);

  std::vector<GgufModel> models;
  models.reserve(flags.models.size());
  for (const std::string& path : flags.models) models.push_back(open_candidate(path, console));
  std::optional<GgufModel> reference;
  if (!flags.reference.empty()) reference = open_candidate(flags.reference, console);

  const TextEncoder encoder = TextEncoder::from_metadata(models.front().metadata);
  for (std::size_t i = 1; i < models.size(); ++i) require_same_tokens(encoder, models[i], flags.models[i]);
  if (reference) require_same_tokens(encoder, *reference, flags.reference);

  const std::vector<std::uint32_t> tokens = read_tokens(flags.data, flags.field, encoder);
  const EvaluationOptions options = make_options(flags, encoder);

  std::vector<const GgufModel*> candidates;
  for (const GgufModel& model : models) candidates.push_back(&model);
  const OutputOptions output = page_options(flags, candidates, reference ? &*reference : nullptr, console);
  if (!flags.html.empty()) check_output_possible(flags.html, 0, output);
  console.event("plan", plan_of(flags, options, candidates, tokens.size()));
  const EvaluatedModels evaluated{flags.models,
                                  flags.reference,
                                  flags.data,
                                  options.context,
                                  &encoder,
                                  tokens,
                                  evaluate(candidates, reference ? &*reference : nullptr, tokens, options,
                                           backend, console.progress(), cancel_token()),
                                  models};
  JsonObject fields = evaluation_fields(evaluated);
  console.set_result(fields);
  fields.insert(fields.begin(), {"schema", 1});
  const JsonValue json(std::move(fields));
  if (!flags.html.empty()) write_report(report_page(ReportKind::eval, json), flags.html, output);
  console.data(flags.json ? to_json(json) + "\n" : evaluation_text(evaluated));
  if (!flags.html.empty()) console.info("wrote   " + printable(flags.html));
  return ExitCode::ok;
}

}  // namespace

Command setup_eval(CLI::App& root) {
  CLI::App* app = root.add_subcommand(
      "eval",
      "measure how well models predict a text\n"
      "Perplexity as llama-perplexity computes it: windows of --ctx tokens, of which the second half\n"
      "counts. With --reference also how far each model's predictions are from the reference's:\n"
      "Kullback-Leibler divergence, share of equal guesses, change of probabilities. The models run\n"
      "one layer at a time, and no logits are stored.");
  share_line(*app, "a text and a model: importance matrix, measured loss, tokens");
  const auto flags = std::make_shared<EvalFlags>();
  add_positionals(*app, "MODEL", flags->models, "GGUF files or model folders, of one family");
  add_value(*app, "--data", flags->data, "TEXT|-", "Text",
            "the file with the text, or - for standard input\n"
            "Take one that the model was not trained on and no importance matrix was made from.");
  add_value(*app, "--field", flags->field, "NAME", "Text", "of the objects in a .jsonl file (default: text)");
  add_value(*app, "--ctx", flags->context, "N", "Text", "tokens of a window (default: 512)");
  add_value(*app, "--chunks", flags->chunks, "N", "Text", "only the first N windows");
  add_value(*app, "--reference", flags->reference, "MODEL", "Reference",
            "the model that the others are held against, as a rule the one they were made from");
  add_value(*app, "--worst", flags->worst, "N", "Reference",
            "how many of the worst predictions are shown (default: 10)");
  add_value(*app, "--html", flags->html, "FILE", "Output",
            "a page for the browser, in one file: table, size against loss, spread of the divergence,\n"
            "worst predictions");
  add_switch(*app, "--force", flags->force, "Output", "replace FILE if it exists");
  add_switch(*app, "--json", flags->json, "Output", "machine-readable");
  add_value(*app, "--threads", flags->threads, "N", "Resources", "threads (default: all cores)");
  add_batch(*app, flags->batch);
  add_value(*app, "--max-memory", flags->max_memory, "SIZE", "Resources",
            "use no more memory than this, for example 8G; states of the text that have no room are kept\n"
            "in a file in $TMPDIR or /var/tmp (default: what the machine has left)");
  add_value(*app, "--backend", flags->backend, "NAME", "Resources", "see 'qtz backends'");
  set_examples(*app,
               "qtz eval model-Q4_K_M.gguf --data wiki.test.raw\n"
               "qtz eval model-*.gguf --reference ./model --data wiki.test.raw --html quality.html\n"
               "qtz eval model-Q4_K_M.gguf --reference ./model --data - --json < text.txt");
  return {app, [flags](Console& console) { return run(*flags, console); }};
}

}  // namespace qtz::cli
