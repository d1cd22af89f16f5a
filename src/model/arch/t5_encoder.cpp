// The encoder of T5 by itself, for embeddings and as a part of image models.
#include "model/arch/architectures.h"
#include "model/arch/t5_family.h"
#include "model/config_parts.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

constexpr std::string_view kEmbeddings[] = {"shared.weight", "encoder.embed_tokens.weight",
                                            "decoder.embed_tokens.weight"};

}  // namespace

std::vector<KeyRule> t5_keys() {
  return {
      computed_keys([](ArchBuild& build) {
        constexpr std::uint32_t kTrained = 512;
        const auto context = build.config.uint("n_positions");
        build.set("context_length", context ? static_cast<std::uint32_t>(*context) : kTrained);
      }),
      u32_key("embedding_length", "d_model"),
      u32_key("feed_forward_length", "d_ff"),
      u32_key("block_count", "num_layers"),
      u32_key("attention.head_count", "num_heads"),
      u32_key("attention.key_length", "d_kv"),
      u32_key("attention.value_length", "d_kv"),
      f32_key("attention.layer_norm_epsilon", "layer_norm_epsilon"),
      u32_key("attention.relative_buckets_count", "relative_attention_num_buckets"),
      f32_key("attention.layer_norm_rms_epsilon", "layer_norm_epsilon"),
  };
}

std::vector<TensorRule> t5_encoder_tensors() {
  return {
      {"encoder.block.{L}.layer.0.layer_norm.weight", "enc.blk.{L}.attn_norm.weight"},
      {"encoder.block.{L}.layer.0.SelfAttention.q.weight", "enc.blk.{L}.attn_q.weight"},
      {"encoder.block.{L}.layer.0.SelfAttention.k.weight", "enc.blk.{L}.attn_k.weight"},
      {"encoder.block.{L}.layer.0.SelfAttention.v.weight", "enc.blk.{L}.attn_v.weight"},
      {"encoder.block.{L}.layer.0.SelfAttention.o.weight", "enc.blk.{L}.attn_o.weight"},
      {"encoder.block.{L}.layer.0.SelfAttention.relative_attention_bias.weight",
       "enc.blk.{L}.attn_rel_b.weight", nullptr, "?"},
      {"encoder.block.{L}.layer.1.layer_norm.weight", "enc.blk.{L}.ffn_norm.weight"},
      {"encoder.block.{L}.layer.1.DenseReluDense.wi.weight", "enc.blk.{L}.ffn_up.weight", nullptr,
       "encoder:plain"},
      {"encoder.block.{L}.layer.1.DenseReluDense.wi_0.weight", "enc.blk.{L}.ffn_gate.weight", nullptr,
       "encoder:gated"},
      {"encoder.block.{L}.layer.1.DenseReluDense.wi_1.weight", "enc.blk.{L}.ffn_up.weight", nullptr,
       "encoder:gated"},
      {"encoder.block.{L}.layer.1.DenseReluDense.wo.weight", "enc.blk.{L}.ffn_down.weight"},
      {"encoder.final_layer_norm.weight", "enc.output_norm.weight"},
  };
}

std::vector<PartRule> t5_parts() {
  const auto gated = [](const ModelConfig& config, std::uint64_t) {
    return config.text("feed_forward_proj").value_or("relu").starts_with("gated");
  };
  const auto plain = [](const ModelConfig& config, std::uint64_t) {
    return !config.text("feed_forward_proj").value_or("relu").starts_with("gated");
  };
  // UMT5 learns positions in every layer.
  const auto has_positions = [](const ModelConfig& config, std::uint64_t layer) {
    return layer == 0 || config.class_name().starts_with("UMT5");
  };
  return {
      {"encoder:gated", gated},
      {"encoder:plain", plain},
      {"decoder:gated", gated},
      {"decoder:plain", plain},
      {"enc.blk.{L}.attn_rel_b.weight", has_positions},
      {"dec.blk.{L}.attn_rel_b.weight", has_positions},
      {"dec.blk.{L}.cross_attn_rel_b.weight", never},
  };
}

void choose_shared_embedding(ArchSpec& spec, const TensorSource& source) {
  std::string_view chosen;
  for (const std::string_view name : kEmbeddings) {
    if (source.find(name) == nullptr) continue;
    if (!chosen.empty()) {
      spec.skips.push_back({name, "the embedding of encoder and decoder once more"});
    } else {
      chosen = name;
    }
  }
  spec.tensors.push_back({chosen.empty() ? kEmbeddings[0] : chosen, "token_embd.weight"});
}

void need_relative_positions(ArchBuild& build) {
  if (build.find_tensor("enc.blk.0.attn_rel_b.weight") != nullptr) return;
  throw Error(ErrorKind::input_invalid,
              build.config.where() +
                  ": the weights have no relative positions in the encoder's first layer "
                  "('encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight')",
              "download the model again, or check that config.json belongs to these weights");
}

ArchSpec t5_encoder() {
  ArchSpec spec;
  spec.classes = {"T5EncoderModel"};
  spec.gguf_name = "t5encoder";
  spec.tokenizer = t5_tokenizer();
  spec.defaults = R"({"relative_attention_num_buckets": 32, "layer_norm_epsilon": 1e-6})";
  spec.optional_prefix = "";
  spec.keys = t5_keys();
  spec.tensors = t5_encoder_tensors();
  spec.adapt = [](ArchSpec& own, ModelConfig&, const TensorSource& source) {
    choose_shared_embedding(own, source);
  };
  spec.finish = need_relative_positions;
  spec.parts = t5_parts();
  return spec;
}

}  // namespace qtz::arch
