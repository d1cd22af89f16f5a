// ModernBERT: an encoder with rotary positions and a window that all layers but every third attend within.
#include "model/arch/architectures.h"
#include "model/arch/encoder_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

ArchSpec modern_bert() {
  ArchSpec spec;
  spec.classes = {"ModernBertModel", "ModernBertForMaskedLM", "ModernBertForSequenceClassification"};
  spec.gguf_name = "modern-bert";
  spec.tokenizer = modern_bert_tokenizer();
  spec.defaults = R"({"max_position_embeddings": 8192, "norm_eps": 1e-5, "local_attention": 128,
                      "global_attn_every_n_layers": 3, "global_rope_theta": 160000.0,
                      "local_rope_theta": 10000.0, "hidden_activation": "gelu"})";
  spec.keys = encoder_keys();
  const std::vector<KeyRule> own = {
      // transformers 5 calls it norm_eps; llama.cpp loads nothing without this key.
      f32_key("attention.layer_norm_epsilon", "layer_norm_eps|norm_eps"),
      u32_key("attention.sliding_window", "local_attention"),
      optional_key(u32_key("attention.sliding_window_pattern", "global_attn_every_n_layers")),
      computed_keys([](ArchBuild& build) { build.set("rope.scaling.type", "none"); }),
      u32_key("vocab_size", "vocab_size"),
      // The gate of the MLP: GELU, in some derived models SiLU.
      {"hidden_activation", "hidden_activation", KeyRule::Kind::text, true, nullptr},
  };
  spec.keys.insert(spec.keys.end(), own.begin(), own.end());
  spec.tensors = {
      {"model.embeddings.tok_embeddings.weight", "token_embd.weight"},
      {"model.embeddings.norm.{W}", "token_embd_norm.{W}"},
      {"model.layers.{L}.attn_norm.{W}", "blk.{L}.attn_norm.{W}", nullptr, "?"},
      {"model.layers.{L}.attn.Wqkv.{W}", "blk.{L}.attn_qkv.{W}"},
      {"model.layers.{L}.attn.Wo.{W}", "blk.{L}.attn_output.{W}"},
      {"model.layers.{L}.mlp_norm.{W}", "blk.{L}.ffn_norm.{W}"},
      {"model.layers.{L}.mlp.Wi.{W}", "blk.{L}.ffn_up.{W}"},
      {"model.layers.{L}.mlp.Wo.{W}", "blk.{L}.ffn_down.{W}"},
      {"model.final_norm.{W}", "output_norm.{W}"},
      {"head.dense.{W}", "cls.{W}", nullptr, "?"},
      {"head.norm.{W}", "cls.norm.{W}", nullptr, "?"},
  };
  spec.skips = training_parts();
  spec.parts = encoder_parts();
  spec.parts.push_back(
      {"blk.{L}.attn_norm.weight", [](const ModelConfig&, std::uint64_t layer) { return layer > 0; }});
  spec.adapt = [](ArchSpec& own_spec, ModelConfig& config, const TensorSource&) {
    add_classifier(own_spec, config);
  };
  return spec;
}

}  // namespace qtz::arch
