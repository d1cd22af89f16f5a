// DeepSeek 3.2: DeepSeek 3 with the indexer of sparse attention; prediction layers are kept.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/deepseek_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

/// The model was trained with a begin-of-text token that early exports do not ask for.
void warn_of_no_bos(ArchBuild& build) {
  if (build.keys.find("tokenizer.ggml.model") == nullptr) return;  // planned without one
  const GgufValue* adds = build.keys.find("tokenizer.ggml.add_bos_token");
  if (adds != nullptr && adds->as_bool().value_or(false)) return;
  build.warnings.emplace_back(
      "tokenizer_config.json: 'add_bos_token' is not true, but DeepSeek 3.2 was trained with a begin-of-text "
      "token");
}

}  // namespace

ArchSpec deepseek3_2() {
  ArchSpec spec = glm_moe_dsa();
  spec.classes = {"DeepseekV32ForCausalLM"};
  spec.gguf_name = "deepseek32";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0})";
  spec.keys = joined<KeyRule>({mla_keys(), sparse_attention_keys()});
  spec.parts = {{"blk.{L}.indexer.*", always}, {"blk.{L}.exp_probs_b.bias", layer_has_experts}};
  spec.finish = warn_of_no_bos;
  return spec;
}

}  // namespace qtz::arch
