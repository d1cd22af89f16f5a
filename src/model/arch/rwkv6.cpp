// RWKV 6 ("Finch"): a recurrence whose decay and mixing depend on the token.
#include <bit>

#include "model/arch/architectures.h"
#include "model/arch/rwkv_family.h"
#include "model/config_parts.h"
#include "model/name_pattern.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

void emit_keys(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const auto set = [&](std::string_view key, std::uint64_t value) {
    build.set(key, static_cast<std::uint32_t>(value));
  };
  constexpr std::uint64_t kLarge = 4096;  // hidden size of the model with wider low-rank parts
  const std::uint64_t size = config.need_uint("hidden_size");
  set_endless_context(build);
  set("embedding_length", size);
  set("block_count", config.block_count());
  set("rescale_every_n_layers", config.need_uint("rescale_every"));
  set("wkv.head_size", config.need_uint("head_size"));
  set("time_mix_extra_dim", size == kLarge ? 64 : 32);
  set("time_decay_extra_dim", size == kLarge ? 128 : 64);
  set("feed_forward_length", config.uint("intermediate_size").value_or(size * 7 / 2 / 32 * 32));
}

/// [a, rank, size] with the last two swapped.
TensorExprPtr turned(TensorExprPtr input, const ArchBuild&) {
  if (input->shape().rank() < 2) {
    throw Error(ErrorKind::input_invalid, describe(*input) + " is no matrix",
                "check that config.json belongs to these weights");
  }
  return transposed(std::move(input));
}

/// Published models were trained with weights that are halved every few layers to stay in range.
void rescale(ArchBuild& build) {
  const std::uint64_t every = build.config.need_uint("rescale_every");
  if (every == 0) return;
  for (auto& [name, expr] : build.tensors) {
    for (const char* pattern : {"blk.{L}.time_mix_output.weight", "blk.{L}.channel_mix_value.weight"}) {
      const auto match = match_name(pattern, name);
      if (!match || *match->layer < every) continue;
      constexpr std::uint64_t kMostHalvings = 100;
      const std::uint64_t halvings = *match->layer / every;
      if (halvings > kMostHalvings) build.config.refuse("rescale_every", "halves weights to nothing");
      expr = times(std::move(expr), std::bit_cast<float>(static_cast<std::uint32_t>(127 - halvings) << 23));
    }
  }
}

}  // namespace

void set_endless_context(ArchBuild& build) {
  build.set("context_length", std::uint32_t{1048576});
  build.set("attention.head_count", std::uint32_t{0});
}

void fuse_lerps(ArchBuild& build, std::initializer_list<std::string_view> parts) {
  const std::uint64_t layers = build.config.block_count();
  const auto name_of = [](std::uint64_t layer, std::string_view part) {
    return "blk." + std::to_string(layer) + ".time_mix_lerp_" + std::string(part) + ".weight";
  };
  for (std::uint64_t layer = 0; layer < layers; ++layer) {
    std::vector<TensorExprPtr> inputs;
    for (const std::string_view part : parts) {
      TensorExprPtr input = build.find_tensor(name_of(layer, part));
      if (input == nullptr) continue;
      inputs.push_back(as_vector(std::move(input), build));
      std::erase_if(build.tensors, [&](const auto& tensor) { return tensor.first == name_of(layer, part); });
    }
    if (inputs.empty()) continue;  // stored fused
    const std::uint64_t count = inputs.size();
    TensorExprPtr fused = stacked(std::move(inputs));
    const std::uint64_t size = fused->shape().cols();
    build.tensors.emplace_back(name_of(layer, "fused"), reshaped(std::move(fused), Shape{count, 1, 1, size}));
  }
}

TensorExprPtr as_vector(TensorExprPtr input, const ArchBuild&) {
  const std::uint64_t size = input->shape().elements();
  return reshaped(std::move(input), Shape{size});
}

ArchSpec rwkv6() {
  ArchSpec spec;
  spec.classes = {"Rwkv6ForCausalLM"};
  spec.gguf_name = "rwkv6";
  spec.tokenizer = rwkv_tokenizer();
  spec.optional_prefix = "";
  spec.keys = {computed_keys(emit_keys), f32_key("attention.layer_norm_epsilon", "layer_norm_epsilon")};
  spec.tensors = {
      {"rwkv.embeddings.weight", "token_embd.weight"},
      {"rwkv.blocks.0.pre_ln.{W}", "token_embd_norm.{W}"},
      {"rwkv.ln_out.{W}", "output_norm.{W}"},
      {"head.weight", "output.weight"},
      {"rwkv.blocks.{L}.ln1.{W}", "blk.{L}.attn_norm.{W}"},
      {"rwkv.blocks.{L}.ln2.{W}", "blk.{L}.attn_norm_2.{W}"},
      {"rwkv.blocks.{L}.attention.time_maa_x", "blk.{L}.time_mix_lerp_x.weight", as_vector},
      {"rwkv.blocks.{L}.attention.time_maa_w", "blk.{L}.time_mix_lerp_w.weight"},
      {"rwkv.blocks.{L}.attention.time_maa_k", "blk.{L}.time_mix_lerp_k.weight"},
      {"rwkv.blocks.{L}.attention.time_maa_v", "blk.{L}.time_mix_lerp_v.weight"},
      {"rwkv.blocks.{L}.attention.time_maa_r", "blk.{L}.time_mix_lerp_r.weight"},
      {"rwkv.blocks.{L}.attention.time_maa_g", "blk.{L}.time_mix_lerp_g.weight"},
      {"rwkv.blocks.{L}.attention.time_maa_w1", "blk.{L}.time_mix_w1.weight", turned},
      {"rwkv.blocks.{L}.attention.time_maa_w2", "blk.{L}.time_mix_w2.weight", turned},
      {"rwkv.blocks.{L}.attention.time_faaaa", "blk.{L}.time_mix_first.weight"},
      {"rwkv.blocks.{L}.attention.time_decay", "blk.{L}.time_mix_decay.weight", as_vector},
      {"rwkv.blocks.{L}.attention.time_decay_w1", "blk.{L}.time_mix_decay_w1.weight", turned},
      {"rwkv.blocks.{L}.attention.time_decay_w2", "blk.{L}.time_mix_decay_w2.weight", turned},
      {"rwkv.blocks.{L}.attention.key.weight", "blk.{L}.time_mix_key.weight"},
      {"rwkv.blocks.{L}.attention.value.weight", "blk.{L}.time_mix_value.weight"},
      {"rwkv.blocks.{L}.attention.receptance.weight", "blk.{L}.time_mix_receptance.weight"},
      {"rwkv.blocks.{L}.attention.gate.weight", "blk.{L}.time_mix_gate.weight"},
      {"rwkv.blocks.{L}.attention.ln_x.{W}", "blk.{L}.time_mix_ln.{W}"},
      {"rwkv.blocks.{L}.attention.output.weight", "blk.{L}.time_mix_output.weight"},
      {"rwkv.blocks.{L}.feed_forward.time_maa_k", "blk.{L}.channel_mix_lerp_k.weight", as_vector},
      {"rwkv.blocks.{L}.feed_forward.time_maa_r", "blk.{L}.channel_mix_lerp_r.weight", as_vector},
      {"rwkv.blocks.{L}.feed_forward.key.weight", "blk.{L}.channel_mix_key.weight"},
      {"rwkv.blocks.{L}.feed_forward.value.weight", "blk.{L}.channel_mix_value.weight"},
      {"rwkv.blocks.{L}.feed_forward.receptance.weight", "blk.{L}.channel_mix_receptance.weight"},
  };
  spec.parts = {{"*.bias", always}};
  spec.finish = [](ArchBuild& build) {
    fuse_lerps(build, {"w", "k", "v", "r", "g"});
    rescale(build);
  };
  return spec;
}

}  // namespace qtz::arch
