// RoBERTa: BERT whose positions begin behind the padding token.
#include "model/arch/architectures.h"
#include "model/arch/encoder_family.h"

namespace qtz::arch {

ArchSpec roberta() {
  ArchSpec spec = bert();
  spec.classes = {"RobertaModel", "RobertaForSequenceClassification"};
  spec.tokenizer = roberta_tokenizer();
  spec.defaults = R"({"layer_norm_eps": 1e-12, "max_position_embeddings": 512, "num_hidden_layers": 12,
                      "num_attention_heads": 12, "hidden_size": 768, "intermediate_size": 3072,
                      "pad_token_id": 1, "type_vocab_size": 2, "bos_token_id": 0, "eos_token_id": 2})";
  spec.prepare = shorten_context;
  for (TensorRule& rule : spec.tensors) {
    if (rule.target == "position_embd.weight") rule.transform = positions_behind_padding;
  }
  spec.rename = [](std::string name, const ModelConfig& config) {
    constexpr std::string_view kOwn = "roberta.";
    if (name.starts_with(kOwn)) name.replace(0, kOwn.size(), "bert.");
    return with_norm_names(std::move(name), config);
  };
  return spec;
}

}  // namespace qtz::arch
