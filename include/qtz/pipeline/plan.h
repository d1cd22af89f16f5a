// The plan: every output tensor with its type, size and place, and everything that can be refused already
// refused. Pure data, made without reading a weight; execute() (run.h) does exactly what it says.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qtz/formats/gguf.h"
#include "qtz/formats/imatrix.h"
#include "qtz/model/gguf_model.h"
#include "qtz/pipeline/recipe.h"

namespace qtz {

/// NaN and infinite weights: refuse them; write zeros instead; or keep them where the output type can hold
/// them (F32, F16, BF16 and tensors copied as they are) and refuse them where it cannot (quantized blocks).
enum class OnNan { fail, zero, keep };

struct PlanOptions {
  TypeOptions types;
  std::shared_ptr<const ImportanceMatrix> importance;  ///< null without --imatrix
  std::vector<std::string> include_weights;  ///< use importance only for names containing one of these
  std::vector<std::string> exclude_weights;  ///< ... and for names containing none of these
  std::vector<std::pair<std::string, GgufValue>> override_kv;
  std::vector<std::uint32_t> prune_layers;  ///< any order; every one must exist
  bool allow_requantize = false;
  /// Nothing will be encoded by this plan (plan_to_verify), so no stored type stands in the way.
  bool only_compares = false;
  bool keep_split = false;  ///< one output file per input file that holds tensors
  /// A new output file begins where the tensors of one would pass this many bytes, padding included; 0: one
  /// file. A larger tensor has a file for itself. Not together with keep_split.
  std::uint64_t split_max_bytes = 0;
  /// A new output file begins after this many tensors; 0: one file. Not together with the two above.
  std::uint64_t split_max_tensors = 0;
  /// One file more, the first, that holds the metadata and no tensor.
  bool no_tensor_first_split = false;
  OnNan on_nan = OnNan::fail;
};

struct PlanEntry {
  std::string name;
  TensorExprPtr expr;
  DType type;  ///< stored type in the output
  std::string why;
  bool fixed = false;     ///< never quantized, whatever the options
  bool fallback = false;  ///< the chosen type did not fit the row length
  std::span<const float>
      importance;            ///< empty, cols, or experts x cols values; owned by QuantPlan::importance
  std::uint32_t file = 0;    ///< index into QuantPlan::files
  std::uint64_t offset = 0;  ///< absolute in that file
  std::uint64_t bytes = 0;
  /// Byte-for-byte copy: no decoding, no encoding.
  bool copied() const noexcept { return type == expr->dtype(); }
};

/// One output file.
struct PlanFile {
  std::vector<std::byte> header;
  std::uint64_t bytes = 0;
};

struct QuantPlan {
  const FileType* file_type = nullptr;
  std::shared_ptr<const TensorSource> source;          ///< kept alive for the expressions
  std::shared_ptr<const ImportanceMatrix> importance;  ///< kept alive for the entries
  KvList metadata;
  std::vector<PlanEntry>
      entries;                    ///< in the order of the output: llama.cpp's, or the input's with keep_split
  std::vector<PlanFile> files;    ///< one, or several with keep_split and split_max_...
  std::uint64_t total_bytes = 0;  ///< of all files
  std::uint64_t tensor_bytes = 0;  ///< of all tensors, without headers and padding
  std::uint64_t parameters = 0;    ///< elements of all tensors
  OnNan on_nan = OnNan::fail;
  std::vector<std::string> warnings;

  /// Of the tensors, as llama-quantize counts.
  double bits_per_weight() const noexcept;
};

/// Pure: no I/O, no threads, no clock. The metadata is the model's, then general.quantization_version and
/// general.file_type, quantize.imatrix.* (file names without folders) and qtz.version, then the overrides.
/// Pruned layers are renumbered, block_count and per-layer arrays shortened; importance is looked up by the
/// old names.
///
/// Throws usage for options that cannot be followed (a layer that does not exist, a type that needs
/// importance for tensors that have none, quantized tensors without allow_requantize, a tensor rule or a word
/// to include or exclude that matches nothing, an override of another type than the key's), input_invalid for
/// what GGUF cannot hold, for importance of another model, and for a tensor of a type that can only be copied
/// and would have to be decoded.
QuantPlan make_plan(const GgufModel& model, const FileType& file_type, const PlanOptions& options);

/// A regular expression that finds this name and no other: on one line, safe to show and to put between
/// single quotes, whatever the name holds.
std::string exact_pattern(std::string_view name);

/// A tensor's type as a line that read_recipe reads: "^name$ = TYPE", as a comment where no recipe can change
/// the type.
std::string recipe_rule(const PlanEntry& entry);

}  // namespace qtz
