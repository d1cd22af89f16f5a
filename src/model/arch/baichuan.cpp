// Baichuan 1 and 2: Llama with q, k and v in one matrix. llama.cpp tells the 13B models, which have ALiBi
// and no rotary positions, by their 40 layers.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/qkv_blocks.h"

namespace qtz::arch {

namespace {

constexpr std::uint64_t kBaichuan2Vocabulary = 125'696;

TensorExprPtr query_rows(TensorExprPtr input, const ArchBuild& build) {
  return rope_query_rows(query_part(std::move(input), build), build);
}

TensorExprPtr key_rows(TensorExprPtr input, const ArchBuild& build) {
  return rope_key_rows(key_part(std::move(input), build), build);
}

void emit_layout_and_rope_size(ArchBuild& build) {
  build.set("tensor_data_layout", "Meta AI original pth");
  build.set("rope.dimension_count", static_cast<std::uint32_t>(build.config.head_dim()));
}

/// Baichuan 2 scales each row of its output to length one when it runs, which llama.cpp does not.
void finish(ArchBuild& build) {
  if (build.config.uint("vocab_size") != kBaichuan2Vocabulary) return;
  build.warnings.push_back(
      build.config.where() +
      ": Baichuan 2 normalizes the rows of 'lm_head.weight' when it runs; llama.cpp does not, and the rows "
      "are "
      "written as they are stored, as its converter does: normalize them before, unless that was done");
}

}  // namespace

ArchSpec baichuan() {
  ArchSpec spec;
  spec.classes = {"BaichuanForCausalLM", "BaiChuanForCausalLM"};
  spec.gguf_name = "baichuan";
  spec.tokenizer = sentencepiece_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6})";
  spec.keys = joined<KeyRule>({standard_keys(), {computed_keys(emit_layout_and_rope_size)}});
  spec.tensors = joined<TensorRule>({
      {
          {"model.embed_tokens.weight", "token_embd.weight"},
          {"model.norm.weight", "output_norm.weight"},
          {"lm_head.weight", "output.weight"},
          {"model.layers.{L}.input_layernorm.weight", "blk.{L}.attn_norm.weight"},
          {"model.layers.{L}.self_attn.W_pack.weight", "blk.{L}.attn_q.weight", query_rows},
          {"model.layers.{L}.self_attn.W_pack.weight", "blk.{L}.attn_k.weight", key_rows},
          {"model.layers.{L}.self_attn.W_pack.weight", "blk.{L}.attn_v.weight", value_part},
          {"model.layers.{L}.self_attn.o_proj.weight", "blk.{L}.attn_output.weight"},
      },
      mlp_norm(),
      gated_mlp(),
  });
  spec.finish = finish;
  return spec;
}

}  // namespace qtz::arch
