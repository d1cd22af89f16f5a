#include "model/model_assembly.h"

#include <utility>

#include "model/model_parts.h"
#include "model/reranker_hint.h"
#include "model/storage_type.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

ArchSpec named_architecture(const ModelConfig& config, const ModelOptions& options) {
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

/// Every tensor with the type it has in a 16-bit file.
void take_tensors(GgufModel& model, ArchBuild& build, const StorageRule& rule) {
  std::size_t narrowed = 0;
  for (auto& [name, expr] : build.tensors) {
    const bool is_double = expr->dtype() == DType::f64;
    if (is_double) ++narrowed;
    TensorExprPtr ready = is_double ? widened(expr) : expr;
    const DType type = unquantized_type(name, *ready, rule);
    model.tensors.push_back({std::move(name), std::move(ready), type});
  }
  if (narrowed > 0) {
    model.notes.push_back(std::to_string(narrowed) + (narrowed == 1 ? " tensor is" : " tensors are") +
                          " stored as F64 and read as F32, as llama.cpp's converter does");
  }
}

}  // namespace

ArchSpec choose_architecture(const ModelConfig& config, const ModelOptions& options,
                             std::vector<std::string>& warnings) {
  ArchSpec spec = named_architecture(config, options);
  warn_of_overridden_class(config, spec, options, warnings);
  return spec;
}

void complete_model(GgufModel& model, ArchBuild& build, const ArchSpec& spec, const ModelOptions& options,
                    DType sixteen_bit, GeneralSources general) {
  take_tensors(model, build, {sixteen_bit, spec});
  fit_to_gguf(model);
  sort_as_llama_cpp(model);

  model.metadata.set("general.architecture", model.architecture);
  model.metadata.set("general.type", "model");
  general.config = &build.config.json();
  general.model_name = options.model_name;
  general.metadata_file = options.metadata_file;
  general.parameters = parameter_count(model);
  general.size_label = size_label_of(model);
  add_general_metadata(model.metadata, general, build.warnings);
  if (auto warning =
          reranker_warning(spec.gguf_name, build.folder, general.fallback_name, build.config.json())) {
    build.warnings.push_back(std::move(*warning));
  }
  for (const KvList::Entry& entry : build.keys.entries()) model.metadata.set(entry.key, entry.value);

  model.skipped = std::move(build.skipped);
  model.warnings.insert(model.warnings.end(), build.warnings.begin(), build.warnings.end());
}

}  // namespace qtz
