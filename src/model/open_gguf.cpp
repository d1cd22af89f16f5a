// A GGUF as input: metadata and tensors as they are.
#include "model/general_metadata.h"
#include "model/model_parts.h"
#include "model/tensor_ops.h"
#include "model/tokenizer/pre_tokenizer.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

/// llama.cpp refuses a name that it does not know, and looks at it only for byte-level BPE.
void set_pre_tokenizer(const std::string& name, KvList& metadata) {
  check_pre_tokenizer_name(name);
  const GgufValue* value = metadata.find("tokenizer.ggml.model");
  const std::string* kind = value ? value->as_string() : nullptr;
  if (kind == nullptr || *kind != "gpt2") {
    throw Error(ErrorKind::usage,
                "--tokenizer-pre " + name + ": the GGUF's tokenizer is " +
                    (kind != nullptr ? "of kind '" + printable(*kind) + "'" : std::string("missing")),
                "only tokenizers of kind 'gpt2' have a pre-tokenizer; leave --tokenizer-pre out");
  }
  metadata.set("tokenizer.ggml.pre", name);
}

}  // namespace

GgufModel open_gguf_model(std::shared_ptr<const GgufSource> source, const ModelOptions& options) {
  GgufModel model;
  model.source = source;
  model.from_gguf = true;
  model.warnings = source->warnings();
  for (const KvList::Entry& entry : source->metadata().entries()) {
    // Written anew for what comes out; split.* describes files that are not the output's.
    if (entry.key == "general.file_type" || entry.key == "general.quantization_version") continue;
    if (entry.key.starts_with("split.")) continue;
    model.metadata.set(entry.key, entry.value);
  }
  if (const GgufValue* value = model.metadata.find("general.architecture")) {
    if (value->as_string() == nullptr) {
      throw Error(ErrorKind::input_invalid, printable(source->files().front().path().native()) +
                                                ": general.architecture is not a text");
    }
    model.architecture = *value->as_string();
  }
  if (options.architecture && *options.architecture != model.architecture) {
    if (!model.architecture.empty()) {
      throw Error(ErrorKind::usage,
                  "--arch " + printable(*options.architecture) + ": the GGUF says its architecture is '" +
                      printable(model.architecture) + "'",
                  "a GGUF's keys belong to its architecture; leave --arch out");
    }
    model.architecture = *options.architecture;
    model.metadata.set("general.architecture", model.architecture);
  }
  if (options.tokenizer_pre) set_pre_tokenizer(*options.tokenizer_pre, model.metadata);
  GeneralSources general;
  general.model_name = options.model_name;
  general.metadata_file = options.metadata_file;
  apply_metadata_overrides(model.metadata, general);
  for (const TensorInfo& tensor : source->tensors()) {
    model.tensors.push_back({tensor.name, stored(*source, tensor), tensor.dtype});
  }
  sort_as_llama_cpp(model);
  return model;
}

}  // namespace qtz
