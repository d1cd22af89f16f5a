// XVERSE: Llama's build; its vocabulary is written without scores of its own.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

void emit_layout_and_rope_size(ArchBuild& build) {
  build.set("tensor_data_layout", "Meta AI original pth");
  build.set("rope.dimension_count", static_cast<std::uint32_t>(build.config.head_dim()));
}

}  // namespace

ArchSpec xverse() {
  ArchSpec spec;
  spec.classes = {"XverseForCausalLM"};
  spec.gguf_name = "xverse";
  spec.tokenizer = xverse_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0})";
  spec.keys = joined<KeyRule>({standard_keys(), {computed_keys(emit_layout_and_rope_size)}});
  spec.tensors = joined<TensorRule>({
      {
          {"model.embed_tokens.weight", "token_embd.weight"},
          {"model.norm.weight", "output_norm.weight"},
          {"lm_head.weight", "output.weight"},
      },
      attention_permuted(),
      mlp_norm(),
      gated_mlp(),
  });
  return spec;
}

}  // namespace qtz::arch
