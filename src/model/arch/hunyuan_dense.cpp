// Hunyuan, dense: norms per head of q and k after the rotation, context stretched by a larger base of the
// rotation.
#include <cmath>

#include "model/arch/architectures.h"
#include "model/arch/hunyuan_family.h"
#include "model/folder_file.h"

namespace qtz::arch {

namespace {

constexpr std::uint32_t kStretchedContext = 256 * 1024;

/// The end of the text stands in a field of its own; of the two ends in generation_config.json the first is
/// the end of a turn.
void finish(ArchBuild& build) {
  if (const auto end = build.config.uint("eod_token_id")) {
    build.keys.set("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(*end));
  }
  const auto path = build.folder / "generation_config.json";
  if (!has_file(path)) return;
  const JsonValue generation = read_folder_json(path, JsonLimits{});
  const JsonValue* ends = generation.find("eos_token_id");
  const JsonArray* list = ends == nullptr ? nullptr : ends->as_array();
  if (list == nullptr || list->size() < 2) return;
  if (const auto turn = list->front().as_uint(); turn && *turn < (std::uint64_t{1} << 31)) {
    build.keys.set("tokenizer.ggml.eot_token_id", static_cast<std::uint32_t>(*turn));
  }
}

}  // namespace

void emit_stretched_rope(ArchBuild& build, double usual_alpha) {
  const ModelConfig& config = build.config;
  const JsonValue& rope = config.rope();
  if (config.rope_type(rope) != "dynamic") return;
  const double alpha = config.rope_number(rope, "alpha").value_or(usual_alpha);
  const double base = config.rope_number(rope, "rope_theta").value_or(10000.0);
  const auto context = config.uint("max_position_embeddings");
  if (base != 10000.0 || (context != 32U * 1024 && context != kStretchedContext)) {
    config.refuse(
        "rope_parameters",
        "is dynamic, but not with a base of 10000 and a context of 32768 or 262144, for which alone "
        "the stretched context is known");
  }
  const auto dim = static_cast<double>(config.head_dim());
  if (!(alpha > 0) || !(dim > 2)) config.refuse("rope_parameters.alpha", "is not positive");
  build.set("rope.freq_base", static_cast<float>(base * std::pow(alpha, dim / (dim - 2))));
  build.set("rope.scaling.type", "none");
  build.set("rope.scaling.factor", 1.0F);
  build.set("rope.scaling.original_context_length", kStretchedContext);
  build.set("context_length", kStretchedContext);
}

std::vector<TensorRule> hunyuan_head_norms() {
  return {
      {"model.layers.{L}.self_attn.query_layernorm.weight", "blk.{L}.attn_q_norm.weight"},
      {"model.layers.{L}.self_attn.key_layernorm.weight", "blk.{L}.attn_k_norm.weight"},
  };
}

ArchSpec hunyuan_dense() {
  ArchSpec spec;
  spec.classes = {"HunYuanDenseV1ForCausalLM"};
  spec.gguf_name = "hunyuan-dense";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 2048})";
  spec.keys = joined<KeyRule>(
      {standard_keys(), {computed_keys([](ArchBuild& build) { emit_stretched_rope(build, 50.0); })}});
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      hunyuan_head_norms(),
      mlp_norm(),
      gated_mlp(),
  });
  spec.prepare = [](ModelConfig& config) {
    // Models without experts can say that they have one.
    config.set("num_experts", nullptr);
    fill_in_kv_heads(config);
  };
  spec.finish = finish;
  return spec;
}

}  // namespace qtz::arch
