// A hub folder to a GGUF model: configuration, keys, tokenizer, tensors.
#include "model/config_file.h"
#include "model/folder_file.h"
#include "model/general_metadata.h"
#include "model/key_check.h"
#include "model/key_rules.h"
#include "model/model_parts.h"
#include "model/quantized/quant_methods.h"
#include "model/reranker_hint.h"
#include "model/shape_check.h"
#include "model/storage_type.h"
#include "model/tensor_ops.h"
#include "model/tensor_rules.h"
#include "qtz/core/error.h"
#include "qtz/model/arch_spec.h"
#include "qtz/model/tokenizer.h"

namespace qtz {

namespace {

ArchSpec choose_architecture(const ModelConfig& config, const ModelOptions& options) {
  if (options.architecture) return find_architecture(*options.architecture, "--arch");
  if (config.class_name().empty()) {
    throw Error(ErrorKind::input_invalid, config.where() + ": no class is named in 'architectures'",
                "name the architecture with --arch; `qtz archs` lists what is known");
  }
  return find_architecture(config.class_name(), config.where());
}

/// The architecture's name as GGUF has it, empty if the class is not known.
std::string_view architecture_of(std::string_view class_name) {
  for (const ArchitectureInfo& each : list_architectures()) {
    if (each.hf_class == class_name) return each.gguf_name;
  }
  return {};
}

/// --arch is for classes that are not known; where config.json names one that is, it may well be a slip.
void warn_of_overridden_class(const ModelConfig& config, const ArchSpec& chosen, const ModelOptions& options,
                              std::vector<std::string>& warnings) {
  const std::string_view known = architecture_of(config.class_name());
  if (!options.architecture || known.empty() || known == chosen.gguf_name) return;
  warnings.push_back("--arch " + printable(*options.architecture) + " overrides " + config.where() +
                     ", whose class " + printable(config.class_name()) + " is of " + std::string(known));
}

/// Rows of the embedding decide the size of the vocabulary; a configuration that says otherwise is corrected.
void settle_vocabulary(ArchBuild& build, ModelConfig& config, const ArchSpec& spec) {
  std::optional<std::uint64_t> rows;
  for (const TensorRule& rule : spec.tensors) {
    if (rule.target != "token_embd.weight") continue;
    for (const TensorInfo& tensor : build.source.tensors()) {
      const std::string name = canonical_name(tensor.name);
      if (tensor.shape.rank() != 2) continue;
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
  const auto config_path = folder / "config.json";
  GgufModel model;
  model.folder = folder;
  model.side_files = side_files_of(folder);
  ModelConfig config(read_config_file(config_path, model.warnings), printable(config_path.native()));
  ArchSpec spec = choose_architecture(config, options);
  warn_of_overridden_class(config, spec, options, model.warnings);
  config.apply_defaults(spec.defaults);
  DecodedCheckpoint checkpoint = decode_checkpoint(*source, config, folder);
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
  config.check_plausible();

  apply_key_rules(build, spec.keys);
  apply_tensor_rules(build, spec);
  read_tokenizer_keys(build, spec, options, model);
  if (spec.finish != nullptr) spec.finish(build);
  warn_of_two_outputs(build);
  check_keys(build);
  check_shapes(build);

  const DType sixteen_bit = sixteen_bit_type(source->tensors());
  std::size_t narrowed = 0;
  for (auto& [name, expr] : build.tensors) {
    const bool is_double = expr->dtype() == DType::f64;
    if (is_double) ++narrowed;
    TensorExprPtr ready = is_double ? widened(expr) : expr;
    const DType type = unquantized_type(name, *ready, sixteen_bit, spec.narrow_routers);
    model.tensors.push_back({std::move(name), std::move(ready), type});
  }
  if (narrowed > 0) {
    model.notes.push_back(std::to_string(narrowed) + (narrowed == 1 ? " tensor is" : " tensors are") +
                          " stored as F64 and read as F32, as llama.cpp's converter does");
  }
  fit_to_gguf(model);
  sort_as_llama_cpp(model);

  model.metadata.set("general.architecture", model.architecture);
  model.metadata.set("general.type", "model");
  GeneralSources general;
  general.folder = folder;
  general.config = &config.json();
  general.fallback_name = folder_model_id(folder);
  general.model_name = options.model_name;
  general.metadata_file = options.metadata_file;
  general.parameters = parameter_count(model);
  general.size_label = size_label_of(model);
  add_general_metadata(model.metadata, general, build.warnings);
  if (auto warning = reranker_warning(spec.gguf_name, folder, general.fallback_name, config.json())) {
    build.warnings.push_back(std::move(*warning));
  }
  for (const KvList::Entry& entry : keys.entries()) model.metadata.set(entry.key, entry.value);

  model.skipped = std::move(build.skipped);
  model.warnings.insert(model.warnings.end(), build.warnings.begin(), build.warnings.end());
  return model;
}

}  // namespace qtz
