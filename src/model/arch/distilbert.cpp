// DistilBERT: BERT with half the layers and no token types, under names of its own.
#include "model/arch/architectures.h"
#include "model/arch/encoder_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

ArchSpec distilbert() {
  ArchSpec spec;
  spec.classes = {"DistilBertModel", "DistilBertForMaskedLM", "DistilBertForSequenceClassification"};
  spec.gguf_name = "bert";
  spec.tokenizer = bert_tokenizer();
  spec.defaults = R"({"max_position_embeddings": 512, "n_layers": 6, "n_heads": 12, "dim": 768,
                      "hidden_dim": 3072})";
  spec.optional_prefix = "distilbert.";
  spec.keys = joined<KeyRule>({
      {computed_keys([](ArchBuild& build) { build.set("attention.layer_norm_epsilon", 1e-12F); })},
      encoder_keys(),
  });
  spec.tensors = {
      {"distilbert.embeddings.word_embeddings.weight", "token_embd.weight"},
      {"distilbert.embeddings.position_embeddings.weight", "position_embd.weight"},
      {"distilbert.embeddings.LayerNorm.{W}", "token_embd_norm.{W}"},
      {"distilbert.transformer.layer.{L}.attention.q_lin.{W}", "blk.{L}.attn_q.{W}"},
      {"distilbert.transformer.layer.{L}.attention.k_lin.{W}", "blk.{L}.attn_k.{W}"},
      {"distilbert.transformer.layer.{L}.attention.v_lin.{W}", "blk.{L}.attn_v.{W}"},
      {"distilbert.transformer.layer.{L}.attention.out_lin.{W}", "blk.{L}.attn_output.{W}"},
      {"distilbert.transformer.layer.{L}.sa_layer_norm.{W}", "blk.{L}.attn_output_norm.{W}"},
      {"distilbert.transformer.layer.{L}.ffn.lin1.{W}", "blk.{L}.ffn_up.{W}"},
      {"distilbert.transformer.layer.{L}.ffn.lin2.{W}", "blk.{L}.ffn_down.{W}"},
      {"distilbert.transformer.layer.{L}.output_layer_norm.{W}", "blk.{L}.layer_output_norm.{W}"},
      {"pre_classifier.{W}", "cls.{W}", nullptr, "?"},
  };
  spec.skips = training_parts();
  for (const char* part : {"vocab_transform.*", "vocab_layer_norm.*", "vocab_projector.*"}) {
    spec.skips.push_back({part, "predicts words in training; this GGUF holds the encoder"});
  }
  spec.adapt = [](ArchSpec& own, ModelConfig& config, const TensorSource&) { add_classifier(own, config); };
  spec.rename = with_norm_names;
  spec.parts = encoder_parts();
  spec.parts.push_back({"*.bias", always});
  return spec;
}

}  // namespace qtz::arch
