// What qtz knows of an architecture, as data: class names, how config fields become keys, how stored tensors
// become output tensors, which tokenizer it wants. One file in src/model/arch makes one of these, mostly from
// tables; hooks do what is not a table. Names and transforms are those of llama.cpp's converter.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qtz/formats/gguf.h"
#include "qtz/formats/tensor_source.h"
#include "qtz/model/model_config.h"
#include "qtz/model/tensor_expr.h"
#include "qtz/model/tokenizer.h"

namespace qtz {

class CheckpointTensors;
class DecodeBuild;

/// What tables and hooks work with while a model is put together.
struct ArchBuild {
  const ModelConfig& config;
  const CheckpointTensors& source;  ///< the stored tensors, decoded where they are quantized
  const std::filesystem::path& folder;
  std::string_view arch;          ///< general.architecture, the prefix of the keys
  KvList& keys;                   ///< everything so far
  std::uint64_t token_count = 0;  ///< before padding; known once the tokenizer is read
  std::uint64_t first_layer = 0;  ///< layers before it are left out, as is what belongs to them
  std::vector<std::pair<std::string, TensorExprPtr>> tensors = {};  ///< output name and expression
  std::vector<std::string> skipped = {};
  std::vector<std::string> warnings = {};

  /// Sets "<arch>.<key>".
  void set(std::string_view key, GgufValue value);
  /// The expression of an output tensor made so far; nullptr if there is none.
  TensorExprPtr find_tensor(std::string_view name) const;
};

/// One key copied from the first of `fields` that is there, or several keys computed by `emit`.
struct KeyRule {
  enum class Kind { u32, f32, boolean, text };

  std::string_view key = {};     ///< without "<arch>."
  std::string_view fields = {};  ///< "hidden_size|n_embd"; a list in the configuration becomes an array
  Kind kind = Kind::u32;
  bool optional = false;  ///< without it a missing field is an Error
  void (*emit)(ArchBuild& build) = nullptr;
};

inline KeyRule u32_key(std::string_view key, std::string_view fields) {
  return {key, fields, KeyRule::Kind::u32, false, nullptr};
}
inline KeyRule f32_key(std::string_view key, std::string_view fields) {
  return {key, fields, KeyRule::Kind::f32, false, nullptr};
}
inline KeyRule bool_key(std::string_view key, std::string_view fields) {
  return {key, fields, KeyRule::Kind::boolean, false, nullptr};
}
inline KeyRule optional_key(KeyRule rule) {
  rule.optional = true;
  return rule;
}
inline KeyRule computed_keys(void (*emit)(ArchBuild&)) {
  return {{}, {}, KeyRule::Kind::u32, true, emit};
}

/// How one kind of stored tensor becomes one kind of output tensor. In `source`, {L} is a layer number, {E}
/// an expert number, {N} another running number and {W} "weight" or "bias"; {L} and {W} in `target` repeat
/// them. A source with {E} or {N} is stacked over all of them under a new first axis. Several rules may take
/// the same source (fused tensors that are split).
struct TensorRule {
  std::string_view source;
  std::string_view target;
  /// Applied after stacking; null keeps the tensor as it is.
  TensorExprPtr (*transform)(TensorExprPtr input, const ArchBuild& build) = nullptr;
  /// Who must have it. "": every layer, or the model once. "?": may be absent. "ffn:dense": the layers that
  /// choose this alternative; each layer must choose at least one alternative of "ffn".
  /// "ffn:experts|ffn:fused": the layers that chose one of these by another rule. A bias matched by {W} may
  /// always be absent.
  std::string_view needed = {};
  bool integers = false;  ///< no weights but a table of numbers, which `transform` makes I32 of
};

/// Stored tensors left out on purpose. `pattern` as TensorRule::source; a leading or trailing '*' matches any
/// start or end.
struct SkipRule {
  std::string_view pattern;
  std::string_view reason;
};

/// What the configuration alone tells of a part that not every layer or model of the class has: for plans
/// that are made without weights.
struct PartRule {
  /// An output tensor ("blk.{L}.attn_q.bias", with {W} both kinds, a trailing '*' any end), or an alternative
  /// of TensorRule::needed ("ffn:experts").
  std::string_view what;
  bool (*present)(const ModelConfig& config, std::uint64_t layer);
};

/// What --mtp may ask of an architecture; what it does unasked is `kept` or not. Specifications whose models
/// can have prediction layers set "prediction_layers" in the configuration to their number and "trunk_layers"
/// to that of the others, and count both in num_hidden_layers.
struct PredictionChoices {
  bool kept = true;
  bool keep = false;
  bool drop = false;
  bool only = false;
};

struct ArchSpec {
  std::vector<std::string_view> classes = {};  ///< "architectures" in config.json
  std::string_view gguf_name = {};
  std::string_view proof = "bytes";  ///< "bytes", "logits" or "loads": see ArchitectureInfo
  TokenizerPolicy tokenizer = {};
  /// What the model's own configuration class assumes when config.json is silent: a JSON object.
  std::string_view defaults = "{}";
  /// Stored names may lack this prefix that the tables have.
  std::string_view optional_prefix = "model.";
  std::vector<KeyRule> keys = {};
  std::vector<TensorRule> tensors = {};
  std::vector<SkipRule> skips = {};
  /// Why layers past the last one are left out; empty: they are an Error.
  std::string_view extra_layers_reason = {};
  PredictionChoices prediction = {};
  /// Output tensors, as TensorRule::target, that a 16-bit file has in F32 beyond the general rule.
  std::vector<std::string_view> f32_targets = {};
  /// Tensors stored in F32 stay so, all others have 16 bits unless they are vectors.
  bool stored_floats = false;
  /// Matrices keep 16 bits even where the general rule stores F32 (routers).
  bool narrow_routers = false;
  /// Looked up before those that all architectures share (src/model/config_parts.cpp).
  std::vector<PartRule> parts = {};
  /// Takes weights that are quantized in a way of their own before the method's readers see the rest.
  void (*decode)(DecodeBuild& build, const ModelConfig& config) = nullptr;
  /// Chooses between variants of the architecture by what the files say: may change this very specification.
  /// A source without any tensor stands for the weights that the configuration promises.
  void (*adapt)(ArchSpec& spec, ModelConfig& config, const TensorSource& source) = nullptr;
  /// Corrects the configuration before anything is made of it, after adapt.
  void (*prepare)(ModelConfig& config) = nullptr;
  /// Gives a stored name the form the tables know (prediction layers under a prefix of their own).
  std::string (*rename)(std::string name, const ModelConfig& config) = nullptr;
  /// Runs after keys, tokenizer and tables: further keys, generated tensors.
  void (*finish)(ArchBuild& build) = nullptr;
};

/// Every architecture, in the order of src/model/arch/architectures.def.
std::vector<ArchSpec> all_architectures();

/// The specification for a class name or a GGUF architecture name. Throws input_invalid with the nearest
/// known names and --arch as hint; `where` is the file to blame.
ArchSpec find_architecture(std::string_view name, std::string_view where);

}  // namespace qtz
