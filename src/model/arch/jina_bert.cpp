// Jina's BERT (embeddings v2): no positions but ALiBi, a gated MLP with gate and up in one matrix; the model
// for code has norms of queries and keys and one more norm in each layer.
#include "model/arch/architectures.h"
#include "model/arch/encoder_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

/// WordPiece for English, byte-level BPE for the others, whose configurations do not count their token types.
TokenizerPolicy own_tokenizer() {
  TokenizerPolicy policy = bert_tokenizer();
  policy.sources = {TokenizerSource::wordpiece, TokenizerSource::byte_bpe};
  policy.source_of_class = {{"RobertaTokenizer", TokenizerSource::byte_bpe}};
  KvList two_types;
  two_types.set("tokenizer.ggml.token_type_count", std::uint32_t{2});
  policy.keys_of_source = {{TokenizerSource::byte_bpe, two_types}};
  return policy;
}

}  // namespace

ArchSpec jina_bert() {
  ArchSpec spec = bert();
  spec.classes = {"JinaBertModel", "JinaBertForMaskedLM"};
  spec.gguf_name = "jina-bert-v2";
  spec.tokenizer = own_tokenizer();
  spec.tensors = {
      {"bert.embeddings.word_embeddings.weight", "token_embd.weight"},
      {"bert.embeddings.token_type_embeddings.weight", "token_types.weight"},
      {"bert.embeddings.LayerNorm.{W}", "token_embd_norm.{W}"},
      {"bert.encoder.layer.{L}.attention.self.query.{W}", "blk.{L}.attn_q.{W}"},
      {"bert.encoder.layer.{L}.attention.self.key.{W}", "blk.{L}.attn_k.{W}"},
      {"bert.encoder.layer.{L}.attention.self.value.{W}", "blk.{L}.attn_v.{W}"},
      {"bert.encoder.layer.{L}.attention.self.layer_norm_q.{W}", "blk.{L}.attn_q_norm.{W}", nullptr, "?"},
      {"bert.encoder.layer.{L}.attention.self.layer_norm_k.{W}", "blk.{L}.attn_k_norm.{W}", nullptr, "?"},
      {"bert.encoder.layer.{L}.attention.output.dense.{W}", "blk.{L}.attn_output.{W}"},
      {"bert.encoder.layer.{L}.attention.output.LayerNorm.{W}", "blk.{L}.attn_output_norm.{W}"},
      {"bert.encoder.layer.{L}.layer_norm_1.{W}", "blk.{L}.attn_norm_2.{W}", nullptr, "?"},
      {"bert.encoder.layer.{L}.mlp.gated_layers.{W}", "blk.{L}.ffn_up.{W}", nullptr, "mlp:base"},
      {"bert.encoder.layer.{L}.mlp.wo.{W}", "blk.{L}.ffn_down.{W}", nullptr, "mlp:base"},
      {"bert.encoder.layer.{L}.mlp.layernorm.{W}", "blk.{L}.layer_output_norm.{W}", nullptr, "mlp:base"},
      {"bert.encoder.layer.{L}.mlp.up_gated_layer.{W}", "blk.{L}.ffn_up.{W}", nullptr, "mlp:code"},
      {"bert.encoder.layer.{L}.mlp.down_layer.{W}", "blk.{L}.ffn_down.{W}", nullptr, "mlp:code"},
      {"bert.encoder.layer.{L}.layer_norm_2.{W}", "blk.{L}.layer_output_norm.{W}", nullptr, "mlp:code"},
  };
  return spec;
}

}  // namespace qtz::arch
