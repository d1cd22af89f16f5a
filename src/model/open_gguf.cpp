// A GGUF as input: metadata and tensors as they are.
#include <algorithm>
#include <numeric>

#include "model/general_metadata.h"
#include "model/model_parts.h"
#include "model/prediction_layers.h"
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

/// Programs read these arrays side by side, as many elements as there are tokens and as wide as they should
/// be, whatever the file says of them: some read past the end of those that are not.
void check_token_arrays(const KvList& metadata, const std::string& where) {
  const auto array_of = [&](std::string_view key) {
    const GgufValue* value = metadata.find(key);
    const GgufArray* array = value != nullptr ? value->as_array() : nullptr;
    if (value != nullptr && array == nullptr) {
      throw Error(ErrorKind::input_invalid, where + ": " + std::string(key) + " is not an array");
    }
    return array;
  };
  const GgufArray* tokens = array_of("tokenizer.ggml.tokens");
  const auto check = [&](std::string_view key, std::initializer_list<GgufType> types) {
    const GgufArray* array = array_of(key);
    if (array == nullptr) return;
    if (std::find(types.begin(), types.end(), array->type) == types.end()) {
      throw Error(ErrorKind::input_invalid, where + ": " + std::string(key) + " is an array of " +
                                                std::string(name_of(array->type)) + ", not of " +
                                                std::string(name_of(*types.begin())));
    }
    if (tokens != nullptr && array->size() != tokens->size()) {
      throw Error(ErrorKind::input_invalid, where + ": " + std::string(key) + " has " +
                                                std::to_string(array->size()) + " elements for " +
                                                std::to_string(tokens->size()) + " tokens");
    }
  };
  check("tokenizer.ggml.tokens", {GgufType::string});
  check("tokenizer.ggml.scores", {GgufType::f32});
  check("tokenizer.ggml.token_type", {GgufType::i32, GgufType::u32});
}

/// llama.cpp wants a row of the embedding for every token, and does not load a file that has not.
void warn_of_vocabulary_size(const KvList& metadata, const Shape& embedding,
                             std::vector<std::string>& warnings) {
  const GgufValue* tokens = metadata.find("tokenizer.ggml.tokens");
  const GgufArray* array = tokens != nullptr ? tokens->as_array() : nullptr;
  if (array == nullptr || embedding.rank() != 2 || array->size() == embedding.rows()) return;
  warnings.push_back("the vocabulary has " + std::to_string(array->size()) +
                     " tokens, but token_embd.weight " + std::to_string(embedding.rows()) +
                     " rows: llama.cpp does not load such a file");
}

/// llama.cpp keeps texts and ids in two tables and stops when they differ in size: a file with a text that
/// two tokens share does not load. Sorted, so that no choice of texts makes this slow.
void warn_of_repeated_tokens(const KvList& metadata, std::vector<std::string>& warnings) {
  constexpr std::string_view kKey = "tokenizer.ggml.tokens";
  const GgufValue* value = metadata.find(kKey);
  const GgufArray* array = value != nullptr ? value->as_array() : nullptr;
  const auto* texts = array != nullptr ? std::get_if<std::vector<std::string>>(&array->elements) : nullptr;
  if (texts == nullptr) return;
  std::vector<std::size_t> order(texts->size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const int compared = (*texts)[a].compare((*texts)[b]);
    return compared != 0 ? compared < 0 : a < b;
  });
  std::size_t repeated = 0;
  std::pair<std::size_t, std::size_t> first{texts->size(), texts->size()};  // the repetition, the original
  for (std::size_t i = 1; i < order.size(); ++i) {
    if ((*texts)[order[i]] != (*texts)[order[i - 1]]) continue;
    ++repeated;
    first = std::min(first, {order[i], order[i - 1]});
  }
  if (repeated == 0) return;
  warnings.push_back(std::string(kKey) + ": '" + printable((*texts)[first.first]) + "' is token " +
                     std::to_string(first.second) + " and token " + std::to_string(first.first) +
                     (repeated > 1 ? ", and " + std::to_string(repeated - 1) + " more are repeated" : "") +
                     "; it is carried over as it is, but llama.cpp does not load such a vocabulary");
}

}  // namespace

GgufModel open_gguf_model(const std::shared_ptr<const GgufSource>& source, const ModelOptions& options) {
  GgufModel model;
  model.source = source;
  model.from_gguf = true;
  model.warnings = source->warnings();
  for (const KvList::Entry& entry : source->metadata().entries()) {
    if (entry.key.starts_with("split.")) continue;  // of files that are not the output's
    const bool stale = entry.key == "general.file_type" || entry.key == "general.quantization_version";
    (stale ? model.stale_metadata : model.metadata).set(entry.key, entry.value);
  }
  if (const GgufValue* value = model.metadata.find("general.architecture")) {
    if (value->as_string() == nullptr) {
      throw Error(ErrorKind::input_invalid, printable(source->files().front().path().native()) +
                                                ": general.architecture is not a text");
    }
    model.architecture = *value->as_string();
  }
  refuse_prediction_choice(options.prediction_layers, "a GGUF");
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
  check_token_arrays(model.metadata, printable(source->files().front().path().native()));
  if (options.tokenizer_pre) set_pre_tokenizer(*options.tokenizer_pre, model.metadata);
  warn_of_repeated_tokens(model.metadata, model.warnings);
  GeneralSources general;
  general.model_name = options.model_name;
  general.metadata_file = options.metadata_file;
  apply_metadata_overrides(model.metadata, general);
  for (const TensorInfo& tensor : source->tensors()) {
    if (tensor.name == "token_embd.weight")
      warn_of_vocabulary_size(model.metadata, tensor.shape, model.warnings);
    model.tensors.push_back({tensor.name, stored(*source, tensor), tensor.dtype});
  }
  sort_as_llama_cpp(model);
  return model;
}

}  // namespace qtz
