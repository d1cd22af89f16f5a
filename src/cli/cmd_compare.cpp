// qtz compare: two models, tensor by tensor.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/compare_report.h"
#include "cli/flags.h"
#include "cli/job.h"
#include "cli/output_name.h"
#include "cli/report_page.h"
#include "cli/signals.h"
#include "qtz/core/error.h"
#include "qtz/core/output_file.h"
#include "qtz/core/text.h"

namespace qtz::cli {
namespace {

struct CompareFlags {
  std::string first;
  std::string second;
  std::string sort;
  std::string html;
  bool force = false;
  bool json = false;
  std::string architecture;
  std::string tokenizer_pre;
  std::string threads;
  std::string backend;
};

/// What --arch and --tokenizer-pre say is of a folder, or of one named by its index; a GGUF says it itself.
bool is_folder(const std::string& input) {
  return std::filesystem::is_directory(input) || input.ends_with(".json");
}

/// `other` is what it is held against.
GgufModel open_side(const std::string& input, const std::string& other, const CompareFlags& flags) {
  ModelOptions options;
  options.keeps_nvfp4 = is_nvfp4_file(other);
  if (is_folder(input)) {
    if (!flags.architecture.empty()) options.architecture = flags.architecture;
    if (!flags.tokenizer_pre.empty()) options.tokenizer_pre = flags.tokenizer_pre;
  }
  return open_model(input, options);
}

void sort_tensors(const std::string& by, std::vector<TensorDifference>& tensors) {
  const auto sort = [&](auto key) {
    std::stable_sort(tensors.begin(), tensors.end(),
                     [&](const TensorDifference& a, const TensorDifference& b) { return key(a) < key(b); });
  };
  if (by.empty() || by == "file") return;
  if (by == "name") return sort([](const TensorDifference& tensor) { return tensor.name; });
  if (by == "size") {
    return sort([](const TensorDifference& t) { return -static_cast<double>(t.shape.elements()); });
  }
  // What could not be compared comes first: nobody knows how bad it is.
  return sort([](const TensorDifference& t) { return t.compared() ? t.sqnr_db : -HUGE_VAL; });
}

/// The first few, for a message.
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i)
    text += (i > 0 ? ", " : "") + printable(names[i]);
  if (names.size() > kShown) text += " and " + std::to_string(names.size() - kShown) + " more";
  return text;
}

void say(const std::string& what, const std::vector<std::string>& names, Console& console) {
  if (names.empty()) return;
  console.info(what + " (" + std::to_string(names.size()) + "): " + some_of(names));
}

void print_summary(const ComparedModels& models, Console& console) {
  const ModelComparison& found = models.found;
  console.info("A       " + printable(models.first) + ": " + model_size_text(found.first_sizes));
  console.info("B       " + printable(models.second) + ": " + model_size_text(found.second_sizes));
  say("tensors only in A", found.only_first, console);
  say("tensors only in B", found.only_second, console);
  say("keys only in A", found.keys_only_first, console);
  say("keys only in B", found.keys_only_second, console);
  say("keys that differ", found.keys_different, console);
  const auto equal = std::count_if(found.tensors.begin(), found.tensors.end(),
                                   [](const TensorDifference& tensor) { return tensor.equal(); });
  console.info(std::to_string(found.tensors.size()) + " tensors in both, " + std::to_string(equal) +
               " of them equal");
}

ExitCode run(const CompareFlags& flags, Console& console) {
  require_value(flags.first, "two models", "compare");
  require_value(flags.second, "two models", "compare");
  if (!flags.sort.empty() && flags.sort != "file" && flags.sort != "error" && flags.sort != "size" &&
      flags.sort != "name") {
    throw Error(ErrorKind::usage, "--sort takes error, size, name or file, not '" + flags.sort + "'");
  }
  if (!(flags.architecture.empty() && flags.tokenizer_pre.empty()) && !is_folder(flags.first) &&
      !is_folder(flags.second)) {
    throw Error(ErrorKind::usage, "--arch and --tokenizer-pre are for folders, and neither model is one");
  }
  refuse_stream("a page", "--html", flags.html);
  const CompareOptions options{.threads = parse_threads(flags.threads), .histograms = !flags.html.empty()};
  const Backend& backend = select_backend(flags.backend);
  const GgufModel first = open_side(flags.first, flags.second, flags);
  const GgufModel second = open_side(flags.second, flags.first, flags);
  const OutputOptions output = report_output(flags.force, std::array{&first, &second}, console);
  if (!flags.html.empty()) check_output_possible(flags.html, 0, output);

  ComparedModels models{flags.first, flags.second,
                        compare_models(first, second, backend, options, console.progress(), cancel_token())};
  console.progress().end();
  sort_tensors(flags.sort, models.found.tensors);
  const JsonValue json = comparison_json(models);
  if (!flags.html.empty()) write_report(report_page(ReportKind::compare, json), flags.html, output);
  if (flags.json) {
    console.data(to_json(json) + "\n");
  } else {
    console.data(comparison_table(models.found));
  }
  print_summary(models, console);
  if (!flags.html.empty()) console.info("wrote   " + printable(flags.html));
  return ExitCode::ok;
}

}  // namespace

Command setup_compare(CLI::App& root) {
  CLI::App* app = root.add_subcommand(
      "compare",
      "compare two models, tensor by tensor\n"
      "Tensors are paired by their GGUF names, so a folder and a GGUF can be compared, and\n"
      "errors are those of B against A. SQNR dB is the signal-to-noise ratio. Models that differ\n"
      "are no failure: the exit code is 0, and the JSON says how they differ.");
  const auto flags = std::make_shared<CompareFlags>();
  add_positional(*app, "A", flags->first, "a folder, .safetensors or .gguf");
  add_positional(*app, "B", flags->second, "the same");
  add_value(*app, "--html", flags->html, "FILE", "Output",
            "a page for the browser, in one file: heat map, sizes, worst tensors, histograms");
  add_switch(*app, "--force", flags->force, "Output", "replace FILE if it exists");
  add_switch(*app, "--json", flags->json, "Output", "machine-readable comparison on stdout");
  add_value(*app, "--sort", flags->sort, "error|size|name|file", "Output",
            "order of the tensors (default: file, as in A)");
  add_value(*app, "--arch", flags->architecture, "NAME", "Model",
            "architecture of a folder whose config.json does not say or is missing");
  add_value(*app, "--tokenizer-pre", flags->tokenizer_pre, "NAME", "Model",
            "pre-tokenizer of a folder, when it is not recognized");
  add_value(*app, "--threads", flags->threads, "N", "Resources", "threads (default: all cores)");
  add_value(*app, "--backend", flags->backend, "NAME", "Resources", "see 'qtz backends'");
  set_examples(*app,
               "qtz compare ./Llama-3.2-1B Llama-3.2-1B-Q4_K_M.gguf --sort error\n"
               "qtz compare one.gguf other.gguf --html comparison.html\n"
               "qtz compare one.gguf other.gguf --json | jq '[.tensors[] | select(.equal | not)] | length'");
  return {app, [flags](Console& console) { return run(*flags, console); }};
}

}  // namespace qtz::cli
