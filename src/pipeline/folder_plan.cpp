#include "qtz/pipeline/folder_plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "folder_config.h"
#include "qtz/core/error.h"
#include "qtz/core/json.h"
#include "qtz/core/text.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::uint64_t, 8> kGroupSizes = {0, 16, 32, 64, 128, 256, 512, 1024};

std::string group_text(std::uint64_t group_size) {
  return group_size == 0 ? "-1" : std::to_string(group_size);
}

bool has_bits(const FolderType& type, unsigned bits) {
  switch (type.format) {
    case FolderFormat::gptq:
      return bits == 2 || bits == 3 || bits == 4 || bits == 8;
    case FolderFormat::awq:
      return bits == 4;
    case FolderFormat::compressed_tensors:
      break;
  }
  return bits >= 2 && bits <= 8;
}

void check_scheme(const FolderType& type, const IntegerScheme& scheme) {
  const std::string name(type.name);
  if (!has_bits(type, scheme.bits)) {
    const char* const known = type.format == FolderFormat::gptq  ? "2, 3, 4 and 8"
                              : type.format == FolderFormat::awq ? "4"
                                                                 : "2 to 8";
    throw Error(ErrorKind::usage, name + " has no weights of " + std::to_string(scheme.bits) + " bits",
                std::string("bits are ") + known);
  }
  if (std::find(kGroupSizes.begin(), kGroupSizes.end(), scheme.group_size) == kGroupSizes.end()) {
    throw Error(ErrorKind::usage, "no reader has kernels for groups of " + group_text(scheme.group_size),
                "group sizes are -1 (all inputs), 16, 32, 64, 128, 256, 512 and 1024");
  }
}

IntegerLayout layout_of(const FolderOptions& options, const IntegerScheme& usual) {
  switch (options.type->format) {
    case FolderFormat::gptq:
      // With a zero point of 0 the older form, which stores one less, means different things to its readers.
      return options.plain_zeros || !usual.symmetric ? IntegerLayout::gptq_v2 : IntegerLayout::gptq;
    case FolderFormat::awq:
      return IntegerLayout::awq;
    case FolderFormat::compressed_tensors:
      break;
  }
  return IntegerLayout::compressed;
}

/// BF16 where the model's own weights are; GPTQ and AWQ have FP16 in any case.
bool stores_bf16_scales(const FolderType& type, const LinearModules& modules) {
  if (type.format != FolderFormat::compressed_tensors || modules.found.empty()) return false;
  return modules.found.front().weight->dtype == DType::bf16;
}

IntegerScheme usual_scheme(const FolderOptions& options, const LinearModules& modules) {
  const FolderType& type = *options.type;
  IntegerScheme scheme;
  scheme.bits = options.bits.value_or(type.bits);
  scheme.group_size = options.group_size.value_or(type.group_size);
  scheme.symmetric = options.symmetric.value_or(type.symmetric);
  scheme.bf16_scales = stores_bf16_scales(type, modules);
  check_scheme(type, scheme);
  return scheme;
}

/// Modules that a runtime multiplies with as one, and that must therefore be stored alike.
constexpr std::array<std::array<std::string_view, 3>, 3> kFused = {{
    {"q_proj", "k_proj", "v_proj"},
    {"gate_proj", "up_proj", ""},
    {"w1", "w3", ""},
}};

/// Where vLLM's weight loaders would stop: parts of what is one matrix there, stored differently.
void warn_of_unlike_parts(FolderPlan& plan, const std::vector<std::string>& kept) {
  std::map<std::string, const IntegerScheme*> schemes;
  for (const PlannedModule& planned : plan.modules) schemes[planned.module.name] = &planned.scheme;
  for (const std::string& name : kept) schemes[name] = nullptr;
  for (const auto& [name, scheme] : schemes) {
    for (const auto& fused : kFused) {
      if (!name.ends_with(fused[0])) continue;
      const std::string base = name.substr(0, name.size() - fused[0].size());
      for (std::size_t i = 1; i < fused.size() && !fused[i].empty(); ++i) {
        const auto other = schemes.find(base + std::string(fused[i]));
        if (other == schemes.end()) continue;
        const IntegerScheme* theirs = other->second;
        if ((scheme == nullptr) == (theirs == nullptr) && (scheme == nullptr || *scheme == *theirs)) continue;
        plan.warnings.push_back(
            "'" + name + "' and '" + other->first +
            "' are stored differently; vLLM multiplies with both at once and does not load "
            "such a folder");
        return;
      }
    }
  }
}

/// Applies the rules, remembering which of them did anything.
class Schemes {
 public:
  Schemes(const FolderOptions& options, const IntegerScheme& usual, IntegerLayout layout)
      : options_(options), usual_(usual), layout_(layout), used_(options.rules.size()) {}

  /// Nothing for a module that stays as it is.
  std::optional<IntegerScheme> of(const LinearModule& module, std::string& why) {
    IntegerScheme scheme = usual_;
    why = std::string(options_.type->name);
    const auto rule = std::find_if(options_.rules.begin(), options_.rules.end(),
                                   [&](const ModuleRule& each) { return each.pattern.search(module.name); });
    if (rule != options_.rules.end()) {
      used_[static_cast<std::size_t>(rule - options_.rules.begin())] = true;
      why = "rule '" + printable(rule->pattern.pattern()) + "'";
      if (rule->keep) return std::nullopt;
      scheme.bits = rule->bits.value_or(scheme.bits);
      scheme.group_size = rule->group_size.value_or(scheme.group_size);
      scheme.symmetric = rule->symmetric.value_or(scheme.symmetric);
      check_scheme(*options_.type, scheme);
      if (options_.type->format == FolderFormat::awq && !(scheme == usual_)) {
        throw Error(ErrorKind::usage,
                    "AWQ has one kind of weights for all modules, so " + why + " can only keep");
      }
    }
    // In the older form of GPTQ a zero point of 0 means different things to its readers.
    if (layout_ == IntegerLayout::gptq && !scheme.symmetric) scheme.least_zero = 1;
    return scheme;
  }

  void require_used() const {
    for (std::size_t i = 0; i < used_.size(); ++i) {
      if (used_[i]) continue;
      throw Error(ErrorKind::usage,
                  "the rule '" + printable(options_.rules[i].pattern.pattern()) + "' matches no module",
                  "names are those of the folder, like model.layers.0.mlp.down_proj; an earlier rule goes "
                  "before it");
    }
  }

 private:
  const FolderOptions& options_;
  const IntegerScheme& usual_;
  IntegerLayout layout_;
  std::vector<bool> used_;
};

void require_folder(const GgufModel& model) {
  if (model.folder.empty() || model.from_gguf || model.generic) {
    throw Error(ErrorKind::input_invalid, "a folder can only be made of a model's folder",
                "give the folder that holds config.json and the .safetensors files");
  }
}

JsonValue read_config(const GgufModel& model) {
  const fs::path path = model.folder / "config.json";
  JsonValue config = parse_json_file(path, JsonLimits{});
  for (const char* const key : {"quantization_config", "compression_config"}) {
    if (config.find(key) == nullptr) continue;
    throw Error(ErrorKind::input_invalid,
                printable(path.native()) + ": the model is quantized already ('" + key + "')",
                "quantize the 16-bit original");
  }
  return config;
}

void require_modules(const LinearModules& modules, const FolderOptions& options) {
  if (!modules.unfit.empty()) {
    throw Error(
        ErrorKind::input_invalid,
        "folders with quantized weights are not made of such a model yet: " + modules.unfit.front() +
            (modules.unfit.size() > 1 ? " (and " + std::to_string(modules.unfit.size() - 1) + " more)" : ""),
        "GGUF types quantize it: --type Q4_K_M");
  }
  if (modules.found.empty()) {
    throw Error(ErrorKind::input_invalid,
                "the model has no matrices that " + std::string(options.type->name) + " could quantize");
  }
}

/// Weights of other programs, and what is written anew.
bool is_side_file(const std::string& name) {
  constexpr std::array<std::string_view, 14> kWeights = {
      ".safetensors", ".bin",  ".pt",     ".pth", ".ckpt", ".h5",   ".msgpack",
      ".onnx",        ".gguf", ".tflite", ".ot",  ".tmp",  ".lock", ".npz"};
  constexpr std::array<std::string_view, 4> kAnew = {"config.json", "quantize_config.json",
                                                     "quant_config.json", kSafetensorsIndexName};
  if (name.empty() || name.front() == '.' || name.ends_with(".index.json")) return false;
  if (std::find(kAnew.begin(), kAnew.end(), name) != kAnew.end()) return false;
  return std::none_of(kWeights.begin(), kWeights.end(),
                      [&](std::string_view ending) { return name.ends_with(ending); });
}

void collect_side_files(const GgufModel& model, FolderPlan& plan) {
  std::error_code failure;
  for (fs::directory_iterator at(model.folder, failure), end; !failure && at != end; at.increment(failure)) {
    std::error_code unknown;
    const std::string name = at->path().filename().native();
    if (!at->is_regular_file(unknown) || !is_side_file(name)) continue;
    plan.side_files.emplace_back(name == "README.md" ? "README.original.md" : name, at->path());
  }
  if (failure) {
    throw Error(ErrorKind::input_missing,
                "cannot list folder " + printable(model.folder.native()) + ": " + failure.message());
  }
  std::sort(plan.side_files.begin(), plan.side_files.end());
}

/// Matrices that a reader could take for modules: 2-D weights that are no embedding.
std::vector<std::string> kept_matrices(const TensorSource& source,
                                       const std::set<const TensorInfo*>& quantized) {
  std::vector<std::string> kept;
  for (const TensorInfo& tensor : source.tensors()) {
    constexpr std::string_view kWeight = ".weight";
    if (quantized.count(&tensor) > 0 || tensor.shape.rank() != 2 || !tensor.name.ends_with(kWeight)) continue;
    const std::string name = tensor.name.substr(0, tensor.name.size() - kWeight.size());
    if (ascii_lower(name).find("embed") == std::string::npos && !name.ends_with("wte") &&
        !name.ends_with("wpe"))
      kept.push_back(name);
  }
  return kept;
}

void add_module(const LinearModule& module, const IntegerScheme& scheme, std::string why, FolderPlan& plan) {
  PlannedModule planned{module, scheme, std::move(why), plan.tensors.size(), 0};
  std::vector<IntegerPart> parts;
  try {
    parts = integer_parts(plan.layout, scheme, module.rows(), module.cols());
  } catch (Error& error) {
    error.add_context("'" + printable(module.name) + "'");
    throw;
  }
  for (const IntegerPart& part : parts) {
    plan.tensors.push_back({module.name + "." + std::string(part.suffix), part.dtype, part.shape});
    plan.copied.push_back(nullptr);
    plan.quantized_bytes += part.shape.rows() * row_bytes(part.dtype, part.shape.cols());
  }
  planned.tensors = parts.size();
  plan.quantized_weights += module.weight->shape.elements();
  plan.modules.push_back(std::move(planned));
}

void add_texts(const FolderOptions& options, const IntegerScheme& usual, JsonValue config,
               const std::vector<std::string>& kept, FolderPlan& plan) {
  const JsonValue said = quantization_config(plan, usual, kept);
  config.set("quantization_config", said);
  plan.texts.emplace_back("config.json", to_json(config) + "\n");
  if (plan.type->format == FolderFormat::gptq)
    plan.texts.emplace_back("quantize_config.json", to_json(said) + "\n");
  plan.texts.emplace_back("README.md", model_card(plan, usual, options));
  if (!plan.files.index.empty()) plan.texts.emplace_back(kSafetensorsIndexName, plan.files.index);
}

}  // namespace

FolderPlan make_folder_plan(const GgufModel& model, const ModelOptions& model_options,
                            const FolderOptions& options) {
  require_folder(model);
  JsonValue config = read_config(model);
  const LinearModules modules = find_linear_modules(model);
  require_modules(modules, options);
  const IntegerScheme usual = usual_scheme(options, modules);
  if (options.activation_order && (options.type->format != FolderFormat::gptq || usual.group_size == 0)) {
    throw Error(ErrorKind::usage, "--desc-act is for groups of GPTQ");
  }

  FolderPlan plan;
  plan.type = options.type;
  plan.folder = model.folder;
  plan.model_options = model_options;
  plan.source = model.source;
  plan.layout = layout_of(options, usual);
  plan.activation_order = options.activation_order;
  Schemes schemes(options, usual, plan.layout);
  std::map<const TensorInfo*, std::pair<IntegerScheme, std::string>> chosen;
  std::map<const TensorInfo*, const LinearModule*> by_weight;
  bool head_seen = false;
  for (const LinearModule& module : modules.found) {
    head_seen = head_seen || module.is_output;
    if (module.is_output && !options.quantizes_head) continue;
    std::string why;
    const std::optional<IntegerScheme> scheme = schemes.of(module, why);
    by_weight[module.weight] = &module;
    if (scheme) chosen[module.weight] = {*scheme, std::move(why)};
  }
  schemes.require_used();
  if (options.quantizes_head && !head_seen) {
    throw Error(ErrorKind::usage,
                "--quantize-lm-head: the model's head is its embedding, which stays as it is");
  }

  std::set<const TensorInfo*> quantized;
  for (const TensorInfo& tensor : model.source->tensors()) {
    const auto found = chosen.find(&tensor);
    if (found == chosen.end()) {
      plan.tensors.push_back({tensor.name, tensor.dtype, tensor.shape});
      plan.copied.push_back(&tensor);
    } else {
      quantized.insert(&tensor);
      add_module(*by_weight.at(&tensor), found->second.first, std::move(found->second.second), plan);
    }
  }
  const std::vector<std::string> kept = kept_matrices(*model.source, quantized);
  warn_of_unlike_parts(plan, kept);
  plan.files = make_safetensors_layout(plan.tensors, options.split_max_bytes);
  collect_side_files(model, plan);
  add_texts(options, usual, std::move(config), kept, plan);
  for (const SafetensorsLayout::File& file : plan.files.files) plan.total_bytes += file.bytes;
  for (const auto& [name, text] : plan.texts) plan.total_bytes += text.size();
  for (const auto& [name, path] : plan.side_files) plan.total_bytes += stamp_of(path).size;
  return plan;
}

}  // namespace qtz
