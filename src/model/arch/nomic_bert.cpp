// Nomic Embed: BERT with rotary positions, a gate in its MLP, no biases; with experts in every second layer
// it is another architecture, which has biases and no gate.
#include "model/arch/architectures.h"
#include "model/arch/encoder_family.h"
#include "model/config_parts.h"
#include "model/folder_file.h"
#include "model/tensor_ops.h"

namespace qtz::arch {

namespace {

/// The context that a published model was trained with, by what its configuration says.
void settle_context(ModelConfig& config) {
  const std::uint64_t positions = config.need_uint("n_positions");
  const std::uint64_t trained = config.uint("max_trained_positions").value_or(2048);
  constexpr std::uint64_t kLong = 8192;
  constexpr std::uint64_t kTrained = 2048;
  constexpr std::uint64_t kShort = 512;
  if (trained == kTrained && positions == kLong) return config.set("n_positions", kTrained);
  if (trained == kTrained && positions == kTrained) return config.set("n_positions", kShort);
  config.refuse("n_positions", "is " + std::to_string(positions) + " with 'max_trained_positions' " +
                                   std::to_string(trained) +
                                   ": the trained context of such a model is not known");
}

bool has_experts(const ModelConfig& config, std::uint64_t layer) {
  const std::uint64_t every = config.uint("moe_every_n_layers").value_or(0);
  return every > 0 && layer % every == 1 % every;
}

void refuse_other_builds(const ModelConfig& config, bool experts) {
  const auto need = [&](std::string_view field, bool wanted) {
    if (config.boolean(field).value_or(wanted) != wanted)
      config.refuse(field, std::string("is not ") + (wanted ? "true" : "false") + ", which llama.cpp needs");
  };
  for (const char* field : {"causal", "prenorm", "rotary_emb_interleaved"}) need(field, false);
  for (const char* field : {"qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias"}) need(field, experts);
  if (config.number("rotary_emb_fraction").value_or(1.0) != 1.0)
    config.refuse("rotary_emb_fraction", "is not 1, which llama.cpp needs");
}

/// All experts in one matrix, one above the other.
TensorExprPtr experts_apart(TensorExprPtr input, const ArchBuild& build) {
  const std::uint64_t experts = build.config.expert_count();
  const std::uint64_t rows = input->shape().rank() == 2 ? input->shape()[0] : 0;
  if (experts == 0 || rows % experts != 0) {
    build.config.refuse("num_experts", "is " + std::to_string(experts) + ", into which " + describe(*input) +
                                           " does not divide");
  }
  const std::uint64_t cols = input->shape()[1];
  return reshaped(std::move(input), Shape{experts, rows / experts, cols});
}

TensorExprPtr experts_apart_and_turned(TensorExprPtr input, const ArchBuild& build) {
  return transposed(experts_apart(std::move(input), build));
}

void with_experts(ArchSpec& spec) {
  spec.gguf_name = "nomic-bert-moe";
  spec.keys.push_back(u32_key("moe_every_n_layers", "moe_every_n_layers"));
  spec.keys.push_back(u32_key("expert_used_count", "moe_top_k"));
  const std::vector<TensorRule> rules = {
      {"encoder.layers.{L}.mlp.fc1.{W}", "blk.{L}.ffn_up.{W}", nullptr, "ffn:dense"},
      {"encoder.layers.{L}.mlp.fc2.{W}", "blk.{L}.ffn_down.{W}", nullptr, "ffn:dense"},
      {"encoder.layers.{L}.mlp.router.layer.weight", "blk.{L}.ffn_gate_inp.weight", nullptr, "ffn:experts"},
      {"encoder.layers.{L}.mlp.experts.mlp.w1", "blk.{L}.ffn_up_exps.weight", experts_apart, "ffn:experts"},
      {"encoder.layers.{L}.mlp.experts.mlp.w2", "blk.{L}.ffn_down_exps.weight", experts_apart_and_turned,
       "ffn:experts"},
  };
  spec.tensors.insert(spec.tensors.end(), rules.begin(), rules.end());
  spec.skips.push_back({"*mlp.experts.bias", "not used by llama.cpp"});
}

void with_gate(ArchSpec& spec) {
  const std::vector<TensorRule> rules = {
      {"encoder.layers.{L}.mlp.fc11.{W}", "blk.{L}.ffn_up.{W}"},
      {"encoder.layers.{L}.mlp.fc12.{W}", "blk.{L}.ffn_gate.{W}"},
      {"encoder.layers.{L}.mlp.fc2.{W}", "blk.{L}.ffn_down.{W}"},
  };
  spec.tensors.insert(spec.tensors.end(), rules.begin(), rules.end());
}

void choose_build(ArchSpec& spec, ModelConfig& config, const TensorSource&) {
  const bool experts = config.uint("moe_every_n_layers").value_or(0) > 0;
  refuse_other_builds(config, experts);
  experts ? with_experts(spec) : with_gate(spec);
}

}  // namespace

ArchSpec nomic_bert() {
  ArchSpec spec;
  spec.classes = {"NomicBertModel"};
  spec.gguf_name = "nomic-bert";
  // The older models have WordPiece, the one with experts XLM-RoBERTa's vocabulary.
  spec.tokenizer = xlm_roberta_tokenizer();
  spec.tokenizer.sources.insert(spec.tokenizer.sources.begin(), TokenizerSource::wordpiece);
  spec.tokenizer.control_by_id = {{"<mask>", 250001}};
  spec.tokenizer.special_by_id.clear();
  spec.optional_prefix = "";
  spec.keys = encoder_keys();
  spec.tensors = {
      {"embeddings.word_embeddings.weight", "token_embd.weight"},
      {"embeddings.token_type_embeddings.weight", "token_types.weight", nullptr, "?"},
      {"emb_ln.{W}", "token_embd_norm.{W}"},
      {"encoder.layers.{L}.attn.Wqkv.{W}", "blk.{L}.attn_qkv.{W}"},
      {"encoder.layers.{L}.attn.out_proj.{W}", "blk.{L}.attn_output.{W}"},
      {"encoder.layers.{L}.norm1.{W}", "blk.{L}.attn_output_norm.{W}"},
      {"encoder.layers.{L}.norm2.{W}", "blk.{L}.layer_output_norm.{W}"},
  };
  spec.skips = training_parts();
  spec.adapt = choose_build;
  spec.prepare = settle_context;
  spec.finish = settle_token_types;
  spec.parts = encoder_parts();
  const std::vector<PartRule> own = {
      {"token_embd_norm.bias", always},
      {"blk.{L}.attn_output_norm.bias", always},
      {"blk.{L}.layer_output_norm.bias", always},
      {"ffn:experts", has_experts},
      {"ffn:dense",
       [](const ModelConfig& config, std::uint64_t layer) { return !has_experts(config, layer); }},
      {"*.bias", [](const ModelConfig& config,
                    std::uint64_t) { return config.boolean("qkv_proj_bias").value_or(false); }},
  };
  spec.parts.insert(spec.parts.end(), own.begin(), own.end());
  return spec;
}

}  // namespace qtz::arch
