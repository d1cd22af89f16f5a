// Which type each tensor gets: the file types (mixes) of llama-quantize, and a person's own rules on top.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/core/dtype.h"
#include "qtz/core/regex.h"
#include "qtz/formats/gguf.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

/// A file type as `--type` names it: Q4_K_M, Q8_0, F16 ...
struct FileType {
  std::string_view name;     ///< canonical, upper case
  std::uint32_t gguf_ftype;  ///< general.file_type
  DType default_type;        ///< what a tensor gets when no rule says otherwise
  std::string_view summary;  ///< one line for `qtz types`
};

/// All file types, in the order `qtz types` prints them.
std::span<const FileType> list_file_types();

/// Case-insensitive, aliases Q3_K Q4_K Q5_K = _M, optional "gguf:" prefix. Throws usage with a suggestion.
const FileType& find_file_type(std::string_view name);

/// A tensor's own type, as --tensor-type, --output-tensor-type and --token-embedding-type name it: any type
/// that qtz can encode, case-insensitive. Throws usage with a suggestion.
DType find_tensor_type(std::string_view name);

/// One line of a recipe or one --tensor-type: the first whose pattern is found in the output name wins.
struct TypeRule {
  Regex pattern;  ///< searched, not anchored; case preserved
  DType type;
};

/// Parses "REGEX=TYPE"; the last '=' divides. Throws usage.
TypeRule parse_type_rule(std::string_view text);

/// Lines "regex = TYPE"; blank lines are ignored, and so is everything from a '#' that starts the line or
/// follows a blank. A printed plan is a valid recipe. Throws usage with file and line.
std::vector<TypeRule> read_recipe(const std::filesystem::path& path);

/// What a person asked for beside the file type. Precedence: tensor rules, recipe, output/embedding options,
/// mix. Tensors that are never quantized (vectors, norms, routers, ...) follow none of them. Rows that do not
/// divide into a type's blocks take its substitute, whoever chose the type.
struct TypeOptions {
  bool pure = false;  ///< no mix: the file type's base type everywhere
  std::vector<TypeRule> tensor_rules;
  std::vector<TypeRule> recipe;
  std::optional<DType> output_tensor_type;    ///< output.weight; with tied embeddings token_embd.weight
  std::optional<DType> token_embedding_type;  ///< token_embd.weight, per_layer_token_embd.weight
  bool leave_output_tensor = false;           ///< output.weight keeps the type it has
};

/// What choose_types must know of where the tensors come from.
struct ModelOrigin {
  bool from_gguf =
      false;  ///< tensors that are not quantized are copied; from a folder they become the file's float type
  bool generic =
      false;  ///< names of no known architecture: anything with "norm" in its name is never quantized
  bool has_importance = false;  ///< an importance matrix with at least one entry is in use
  bool keeps_blocks = false;    ///< tensors that are blocks already stay so unless a rule names them
};

struct TensorChoice {
  DType type;
  std::string
      why;  ///< the rule that decided: "mix Q4_K_M: attn_v, more bits in the outer layers and every third"
  bool fixed = false;              ///< never quantized: no rule or option applies
  bool fallback = false;           ///< the chosen type did not fit the row length
  const TypeRule* rule = nullptr;  ///< the one of TypeOptions that decided, if one did
};

/// The type of every tensor. `metadata` supplies architecture, layers, heads and experts, as it does for
/// llama-quantize. Some mixes count tensors of a role: they count in the order given, so give llama.cpp's
/// (make_plan does). Pure.
///
/// A tensor may be quantized if it has two or more dimensions that matter, its name ends with "weight", and
/// the name is none of those that llama-quantize keeps. Under F16, BF16 and F32 these tensors become that
/// type; from a folder so do all others that are 16-bit in a 16-bit file, and those that are F32 there stay
/// F32, as the converter has it.
std::vector<TensorChoice> choose_types(const FileType& file_type, std::span<const ModelTensor> tensors,
                                       const KvList& metadata, const ModelOrigin& origin,
                                       const TypeOptions& options);

}  // namespace qtz
