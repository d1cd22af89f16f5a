// OLMoE: experts in every layer, norms over all of q and k.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec olmoe() {
  ArchSpec spec;
  spec.classes = {"OlmoeForCausalLM"};
  spec.gguf_name = "olmoe";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 4096,
                      "num_experts": 64, "num_experts_per_tok": 8})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          // What the model's own norm has, whatever the configuration says.
          computed_keys([](ArchBuild& build) { build.set("attention.layer_norm_rms_epsilon", 1e-5F); }),
      },
  });
  spec.tensors = joined<TensorRule>({trunk(), attention(), query_key_norms(), mlp_norm(), experts()});
  spec.prepare = fill_in_kv_heads;
  return spec;
}

}  // namespace qtz::arch
