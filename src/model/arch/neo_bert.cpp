// NeoBERT: an encoder with rotary positions and a gated MLP of two thirds the width that its configuration
// gives, gate and up in one matrix.
#include "model/arch/architectures.h"
#include "model/arch/encoder_family.h"

namespace qtz::arch {

namespace {

void emit_own(ArchBuild& build) {
  const std::uint64_t width = build.config.need_uint("intermediate_size");
  build.set("feed_forward_length", static_cast<std::uint32_t>(2 * width / 3));
  build.set("rope.freq_base", 10000.0F);
  build.set("rope.scaling.type", "none");
  // The authors take the first token's vector, whatever a folder of sentence-transformers says.
  build.set("pooling_type", std::uint32_t{2});
}

}  // namespace

ArchSpec neo_bert() {
  ArchSpec spec;
  spec.classes = {"NeoBERT", "NeoBERTLMHead", "NeoBERTForSequenceClassification"};
  spec.gguf_name = "neo-bert";
  spec.tokenizer = bert_tokenizer();
  spec.defaults = R"({"norm_eps": 1e-6})";
  spec.keys = joined<KeyRule>({encoder_keys(), {computed_keys(emit_own)}});
  spec.tensors = {
      {"model.encoder.weight", "token_embd.weight"},
      {"model.transformer_encoder.{L}.attention_norm.weight", "blk.{L}.attn_norm.weight"},
      {"model.transformer_encoder.{L}.qkv.weight", "blk.{L}.attn_qkv.weight"},
      {"model.transformer_encoder.{L}.wo.weight", "blk.{L}.attn_output.weight"},
      {"model.transformer_encoder.{L}.ffn_norm.weight", "blk.{L}.ffn_norm.weight"},
      {"model.transformer_encoder.{L}.ffn.w12.weight", "blk.{L}.ffn_up.weight"},
      {"model.transformer_encoder.{L}.ffn.w3.weight", "blk.{L}.ffn_down.weight"},
      {"model.layer_norm.weight", "enc.output_norm.weight"},
  };
  spec.skips = training_parts();
  spec.skips.push_back({"decoder.*", "predicts words in training; this GGUF holds the encoder"});
  spec.adapt = [](ArchSpec& own, ModelConfig& config, const TensorSource&) { add_classifier(own, config); };
  spec.parts = encoder_parts();
  return spec;
}

}  // namespace qtz::arch
