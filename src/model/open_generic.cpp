// Weights without a model configuration: a GGUF under their own names, for programs that know them.
#include "model/general_metadata.h"
#include "model/model_parts.h"
#include "model/prediction_layers.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz {

GgufModel open_generic_model(const std::string& name, const std::shared_ptr<const SafetensorsSource>& source,
                             const ModelOptions& options) {
  if (options.tokenizer_pre) {
    throw Error(ErrorKind::usage,
                "--tokenizer-pre " + printable(*options.tokenizer_pre) +
                    ": bare weights without a config.json are written without a tokenizer",
                "leave --tokenizer-pre out, or give the folder with the model's configuration and tokenizer");
  }
  refuse_prediction_choice(options.prediction_layers, "a file of bare weights");
  GgufModel model;
  model.source = source;
  model.generic = true;
  model.warnings = source->warnings();
  for (const TensorInfo& tensor : source->tensors()) {
    model.tensors.push_back({tensor.name, stored(*source, tensor), tensor.dtype});
  }
  fit_to_gguf(model);
  sort_as_llama_cpp(model);
  if (options.architecture) {
    model.architecture = *options.architecture;
    model.metadata.set("general.architecture", model.architecture);
  }
  model.metadata.set("general.type", "model");
  GeneralSources general;
  general.fallback_name = name;
  general.model_name = options.model_name;
  general.metadata_file = options.metadata_file;
  general.parameters = parameter_count(model);
  general.size_label = size_label_of(model);
  add_general_metadata(model.metadata, general, model.warnings);
  model.notes.push_back(
      "no config.json: the weights are written under their own names as a generic GGUF, without a tokenizer");
  return model;
}

}  // namespace qtz
