// BERT: an encoder for embeddings and for ranking. What only its training needed is left out.
#include "model/arch/architectures.h"
#include "model/arch/encoder_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

ArchSpec bert() {
  ArchSpec spec;
  spec.classes = {"BertModel", "BertForMaskedLM", "BertForSequenceClassification"};
  spec.gguf_name = "bert";
  spec.tokenizer = bert_tokenizer();
  spec.defaults = R"({"layer_norm_eps": 1e-12, "max_position_embeddings": 512, "num_hidden_layers": 12,
                      "num_attention_heads": 12, "hidden_size": 768, "intermediate_size": 3072,
                      "pad_token_id": 0, "type_vocab_size": 2})";
  spec.optional_prefix = "bert.";
  spec.keys = encoder_keys();
  spec.tensors = joined<TensorRule>({
      bert_embeddings(),
      {
          {"bert.encoder.layer.{L}.attention.self.query.{W}", "blk.{L}.attn_q.{W}"},
          {"bert.encoder.layer.{L}.attention.self.key.{W}", "blk.{L}.attn_k.{W}"},
          {"bert.encoder.layer.{L}.attention.self.value.{W}", "blk.{L}.attn_v.{W}"},
          {"bert.encoder.layer.{L}.attention.output.dense.{W}", "blk.{L}.attn_output.{W}"},
          {"bert.encoder.layer.{L}.attention.output.LayerNorm.{W}", "blk.{L}.attn_output_norm.{W}"},
          {"bert.encoder.layer.{L}.intermediate.dense.{W}", "blk.{L}.ffn_up.{W}"},
          {"bert.encoder.layer.{L}.output.dense.{W}", "blk.{L}.ffn_down.{W}"},
          {"bert.encoder.layer.{L}.output.LayerNorm.{W}", "blk.{L}.layer_output_norm.{W}"},
      },
  });
  spec.skips = training_parts();
  spec.adapt = [](ArchSpec& own, ModelConfig& config, const TensorSource&) { add_classifier(own, config); };
  spec.rename = with_norm_names;
  spec.finish = settle_token_types;
  spec.parts = encoder_parts();
  spec.parts.push_back({"*.bias", always});
  return spec;
}

}  // namespace qtz::arch
