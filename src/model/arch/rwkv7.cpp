// RWKV 7 ("Goose"): a recurrence with a learned rate for each channel. Two programs save it under names of
// their own, with the low-rank parts turned against each other.
#include <algorithm>
#include <cmath>

#include "model/arch/architectures.h"
#include "model/arch/rwkv_family.h"
#include "model/config_parts.h"
#include "model/tensor_ops.h"
#include "model/tokenizer/utf8.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

/// What the authors take for a rank where the configuration has null.
std::uint64_t usual_rank(std::uint64_t size, double exponent, double multiplier) {
  const double steps = std::nearbyint(std::pow(static_cast<double>(size), exponent) * multiplier / 32);
  return static_cast<std::uint64_t>(std::max(1.0, steps)) * 32;
}

void emit_keys(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const auto set = [&](std::string_view key, std::uint64_t value) {
    build.set(key, static_cast<std::uint32_t>(value));
  };
  const std::uint64_t size = config.need_uint("hidden_size");
  set_endless_context(build);
  set("embedding_length", size);
  set("block_count", config.block_count());
  set("wkv.head_size", config.need_uint("head_size|head_dim"));
  const auto rank = [&](std::string_view key, std::string_view fields, double exponent, double multiplier) {
    set(key, config.uint(fields).value_or(usual_rank(size, exponent, multiplier)));
  };
  rank("attention.decay_lora_rank", "lora_rank_decay|decay_low_rank_dim", 0.5, 1.8);
  rank("attention.iclr_lora_rank", "lora_rank_iclr|a_low_rank_dim", 0.5, 1.8);
  rank("attention.value_residual_mix_lora_rank", "lora_rank_value_residual_mix|v_low_rank_dim", 0.5, 1.3);
  rank("attention.gate_lora_rank", "lora_rank_gate|gate_low_rank_dim", 0.8, 0.6);
  set("feed_forward_length", config.uint("intermediate_size").value_or(4 * size));
}

/// The names of both programs as one.
std::string one_spelling(std::string name, const ModelConfig&) {
  static constexpr std::pair<std::string_view, std::string_view> kSpellings[] = {
      {"blocks", "layers"}, {"ffn", "feed_forward"},      {"self_attn", "attention"}, {"attn", "attention"},
      {"time_mixer.", ""},  {"feed_forward_norm", "ln2"}, {"attention_norm", "ln1"},  {"g_norm", "ln_x"},
  };
  for (const auto& [from, to] : kSpellings) name = replace_all(name, from, to);
  return name;
}

TensorExprPtr turned(TensorExprPtr input, const ArchBuild& build) {
  TensorExprPtr matrix = squeezed(std::move(input), build);
  if (matrix->shape().rank() != 2) {
    throw Error(ErrorKind::input_invalid, describe(*matrix) + " is no matrix",
                "check that config.json belongs to these weights");
  }
  return transposed(std::move(matrix));
}

/// Already one after another.
TensorExprPtr fused_lerps(TensorExprPtr input, const ArchBuild& build) {
  constexpr std::uint64_t kParts = 6;
  const std::uint64_t count = input->shape().elements();
  if (count % kParts != 0) {
    build.config.refuse("hidden_size", "does not divide " + describe(*input) + " into six parts");
  }
  return reshaped(std::move(input), Shape{kParts, 1, 1, count / kParts});
}

/// The first layer mixes no values in; llama.cpp wants something there all the same.
void fill_in_first_layer(ArchBuild& build) {
  for (const char* part : {"0", "1", "2"}) {
    const std::string number(part);
    const TensorExprPtr rate = build.find_tensor("blk.0.time_mix_a" + number + ".weight");
    if (rate != nullptr) build.tensors.emplace_back("blk.0.time_mix_v" + number + ".weight", rate);
  }
}

}  // namespace

ArchSpec rwkv7() {
  ArchSpec spec;
  spec.classes = {"RWKV7ForCausalLM", "Rwkv7ForCausalLM"};
  spec.gguf_name = "rwkv7";
  spec.tokenizer = rwkv_tokenizer();
  spec.optional_prefix = "";
  spec.keys = {computed_keys(emit_keys),
               f32_key("attention.layer_norm_epsilon", "layer_norm_epsilon|norm_eps")};
  spec.tensors = {
      {"model.embeddings.weight", "token_embd.weight"},
      {"model.layers.0.pre_norm.{W}", "token_embd_norm.{W}", nullptr, "?"},
      {"model.pre_ln.{W}", "token_embd_norm.{W}", nullptr, "?"},
      {"model.norm.{W}", "output_norm.{W}", nullptr, "?"},
      {"model.ln_out.{W}", "output_norm.{W}", nullptr, "?"},
      {"lm_head.weight", "output.weight", nullptr, "?"},
      {"head.weight", "output.weight", nullptr, "?"},
      {"model.layers.{L}.ln1.{W}", "blk.{L}.attn_norm.{W}"},
      {"model.layers.{L}.ln2.{W}", "blk.{L}.attn_norm_2.{W}"},
      {"model.layers.{L}.attention.x_r", "blk.{L}.time_mix_lerp_r.weight", nullptr, "lerp:apart"},
      {"model.layers.{L}.attention.x_w", "blk.{L}.time_mix_lerp_w.weight", nullptr, "lerp:apart"},
      {"model.layers.{L}.attention.x_k", "blk.{L}.time_mix_lerp_k.weight", nullptr, "lerp:apart"},
      {"model.layers.{L}.attention.x_v", "blk.{L}.time_mix_lerp_v.weight", nullptr, "lerp:apart"},
      {"model.layers.{L}.attention.x_a", "blk.{L}.time_mix_lerp_a.weight", nullptr, "lerp:apart"},
      {"model.layers.{L}.attention.x_g", "blk.{L}.time_mix_lerp_g.weight", nullptr, "lerp:apart"},
      {"model.layers.{L}.attention.x_x", "blk.{L}.time_mix_lerp_fused.weight", fused_lerps, "lerp:fused"},
      {"model.layers.{L}.attention.w1", "blk.{L}.time_mix_w1.weight", turned, "w:named"},
      {"model.layers.{L}.attention.w2", "blk.{L}.time_mix_w2.weight", turned, "w:named"},
      {"model.layers.{L}.attention.w_lora.lora.0.weight", "blk.{L}.time_mix_w1.weight", nullptr, "w:lora"},
      {"model.layers.{L}.attention.w_lora.lora.2.weight", "blk.{L}.time_mix_w2.weight", nullptr, "w:lora"},
      {"model.layers.{L}.attention.w0", "blk.{L}.time_mix_w0.weight", as_vector, "w:named"},
      {"model.layers.{L}.attention.w_lora.lora.2.bias", "blk.{L}.time_mix_w0.weight", as_vector, "w:lora"},
      {"model.layers.{L}.attention.a1", "blk.{L}.time_mix_a1.weight", turned, "a:named"},
      {"model.layers.{L}.attention.a2", "blk.{L}.time_mix_a2.weight", turned, "a:named"},
      {"model.layers.{L}.attention.a_lora.lora.0.weight", "blk.{L}.time_mix_a1.weight", nullptr, "a:lora"},
      {"model.layers.{L}.attention.a_lora.lora.2.weight", "blk.{L}.time_mix_a2.weight", nullptr, "a:lora"},
      {"model.layers.{L}.attention.a0", "blk.{L}.time_mix_a0.weight", as_vector, "a:named"},
      {"model.layers.{L}.attention.a_lora.lora.2.bias", "blk.{L}.time_mix_a0.weight", as_vector, "a:lora"},
      {"model.layers.{L}.attention.v1", "blk.{L}.time_mix_v1.weight", turned, "?"},
      {"model.layers.{L}.attention.v2", "blk.{L}.time_mix_v2.weight", turned, "?"},
      {"model.layers.{L}.attention.v_lora.lora.0.weight", "blk.{L}.time_mix_v1.weight", nullptr, "?"},
      {"model.layers.{L}.attention.v_lora.lora.2.weight", "blk.{L}.time_mix_v2.weight", nullptr, "?"},
      {"model.layers.{L}.attention.v0", "blk.{L}.time_mix_v0.weight", as_vector, "?"},
      {"model.layers.{L}.attention.v_lora.lora.2.bias", "blk.{L}.time_mix_v0.weight", as_vector, "?"},
      {"model.layers.{L}.attention.g1", "blk.{L}.time_mix_g1.weight", turned, "g:named"},
      {"model.layers.{L}.attention.g2", "blk.{L}.time_mix_g2.weight", turned, "g:named"},
      {"model.layers.{L}.attention.g_lora.lora.0.weight", "blk.{L}.time_mix_g1.weight", nullptr, "g:lora"},
      {"model.layers.{L}.attention.g_lora.lora.2.weight", "blk.{L}.time_mix_g2.weight", nullptr, "g:lora"},
      {"model.layers.{L}.attention.k_k", "blk.{L}.time_mix_k_k.weight", as_vector},
      {"model.layers.{L}.attention.k_a", "blk.{L}.time_mix_k_a.weight", as_vector},
      {"model.layers.{L}.attention.r_k", "blk.{L}.time_mix_r_k.weight", as_vector},
      {"model.layers.{L}.attention.key.weight", "blk.{L}.time_mix_key.weight", nullptr, "projections:named"},
      {"model.layers.{L}.attention.value.weight", "blk.{L}.time_mix_value.weight", nullptr,
       "projections:named"},
      {"model.layers.{L}.attention.receptance.weight", "blk.{L}.time_mix_receptance.weight", nullptr,
       "projections:named"},
      {"model.layers.{L}.attention.output.weight", "blk.{L}.time_mix_output.weight", nullptr,
       "projections:named"},
      {"model.layers.{L}.attention.k_proj.weight", "blk.{L}.time_mix_key.weight", nullptr,
       "projections:letters"},
      {"model.layers.{L}.attention.v_proj.weight", "blk.{L}.time_mix_value.weight", nullptr,
       "projections:letters"},
      {"model.layers.{L}.attention.r_proj.weight", "blk.{L}.time_mix_receptance.weight", nullptr,
       "projections:letters"},
      {"model.layers.{L}.attention.o_proj.weight", "blk.{L}.time_mix_output.weight", nullptr,
       "projections:letters"},
      {"model.layers.{L}.attention.ln_x.{W}", "blk.{L}.time_mix_ln.{W}"},
      {"model.layers.{L}.feed_forward.x_k", "blk.{L}.channel_mix_lerp_k.weight", as_vector},
      {"model.layers.{L}.feed_forward.key.weight", "blk.{L}.channel_mix_key.weight"},
      {"model.layers.{L}.feed_forward.value.weight", "blk.{L}.channel_mix_value.weight"},
  };
  constexpr std::string_view kUnused = "the first layer mixes no values in";
  spec.skips = {{"model.layers.0.attention.v0", kUnused},
                {"model.layers.0.attention.v1", kUnused},
                {"model.layers.0.attention.v2", kUnused},
                {"model.layers.0.attention.v_lora.*", kUnused}};
  const auto mixes_values_in = [](const ModelConfig&, std::uint64_t layer) { return layer > 0; };
  spec.parts = {
      {"*.bias", always},
      {"blk.{L}.time_mix_v0.weight", mixes_values_in},
      {"blk.{L}.time_mix_v1.weight", mixes_values_in},
      {"blk.{L}.time_mix_v2.weight", mixes_values_in},
      {"token_embd_norm.weight", always},
      {"output_norm.weight", always},
      {"output.weight", always},
      {"lerp:apart", always},
      {"lerp:fused", never},
      {"w:named", always},
      {"w:lora", never},
      {"a:named", always},
      {"a:lora", never},
      {"g:named", always},
      {"g:lora", never},
      {"projections:named", always},
      {"projections:letters", never},
  };
  spec.rename = one_spelling;
  spec.finish = [](ArchBuild& build) {
    fuse_lerps(build, {"r", "w", "k", "v", "a", "g"});
    fill_in_first_layer(build);
  };
  return spec;
}

}  // namespace qtz::arch
