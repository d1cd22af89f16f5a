// Apertus: Llama without a gate; the activation xIELU has four learned numbers a layer, which become keys.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

void finish(ArchBuild& build) {
  add_llama3_rope_factors(build);
  for (const std::string name : {"alpha_n", "alpha_p", "beta", "eps"}) {
    const std::vector<float> values = scalar_per_layer(build, "model.layers.{L}.mlp.act_fn." + name);
    if (!values.empty()) build.keys.set("xielu." + name, values);
  }
}

}  // namespace

ArchSpec apertus() {
  ArchSpec spec = llama();
  spec.classes = {"ApertusForCausalLM"};
  spec.gguf_name = "apertus";
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 12000000.0, "max_position_embeddings": 65536})";
  spec.tensors = joined<TensorRule>({
      trunk(),
      projections(),
      query_key_norms(),
      {
          {"model.layers.{L}.attention_layernorm.{W}", "blk.{L}.attn_norm.{W}"},
          {"model.layers.{L}.feedforward_layernorm.{W}", "blk.{L}.ffn_norm.{W}"},
      },
      ungated_mlp(),
  });
  spec.skips = {
      {"model.layers.{L}.mlp.act_fn.alpha_n", "written as the key xielu.alpha_n"},
      {"model.layers.{L}.mlp.act_fn.alpha_p", "written as the key xielu.alpha_p"},
      {"model.layers.{L}.mlp.act_fn.beta", "written as the key xielu.beta"},
      {"model.layers.{L}.mlp.act_fn.eps", "written as the key xielu.eps"},
  };
  spec.prepare = nullptr;
  spec.finish = finish;
  return spec;
}

}  // namespace qtz::arch
