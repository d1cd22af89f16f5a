// The plan of a folder of safetensors with quantized weights, as vLLM and transformers read them: GPTQ, AWQ,
// compressed-tensors. Every tensor, every file and the configuration, made without reading a weight.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/core/regex.h"
#include "qtz/formats/imatrix.h"
#include "qtz/formats/safetensors_layout.h"
#include "qtz/methods/integer_layouts.h"
#include "qtz/model/gguf_model.h"
#include "qtz/pipeline/linear_modules.h"

namespace qtz {

enum class FolderFormat { gptq, awq, compressed_tensors };

/// What a folder can be made as, as `--type` names it.
struct FolderType {
  std::string_view name;
  FolderFormat format;
  unsigned bits;             ///< unless a person says otherwise
  std::uint64_t group_size;  ///< the same; 0: one scale for all inputs
  bool symmetric;            ///< the same
  std::string_view summary;  ///< one line for `qtz types`
};

/// All, in the order `qtz types` prints them.
std::span<const FolderType> list_folder_types();
/// Case-insensitive; nullptr if there is none of that name.
const FolderType* find_folder_type(std::string_view name);

/// How some modules differ from the others, or that they stay as they are.
struct ModuleRule {
  Regex pattern;  ///< searched in the module's name, "model.layers.0.mlp.down_proj"
  bool keep = false;
  std::optional<unsigned> bits = {};
  std::optional<std::uint64_t> group_size = {};
  std::optional<bool> symmetric = {};
};

/// "REGEX=keep", or "REGEX=" and some of "8" or "bits:8", "group:64", "sym", "asym", with commas between.
/// Throws usage.
ModuleRule parse_module_rule(std::string_view text);
/// The same in lines, "regex = 8,group:64"; blank lines are ignored, and so is everything from a '#' that
/// starts the line or follows a blank. Throws usage with file and
/// line.
std::vector<ModuleRule> read_module_rules(const std::filesystem::path& path);

struct FolderOptions {
  const FolderType* type = nullptr;
  std::optional<unsigned> bits = {};
  std::optional<std::uint64_t> group_size = {};
  std::optional<bool> symmetric = {};
  bool activation_order = false;  ///< GPTQ: groups of columns of like importance, wherever they are
  bool plain_zeros = false;       ///< GPTQ: "gptq_v2", zero points as they are
  bool quantizes_head = false;
  std::vector<ModuleRule> rules;  ///< the first that matches decides
  std::uint64_t split_max_bytes = 0;
  std::string command;  ///< that made it, for the model card
};

/// A matrix that is quantized.
struct PlannedModule {
  LinearModule module;
  IntegerScheme scheme;
  std::string why;  ///< the rule that decided
  /// Its tensors begin there among FolderPlan::tensors.
  std::size_t first_tensor = 0;
  std::size_t tensors = 0;
};

struct FolderPlan {
  const FolderType* type = nullptr;
  IntegerLayout layout = IntegerLayout::compressed;
  bool activation_order = false;
  std::filesystem::path folder;  ///< of the model
  ModelOptions model_options;    ///< with which it was opened
  std::shared_ptr<const TensorSource> source;
  std::vector<PlannedModule> modules;
  /// Of the output: those that are copied, and the parts of modules. copied[i] is null for the latter.
  std::vector<SafetensorsTensor> tensors;
  std::vector<const TensorInfo*> copied;
  SafetensorsLayout files;
  /// Files beside the weights, by name, that are not copied: config.json, the model card ...
  std::vector<std::pair<std::string, std::string>> texts;
  std::vector<std::pair<std::string, std::filesystem::path>> side_files;  ///< copied
  std::vector<std::string> warnings;
  std::uint64_t total_bytes = 0;  ///< of all files
  std::uint64_t quantized_weights = 0;
  std::uint64_t quantized_bytes = 0;

  double bits_per_weight() const noexcept {
    return quantized_weights == 0
               ? 0.0
               : 8.0 * static_cast<double>(quantized_bytes) / static_cast<double>(quantized_weights);
  }
};

/// Reads config.json and the names of the folder's files, no weights. Throws usage for options that the
/// format does not have and for rules that match nothing, input_invalid for a model that is no folder, is
/// quantized already, or has matrices that the format cannot hold.
FolderPlan make_folder_plan(const GgufModel& model, const ModelOptions& model_options,
                            const FolderOptions& options);

}  // namespace qtz
