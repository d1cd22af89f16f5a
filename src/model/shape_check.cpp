#include "model/shape_check.h"

#include <algorithm>
#include <map>

#include "model/name_pattern.h"
#include "model/tensor_ops.h"
#include "qtz/core/checked.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

/// A size that the keys state. An array has one for each layer.
struct Size {
  std::string_view name;              ///< as the shapes below call it
  std::string_view key;               ///< without "<arch>."; empty: the configuration alone has it
  std::string_view fields;            ///< where the configuration has it, for messages
  std::string_view fallback;          ///< what holds when the key is not there; empty: nothing is known then
  std::string_view sliding_key = {};  ///< replaces `key` in the layers of a sliding window
};

constexpr Size kSizes[] = {
    {"embd", "embedding_length", "hidden_size|n_embd|dim|d_model|n_embed", ""},
    {"blocks", "block_count", "num_hidden_layers|n_layers|n_layer|num_layers", ""},
    {"context", "context_length", "n_ctx|n_positions|max_position_embeddings", ""},
    {"heads", "attention.head_count",
     "num_attention_heads_per_layer|num_attention_heads|n_head|n_heads|num_heads", ""},
    {"buckets", "attention.relative_buckets_count", "relative_attention_num_buckets", ""},
    {"kv", "attention.head_count_kv", "num_kv_heads|num_key_value_heads|n_kv_heads|multi_query_group_num",
     "heads"},
    {"key", "attention.key_length", "head_dim", "embd/heads", "attention.key_length_swa"},
    {"value", "attention.value_length", "head_dim", "embd/heads", "attention.value_length_swa"},
    {"rope", "rope.dimension_count", "qk_rope_head_dim", "key"},
    {"ffn", "feed_forward_length",
     "prefix_dense_intermediate_size|dense_intermediate_size|intermediate_size|n_inner|hidden_dim|d_ff", ""},
    {"experts", "expert_count", "num_local_experts|num_experts|n_routed_experts|moe_num_experts", ""},
    {"expert_ffn", "expert_feed_forward_length", "moe_intermediate_size|intermediate_size", "ffn"},
    {"shared", "expert_shared_count", "n_shared_experts|num_shared_experts|moe_num_shared_experts", "1"},
    {"shared_ffn", "expert_shared_feed_forward_length",
     "shared_expert_intermediate_size|moe_shared_expert_intermediate_size|shared_intermediate_size",
     "shared*expert_ffn"},
    {"expert_in", "moe_latent_size", "moe_latent_size", "embd"},
    {"q_rank", "attention.q_lora_rank", "q_lora_rank", ""},
    {"kv_rank", "attention.kv_lora_rank", "kv_lora_rank", ""},
    {"key_mla", "attention.key_length_mla", "qk_nope_head_dim", "key"},
    {"value_mla", "attention.value_length_mla", "v_head_dim", "value"},
    {"per_layer", "embedding_length_per_layer_input", "hidden_size_per_layer_input", ""},
    {"conv", "ssm.conv_kernel", "conv_kernel|d_conv|mamba_d_conv|linear_conv_kernel_dim", ""},
    {"inner", "ssm.inner_size", "mamba_d_ssm|d_inner|intermediate_size", ""},
    {"state", "ssm.state_size", "state_size|d_state|mamba_d_state|ssm_state_size|linear_key_head_dim", ""},
    {"groups", "ssm.group_count", "n_groups|mamba_n_groups|linear_num_key_heads", ""},
    {"steps", "ssm.time_step_rank", "time_step_rank|mamba_dt_rank|mamba_num_heads|linear_num_value_heads",
     ""},
    {"altup", "altup.num_inputs", "altup_num_inputs", ""},
    {"laurel", "", "laurel_rank", ""},
    {"types", "", "type_vocab_size", ""},
    {"gate", "", "gate_width", ""},
    {"l_cache", "shortconv.l_cache", "conv_L_cache", ""},
    {"latent", "expert_latent_length", "routed_expert_hidden_size", "embd"},
    {"delta", "kda.head_dim", "linear_attn_config.head_dim", ""},
    {"used", "expert_used_count", "num_experts_per_tok|num_experts_per_token", ""},
    {"o_groups", "attention.output_group_count", "o_groups", ""},
    {"o_rank", "attention.output_lora_rank", "o_lora_rank", ""},
    {"streams", "hyper_connection.count", "hc_mult", ""},
    {"ratio", "attention.compress_ratios", "compress_ratios", ""},
    {"overlap", "", "compressor_overlaps", ""},
    {"mix_rank", "time_mix_extra_dim", "", ""},
    {"decay_rank", "time_decay_extra_dim", "", ""},
    {"wkv_head", "wkv.head_size", "head_size|head_dim", ""},
    {"w_rank", "attention.decay_lora_rank", "lora_rank_decay|decay_low_rank_dim", ""},
    {"a_rank", "attention.iclr_lora_rank", "lora_rank_iclr|a_low_rank_dim", ""},
    {"v_rank", "attention.value_residual_mix_lora_rank", "lora_rank_value_residual_mix|v_low_rank_dim", ""},
    {"g_rank", "attention.gate_lora_rank", "lora_rank_gate|gate_low_rank_dim", ""},
    {"index_heads", "attention.indexer.head_count", "index_n_heads|sparse_num_index_heads", ""},
    {"index_key", "attention.indexer.key_length", "index_head_dim|sparse_index_dim", ""},
};

/// What one kind of output tensor must look like. Dimensions are sums of products of the sizes above and of
/// numbers; "?" is any length. A bias has its weight's dimensions without the last.
struct ShapeRow {
  std::string_view name;  ///< ".weight" and ".bias" as {W}
  std::vector<std::string_view> dims;
  std::vector<std::string_view> archs = {};  ///< these alone; empty: every architecture
};

/// The first row that fits architecture and name counts, so an architecture's own rows stand before the
/// general ones.
std::vector<ShapeRow> shape_rows() {
  using Names = std::vector<std::string_view>;
  const Names latent = {"deepseek2", "glm-dsa", "deepseek32", "kimi-k3"};
  const Names kimi = {"kimi-k3", "kimi-linear"};
  const Names whole_norms = {"olmo2", "olmoe", "minimax-m2", "mpt"};
  const Names norm_per_head = {"command-r", "stablelm"};
  const Names fused_gate = {"phi3", "chatglm", "glm4", "modern-bert", "neo-bert", "jina-bert-v2"};
  const Names linear = {"qwen3next", "qwen35", "qwen35moe"};
  const Names mamba1 = {"mamba", "jamba"};
  const Names mamba2 = {"mamba2", "falcon-h1", "granitehybrid", "nemotron_h", "nemotron_h_moe"};
  return {
      // Queries come with a gate as wide as they are; the other layers' attention is linear.
      {"blk.{L}.attn_q.{W}", {"2*heads*key", "embd"}, linear},
      {"blk.{L}.attn_qkv.{W}", {"2*groups*state+inner", "embd"}, linear},
      {"blk.{L}.attn_gate.{W}", {"inner", "embd"}, linear},
      {"blk.{L}.ssm_conv1d.{W}", {"2*groups*state+inner", "conv"}, linear},
      {"blk.{L}.ssm_ba.{W}", {"2*steps", "embd"}, linear},
      {"blk.{L}.ssm_alpha.{W}", {"steps", "embd"}, linear},
      {"blk.{L}.ssm_beta.{W}", {"steps", "embd"}, linear},
      {"blk.{L}.ssm_a", {"steps"}, linear},
      {"blk.{L}.ssm_dt.bias", {"steps"}, linear},
      {"blk.{L}.ssm_norm.weight", {"inner/steps"}, linear},

      // Delta attention and latent attention by turns: kv is 0 in the layers of the one, 1 in those of the
      // other.
      {"blk.{L}.attn_q.{W}", {"heads*delta+kv*heads*key_mla-kv*heads*delta", "embd"}, kimi},
      {"blk.{L}.attn_k.{W}", {"heads*delta", "embd"}, kimi},
      {"blk.{L}.attn_v.{W}", {"heads*delta", "embd"}, kimi},
      {"blk.{L}.attn_output.{W}", {"embd", "heads*delta+kv*heads*value_mla-kv*heads*delta"}, kimi},
      {"blk.{L}.attn_gate.{W}", {"heads*delta+kv*heads*value_mla-kv*heads*delta", "embd"}, {"kimi-k3"}},
      {"blk.{L}.ssm_conv1d_q.weight", {"1", "heads*delta", "1", "conv"}},
      {"blk.{L}.ssm_conv1d_k.weight", {"1", "heads*delta", "1", "conv"}},
      {"blk.{L}.ssm_conv1d_v.weight", {"1", "heads*delta", "1", "conv"}},
      {"blk.{L}.ssm_f_a.weight", {"delta", "embd"}},
      {"blk.{L}.ssm_f_b.weight", {"heads*delta", "delta"}},
      {"blk.{L}.ssm_beta.weight", {"heads", "embd"}, kimi},
      {"blk.{L}.ssm_g.weight", {"heads*delta", "embd"}},
      {"blk.{L}.ssm_a", {"heads"}, {"kimi-k3"}},
      {"blk.{L}.ssm_dt.bias", {"heads*delta"}, kimi},
      {"blk.{L}.ssm_norm.weight", {"delta"}, kimi},
      {"blk.{L}.ssm_g_a.weight", {"delta", "embd"}},
      {"blk.{L}.ssm_g_b.weight", {"heads*delta", "delta"}},

      // Kimi K3: scores of earlier layers' residuals; experts on a projection of the state.
      {"blk.{L}.attn_res_score.*", {"embd"}},
      {"blk.{L}.ffn_res_score.*", {"embd"}},
      {"output_res_score.*", {"embd"}},
      {"blk.{L}.ffn_routed_down.weight", {"latent", "embd"}},
      {"blk.{L}.ffn_routed_up.weight", {"embd", "latent"}},
      {"blk.{L}.ffn_routed_norm.weight", {"latent"}},
      {"blk.{L}.ffn_gate_exps.weight", {"experts", "expert_ffn", "latent"}, {"kimi-k3"}},
      {"blk.{L}.ffn_up_exps.weight", {"experts", "expert_ffn", "latent"}, {"kimi-k3"}},
      {"blk.{L}.ffn_down_exps.weight", {"experts", "latent", "expert_ffn"}, {"kimi-k3"}},

      // Latent attention: keys and values of all heads are one vector that attn_k_b and attn_v_b take apart.
      {"blk.{L}.attn_q.{W}", {"heads*key_mla", "embd"}, latent},
      {"blk.{L}.attn_q_b.{W}", {"heads*key_mla", "q_rank"}, latent},
      {"blk.{L}.attn_k_b.weight", {"heads", "kv_rank", "key_mla-rope"}, latent},
      {"blk.{L}.attn_v_b.weight", {"heads", "value_mla", "kv_rank"}, latent},
      {"blk.{L}.attn_output.{W}", {"embd", "heads*value_mla"}, latent},

      {"blk.{L}.attn_k_b.weight", {"heads", "kv_rank", "key_mla-rope"}, {"kimi-linear"}},
      {"blk.{L}.attn_v_b.weight", {"heads", "value_mla", "kv_rank"}, {"kimi-linear"}},
      {"blk.{L}.ssm_a", {"1", "1", "heads", "1"}, {"kimi-linear"}},

      // Gate and up projection are half as wide as the key says.
      {"blk.{L}.ffn_gate.{W}", {"ffn/2", "embd"}, {"qwen"}},
      {"blk.{L}.ffn_up.{W}", {"ffn/2", "embd"}, {"qwen"}},
      {"blk.{L}.ffn_down.{W}", {"embd", "ffn/2"}, {"qwen"}},

      {"blk.{L}.time_mix_key.weight", {"embd", "embd"}},
      {"blk.{L}.time_mix_value.weight", {"embd", "embd"}},
      {"blk.{L}.time_mix_receptance.weight", {"embd", "embd"}},
      {"blk.{L}.time_mix_output.weight", {"embd", "embd"}},
      {"blk.{L}.time_mix_gate.weight", {"embd", "embd"}},
      {"blk.{L}.time_mix_first.weight", {"embd/wkv_head", "wkv_head"}},
      {"blk.{L}.time_mix_decay.weight", {"embd"}},
      {"blk.{L}.time_mix_decay_w1.weight", {"decay_rank", "embd"}},
      {"blk.{L}.time_mix_decay_w2.weight", {"embd", "decay_rank"}},
      {"blk.{L}.time_mix_lerp_fused.weight", {"5", "1", "1", "embd"}, {"rwkv6"}},
      {"blk.{L}.time_mix_lerp_fused.weight", {"6", "1", "1", "embd"}, {"rwkv7"}},
      {"blk.{L}.time_mix_lerp_*", {"embd"}},
      {"blk.{L}.time_mix_w1.weight", {"5*mix_rank", "embd"}, {"rwkv6"}},
      {"blk.{L}.time_mix_w2.weight", {"5", "embd", "mix_rank"}, {"rwkv6"}},
      {"blk.{L}.time_mix_w1.weight", {"w_rank", "embd"}},
      {"blk.{L}.time_mix_w2.weight", {"embd", "w_rank"}},
      {"blk.{L}.time_mix_a1.weight", {"a_rank", "embd"}},
      {"blk.{L}.time_mix_a2.weight", {"embd", "a_rank"}},
      // The first layer mixes no values in: what it has here is not used, of any rank.
      {"blk.0.time_mix_v1.weight", {"?", "embd"}},
      {"blk.0.time_mix_v2.weight", {"embd", "?"}},
      {"blk.{L}.time_mix_v1.weight", {"v_rank", "embd"}},
      {"blk.{L}.time_mix_v2.weight", {"embd", "v_rank"}},
      {"blk.{L}.time_mix_g1.weight", {"g_rank", "embd"}},
      {"blk.{L}.time_mix_g2.weight", {"embd", "g_rank"}},
      {"blk.{L}.time_mix_w0.weight", {"embd"}},
      {"blk.{L}.time_mix_a0.weight", {"embd"}},
      {"blk.{L}.time_mix_v0.weight", {"embd"}},
      {"blk.{L}.time_mix_k_k.weight", {"embd"}},
      {"blk.{L}.time_mix_k_a.weight", {"embd"}},
      {"blk.{L}.time_mix_r_k.weight", {"embd"}},
      {"blk.{L}.time_mix_ln.weight", {"embd"}},
      {"blk.{L}.time_mix_ln.bias", {"embd"}},
      {"blk.{L}.channel_mix_receptance.weight", {"embd", "embd"}},
      {"blk.{L}.channel_mix_lerp_*", {"embd"}},
      {"blk.{L}.channel_mix_key.weight", {"ffn", "embd"}},
      {"blk.{L}.channel_mix_value.weight", {"embd", "ffn"}},

      // Norms over all heads at once, and over each head by itself with weights of its own.
      {"blk.{L}.attn_q_norm.{W}", {"heads*key"}, whole_norms},
      {"blk.{L}.attn_k_norm.{W}", {"kv*key"}, whole_norms},
      {"blk.{L}.attn_q_norm.weight", {"embd"}, {"jina-bert-v2"}},
      {"blk.{L}.attn_q_norm.bias", {"embd"}, {"jina-bert-v2"}},
      {"blk.{L}.attn_k_norm.weight", {"embd"}, {"jina-bert-v2"}},
      {"blk.{L}.attn_k_norm.bias", {"embd"}, {"jina-bert-v2"}},
      {"blk.{L}.attn_q_norm.weight", {"heads", "key"}, norm_per_head},
      {"blk.{L}.attn_k_norm.weight", {"kv", "key"}, norm_per_head},

      // Gate and up projection as one matrix.
      {"blk.{L}.ffn_up.{W}", {"2*ffn", "embd"}, fused_gate},

      {"blk.{L}.attn_gate.{W}", {"heads*key", "embd"}, {"afmoe"}},
      {"blk.{L}.attn_gate.{W}", {"heads*gate", "embd"}, {"laguna"}},
      {"blk.{L}.attn_gate.{W}", {"heads", "embd"}, {"step35"}},
      {"blk.{L}.exp_probs_b.bias", {"1", "experts"}, {"ernie4_5-moe"}},
      {"blk.{L}.ffn_gate_up_exps.weight", {"experts", "2*expert_ffn", "embd"}, {"gemma4"}},

      // The MLP beside the experts is as wide as the model.
      {"blk.{L}.ffn_gate.weight", {"embd", "embd"}, {"arctic"}},
      {"blk.{L}.ffn_up.weight", {"embd", "embd"}, {"arctic"}},
      {"blk.{L}.ffn_down.weight", {"embd", "embd"}, {"arctic"}},

      {"blk.{L}.ffn_gate_inp.scale", {"embd"}, {"gemma4"}},
      {"blk.{L}.ffn_down_exps.scale", {"experts"}, {"gemma4"}},
      {"blk.{L}.layer_output_scale.weight", {"1"}, {"gemma4"}},
      {"blk.{L}.pre_ffw_norm_2.weight", {"embd"}, {"gemma4"}},
      {"blk.{L}.post_ffw_norm_1.weight", {"embd"}, {"gemma4"}},
      {"blk.{L}.post_ffw_norm_2.weight", {"embd"}, {"gemma4"}},

      {"altup_proj.weight", {"altup-1", "embd", "embd"}, {"gemma3n"}},
      {"altup_unembd_proj.weight", {"altup-1", "embd", "embd"}, {"gemma3n"}},
      {"blk.{L}.altup_correct_scale.weight", {"embd"}, {"gemma3n"}},
      {"blk.{L}.altup_correct_coef.weight", {"altup", "altup"}, {"gemma3n"}},
      {"blk.{L}.altup_predict_coef.weight", {"altup*altup", "altup"}, {"gemma3n"}},
      {"blk.{L}.altup_router.weight", {"altup", "embd"}, {"gemma3n"}},
      {"blk.{L}.altup_router_norm.weight", {"embd"}, {"gemma3n"}},
      {"blk.{L}.laurel_post_norm.weight", {"embd"}, {"gemma3n"}},
      {"blk.{L}.laurel_l.weight", {"laurel", "embd"}, {"gemma3n"}},
      {"blk.{L}.laurel_r.weight", {"embd", "laurel"}, {"gemma3n"}},

      {"blk.{L}.indexer.k_norm.weight", {"index_key"}},
      {"blk.{L}.indexer.k_norm.bias", {"index_key"}},
      {"blk.{L}.indexer.proj.weight", {"index_heads", "embd"}},
      {"blk.{L}.indexer.attn_k.weight", {"index_key", "embd"}},
      {"blk.{L}.indexer.attn_q_b.weight", {"index_heads*index_key", "q_rank"}},

      {"blk.{L}.ffn_latent_down.weight", {"expert_in", "embd"}, {"nemotron_h_moe"}},
      {"blk.{L}.ffn_latent_up.weight", {"embd", "expert_in"}, {"nemotron_h_moe"}},

      {"blk.{L}.ssm_dt_norm.weight", {"steps"}, {"jamba"}},
      {"blk.{L}.ssm_b_norm.weight", {"state"}, {"jamba"}},
      {"blk.{L}.ssm_c_norm.weight", {"state"}, {"jamba"}},

      // DeepSeek 4: outputs in groups, residual streams that are mixed, compressed keys.
      {"blk.{L}.attn_kv.weight", {"key", "embd"}, {"deepseek4"}},
      {"blk.{L}.attn_kv_a_norm.weight", {"key"}, {"deepseek4"}},
      {"blk.{L}.attn_output_a.weight", {"o_groups*o_rank", "heads*key/o_groups"}},
      {"blk.{L}.attn_output_b.weight", {"embd", "o_groups*o_rank"}},
      {"blk.{L}.hc_attn_fn.weight", {"2*streams+streams*streams", "streams*embd"}},
      {"blk.{L}.hc_attn_base.weight", {"2*streams+streams*streams"}},
      {"blk.{L}.hc_attn_scale.weight", {"3"}},
      {"blk.{L}.hc_ffn_fn.weight", {"2*streams+streams*streams", "streams*embd"}},
      {"blk.{L}.hc_ffn_base.weight", {"2*streams+streams*streams"}},
      {"blk.{L}.hc_ffn_scale.weight", {"3"}},
      {"output_hc_fn.weight", {"streams", "streams*embd"}},
      {"output_hc_base.weight", {"streams"}},
      {"output_hc_scale.weight", {"1"}},
      {"blk.{L}.attn_compressor_kv.weight", {"overlap*key", "embd"}},
      {"blk.{L}.attn_compressor_gate.weight", {"overlap*key", "embd"}},
      {"blk.{L}.attn_compressor_ape.weight", {"ratio", "overlap*key"}},
      {"blk.{L}.attn_compressor_norm.weight", {"key"}},
      {"blk.{L}.indexer_compressor_kv.weight", {"2*index_key", "embd"}},
      {"blk.{L}.indexer_compressor_gate.weight", {"2*index_key", "embd"}},
      {"blk.{L}.indexer_compressor_ape.weight", {"ratio", "2*index_key"}},
      {"blk.{L}.indexer_compressor_norm.weight", {"index_key"}},
      {"blk.{L}.ffn_gate_tid2eid.weight", {"vocab", "used"}},

      // Experts may work on fewer dimensions than the layers.
      {"blk.{L}.ffn_up_exps.weight", {"experts", "expert_ffn", "expert_in"}, {"nemotron_h_moe"}},
      {"blk.{L}.ffn_down_exps.weight", {"experts", "expert_in", "expert_ffn"}, {"nemotron_h_moe"}},

      {"blk.{L}.ssm_in.{W}", {"2*inner", "embd"}, mamba1},
      {"blk.{L}.ssm_conv1d.{W}", {"inner", "conv"}, mamba1},
      {"blk.{L}.ssm_x.weight", {"steps+2*state", "inner"}, mamba1},
      {"blk.{L}.ssm_dt.{W}", {"inner", "steps"}, mamba1},
      {"blk.{L}.ssm_a", {"inner", "state"}, mamba1},
      {"blk.{L}.ssm_d", {"inner"}, mamba1},

      {"blk.{L}.ssm_in.{W}", {"2*inner+2*groups*state+steps", "embd"}, mamba2},
      {"blk.{L}.ssm_conv1d.{W}", {"inner+2*groups*state", "conv"}, mamba2},
      {"blk.{L}.ssm_dt.bias", {"steps"}, mamba2},
      {"blk.{L}.ssm_a", {"steps", "1"}, mamba2},
      {"blk.{L}.ssm_d", {"steps", "1"}, mamba2},
      {"blk.{L}.ssm_norm.weight", {"groups", "inner/groups"}, mamba2},

      // Every architecture.
      {"token_embd.weight", {"vocab", "embd"}},
      {"output.{W}", {"vocab", "embd"}},
      {"output_norm.weight", {"embd"}},
      {"output_norm.bias", {"embd"}},
      {"token_embd_norm.weight", {"embd"}},
      {"token_embd_norm.bias", {"embd"}},
      {"position_embd.weight", {"context", "embd"}},
      {"token_types.weight", {"types", "embd"}},
      {"rope_freqs.weight", {"rope/2"}},
      {"per_layer_token_embd.weight", {"vocab", "blocks*per_layer"}},
      {"per_layer_model_proj.weight", {"blocks*per_layer", "embd"}},
      {"per_layer_proj_norm.weight", {"per_layer"}},

      {"blk.{L}.attn_norm.weight", {"embd"}},
      {"blk.{L}.attn_sub_norm.weight", {"embd"}},
      {"blk.{L}.ffn_sub_norm.weight", {"ffn"}},
      {"blk.{L}.attn_norm.bias", {"embd"}},
      {"blk.{L}.attn_norm_2.weight", {"embd"}},
      {"blk.{L}.attn_norm_2.bias", {"embd"}},
      {"blk.{L}.attn_output_norm.weight", {"embd"}},
      {"blk.{L}.attn_output_norm.bias", {"embd"}},
      {"blk.{L}.layer_output_norm.weight", {"embd"}},
      {"blk.{L}.layer_output_norm.bias", {"embd"}},
      {"blk.{L}.post_attention_norm.weight", {"embd"}},
      {"blk.{L}.ffn_norm", {"embd"}},
      {"blk.{L}.ffn_norm.weight", {"embd"}},
      {"blk.{L}.ffn_norm.bias", {"embd"}},
      {"blk.{L}.post_ffw_norm.weight", {"embd"}},
      {"blk.{L}.post_norm.weight", {"embd"}},
      {"blk.{L}.ffn_norm_exps.weight", {"embd"}},
      {"blk.{L}.layer_output_norm.weight", {"embd"}},

      {"blk.{L}.attn_q.{W}", {"heads*key", "embd"}},
      {"blk.{L}.attn_k.{W}", {"kv*key", "embd"}},
      {"blk.{L}.attn_v.{W}", {"kv*value", "embd"}},
      {"blk.{L}.attn_qkv.{W}", {"heads*key+kv*key+kv*value", "embd"}},
      {"blk.{L}.attn_output.{W}", {"embd", "heads*value"}},
      {"blk.{L}.attn_q_norm.weight", {"key"}},
      {"blk.{L}.attn_k_norm.weight", {"key"}},
      {"blk.{L}.attn_sinks.weight", {"heads"}},
      {"blk.{L}.attn_q_a.{W}", {"q_rank", "embd"}},
      {"blk.{L}.attn_q_a_norm.weight", {"q_rank"}},
      {"blk.{L}.attn_q_b.{W}", {"heads*key", "q_rank"}},
      {"blk.{L}.attn_kv_a_mqa.{W}", {"kv_rank+rope", "embd"}},
      {"blk.{L}.attn_kv_a_norm.weight", {"kv_rank"}},
      {"blk.{L}.attn_kv_b.{W}", {"heads*key+heads*value-heads*rope", "kv_rank"}},

      {"blk.{L}.ffn_gate.{W}", {"ffn", "embd"}},
      {"blk.{L}.ffn_up.{W}", {"ffn", "embd"}},
      {"blk.{L}.ffn_down.{W}", {"embd", "ffn"}},
      {"blk.{L}.ffn_gate_inp.{W}", {"experts", "embd"}},
      {"blk.{L}.ffn_gate_exps.{W}", {"experts", "expert_ffn", "embd"}},
      {"blk.{L}.ffn_up_exps.{W}", {"experts", "expert_ffn", "embd"}},
      {"blk.{L}.ffn_down_exps.{W}", {"experts", "embd", "expert_ffn"}},
      {"blk.{L}.exp_probs_b.bias", {"experts"}},
      {"blk.{L}.ffn_gate_inp_shexp.weight", {"1", "embd"}},
      {"blk.{L}.ffn_gate_shexp.{W}", {"shared_ffn", "embd"}},
      {"blk.{L}.ffn_up_shexp.{W}", {"shared_ffn", "embd"}},
      {"blk.{L}.ffn_down_shexp.{W}", {"embd", "shared_ffn"}},

      {"blk.{L}.indexer.q_proj.weight", {"index_heads*index_key", "embd"}},
      {"blk.{L}.indexer.k_proj.weight", {"index_key", "embd"}},
      {"blk.{L}.indexer.q_norm.weight", {"index_key"}},
      {"enc.blk.{L}.attn_norm.weight", {"embd"}},
      {"enc.blk.{L}.attn_q.weight", {"heads*key", "embd"}},
      {"enc.blk.{L}.attn_k.weight", {"heads*key", "embd"}},
      {"enc.blk.{L}.attn_v.weight", {"heads*value", "embd"}},
      {"enc.blk.{L}.attn_o.weight", {"embd", "heads*value"}},
      {"enc.blk.{L}.attn_rel_b.weight", {"buckets", "heads"}},
      {"enc.blk.{L}.ffn_norm.weight", {"embd"}},
      {"enc.blk.{L}.ffn_gate.weight", {"ffn", "embd"}},
      {"enc.blk.{L}.ffn_up.weight", {"ffn", "embd"}},
      {"enc.blk.{L}.ffn_down.weight", {"embd", "ffn"}},
      {"enc.output_norm.weight", {"embd"}},
      {"dec.blk.{L}.attn_norm.weight", {"embd"}},
      {"dec.blk.{L}.attn_q.weight", {"heads*key", "embd"}},
      {"dec.blk.{L}.attn_k.weight", {"heads*key", "embd"}},
      {"dec.blk.{L}.attn_v.weight", {"heads*value", "embd"}},
      {"dec.blk.{L}.attn_o.weight", {"embd", "heads*value"}},
      {"dec.blk.{L}.attn_rel_b.weight", {"buckets", "heads"}},
      {"dec.blk.{L}.cross_attn_norm.weight", {"embd"}},
      {"dec.blk.{L}.cross_attn_q.weight", {"heads*key", "embd"}},
      {"dec.blk.{L}.cross_attn_k.weight", {"heads*key", "embd"}},
      {"dec.blk.{L}.cross_attn_v.weight", {"heads*value", "embd"}},
      {"dec.blk.{L}.cross_attn_o.weight", {"embd", "heads*value"}},
      {"dec.blk.{L}.cross_attn_rel_b.weight", {"buckets", "heads"}},
      {"dec.blk.{L}.ffn_norm.weight", {"embd"}},
      {"dec.blk.{L}.ffn_gate.weight", {"ffn", "embd"}},
      {"dec.blk.{L}.ffn_up.weight", {"ffn", "embd"}},
      {"dec.blk.{L}.ffn_down.weight", {"embd", "ffn"}},
      {"dec.output_norm.weight", {"embd"}},

      {"blk.{L}.ssm_out.{W}", {"embd", "inner"}},
      {"blk.{L}.shortconv.conv.weight", {"embd", "l_cache"}},
      {"blk.{L}.shortconv.in_proj.{W}", {"3*embd", "embd"}},
      {"blk.{L}.shortconv.out_proj.{W}", {"embd", "embd"}},
      {"blk.{L}.inp_gate.weight", {"per_layer", "embd"}},
      {"blk.{L}.proj.weight", {"embd", "per_layer"}},
      {"blk.{L}.nextn.e_proj.weight", {"embd", "embd"}},
      {"blk.{L}.nextn.h_proj.weight", {"embd", "embd"}},
      {"blk.{L}.nextn.eh_proj.weight", {"embd", "2*embd"}},
      {"blk.{L}.nextn.enorm.weight", {"embd"}},
      {"blk.{L}.nextn.hnorm.weight", {"embd"}},
      {"blk.{L}.nextn.shared_head_norm.weight", {"embd"}},
      {"blk.{L}.nextn.embed_tokens.weight", {"vocab", "embd"}},
      {"blk.{L}.nextn.shared_head_head.weight", {"vocab", "embd"}},
  };
}

using Count = std::optional<std::uint64_t>;

/// Element `layer` of an array, the value itself of a number.
Count count_at(const GgufValue& value, std::uint64_t layer) {
  const GgufArray* array = value.as_array();
  if (array == nullptr) return value.as_uint();
  const auto* numbers = std::get_if<std::vector<std::int32_t>>(&array->elements);
  if (numbers == nullptr || layer >= numbers->size() || (*numbers)[layer] < 0) return std::nullopt;
  return static_cast<std::uint64_t>((*numbers)[layer]);
}

/// The sizes of one layer; remembers in words which were asked for.
class LayerSizes {
 public:
  LayerSizes(const ArchBuild& build, std::uint64_t layer) : build_(build), layer_(layer) {}

  /// The value of "2*heads*key+embd"; empty when a size is not known.
  Count sum(std::string_view text) {
    Count total = 0;
    bool minus = false;
    while (total && !text.empty()) {
      const auto end = std::min(text.find_first_of("+-"), text.size());
      const Count term = product(text.substr(0, end));
      if (!term || (minus && *term > *total)) return std::nullopt;
      total = minus ? Count(*total - *term) : checked_add(*total, *term);
      minus = end < text.size() && text[end] == '-';
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return total;
  }

  /// "'hidden_size' is 128, 'num_attention_heads' is 4"
  std::string asked() const {
    std::string out;
    for (const std::string& fact : facts_) out += (out.empty() ? "" : ", ") + fact;
    return out;
  }

 private:
  Count product(std::string_view text) {
    Count total = 1;
    bool divide = false;
    while (total && !text.empty()) {
      const auto end = std::min(text.find_first_of("*/"), text.size());
      const Count factor = size(text.substr(0, end));
      if (!factor || (divide && (*factor == 0 || *total % *factor != 0))) return std::nullopt;
      total = divide ? Count(*total / *factor) : checked_mul(*total, *factor);
      divide = end < text.size() && text[end] == '/';
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return total;
  }

  Count size(std::string_view name) {
    if (name[0] >= '0' && name[0] <= '9') return static_cast<std::uint64_t>(name[0] - '0');
    if (name == "vocab") return vocabulary();
    const auto* const found = std::find_if(std::begin(kSizes), std::end(kSizes),
                                           [&](const Size& entry) { return entry.name == name; });
    QTZ_CHECK(found != std::end(kSizes));
    if (found->key.empty()) return from_configuration(*found);
    const GgufValue* value = slides() && !found->sliding_key.empty() ? key(found->sliding_key) : nullptr;
    if (value == nullptr) value = key(found->key);
    if (value == nullptr) return found->fallback.empty() ? std::nullopt : sum(found->fallback);
    const Count count = count_at(*value, layer_);
    if (count) {
      const auto field = build_.config.find(found->fields);
      remember("'" + (field ? field->name : std::string(found->key)) + "' is " + std::to_string(*count));
    }
    return count;
  }

  Count from_configuration(const Size& size) {
    const auto field = build_.config.find(size.fields);
    if (!field) return std::nullopt;
    Count count;
    if (field->value->is_array()) {
      const std::vector<std::uint64_t> counts = build_.config.uints(size.fields);
      if (layer_ < counts.size()) count = counts[layer_];
    } else {
      count = build_.config.uint(size.fields);
    }
    if (count) remember("'" + std::string(size.fields) + "' is " + std::to_string(*count));
    return count;
  }

  Count vocabulary() {
    const GgufValue* tokens = build_.keys.find("tokenizer.ggml.tokens");
    if (tokens == nullptr || tokens->as_array() == nullptr) return build_.config.uint("vocab_size");
    const std::uint64_t count = tokens->as_array()->size();
    remember("the vocabulary has " + std::to_string(count) + " entries");
    return count;
  }

  const GgufValue* key(std::string_view name) const {
    return build_.keys.find(std::string(build_.arch) + "." + std::string(name));
  }

  /// Whether this layer attends within a window, where the keys say so layer by layer.
  bool slides() const {
    const GgufValue* pattern = key("attention.sliding_window_pattern");
    if (pattern == nullptr || pattern->as_array() == nullptr) return false;
    const auto* flags = std::get_if<std::vector<std::uint8_t>>(&pattern->as_array()->elements);
    return flags != nullptr && layer_ < flags->size() && (*flags)[layer_] != 0;
  }

  void remember(std::string fact) {
    if (std::find(facts_.begin(), facts_.end(), fact) == facts_.end()) facts_.push_back(std::move(fact));
  }

  const ArchBuild& build_;
  std::uint64_t layer_;
  std::vector<std::string> facts_;
};

constexpr std::string_view kHint = "check that config.json belongs to these weights";

std::string named(const std::string& name, const TensorExpr& expr) {
  return describe(expr) + " becomes '" + printable(name) + "' " + expr.shape().to_string();
}

/// "[512, 256]", with "?" for what any length fits.
std::string listed(const std::vector<Count>& dims) {
  std::string out;
  for (const Count& dim : dims) out += (out.empty() ? "" : ", ") + (dim ? std::to_string(*dim) : "?");
  return "[" + out + "]";
}

/// The row for an output tensor of this architecture, and what the name's holes held.
std::optional<std::pair<const ShapeRow*, NameMatch>> find_row(const std::vector<ShapeRow>& rows,
                                                              std::string_view arch,
                                                              const std::string& name) {
  for (const ShapeRow& row : rows) {
    const bool ours =
        row.archs.empty() || std::find(row.archs.begin(), row.archs.end(), arch) != row.archs.end();
    const auto match = ours ? match_name(row.name, name) : std::nullopt;
    if (match) return std::pair(&row, *match);
  }
  return std::nullopt;
}

class ShapeChecker {
 public:
  explicit ShapeChecker(const ArchBuild& build) : build_(build), rows_(shape_rows()) {}

  void check(const std::string& name, const TensorExpr& expr) {
    if (!meets_table(name, expr)) meets_other_layers(name, expr);
  }

 private:
  /// False when the table leaves a dimension open that it means to check, or does not know the tensor.
  bool meets_table(const std::string& name, const TensorExpr& expr) const {
    const auto found = find_row(rows_, build_.arch, name);
    return found && meets(*found->first, found->second, name, expr);
  }

  bool meets(const ShapeRow& row, const NameMatch& match, const std::string& name,
             const TensorExpr& expr) const {
    const std::size_t rank = row.dims.size() - (match.kind == "bias" ? 1 : 0);
    LayerSizes sizes(build_, match.layer.value_or(0));
    std::vector<Count> wanted;
    bool complete = true;
    for (std::size_t axis = 0; axis < rank; ++axis) {
      const bool any = row.dims[axis] == "?";
      wanted.push_back(any ? std::nullopt : sizes.sum(row.dims[axis]));
      complete = complete && (any || wanted.back());
    }
    bool fits = expr.shape().rank() == rank;
    for (std::size_t axis = 0; fits && axis < rank; ++axis) {
      fits = !wanted[axis] || *wanted[axis] == expr.shape()[axis];
    }
    if (fits) return complete;
    throw Error(ErrorKind::input_invalid,
                build_.config.where() + ": " + named(name, expr) + ", but " + listed(wanted) + " is needed" +
                    (sizes.asked().empty() ? "" : ": " + sizes.asked()),
                std::string(kHint));
  }

  /// What the table does not settle is at least the same in all layers.
  void meets_other_layers(const std::string& name, const TensorExpr& expr) {
    const auto match = match_name("blk.{L}.*", name);
    if (!match) return;
    const std::string role = name.substr(name.find('.', std::string_view("blk.").size()));
    const auto [first, is_new] = first_of_role_.try_emplace(role, name, &expr);
    if (is_new || first->second.second->shape() == expr.shape()) return;
    throw Error(ErrorKind::input_invalid,
                named(name, expr) + ", but " + named(first->second.first, *first->second.second) +
                    ": nothing in " + build_.config.where() + " lets these layers differ",
                std::string(kHint));
  }

  const ArchBuild& build_;
  const std::vector<ShapeRow> rows_;
  std::map<std::string, std::pair<std::string, const TensorExpr*>> first_of_role_;
};

}  // namespace

std::optional<Shape> expected_shape(const ArchBuild& build, const std::string& name) {
  static const std::vector<ShapeRow> rows = shape_rows();
  const auto found = find_row(rows, build.arch, name);
  if (!found) return std::nullopt;
  const auto& [row, match] = *found;
  LayerSizes sizes(build, match.layer.value_or(0));
  std::vector<std::uint64_t> dims;
  for (std::size_t axis = 0; axis < row->dims.size() - (match.kind == "bias" ? 1 : 0); ++axis) {
    const Count size = row->dims[axis] == "?" ? std::nullopt : sizes.sum(row->dims[axis]);
    if (!size) return std::nullopt;
    dims.push_back(*size);
  }
  return Shape(std::move(dims));
}

void check_shapes(const ArchBuild& build) {
  ShapeChecker checker(build);
  for (const auto& [name, expr] : build.tensors) checker.check(name, *expr);
}

}  // namespace qtz
