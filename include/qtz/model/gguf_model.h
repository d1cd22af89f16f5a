// A model as GGUF wants it, before any quantization: metadata and named tensor expressions. Made from a hub
// folder (config.json, tokenizer, weights), from a bare .safetensors file, or from another GGUF.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qtz/formats/gguf.h"
#include "qtz/formats/tensor_source.h"
#include "qtz/model/tensor_expr.h"

namespace qtz {

/// One tensor of the output, before its type is chosen.
struct ModelTensor {
  std::string name;  ///< GGUF name, "blk.0.attn_q.weight"
  TensorExprPtr expr;
  DType unquantized;  ///< the type it has in a 16-bit file: F32 for norms, biases, routers; else the weights'
                      ///< own
};

/// What becomes of layers that predict further tokens (multi-token prediction): as llama.cpp's converter does
/// for the class, in the file, left out, or a file of their own beside the embedding and the output.
enum class PredictionLayers { by_class, keep, drop, only };

struct ModelOptions {
  std::optional<std::string>
      architecture;  ///< --arch: override or, without config.json, general.architecture
  std::optional<std::string> tokenizer_pre;  ///< --tokenizer-pre: override of the pre-tokenizer's name
  std::optional<std::string> model_name;     ///< --model-name: general.name
  std::optional<std::filesystem::path> metadata_file;  ///< --metadata: JSON of general.* overrides
  PredictionLayers prediction_layers = PredictionLayers::by_class;  ///< --mtp
  /// A folder's NVFP4 weights as the blocks they are, with their scales as tensors beside them, where
  /// llama.cpp can read them so: for the file type NVFP4. Otherwise they are decoded.
  bool keeps_nvfp4 = false;
  /// What stands in the place of a folder's weight; null for weights that stay what they are.
  std::function<TensorExprPtr(const TensorInfo& stored, const TensorExprPtr& weight)> replace_weight =
      nullptr;
};

/// A file beside the weights, and what it was before it was read.
struct SideFile {
  std::filesystem::path path;
  FileStamp stamp;
};

/// Everything make_plan needs; pure data plus expressions over the source.
struct GgufModel {
  std::shared_ptr<const TensorSource> source;
  std::string architecture;          ///< general.architecture, empty for a generic GGUF
  KvList metadata;                   ///< without general.file_type and general.quantization_version
  KvList stale_metadata;             ///< those two of a GGUF, which its outputs have anew
  std::vector<ModelTensor> tensors;  ///< every stored tensor is used or named in `skipped`
  std::vector<std::string> skipped;  ///< stored tensors left out on purpose, with the reason: "name: why"
  std::vector<std::string> warnings;
  std::filesystem::path folder;      ///< a hub folder; empty for a file
  std::vector<SideFile> side_files;  ///< its files that may say something about the model; no weights
  std::vector<std::string> notes;    ///< one-line facts for the pre-flight: tokenizer kind, template, ...
  bool generic = false;              ///< no config.json: weights under their own names
  bool from_gguf = false;
};

/// Opens `input` (file, index, folder or GGUF) and works out the complete GGUF model. Reads headers, config,
/// tokenizer and a few scalars, not the weights. Throws input_missing; input_invalid naming what is unknown
/// and what to do.
GgufModel open_model(const std::filesystem::path& input, const ModelOptions& options);

/// What a config.json promises, without any weights: every tensor's name and shape from the architecture's
/// tables, which cannot be read, and the metadata without the tokenizer. `config` is the file or its folder.
/// Throws input_missing; input_invalid naming the class or the parts that the configuration leaves open.
GgufModel open_config(const std::filesystem::path& config, const ModelOptions& options);

/// Names for `qtz archs`: one row per supported class.
struct ArchitectureInfo {
  std::string_view hf_class;   ///< "LlamaForCausalLM"
  std::string_view gguf_name;  ///< "llama"
  std::string_view proof;      ///< "bytes", "logits" or "loads"
};
std::vector<ArchitectureInfo> list_architectures();

}  // namespace qtz
