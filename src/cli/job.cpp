#include "cli/job.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "cli/flags.h"
#include "cli/kv_override.h"
#include "cli/output_name.h"
#include "cli/signals.h"
#include "qtz/core/error.h"
#include "qtz/core/parallel.h"
#include "qtz/core/text.h"
#include "qtz/formats/imatrix.h"
#include "qtz/pipeline/estimate.h"

namespace qtz::cli {
namespace {

constexpr std::uint64_t kMostTensors = 1u << 30;
constexpr const char* kModelGroup = "Model and metadata";

std::optional<DType> parse_tensor_type(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(find_tensor_type(text));
}

std::vector<std::uint32_t> parse_layers(const std::vector<std::string>& lists) {
  constexpr std::uint64_t kMaxLayer = 1u << 20;
  std::vector<std::uint32_t> layers;
  for (const auto& list : lists) {
    std::size_t at = 0;
    while (at <= list.size()) {
      const auto comma = std::min(list.find(',', at), list.size());
      const std::string item = list.substr(at, comma - at);
      if (item.empty()) {
        throw Error(ErrorKind::usage, "--prune-layers '" + printable(list) + "' is not a list of layers",
                    "write it like 20,21,22");
      }
      layers.push_back(static_cast<std::uint32_t>(parse_count("--prune-layers", item, 0, kMaxLayer)));
      at = comma + 1;
    }
  }
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  return layers;
}

std::vector<const FileType*> parse_types(const JobFlags& flags, std::string_view command) {
  if (flags.types.empty()) {
    throw Error(ErrorKind::usage, std::string(command) + " needs --type",
                "Q4_K_M is the usual choice, 'qtz types' lists them all");
  }
  std::vector<const FileType*> types;
  for (const auto& name : flags.types) types.push_back(&find_file_type(name));
  return types;
}

/// A checkpoint's blocks are copied for this type and decoded for all others, and a run reads its input once.
bool keeps_nvfp4(const std::vector<const FileType*>& types) {
  const auto is_nvfp4 = [](const FileType* type) { return type->default_type == DType::nvfp4; };
  const bool any = std::any_of(types.begin(), types.end(), is_nvfp4);
  if (any && !std::all_of(types.begin(), types.end(), is_nvfp4)) {
    throw Error(ErrorKind::usage, "--type NVFP4 does not go together with another type",
                "make the others in a run of their own");
  }
  return any;
}

TypeOptions parse_type_options(const JobFlags& flags) {
  if (flags.leave_output_tensor && !flags.output_tensor_type.empty()) {
    throw Error(ErrorKind::usage, "--leave-output-tensor and --output-tensor-type exclude each other");
  }
  TypeOptions options;
  options.pure = flags.pure;
  for (const auto& rule : flags.tensor_types) options.tensor_rules.push_back(parse_type_rule(rule));
  options.output_tensor_type = parse_tensor_type(flags.output_tensor_type);
  options.token_embedding_type = parse_tensor_type(flags.token_embedding_type);
  options.leave_output_tensor = flags.leave_output_tensor;
  return options;
}

}  // namespace

OnNan parse_on_nan(const std::string& text) {
  if (text.empty() || text == "fail") return OnNan::fail;
  if (text == "zero") return OnNan::zero;
  if (text == "keep") return OnNan::keep;
  throw Error(ErrorKind::usage, "--on-nan is fail, zero or keep, not '" + printable(text) + "'");
}

PredictionLayers parse_mtp(const std::string& text) {
  if (text.empty()) return PredictionLayers::by_class;
  if (text == "keep") return PredictionLayers::keep;
  if (text == "drop") return PredictionLayers::drop;
  if (text == "only") return PredictionLayers::only;
  throw Error(ErrorKind::usage, "--mtp is keep, drop or only, not '" + printable(text) + "'");
}

PlanOptions parse_plan_options(const JobFlags& flags) {
  if (!flags.include_weights.empty() && !flags.exclude_weights.empty()) {
    throw Error(ErrorKind::usage, "--include-weights and --exclude-weights exclude each other");
  }
  const bool calibrates = !flags.calibration.texts.empty();
  if (calibrates && !flags.imatrix.empty()) {
    throw Error(ErrorKind::usage, "--imatrix and --calibrate exclude each other",
                "`qtz calibrate --merge` adds a matrix to what a text gives");
  }
  if (flags.imatrix.empty() && !calibrates &&
      !(flags.include_weights.empty() && flags.exclude_weights.empty())) {
    throw Error(ErrorKind::usage,
                "--include-weights and --exclude-weights choose tensors for an importance matrix",
                "give one with --imatrix or --calibrate");
  }
  PlanOptions options;
  options.types = parse_type_options(flags);
  options.include_weights = flags.include_weights;
  options.exclude_weights = flags.exclude_weights;
  for (const auto& text : flags.override_kv) options.override_kv.push_back(parse_kv_override(text));
  options.prune_layers = parse_layers(flags.prune_layers);
  options.allow_requantize = flags.allow_requantize;
  options.keep_split = flags.keep_split;
  options.split_max_bytes = parse_size("--split-max-size", flags.split_max_size);
  options.split_max_tensors = parse_count("--split-max-tensors", flags.split_max_tensors, 0, kMostTensors);
  if (!flags.split_max_tensors.empty() && options.split_max_tensors == 0) {
    throw Error(ErrorKind::usage, "--split-max-tensors needs a number of tensors, not '" +
                                      printable(flags.split_max_tensors) + "'");
  }
  const std::pair<const char*, bool> splits[] = {{"--keep-split", options.keep_split},
                                                 {"--split-max-size", options.split_max_bytes > 0},
                                                 {"--split-max-tensors", options.split_max_tensors > 0}};
  const char* chosen = nullptr;
  for (const auto& [flag, given] : splits) {
    if (!given) continue;
    if (chosen != nullptr) {
      throw Error(ErrorKind::usage, std::string(chosen) + " and " + flag + " exclude each other");
    }
    chosen = flag;
  }
  options.no_tensor_first_split = flags.no_tensor_first_split;
  options.on_nan = parse_on_nan(flags.on_nan);
  return options;
}

ModelOptions parse_model_options(const JobFlags& flags) {
  const auto given = [](const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(text);
  };
  ModelOptions options;
  options.architecture = given(flags.architecture);
  options.tokenizer_pre = given(flags.tokenizer_pre);
  options.model_name = given(flags.model_name);
  if (!is_utf8(flags.model_name)) {
    throw Error(ErrorKind::usage, "--model-name '" + printable(flags.model_name) + "' is not UTF-8");
  }
  if (!flags.metadata.empty()) options.metadata_file = flags.metadata;
  options.prediction_layers = parse_mtp(flags.mtp);
  return options;
}

bool is_nvfp4_file(const std::filesystem::path& file) {
  std::error_code unknown;
  if (!std::filesystem::is_regular_file(file, unknown)) return false;
  try {
    const GgufSource source(file);
    const GgufValue* type = source.metadata().find("general.file_type");
    return type != nullptr && type->as_uint() == find_file_type("NVFP4").gguf_ftype;
  } catch (const Error&) {
    return false;  // whoever reads it for its contents says what is wrong
  }
}

namespace {

/// A model folder's other files (config, tokenizer, licence) are inputs too and must survive any -o. GGUF
/// files in it may be older outputs.
void protect_folder(const std::filesystem::path& input, std::vector<FileIdentity>& protect) {
  namespace fs = std::filesystem;
  std::error_code failure;
  const fs::path absolute = fs::absolute(input, failure);
  const fs::path folder = fs::is_directory(absolute, failure) ? absolute : absolute.parent_path();
  if (!fs::exists(folder / "config.json", failure) && !fs::exists(folder / "params.json", failure)) return;
  for (fs::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) {
    std::error_code skipped;
    if (at->path().extension() == ".gguf" || !at->is_regular_file(skipped)) continue;
    struct stat status {};
    if (::stat(at->path().c_str(), &status) == 0) protect.push_back({status.st_dev, status.st_ino});
  }
}

void refuse_stdin(const std::string& input) {
  if (input != "-") return;
  throw Error(ErrorKind::usage, "the model cannot be read from standard input",
              "name the file or folder: it is read by position, not from start to end");
}

}  // namespace

void add_making_flags(CLI::App& app, JobFlags& flags) {
  const std::string kImportance = "Importance matrix";
  add_value(app, "--imatrix", flags.imatrix, "FILE", kImportance,
            "llama.cpp importance matrix (.gguf or .dat)");
  add_values(app, "--include-weights", flags.include_weights, "TEXT", kImportance,
             "use it only for tensors whose name contains TEXT; repeatable");
  add_values(app, "--exclude-weights", flags.exclude_weights, "TEXT", kImportance,
             "use it for all but those tensors; repeatable");

  add_value(app, "--model-name", flags.model_name, "NAME", kModelGroup, "general.name of the output");
  add_value(app, "--metadata", flags.metadata, "FILE", kModelGroup,
            "JSON object with general.* values to set");
  add_values(app, "--override-kv", flags.override_kv, "KEY=TYPE:VALUE", kModelGroup,
             "set a metadata key; repeatable\n"
             "TYPE is int, float, bool or str as in llama.cpp (int is stored as u32), or exactly\n"
             "u8 i8 u16 i16 u32 i32 u64 i64 f32 f64. A key that is there keeps its type.");
  add_values(app, "--prune-layers", flags.prune_layers, "L,L,...", kModelGroup,
             "leave these layers out and renumber the rest");
  add_value(app, "--arch", flags.architecture, "NAME", kModelGroup,
            "architecture, when config.json does not say or there is none");
  add_value(app, "--tokenizer-pre", flags.tokenizer_pre, "NAME", kModelGroup,
            "pre-tokenizer, when it is not recognized");
  add_value(app, "--mtp", flags.mtp, "keep|drop|only", kModelGroup,
            "what becomes of layers that predict further tokens (multi-token prediction)\n"
            "keep has them in the file, drop leaves them out, only makes a file of them for speculative\n"
            "decoding. Default: what llama.cpp's converter does for the class of the model.");
}

void add_job_flags(CLI::App& app, JobFlags& flags) {
  add_positional(app, "INPUT", flags.input,
                 "a model folder, .safetensors file, model.safetensors.index.json or .gguf\n"
                 "With a config.json beside the weights the output is a complete language model;\n"
                 "without one the weights are written under their own names.");
  const std::string kOutput = "Output";
  add_values(app, "--type", flags.types, "T", kOutput,
             "what to make: Q4_K_M, Q8_0, F16 ... ('qtz types' lists them)\n"
             "May be repeated: several outputs from one read of the input.");
  add_value(app, "-o,--output", flags.output, "PATH", kOutput,
            "where to write (default: NAME-TYPE.gguf in the working directory)\n"
            "A folder, or a name with {type} in it, when --type is repeated.");
  add_switch(app, "--keep-split", flags.keep_split, kOutput, "one output file per input file");
  add_value(app, "--split-max-size", flags.split_max_size, "SIZE", kOutput,
            "several output files, each with tensors of at most SIZE, like 2G or 500M\n"
            "NAME-00001-of-00003.gguf ...; a larger tensor has a file for itself. One file stays one.");
  add_value(app, "--split-max-tensors", flags.split_max_tensors, "N", kOutput,
            "several output files with N tensors each");
  add_switch(app, "--no-tensor-first-split", flags.no_tensor_first_split, kOutput,
             "one output file more, the first, that holds the metadata alone");
  add_switch(
      app, "--manifest", flags.manifest, kOutput,
      "also write OUTPUT.manifest.json: the SHA-256 of inputs, tensors and outputs, the flags, the version");
  add_switch(app, "--json", flags.json, kOutput, "machine-readable result on stdout");

  const std::string kTypes = "Which tensor gets which type";
  add_values(app, "--tensor-type", flags.tensor_types, "REGEX=T", kTypes,
             "type for tensors whose output name matches; repeatable\n"
             "The first match wins; the pattern is searched, not anchored; case matters.");
  add_value(app, "--recipe", flags.recipe, "FILE", kTypes,
            "lines 'regex = TYPE', as 'qtz plan' prints them\n"
            "Order of precedence: --tensor-type, --recipe, output and embedding types, the mix.");
  add_value(app, "--output-tensor-type", flags.output_tensor_type, "T", kTypes, "type of the output tensor");
  add_value(app, "--token-embedding-type", flags.token_embedding_type, "T", kTypes,
            "type of the token embeddings");
  add_switch(app, "--leave-output-tensor", flags.leave_output_tensor, kTypes,
             "do not quantize the output tensor");
  add_switch(app, "--pure", flags.pure, kTypes, "the same type for every tensor, no mix");
  add_switch(app, "--allow-requantize", flags.allow_requantize, kTypes,
             "quantize tensors that are quantized already\n"
             "Loses quality compared with quantizing the 16-bit model.");

  add_making_flags(app, flags);
  add_value(app, "--on-nan", flags.on_nan, "fail|zero|keep", kModelGroup,
            "what to do with NaN and infinite weights (default: fail)\n"
            "zero replaces them; keep leaves them in tensors that are copied.");

  const std::string kResources = "Resources";
  add_value(app, "--threads", flags.threads, "N", kResources, "threads (default: all cores)");
  add_value(app, "--backend", flags.backend, "NAME", kResources,
            "scalar, sse2, avx2 ... ('qtz backends'); all give the same bytes\n"
            "Default: $QTZ_BACKEND if set, else the fastest this processor has.");
  add_value(app, "--max-memory", flags.max_memory, "SIZE", kResources,
            "refuse to use more memory, like 2G or 500M");
}

Job make_job(const JobFlags& flags, const Backend& backend, std::string_view command,
             const Calibrator& calibrator) {
  require_value(flags.input, "an INPUT", command);
  refuse_stdin(flags.input);
  const auto types = parse_types(flags, command);
  PlanOptions plan_options = parse_plan_options(flags);
  ModelOptions model_options = parse_model_options(flags);
  model_options.keeps_nvfp4 = keeps_nvfp4(types);
  Job job;
  job.threads = resolve_threads(parse_threads(flags.threads));
  job.max_memory = parse_size("--max-memory", flags.max_memory);
  std::vector<std::string_view> names;
  names.reserve(types.size());
  for (const FileType* type : types) names.push_back(type->name);
  const bool draft = model_options.prediction_layers == PredictionLayers::only;
  job.outputs = output_names(flags.input, flags.output, names, draft ? "mtp-" : "");

  for (const std::string& file : {flags.imatrix, flags.recipe, flags.metadata}) {
    if (file.empty()) continue;
    job.given.push_back(given_input(file));
    job.protect.push_back(job.given.back().stamp->identity);
  }
  if (!flags.recipe.empty()) plan_options.types.recipe = read_recipe(flags.recipe);
  if (!flags.imatrix.empty())
    plan_options.importance = std::make_shared<const ImportanceMatrix>(flags.imatrix);
  protect_folder(flags.input, job.protect);
  job.model =
      flags.config_only ? open_config(flags.input, model_options) : open_model(flags.input, model_options);
  if (!flags.calibration.texts.empty()) plan_options.importance = calibrator(job);
  for (const FileType* type : types) job.plans.push_back(make_plan(job.model, *type, plan_options));
  // First, so that what it leaves in memory is counted below.
  job.thread_seconds = estimate_seconds(job.plans, backend, cancel_token());
  job.memory = memory_need(job.plans, job.threads, job.max_memory, flags.manifest);
  return job;
}

namespace {

/// A recipe without what was not given.
class RecipeFacts {
 public:
  void add(const char* flag, bool given) {
    if (given) facts_.emplace_back(flag, true);
  }
  void add(const char* flag, const std::string& value) {
    if (!value.empty()) facts_.emplace_back(flag, printable(value));
  }
  void add(const char* flag, const std::vector<std::string>& values) {
    JsonArray list;
    for (const std::string& value : values) list.emplace_back(printable(value));
    if (!list.empty()) facts_.emplace_back(flag, std::move(list));
  }
  /// A file is named without its folder, which is nobody else's business.
  void add_file(const char* flag, const std::string& path) {
    add(flag, std::filesystem::path(path).filename().native());
  }
  JsonObject take() && { return std::move(facts_); }

 private:
  JsonObject facts_;
};

}  // namespace

ManifestFacts manifest_facts(const JobFlags& flags, const Job& job) {
  namespace fs = std::filesystem;
  RecipeFacts recipe;
  recipe.add("tensor_type", flags.tensor_types);
  recipe.add_file("recipe", flags.recipe);
  recipe.add("output_tensor_type", flags.output_tensor_type);
  recipe.add("token_embedding_type", flags.token_embedding_type);
  recipe.add("leave_output_tensor", flags.leave_output_tensor);
  recipe.add("pure", flags.pure);
  recipe.add("allow_requantize", flags.allow_requantize);
  recipe.add_file("imatrix", flags.imatrix);
  for (const std::string& text : flags.calibration.texts) recipe.add_file("calibrate", text);
  recipe.add("calibrate_ctx", flags.calibration.context);
  recipe.add("calibrate_chunks", flags.calibration.chunks);
  recipe.add("include_weights", flags.include_weights);
  recipe.add("exclude_weights", flags.exclude_weights);
  recipe.add("model_name", flags.model_name);
  recipe.add_file("metadata", flags.metadata);
  recipe.add("override_kv", flags.override_kv);
  recipe.add("prune_layers", flags.prune_layers);
  recipe.add("arch", flags.architecture);
  recipe.add("tokenizer_pre", flags.tokenizer_pre);
  recipe.add("mtp", flags.mtp);
  recipe.add("on_nan", flags.on_nan);
  recipe.add("keep_split", flags.keep_split);
  recipe.add("split_max_size", flags.split_max_size);
  recipe.add("split_max_tensors", flags.split_max_tensors);
  recipe.add("no_tensor_first_split", flags.no_tensor_first_split);

  return {std::move(recipe).take(), manifest_inputs(job.model, job.given)};
}

}  // namespace qtz::cli
