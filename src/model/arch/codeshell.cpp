// CodeShell: GPT-2's names and norms with rotary positions and grouped heads.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_sizes_and_rope(ArchBuild& build) {
  const std::uint64_t size = 4 * build.config.need_uint("n_embd");
  if (size >= (std::uint64_t{1} << 31)) build.config.refuse("n_embd", "is absurd");
  build.set("feed_forward_length", static_cast<std::uint32_t>(size));
  build.set("rope.freq_base", 10000.0F);
  build.set("rope.scaling.type", "linear");
  build.set("rope.scaling.factor", 1.0F);
}

/// llama.cpp wants an output of its own here, also where it is the embedding.
void finish(ArchBuild& build) {
  if (build.find_tensor("output.weight") != nullptr) return;
  build.tensors.emplace_back("output.weight", build.find_tensor("token_embd.weight"));
}

}  // namespace

ArchSpec codeshell() {
  ArchSpec spec;
  spec.classes = {"CodeShellForCausalLM"};
  spec.gguf_name = "codeshell";
  spec.tokenizer = bpe_tokenizer();
  spec.optional_prefix = "transformer.";
  spec.defaults = R"({"layer_norm_epsilon": 1e-5, "n_positions": 8192})";
  spec.keys = {
      u32_key("context_length", "n_positions"),
      u32_key("embedding_length", "n_embd"),
      u32_key("block_count", "n_layer"),
      u32_key("attention.head_count", "n_head"),
      u32_key("attention.head_count_kv", "num_query_groups"),
      f32_key("attention.layer_norm_epsilon", "layer_norm_epsilon"),
      computed_keys(emit_sizes_and_rope),
  };
  spec.tensors = {
      {"transformer.wte.weight", "token_embd.weight"},
      {"transformer.ln_f.{W}", "output_norm.{W}"},
      {"lm_head.weight", "output.weight", nullptr, "?"},
      {"transformer.h.{L}.ln_1.{W}", "blk.{L}.attn_norm.{W}"},
      {"transformer.h.{L}.attn.c_attn.{W}", "blk.{L}.attn_qkv.{W}"},
      {"transformer.h.{L}.attn.c_proj.{W}", "blk.{L}.attn_output.{W}"},
      {"transformer.h.{L}.ln_2.{W}", "blk.{L}.ffn_norm.{W}"},
      {"transformer.h.{L}.mlp.c_fc.{W}", "blk.{L}.ffn_up.{W}"},
      {"transformer.h.{L}.mlp.c_proj.{W}", "blk.{L}.ffn_down.{W}"},
  };
  spec.prepare = [](ModelConfig& config) {
    config.set("num_key_value_heads", config.uint("num_query_groups").value_or(config.head_count()));
    config.set("num_query_groups", config.kv_head_count());
  };
  spec.finish = finish;
  spec.parts = {{"*.bias", always}};
  return spec;
}

}  // namespace qtz::arch
