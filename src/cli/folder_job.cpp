#include "cli/folder_job.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <utility>

#include "cli/flags.h"
#include "cli/output_name.h"
#include "cli/signals.h"
#include "cli/table.h"
#include "qtz/core/error.h"
#include "qtz/core/memory.h"
#include "qtz/core/parallel.h"
#include "qtz/core/text.h"
#include "qtz/pipeline/folder_plan.h"
#include "qtz/pipeline/folder_run.h"

namespace qtz::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSamples = 128;
constexpr const char* kFolderGroup = "Folders (GPTQ, AWQ, W4A16, W8A16)";

/// Flags of quantize that mean nothing for a folder.
void refuse_gguf_flags(const JobFlags& flags) {
  const std::pair<const char*, bool> given[] = {
      {"--output-tensor-type", !flags.output_tensor_type.empty()},
      {"--token-embedding-type", !flags.token_embedding_type.empty()},
      {"--leave-output-tensor", flags.leave_output_tensor},
      {"--pure", flags.pure},
      {"--override-kv", !flags.override_kv.empty()},
      {"--prune-layers", !flags.prune_layers.empty()},
      {"--keep-split", flags.keep_split},
      {"--split-max-tensors", !flags.split_max_tensors.empty()},
      {"--no-tensor-first-split", flags.no_tensor_first_split},
      {"--allow-requantize", flags.allow_requantize},
      {"--model-name", !flags.model_name.empty()},
      {"--metadata", !flags.metadata.empty()},
      {"--tokenizer-pre", !flags.tokenizer_pre.empty()},
      {"--mtp", !flags.mtp.empty()},
      {"--on-nan", !flags.on_nan.empty()},
      {"--include-weights", !flags.include_weights.empty()},
      {"--exclude-weights", !flags.exclude_weights.empty()},
      {"--calibrate", !flags.calibration.texts.empty()},
      {"--manifest", flags.manifest},
      {"--config-only", flags.config_only},
  };
  for (const auto& [flag, is_given] : given) {
    if (is_given)
      throw Error(ErrorKind::usage,
                  std::string(flag) + " is for GGUF files, not for --type " + flags.types[0]);
  }
}

std::uint64_t parse_group_size(const std::string& text) {
  if (text == "-1") return 0;
  const std::uint64_t size = parse_count("--group-size", text, 1, 1u << 20);
  if (size == 0)
    throw Error(ErrorKind::usage, "--group-size needs a number of inputs, or -1 for all of them");
  return size;
}

/// The command as a model card may show it: files without folders, which are nobody else's business.
std::string shown_command(const JobFlags& job, const FolderFlags& flags) {
  std::string text = "qtz quantize " + model_label(job.input) + " --type " + job.types[0];
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) text += std::string(" ") + flag + " " + value;
  };
  const auto add_switch_if = [&](const char* flag, bool given) {
    if (given) text += std::string(" ") + flag;
  };
  add("--method", flags.method);
  for (const std::string& path : flags.data.texts) add("--data", fs::path(path).filename().string());
  add("--ctx", flags.data.context);
  add("--samples", flags.data.chunks);
  add("--bits", flags.bits);
  add("--group-size", flags.group_size);
  add_switch_if("--sym", flags.symmetric);
  add_switch_if("--asym", flags.asymmetric);
  add_switch_if("--desc-act", flags.activation_order);
  add("--checkpoint-format", flags.checkpoint_format);
  add_switch_if("--quantize-lm-head", flags.quantizes_head);
  for (const std::string& rule : job.tensor_types) add("--tensor-type", "'" + printable(rule) + "'");
  add("--recipe", fs::path(job.recipe).filename().string());
  add("--imatrix", fs::path(job.imatrix).filename().string());
  return text;
}

FolderOptions parse_folder_options(const JobFlags& job, const FolderFlags& flags) {
  FolderOptions options;
  options.type = find_folder_type(job.types.front());
  if (!flags.bits.empty()) options.bits = static_cast<unsigned>(parse_count("--bits", flags.bits, 0, 32));
  if (!flags.group_size.empty()) options.group_size = parse_group_size(flags.group_size);
  if (flags.symmetric && flags.asymmetric)
    throw Error(ErrorKind::usage, "--sym and --asym exclude each other");
  if (flags.symmetric || flags.asymmetric) options.symmetric = flags.symmetric;
  options.activation_order = flags.activation_order;
  if (!flags.checkpoint_format.empty()) {
    if (options.type->format != FolderFormat::gptq)
      throw Error(ErrorKind::usage, "--checkpoint-format is for GPTQ");
    if (flags.checkpoint_format != "gptq" && flags.checkpoint_format != "gptq_v2") {
      throw Error(ErrorKind::usage,
                  "--checkpoint-format is gptq or gptq_v2, not '" + printable(flags.checkpoint_format) + "'");
    }
    if (flags.checkpoint_format == "gptq" && !options.symmetric.value_or(options.type->symmetric)) {
      throw Error(ErrorKind::usage, "--checkpoint-format gptq cannot hold zero points of 0",
                  "with --asym the format is gptq_v2; or choose --sym");
    }
    options.plain_zeros = flags.checkpoint_format == "gptq_v2";
  }
  options.quantizes_head = flags.quantizes_head;
  for (const std::string& text : job.tensor_types) options.rules.push_back(parse_module_rule(text));
  if (!job.recipe.empty()) {
    for (ModuleRule& rule : read_module_rules(job.recipe)) options.rules.push_back(std::move(rule));
  }
  options.split_max_bytes = parse_size("--split-max-size", job.split_max_size);
  options.command = shown_command(job, flags);
  return options;
}

/// Whether the model is run. Throws usage where it must be and there is no text.
bool is_calibrated(const FolderFlags& flags, const FolderType& type) {
  const bool has_text = !flags.data.texts.empty();
  if (!flags.method.empty() && flags.method != "rtn" && flags.method != "gptq")
    throw Error(ErrorKind::usage, "--method is gptq or rtn, not '" + printable(flags.method) + "'");
  if (flags.method == "rtn") {
    if (has_text) throw Error(ErrorKind::usage, "--method rtn needs no --data");
    return false;
  }
  if (has_text) return true;
  if (flags.method == "gptq" || type.format == FolderFormat::gptq) {
    throw Error(ErrorKind::usage, "GPTQ runs the model over texts: give some with --data",
                "--method rtn needs none, and loses more");
  }
  return false;
}

fs::path folder_name(const JobFlags& job, const FolderOptions& options) {
  refuse_stream("an artifact", "-o", job.output);
  if (!job.output.empty()) return job.output;
  const FolderType& type = *options.type;
  const unsigned bits = options.bits.value_or(type.bits);
  std::string label(type.name);
  if (type.format == FolderFormat::gptq) label += "-Int" + std::to_string(bits);
  if (type.format == FolderFormat::compressed_tensors) label = "W" + std::to_string(bits) + "A16";
  return model_label(job.input) + "-" + label;
}

JsonValue plan_json_of(const GgufModel& model, const FolderPlan& plan, const fs::path& output) {
  JsonArray modules;
  for (const PlannedModule& planned : plan.modules) {
    const IntegerScheme& scheme = planned.scheme;
    modules.push_back(
        JsonObject{{"module", planned.module.name},
                   {"shape", JsonArray{planned.module.rows(), planned.module.cols()}},
                   {"bits", scheme.bits},
                   {"group_size", scheme.group_size == 0 ? JsonValue(-1) : JsonValue(scheme.group_size)},
                   {"symmetric", scheme.symmetric},
                   {"why", planned.why}});
  }
  JsonArray files;
  for (const SafetensorsLayout::File& file : plan.files.files)
    files.push_back(JsonObject{{"name", file.name}, {"bytes", file.bytes}});
  return JsonObject{{"schema", 1},
                    {"type", plan.type->name},
                    {"architecture", model.architecture},
                    {"output", output.string()},
                    {"total_bytes", plan.total_bytes},
                    {"bits_per_weight", plan.bits_per_weight()},
                    {"files", std::move(files)},
                    {"modules", std::move(modules)}};
}

/// The plan as rules that --recipe takes.
std::string plan_rules(const FolderPlan& plan) {
  std::string text;
  for (const PlannedModule& planned : plan.modules) {
    const IntegerScheme& scheme = planned.scheme;
    text += exact_pattern(planned.module.name) + " = " + std::to_string(scheme.bits) +
            ",group:" + (scheme.group_size == 0 ? "-1" : std::to_string(scheme.group_size)) +
            (scheme.symmetric ? ",sym" : ",asym") + "  # " + planned.why + "\n";
  }
  return text;
}

void print_folder_preflight(const GgufModel& model, const FolderPlan& plan, const fs::path& output,
                            Console& console) {
  std::uint64_t stored = 0;
  for (const TensorInfo& tensor : model.source->tensors()) stored += tensor.bytes;
  console.info("model   " + printable(model.architecture) + ", " + std::to_string(plan.modules.size()) +
               " matrices to quantize, " + format_bytes(stored) + " to read");
  console.info("plan    " + std::string(plan.type->name) + ": " + format_bytes(plan.total_bytes) + ", " +
               format_fixed(plan.bits_per_weight(), 2) + " bits per weight of those -> " +
               printable(output.string()));
  for (const std::string& warning : model.warnings) console.warn(warning);
  for (const std::string& warning : plan.warnings) console.warn(warning);
}

JsonObject folder_result(const FolderPlan& plan, const fs::path& output, const FolderResult& result) {
  JsonArray worst;
  for (const ModuleError& module : result.worst)
    worst.push_back(JsonObject{{"module", module.name}, {"sqnr_db", module.sqnr_db}});
  return JsonObject{{"output", output.string()},
                    {"type", plan.type->name},
                    {"bytes", plan.total_bytes},
                    {"bits_per_weight", plan.bits_per_weight()},
                    {"modules", static_cast<std::uint64_t>(plan.modules.size())},
                    {"input_bytes", result.input_bytes},
                    {"worst", std::move(worst)},
                    {"seconds", result.seconds}};
}

void print_folder_summary(const FolderPlan& plan, const fs::path& output, const FolderResult& result,
                          Console& console) {
  console.info("wrote   " + printable(output.string()) + ": " + format_bytes(plan.total_bytes) + ", " +
               std::to_string(plan.modules.size()) + " matrices with " +
               format_fixed(plan.bits_per_weight(), 2) + " bits per weight");
  std::string worst;
  for (const ModuleError& module : result.worst) {
    worst +=
        (worst.empty() ? "" : ", ") + printable(module.name) + " " + format_fixed(module.sqnr_db, 1) + " dB";
  }
  if (!worst.empty()) console.info("worst   " + worst + " (signal to noise)");
  console.info("time    " + format_duration(result.seconds) + " with " + std::to_string(result.threads) +
               (result.threads == 1 ? " thread" : " threads"));
  for (const std::string& remark : result.remarks) console.warn(remark);
  if (!result.without_importance.empty()) {
    console.warn("the importance matrix has nothing for " + std::to_string(result.without_importance.size()) +
                 " matrices, '" + printable(result.without_importance.front()) +
                 "' among them: there all inputs count alike");
  }
}

}  // namespace

void add_folder_flags(CLI::App& app, FolderFlags& flags) {
  add_value(app, "--method", flags.method, "gptq|rtn", kFolderGroup,
            "how integers are found (default: gptq with --data)\n"
            "gptq lets later inputs make up for the error of earlier ones; rtn rounds to the nearest.");
  flags.data.context_name = "--ctx";
  flags.data.chunks_name = "--samples";
  add_values(app, "--data", flags.data.texts, "TEXT", kFolderGroup,
             "texts that the model is run over, for gptq; repeatable");
  add_value(app, "--ctx", flags.data.context, "N", kFolderGroup, "tokens of a sample (default: 512)");
  add_value(app, "--samples", flags.data.chunks, "N", kFolderGroup, "only so many samples (default: 128)");
  add_value(app, "--field", flags.data.field, "NAME", kFolderGroup,
            "of the objects in .jsonl files (default: text)");
  add_value(app, "--bits", flags.bits, "N", kFolderGroup,
            "bits of a weight: GPTQ 2, 3, 4, 8; AWQ 4; compressed-tensors 2 to 8");
  add_value(app, "--group-size", flags.group_size, "N", kFolderGroup,
            "inputs that share a scale: 16, 32, 64, 128 ...; -1 for all");
  add_switch(app, "--sym", flags.symmetric, kFolderGroup, "zero points in the middle (default but for AWQ)");
  add_switch(app, "--asym", flags.asymmetric, kFolderGroup, "a zero point for each group");
  add_switch(app, "--desc-act", flags.activation_order, kFolderGroup,
             "GPTQ: groups of inputs of like importance\nSlow to serve; without it the order is used, too, "
             "but groups stay.");
  add_value(app, "--checkpoint-format", flags.checkpoint_format, "gptq|gptq_v2", kFolderGroup,
            "GPTQ: how zero points are stored (default: gptq, and gptq_v2 with --asym)");
  add_switch(app, "--quantize-lm-head", flags.quantizes_head, kFolderGroup,
             "quantize the head, too, if the model has one of its own");
}

bool wants_folder(const JobFlags& flags) {
  for (const std::string& name : flags.types) {
    if (find_folder_type(name) == nullptr) continue;
    if (flags.types.size() == 1) return true;
    throw Error(ErrorKind::usage, "--type " + printable(name) + " makes a folder and stands alone",
                "make several outputs one after another");
  }
  return false;
}

void refuse_folder_flags(const FolderFlags& flags) {
  const std::pair<const char*, bool> given[] = {
      {"--method", !flags.method.empty()},
      {"--data", !flags.data.texts.empty()},
      {"--ctx", !flags.data.context.empty()},
      {"--samples", !flags.data.chunks.empty()},
      {"--bits", !flags.bits.empty()},
      {"--group-size", !flags.group_size.empty()},
      {"--sym", flags.symmetric},
      {"--asym", flags.asymmetric},
      {"--desc-act", flags.activation_order},
      {"--checkpoint-format", !flags.checkpoint_format.empty()},
      {"--quantize-lm-head", flags.quantizes_head},
  };
  for (const auto& [flag, is_given] : given) {
    if (is_given)
      throw Error(ErrorKind::usage, std::string(flag) + " is for folders: --type GPTQ, AWQ, W4A16 or W8A16");
  }
}

ExitCode run_folder_job(const JobFlags& job, const FolderFlags& flags, const FolderRun& run,
                        Console& console) {
  require_value(job.input, "an INPUT", "quantize");
  refuse_gguf_flags(job);
  const FolderOptions options = parse_folder_options(job, flags);
  const Backend& backend = select_backend(job.backend);
  FolderRunOptions run_options;
  run_options.threads = resolve_threads(parse_threads(job.threads));
  run_options.max_memory = parse_size("--max-memory", job.max_memory);
  run_options.overwrite = run.force;
  for (const std::string& file : {job.imatrix, job.recipe}) {
    if (!file.empty()) run_options.protect.push_back(stamp_of(file).identity);
  }
  for (const FileIdentity& file : console.own_files()) run_options.protect.push_back(file);
  if (!job.imatrix.empty()) run_options.importance = std::make_shared<const ImportanceMatrix>(job.imatrix);

  ModelOptions model_options;
  if (!job.architecture.empty()) model_options.architecture = job.architecture;
  const GgufModel model = open_model(job.input, model_options);
  const FolderPlan plan = make_folder_plan(model, model_options, options);
  std::optional<FolderCalibration> calibration;
  if (is_calibrated(flags, *options.type) && !run.only_plan) {
    CalibrationText text = read_calibration_text(flags.data, model.metadata);
    if (flags.data.chunks.empty()) text.options.chunks = kSamples;
    calibration = FolderCalibration{std::move(text.tokens), text.options};
    run_options.calibration = &*calibration;
  }
  fs::path output = folder_name(job, options);
  if (output.filename().empty()) output = output.parent_path();  // "name/"
  print_folder_preflight(model, plan, output, console);
  console.event("plan", JsonObject{{"type", plan.type->name},
                                   {"architecture", model.architecture},
                                   {"modules", static_cast<std::uint64_t>(plan.modules.size())},
                                   {"total_bytes", plan.total_bytes},
                                   {"bits_per_weight", plan.bits_per_weight()}});
  if (run.only_plan) {
    console.data(job.json ? to_json(plan_json_of(model, plan, output)) + "\n" : plan_rules(plan));
    return ExitCode::ok;
  }
  cancel_token().poll();
  const FolderResult result =
      execute_folder(plan, output, backend, run_options, console.progress(), cancel_token());
  console.progress().end();
  print_folder_summary(plan, output, result, console);
  JsonObject fields = folder_result(plan, output, result);
  console.set_result(fields);
  if (job.json) {
    fields.insert(fields.begin(), {"schema", 1});
    console.data(to_json(JsonValue(std::move(fields))) + "\n");
  }
  return ExitCode::ok;
}

}  // namespace qtz::cli
