#include "model/quantized/kept_nvfp4.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <vector>

#include "model/quantized/quant_methods.h"
#include "model/tensor_ops.h"

namespace qtz {

namespace {

using Names = std::vector<std::string_view>;

/// Kinds of tensors ("attn_q" of "blk.3.attn_q.weight") and the architectures whose graphs use their scales.
struct ScaleReaders {
  Names kinds;
  Names archs;
};

/// llama.cpp loads "<weight>.scale" and "<weight>.input_scale" for every architecture, in one pass after the
/// architecture's own loading (llama_model_base::load_tensors). Whether a graph then multiplies with them is
/// its own affair: build_qkv and build_attn take those of attention, while many graphs call build_ffn without
/// the others, and some multiply matrices directly. So each row names graphs (src/models) that were read.
const std::vector<ScaleReaders>& scale_readers() {
  static const std::vector<ScaleReaders> kReaders = {
      {{"attn_q", "attn_k", "attn_v", "attn_qkv", "attn_output", "output"},
       {"afmoe",        "apertus",   "arcee",     "arctic",     "baichuan",     "bailingmoe",
        "bailingmoe2",  "chatglm",   "codeshell", "cohere2",    "command-r",    "dbrx",
        "deepseek",     "dots1",     "dream",     "ernie4_5",   "ernie4_5-moe", "exaone",
        "exaone4",      "falcon",    "falcon-h1", "gemma",      "gemma2",       "gemma3",
        "glm4",         "glm4moe",   "gpt-oss",   "gptneox",    "granite",      "granitehybrid",
        "hunyuan-moe",  "internlm2", "jamba",     "lfm2",       "llama",        "llama4",
        "mellum",       "mistral3",  "mpt",       "nemotron",   "nemotron_h",   "nemotron_h_moe",
        "olmo",         "orion",     "phi2",      "phi3",       "qwen",         "qwen2",
        "qwen2moe",     "qwen2vl",   "qwen3",     "qwen3moe",   "qwen3vlmoe",   "seed_oss",
        "smallthinker", "smollm3",   "stablelm",  "starcoder2", "xverse",       "pangu-embedded"}},
      {{"attn_q", "attn_k", "attn_v", "attn_output", "output"},
       {"gemma4", "qwen35", "qwen35moe", "qwen3next"}},
      {{"attn_qkv", "attn_gate", "ssm_out", "ssm_alpha", "ssm_beta"}, {"qwen35", "qwen35moe"}},
      {{"attn_output"}, {"deepseek32", "glm-dsa"}},
      {{"ssm_in", "ssm_out"}, {"nemotron_h", "nemotron_h_moe"}},
      {{"ffn_gate", "ffn_up", "ffn_down"},
       {"cohere2", "deepseek32", "gemma4", "glm-dsa", "llama", "mistral3", "nemotron_h", "qwen3", "qwen35"}},
      // Not gemma4: its router's factors are "ffn_down_exps.scale" already.
      {{"ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"},
       {"deepseek32", "glm-dsa", "llama", "mellum", "mistral3", "nemotron_h", "nemotron_h_moe", "qwen35moe",
        "qwen3moe", "qwen3next"}},
      {{"ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp"},
       {"deepseek32", "glm-dsa", "nemotron_h", "nemotron_h_moe", "qwen35moe", "qwen3next"}},
  };
  return kReaders;
}

bool has(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::string_view kWeight = ".weight";

/// "attn_q" of "blk.3.attn_q.weight", "output" of "output.weight"; empty for other names.
std::string_view kind_of(std::string_view target) {
  if (!target.ends_with(kWeight)) return {};
  target.remove_suffix(kWeight.size());
  if (!target.starts_with("blk.")) return target;
  const auto dot = target.find('.', 4);
  return dot == std::string_view::npos ? std::string_view{} : target.substr(dot + 1);
}

/// The converter's bounds: closer to 1 than this counts as 1.
bool is_one(const std::vector<float>& scales) {
  const double bound = scales.size() == 1 ? 1e-6 : 1e-6 + 1e-5;
  return std::all_of(scales.begin(), scales.end(),
                     [&](float scale) { return std::fabs(static_cast<double>(scale) - 1) < bound; });
}

/// The scales of all parts of a tensor, in their order; null where there is none or all are 1.
TensorExprPtr joined(const std::vector<const KeptBlocks*>& parts, TensorExprPtr KeptBlocks::*const member) {
  std::vector<TensorExprPtr> scales;
  bool any = false;
  for (const KeptBlocks* part : parts) {
    any = any || part->*member != nullptr;
    scales.push_back(part->*member != nullptr ? part->*member : constant(Shape{1}, {1.0f}));
  }
  if (!any) return nullptr;
  TensorExprPtr all = scales.size() == 1 ? scales.front() : reshaped(stacked(scales), Shape{scales.size()});
  return is_one(read_floats(*all)) ? nullptr : all;
}

}  // namespace

bool reads_scale(std::string_view arch, std::string_view target) {
  const std::string_view kind = kind_of(target);
  const auto& all = scale_readers();
  return std::any_of(all.begin(), all.end(),
                     [&](const ScaleReaders& row) { return has(row.kinds, kind) && has(row.archs, arch); });
}

std::string add_scales(ArchBuild& build) {
  const auto& by_codes = build.source.kept_by_codes();
  std::vector<std::pair<std::string, TensorExprPtr>> scales;
  std::set<const KeptBlocks*> used;
  for (const auto& [name, expr] : build.tensors) {
    if (expr->dtype() != DType::nvfp4) continue;
    std::vector<const TensorInfo*> inputs;
    expr->collect_inputs(inputs);
    std::vector<const KeptBlocks*> parts;
    for (const TensorInfo* input : inputs) {
      if (const auto found = by_codes.find(input); found != by_codes.end()) parts.push_back(found->second);
    }
    used.insert(parts.begin(), parts.end());
    const std::string base = name.substr(0, name.size() - kWeight.size());
    if (auto scale = joined(parts, &KeptBlocks::scale)) scales.emplace_back(base + ".scale", scale);
    if (auto scale = joined(parts, &KeptBlocks::input_scale))
      scales.emplace_back(base + ".input_scale", scale);
  }
  std::move(scales.begin(), scales.end(), std::back_inserter(build.tensors));
  for (const auto& [codes, kept] : by_codes) {
    if (kept->input != nullptr && used.count(kept) == 0)
      build.skipped.push_back(kept->input->name + ": " + std::string(kActivationReason));
  }
  if (by_codes.empty()) return {};
  std::string note = "NVFP4: " + std::to_string(used.size()) + " of them are kept as they are";
  if (const std::size_t others = by_codes.size() - used.size(); others > 0) {
    note += ", " + std::to_string(others) + " are decoded, as llama.cpp reads no scale of theirs";
  }
  return note;
}

}  // namespace qtz
