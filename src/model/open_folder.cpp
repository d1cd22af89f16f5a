// A hub folder to a GGUF model: configuration, keys, tokenizer, tensors.
#include "model/folder_file.h"
#include "model/general_metadata.h"
#include "model/key_check.h"
#include "model/key_rules.h"
#include "model/mistral_params.h"
#include "model/model_assembly.h"
#include "model/model_parts.h"
#include "model/prediction_layers.h"
#include "model/quantized/kept_nvfp4.h"
#include "model/quantized/quant_methods.h"
#include "model/shape_check.h"
#include "model/storage_type.h"
#include "model/tensor_ops.h"
#include "model/tensor_rules.h"
#include "qtz/core/error.h"
#include "qtz/model/arch_spec.h"
#include "qtz/model/tokenizer.h"

namespace qtz {

namespace {

/// Rows of the embedding decide the size of the vocabulary; a configuration that says otherwise is corrected.
void settle_vocabulary(ArchBuild& build, ModelConfig& config, const ArchSpec& spec) {
  std::optional<std::uint64_t> rows;
  for (const TensorRule& rule : spec.tensors) {
    if (rule.target != "token_embd.weight") continue;
    for (const TensorInfo& tensor : build.source.tensors()) {
      if (tensor.shape.rank() != 2) continue;
      const std::string name = table_name(spec, config, tensor.name);
      if (name == rule.source || std::string(spec.optional_prefix) + name == rule.source)
        rows = tensor.shape[0];
    }
  }
  const auto told = config.uint("vocab_size");
  if (!rows) {
    if (!told) config.refuse("vocab_size", "is missing");
    return;
  }
  if (told && *told != *rows) {
    build.warnings.push_back(config.where() + ": 'vocab_size' is " + std::to_string(*told) +
                             ", but the embedding has " + std::to_string(*rows) +
                             " rows; the rows are taken");
  }
  config.set("vocab_size", *rows);
}

void read_tokenizer_keys(ArchBuild& build, const ArchSpec& spec, const ModelOptions& options,
                         GgufModel& model) {
  TokenizerResult tokenizer =
      read_tokenizer(build.folder, build.config.stored(), build.config.need_uint("vocab_size"),
                     spec.tokenizer, options.tokenizer_pre);
  for (const KvList::Entry& entry : tokenizer.keys.entries()) build.keys.set(entry.key, entry.value);
  build.token_count = tokenizer.token_count;
  model.notes.push_back("tokenizer: " + tokenizer.description);
  model.warnings.insert(model.warnings.end(), tokenizer.warnings.begin(), tokenizer.warnings.end());
}

void replace_weights(const ModelOptions& options, CheckpointTensors& tensors) {
  if (!options.replace_weight) return;
  for (const TensorInfo& tensor : tensors.tensors()) {
    if (TensorExprPtr other = options.replace_weight(tensor, tensors.expression(tensor)))
      tensors.replace(tensor, std::move(other));
  }
}

/// transformers takes the embedding then, llama.cpp the matrix that is stored.
void warn_of_two_outputs(ArchBuild& build) {
  if (!build.config.boolean("tie_word_embeddings").value_or(false)) return;
  const TensorExprPtr output = build.find_tensor("output.weight");
  if (output == nullptr) return;
  build.warnings.push_back(build.config.where() + ": 'tie_word_embeddings' is true, but " +
                           describe(*output) +
                           " is stored too; it is written as 'output.weight', as llama.cpp's converter does");
}

}  // namespace

GgufModel open_folder_model(const std::filesystem::path& folder,
                            const std::shared_ptr<const SafetensorsSource>& source,
                            const ModelOptions& options) {
  const auto config_path = model_config_path(folder);
  GgufModel model;
  model.folder = folder;
  model.side_files = side_files_of(folder);
  ModelConfig config(read_model_config(config_path, model.warnings), printable(config_path.native()));
  ArchSpec spec = choose_architecture(config, options, model.warnings);
  config.apply_defaults(spec.defaults);
  DecodedCheckpoint checkpoint = decode_checkpoint(*source, config, folder, spec.decode, options.keeps_nvfp4);
  replace_weights(options, checkpoint.tensors);
  if (spec.adapt != nullptr) spec.adapt(spec, config, checkpoint.tensors);

  model.source = source;
  model.architecture = std::string(spec.gguf_name);
  model.warnings.insert(model.warnings.end(), source->warnings().begin(), source->warnings().end());
  KvList keys;
  ArchBuild build{config, checkpoint.tensors, folder, model.architecture, keys};
  build.skipped = std::move(checkpoint.skipped);
  build.warnings = std::move(checkpoint.warnings);
  model.notes = std::move(checkpoint.notes);
  settle_vocabulary(build, config, spec);
  if (spec.prepare != nullptr) spec.prepare(config);
  settle_prediction_layers(spec, config, build, options.prediction_layers);
  config.check_plausible();

  apply_key_rules(build, spec.keys);
  apply_tensor_rules(build, spec);
  read_tokenizer_keys(build, spec, options, model);
  if (spec.finish != nullptr) spec.finish(build);
  warn_of_two_outputs(build);
  check_keys(build);
  check_shapes(build);
  if (std::string note = add_scales(build); !note.empty()) model.notes.push_back(std::move(note));

  GeneralSources general;
  general.folder = folder;
  general.fallback_name = folder_model_id(folder);
  complete_model(model, build, spec, options, sixteen_bit_type(source->tensors()), std::move(general));
  return model;
}

}  // namespace qtz
