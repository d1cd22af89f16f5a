// T5: an encoder and a decoder. Both share one embedding; positions are a bias of the attention that the
// first layer has for all, or every layer has for itself (UMT5).
#include "model/arch/architectures.h"
#include "model/arch/t5_family.h"

namespace qtz::arch {

namespace {

std::vector<TensorRule> decoder_tensors() {
  return {
      {"decoder.block.{L}.layer.0.layer_norm.weight", "dec.blk.{L}.attn_norm.weight"},
      {"decoder.block.{L}.layer.0.SelfAttention.q.weight", "dec.blk.{L}.attn_q.weight"},
      {"decoder.block.{L}.layer.0.SelfAttention.k.weight", "dec.blk.{L}.attn_k.weight"},
      {"decoder.block.{L}.layer.0.SelfAttention.v.weight", "dec.blk.{L}.attn_v.weight"},
      {"decoder.block.{L}.layer.0.SelfAttention.o.weight", "dec.blk.{L}.attn_o.weight"},
      {"decoder.block.{L}.layer.0.SelfAttention.relative_attention_bias.weight",
       "dec.blk.{L}.attn_rel_b.weight", nullptr, "?"},
      {"decoder.block.{L}.layer.1.layer_norm.weight", "dec.blk.{L}.cross_attn_norm.weight"},
      {"decoder.block.{L}.layer.1.EncDecAttention.q.weight", "dec.blk.{L}.cross_attn_q.weight"},
      {"decoder.block.{L}.layer.1.EncDecAttention.k.weight", "dec.blk.{L}.cross_attn_k.weight"},
      {"decoder.block.{L}.layer.1.EncDecAttention.v.weight", "dec.blk.{L}.cross_attn_v.weight"},
      {"decoder.block.{L}.layer.1.EncDecAttention.o.weight", "dec.blk.{L}.cross_attn_o.weight"},
      {"decoder.block.{L}.layer.1.EncDecAttention.relative_attention_bias.weight",
       "dec.blk.{L}.cross_attn_rel_b.weight", nullptr, "?"},
      {"decoder.block.{L}.layer.2.layer_norm.weight", "dec.blk.{L}.ffn_norm.weight"},
      {"decoder.block.{L}.layer.2.DenseReluDense.wi.weight", "dec.blk.{L}.ffn_up.weight", nullptr,
       "decoder:plain"},
      {"decoder.block.{L}.layer.2.DenseReluDense.wi_0.weight", "dec.blk.{L}.ffn_gate.weight", nullptr,
       "decoder:gated"},
      {"decoder.block.{L}.layer.2.DenseReluDense.wi_1.weight", "dec.blk.{L}.ffn_up.weight", nullptr,
       "decoder:gated"},
      {"decoder.block.{L}.layer.2.DenseReluDense.wo.weight", "dec.blk.{L}.ffn_down.weight"},
      {"decoder.final_layer_norm.weight", "dec.output_norm.weight"},
      {"lm_head.weight", "output.weight", nullptr, "?"},
  };
}

void fill_in_decoder(ModelConfig& config) {
  const std::uint64_t encoder = config.need_uint("num_layers");
  const std::uint64_t decoder = config.uint("num_decoder_layers").value_or(encoder);
  if (decoder != encoder) {
    config.refuse("num_decoder_layers", "is " + std::to_string(decoder) + " with " + std::to_string(encoder) +
                                            " layers of the encoder; qtz needs as many in both");
  }
  config.set("num_decoder_layers", decoder);
}

}  // namespace

ArchSpec t5() {
  ArchSpec spec = t5_encoder();
  spec.classes = {"T5ForConditionalGeneration", "T5WithLMHeadModel", "MT5ForConditionalGeneration",
                  "UMT5ForConditionalGeneration", "UMT5Model"};
  spec.gguf_name = "t5";
  spec.keys.push_back(u32_key("decoder_block_count", "num_decoder_layers"));
  spec.keys.push_back(u32_key("decoder_start_token_id", "decoder_start_token_id"));
  spec.tensors = joined<TensorRule>({t5_encoder_tensors(), decoder_tensors()});
  spec.prepare = fill_in_decoder;
  const auto prepare_umt5 = [](ArchSpec& own, ModelConfig& config, const TensorSource& source) {
    if (config.class_name().starts_with("UMT5") && !config.has("feed_forward_proj"))
      config.set("feed_forward_proj", "gated-gelu");
    choose_shared_embedding(own, source);
  };
  spec.adapt = prepare_umt5;
  return spec;
}

}  // namespace qtz::arch
