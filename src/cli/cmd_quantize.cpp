// qtz quantize: the main job. Says what it will do, does it, says what came out.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "cli/calibration_text.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/folder_job.h"
#include "cli/job.h"
#include "cli/plan_report.h"
#include "cli/signals.h"
#include "cli/table.h"
#include "qtz/core/error.h"
#include "qtz/core/memory.h"
#include "qtz/core/text.h"
#include "qtz/kernels/backend.h"
#include "qtz/pipeline/run.h"

namespace qtz::cli {
namespace fs = std::filesystem;
namespace {

struct QuantizeFlags {
  JobFlags job;
  FolderFlags folder;
  bool force = false;
  bool dry_run = false;
};

/// Where -o names folders or what files of several types are called (see output_names), the folders may be
/// new. Of a run that wrote nothing into a folder made for it, the folder does not stay.
class OutputFolders {
 public:
  OutputFolders(const Job& job, const std::string& output) {
    const bool may_make = !output.empty() && (output.back() == '/' || job.outputs.size() > 1 ||
                                              output.find("{type}") != std::string::npos);
    if (!may_make) return;
    try {
      for (const fs::path& path : job.outputs) make(path.parent_path());
    } catch (...) {
      remove();
      throw;
    }
  }
  ~OutputFolders() { remove(); }
  OutputFolders(const OutputFolders&) = delete;
  OutputFolders& operator=(const OutputFolders&) = delete;

 private:
  void make(const fs::path& folder) {
    std::error_code failure;
    if (folder.empty() || fs::exists(folder, failure)) return;
    fs::path kept = folder;
    made_.reserve(made_.size() + 1);  // once the folder is there, remembering it cannot fail
    make_output_folder(kept);
    made_.push_back(std::move(kept));
  }
  void remove() noexcept {
    for (const fs::path& folder : made_) ::rmdir(folder.c_str());  // refuses while anything is in it
  }

  std::vector<fs::path> made_;
};

fs::path manifest_of(const Job& job, std::size_t output) {
  return manifest_path(output_paths(job.plans[output], job.outputs[output]).front());
}

JsonValue worst_json(const std::vector<SampledError>& worst) {
  JsonArray rows;
  for (const SampledError& tensor : worst) {
    rows.push_back(JsonObject{
        {"name", tensor.name}, {"type", name_of(tensor.type)}, {"sampled_sqnr_db", tensor.sqnr_db}});
  }
  return rows;
}

/// "blk.0.attn_v.weight Q4_K 21.3 dB, ..."
std::string worst_text(const std::vector<SampledError>& worst) {
  std::string text;
  for (const SampledError& tensor : worst) {
    if (!text.empty()) text += ", ";
    text += printable(tensor.name) + " " + std::string(name_of(tensor.type)) + " " +
            format_fixed(tensor.sqnr_db, 1) + " dB";
  }
  return text;
}

JsonObject result_of(const Job& job, bool manifest, const RunResult& result) {
  JsonArray outputs;
  for (std::size_t i = 0; i < job.plans.size(); ++i) {
    const QuantPlan& plan = job.plans[i];
    JsonArray files;
    for (const auto& path : output_paths(plan, job.outputs[i])) files.emplace_back(path.string());
    outputs.push_back(
        JsonObject{{"type", plan.file_type->name},
                   {"files", std::move(files)},
                   {"manifest", manifest ? JsonValue(manifest_of(job, i).string()) : JsonValue()},
                   {"bytes", plan.total_bytes},
                   {"bits_per_weight", plan.bits_per_weight()},
                   {"tensors", static_cast<std::uint64_t>(plan.entries.size())},
                   {"worst", worst_json(result.worst[i])}});
  }
  return JsonObject{{"outputs", std::move(outputs)},
                    {"input_bytes", result.input_bytes},
                    {"output_bytes", result.output_bytes},
                    {"replaced_nonfinite", result.replaced_nonfinite},
                    {"seconds", result.seconds}};
}

/// Every file with its own size; what is true of the whole output goes to the last line.
void print_files(const QuantPlan& plan, const fs::path& output, Console& console) {
  const std::string bits = ", " + format_fixed(plan.bits_per_weight(), 2) + " bits per weight";
  const auto paths = output_paths(plan, output);
  const bool split = paths.size() > 1;
  for (std::size_t file = 0; file < paths.size(); ++file) {
    console.info("wrote   " + printable(paths[file].string()) + ": " + format_bytes(plan.files[file].bytes) +
                 (split ? "" : bits));
  }
  if (split) {
    console.info("total   " + format_bytes(plan.total_bytes) + " in " + std::to_string(paths.size()) +
                 " files" + bits);
  }
}

/// A manifest written, or one left behind by an earlier run, which would tell whoever believes it a lie.
void print_manifest(const fs::path& manifest, bool written, Console& console) {
  std::error_code unknown;
  if (written) {
    console.info("wrote   " + printable(manifest.string()));
  } else if (fs::exists(manifest, unknown)) {
    console.warn(printable(manifest.string()) +
                 " is of the file that was replaced: remove it, or write it again with --manifest");
  }
}

void print_summary(const Job& job, bool manifest, const RunResult& result, Console& console) {
  for (std::size_t i = 0; i < job.plans.size(); ++i) {
    print_files(job.plans[i], job.outputs[i], console);
    print_manifest(manifest_of(job, i), manifest, console);
    if (!result.worst[i].empty())
      console.info("worst   " + worst_text(result.worst[i]) + " (signal to noise, sampled)");
  }
  std::string text = "time    " + format_duration(result.seconds) + " with " +
                     std::to_string(result.threads) + (result.threads == 1 ? " thread" : " threads");
  if (result.seconds > 0) {
    text +=
        ", " +
        format_bytes(static_cast<std::uint64_t>(static_cast<double>(result.input_bytes) / result.seconds)) +
        "/s read";
  }
  console.info(text);
  if (result.replaced_nonfinite > 0) {
    console.warn(group_digits(result.replaced_nonfinite) + " NaN or infinite weights were replaced by zero");
  }
}

/// Runs the model over the texts of --calibrate. Whether the outputs can be written is asked first, since it
/// may take hours.
std::shared_ptr<const ImportanceMatrix> importance_of_texts(const QuantizeFlags& flags, const Job& job,
                                                            const Backend& backend, Console& console) {
  OutputOptions output{.overwrite = flags.force, .protect = job.protect};
  for (const fs::path& path : job.outputs) {
    const fs::path folder = path.parent_path();
    std::error_code unknown;
    if (folder.empty() || fs::exists(folder, unknown)) check_output_possible(path, 0, output);
  }
  const CalibrationText text = read_calibration_text(flags.job.calibration, job.model.metadata);
  CalibrationOptions options = text.options;
  options.threads = job.threads;
  options.max_memory = job.max_memory;
  const Calibration found =
      calibrate(job.model, text.tokens, options, backend, console.progress(), cancel_token());
  for (const std::string& warning : found.warnings) console.warn(warning);
  release_freed_memory();  // else --max-memory would count what the forward pass is done with
  return std::make_shared<const ImportanceMatrix>(to_imatrix(found, text.datasets), "--calibrate");
}

ExitCode run(const QuantizeFlags& flags, Console& console) {
  if (wants_folder(flags.job)) {
    return run_folder_job(flags.job, flags.folder, {.force = flags.force, .only_plan = flags.dry_run},
                          console);
  }
  refuse_folder_flags(flags.folder);
  if (flags.dry_run && !flags.job.calibration.texts.empty()) {
    throw Error(ErrorKind::usage, "--dry-run does not run the model, as --calibrate does",
                "make the matrix with `qtz calibrate`, and give it with --imatrix");
  }
  const Backend& backend = select_backend(flags.job.backend);
  const Job job = make_job(flags.job, backend, "quantize", [&](const Job& opened) {
    return importance_of_texts(flags, opened, backend, console);
  });
  print_preflight(job, console);
  if (flags.dry_run) {
    print_plan(job, flags.job, console);
    return ExitCode::ok;
  }
  cancel_token().poll();
  console.detail("backend " + std::string(backend.name) + " (" + std::string(backend.description) + ")");
  const OutputFolders folders(job, flags.job.output);
  const ManifestFacts facts = manifest_facts(flags.job, job);
  std::vector<FileIdentity> protect = job.protect;
  for (const FileIdentity& file : console.own_files()) protect.push_back(file);
  const RunOptions options{.threads = job.threads,
                           .max_memory = job.max_memory,
                           .overwrite = flags.force,
                           .protect = std::move(protect),
                           .manifest = flags.job.manifest ? &facts : nullptr};
  const RunResult result =
      execute(job.plans, job.outputs, backend, options, console.progress(), cancel_token());
  console.progress().end();
  print_summary(job, flags.job.manifest, result, console);
  JsonObject fields = result_of(job, flags.job.manifest, result);
  console.set_result(fields);
  if (flags.job.json) {
    fields.insert(fields.begin(), {"schema", 1});
    console.data(to_json(JsonValue(std::move(fields))) + "\n");
  }
  return ExitCode::ok;
}

}  // namespace

Command setup_quantize(CLI::App& root) {
  CLI::App* app = root.add_subcommand("quantize",
                                      "quantize a model to one or several types\n"
                                      "The output appears under its name only when it is complete.");
  const auto flags = std::make_shared<QuantizeFlags>();
  add_job_flags(*app, flags->job);
  add_folder_flags(*app, flags->folder);
  CalibrationFlags& calibration = flags->job.calibration;
  calibration.context_name = "--calibrate-ctx";
  calibration.chunks_name = "--calibrate-chunks";
  constexpr const char* kImportance = "Importance matrix";
  add_values(*app, "--calibrate", calibration.texts, "TEXT", kImportance,
             "make the importance matrix of this text, as `qtz calibrate` does, and use it; repeatable");
  add_value(*app, "--calibrate-ctx", calibration.context, "N", kImportance,
            "tokens of a window of the text (default: 512)");
  add_value(*app, "--calibrate-chunks", calibration.chunks, "N", kImportance, "only the first N windows");
  add_value(*app, "--calibrate-field", calibration.field, "NAME", kImportance,
            "of the objects in .jsonl files (default: text)");
  add_switch(*app, "--force", flags->force, "Output", "replace existing outputs (never the input)");
  add_switch(*app, "--dry-run", flags->dry_run, "Output", "print the plan and stop, like 'qtz plan'");
  set_examples(*app,
               "qtz quantize ./Llama-3.2-1B --type Q4_K_M\n"
               "qtz quantize ./Llama-3.2-1B --type Q4_K_M --type Q8_0 -o out/{type}.gguf\n"
               "qtz quantize ./Llama-3.2-1B --type IQ3_M --calibrate calibration.txt\n"
               "qtz quantize Llama-3.2-1B-BF16.gguf --type IQ4_XS --imatrix imatrix.gguf -o small.gguf\n"
               "qtz quantize ./Llama-3.2-1B --type Q4_K_M --tensor-type 'attn_v=Q8_0' --force");
  return {app, [flags](Console& console) { return run(*flags, console); },
          [flags] { return flags->job.json || flags->dry_run; }};
}

}  // namespace qtz::cli
