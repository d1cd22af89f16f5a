// MPT: ALiBi or learned positions, q, k and v fused as llama.cpp has them, an MLP without a gate.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

/// A member of attn_config.
const JsonValue* attention_setting(const ModelConfig& config, std::string_view field) {
  const auto part = config.find("attn_config");
  const JsonValue* value = part ? part->value->find(field) : nullptr;
  return value == nullptr || value->is_null() ? nullptr : value;
}

double number_in_attention(const ModelConfig& config, std::string_view field, double otherwise) {
  const JsonValue* value = attention_setting(config, field);
  if (value == nullptr) return otherwise;
  const auto number = value->as_double();
  if (!number) config.refuse("attn_config." + std::string(field), "is not a number");
  return *number;
}

bool is_set_in_attention(const ModelConfig& config, std::string_view field) {
  const JsonValue* value = attention_setting(config, field);
  if (value == nullptr) return false;
  const auto flag = value->as_bool();
  if (!flag) config.refuse("attn_config." + std::string(field), "is not true or false");
  return *flag;
}

bool has_biases(const ModelConfig& config, std::uint64_t) {
  return !config.boolean("no_bias").value_or(false);
}

bool has_positions(const ModelConfig& config, std::uint64_t) {
  return !is_set_in_attention(config, "alibi") && config.boolean("learned_pos_emb").value_or(true);
}

bool has_norms_of_heads(const ModelConfig& config, std::uint64_t) {
  return is_set_in_attention(config, "qk_ln");
}

bool has_biases_of_head_norms(const ModelConfig& config, std::uint64_t layer) {
  return has_norms_of_heads(config, layer) && has_biases(config, layer);
}

void emit_attention(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const std::uint64_t size = 4 * config.hidden_size();
  if (size >= (std::uint64_t{1} << 31)) config.refuse("d_model", "is absurd");
  build.set("feed_forward_length", static_cast<std::uint32_t>(size));
  build.set("attention.layer_norm_epsilon", 1e-5F);  // as the converter has it: no configuration says
  if (attention_setting(config, "clip_qkv") != nullptr) {
    build.set("attention.clamp_kqv", static_cast<float>(number_in_attention(config, "clip_qkv", 0)));
  }
  build.set("attention.max_alibi_bias",
            is_set_in_attention(config, "alibi")
                ? static_cast<float>(number_in_attention(config, "alibi_bias_max", 8))
                : 0.0F);
}

/// GPT-NeoX's tokenizer, or that of SEA-LION, whose special tokens no file names.
TokenizerPolicy tokenizer() {
  TokenizerPolicy policy = bpe_or_sentencepiece_tokenizer();
  KvList keys;
  keys.set("tokenizer.ggml.add_bos_token", false);
  keys.set("tokenizer.ggml.padding_token_id", std::uint32_t{3});
  keys.set("tokenizer.ggml.eos_token_id", std::uint32_t{1});
  keys.set("tokenizer.ggml.unknown_token_id", std::uint32_t{0});
  policy.keys_of_source = {{TokenizerSource::sentencepiece, std::move(keys)}};
  return policy;
}

/// Key heads of grouped attention under the name that the common checks know.
void prepare(ModelConfig& config) {
  const JsonValue* heads = attention_setting(config, "kv_n_heads");
  if (heads != nullptr) config.set("n_kv_heads", JsonValue(*heads));
}

}  // namespace

ArchSpec mpt() {
  ArchSpec spec;
  spec.classes = {"MPTForCausalLM", "MptForCausalLM"};
  spec.gguf_name = "mpt";
  spec.tokenizer = tokenizer();
  spec.optional_prefix = "transformer.";
  spec.defaults = R"({"max_seq_len": 2048, "attn_config": {}})";
  spec.keys = {
      u32_key("context_length", "max_seq_len"),
      u32_key("embedding_length", "d_model|hidden_size"),
      u32_key("block_count", "n_layers"),
      u32_key("attention.head_count", "n_heads"),
      optional_key(u32_key("attention.head_count_kv", "n_kv_heads")),
      computed_keys(emit_attention),
  };
  spec.tensors = {
      {"transformer.wte.weight", "token_embd.weight"},
      {"transformer.wpe.weight", "position_embd.weight", nullptr, "?"},
      {"transformer.norm_f.{W}", "output_norm.{W}"},
      {"lm_head.weight", "output.weight", nullptr, "?"},
      {"transformer.blocks.{L}.norm_1.{W}", "blk.{L}.attn_norm.{W}"},
      {"transformer.blocks.{L}.attn.Wqkv.{W}", "blk.{L}.attn_qkv.{W}"},
      {"transformer.blocks.{L}.attn.q_ln.{W}", "blk.{L}.attn_q_norm.{W}", nullptr, "?"},
      {"transformer.blocks.{L}.attn.k_ln.{W}", "blk.{L}.attn_k_norm.{W}", nullptr, "?"},
      {"transformer.blocks.{L}.attn.out_proj.{W}", "blk.{L}.attn_output.{W}"},
      {"transformer.blocks.{L}.norm_2.{W}", "blk.{L}.ffn_norm.{W}"},
      {"transformer.blocks.{L}.ffn.up_proj.{W}", "blk.{L}.ffn_up.{W}"},
      {"transformer.blocks.{L}.ffn.down_proj.{W}", "blk.{L}.ffn_down.{W}"},
  };
  spec.parts = {
      {"position_embd.weight", has_positions},
      {"blk.{L}.attn_q_norm.weight", has_norms_of_heads},
      {"blk.{L}.attn_k_norm.weight", has_norms_of_heads},
      {"blk.{L}.attn_q_norm.bias", has_biases_of_head_norms},
      {"blk.{L}.attn_k_norm.bias", has_biases_of_head_norms},
      {"*.bias", has_biases},
  };
  spec.prepare = prepare;
  return spec;
}

}  // namespace qtz::arch
