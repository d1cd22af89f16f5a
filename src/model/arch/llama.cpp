// Llama 1 to 3 and the many models of the same build: rope rows permuted, long-context rope factors of Llama
// 3.1, biases where the configuration has them.
#include "model/arch/llama_family.h"

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

void fill_in_heads(ModelConfig& config) {
  if (!config.has("num_key_value_heads|n_kv_heads")) config.set("num_key_value_heads", config.head_count());
  if (!config.has("head_dim") && config.head_count() > 0) config.set("head_dim", config.head_dim());
}

ArchSpec llama() {
  ArchSpec spec;
  spec.classes = {"LlamaForCausalLM", "LLaMAForCausalLM", "LlamaModel", "IQuestCoderForCausalLM"};
  spec.gguf_name = "llama";
  spec.tokenizer = llama_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 2048})";
  spec.keys = joined<KeyRule>({standard_keys(), vocabulary_and_rope_size()});
  spec.tensors = joined<TensorRule>({
      {{"rope_freqs.weight", "rope_freqs.weight", nullptr, "?"}},
      trunk(),
      attention_permuted(),
      mlp_norm(),
      gated_mlp(),
  });
  spec.prepare = fill_in_heads;
  spec.finish = add_llama3_rope_factors;
  return spec;
}

}  // namespace qtz::arch
