// StarCoder 2: layer norms, an MLP without a gate, biases everywhere.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

ArchSpec starcoder2() {
  ArchSpec spec;
  spec.classes = {"Starcoder2ForCausalLM"};
  spec.gguf_name = "starcoder2";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"norm_epsilon": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 4096,
                      "num_key_value_heads": 2})";
  spec.keys = standard_keys();
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      mlp_norm(),
      {
          {"model.layers.{L}.mlp.c_fc.{W}", "blk.{L}.ffn_up.{W}"},
          {"model.layers.{L}.mlp.c_proj.{W}", "blk.{L}.ffn_down.{W}"},
      },
  });
  spec.parts = {{"*norm.bias", always}};
  return spec;
}

}  // namespace qtz::arch
