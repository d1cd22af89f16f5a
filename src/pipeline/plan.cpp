#include "qtz/pipeline/plan.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "importance_use.h"
#include "metadata_override.h"
#include "prune.h"
#include "qtz/core/error.h"
#include "qtz/formats/gguf_split.h"
#include "qtz/kernels/backend.h"
#include "rule_use.h"
#include "tensor_role.h"

namespace qtz {
namespace {

/// ggml's number for the block formats of today (general.quantization_version).
constexpr std::uint32_t kQuantizationVersion = 2;

/// A tensor of the plan-to-be, with where it came from.
struct Candidate {
  ModelTensor tensor;          ///< under its new name
  std::string original_name;   ///< under which importance is known
  std::uint32_t shard = 0;     ///< input file of its first part
  std::uint64_t position = 0;  ///< in that file
};

std::vector<Candidate> candidates_of(const GgufModel& model, const LayerPruning& pruning) {
  std::vector<Candidate> all;
  for (const ModelTensor& tensor : model.tensors) {
    auto name = pruning.renamed(tensor.name);
    if (!name) continue;
    Candidate candidate{{std::move(*name), tensor.expr, tensor.unquantized}, tensor.name};
    std::vector<const TensorInfo*> inputs;
    tensor.expr->collect_inputs(inputs);
    if (!inputs.empty()) {
      candidate.shard = inputs.front()->shard;
      candidate.position = inputs.front()->offset;
    }
    all.push_back(std::move(candidate));
  }
  return all;
}

/// llama.cpp's order, which is also that of llama-quantize's output; with --keep-split the input's.
void put_in_order(std::vector<Candidate>& candidates, bool keep_split) {
  std::stable_sort(candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
    if (keep_split) return std::pair(a.shard, a.position) < std::pair(b.shard, b.position);
    return comes_before(a.tensor.name, b.tensor.name);
  });
}

/// All backends decode the same types, and the scalar one is in every build.
bool can_be_decoded(DType type) {
  return select_backend("scalar").can_decode(type);
}

void require_quantizable_source(const PlanEntry& entry, const PlanOptions& options) {
  const DType source = entry.expr->dtype();
  if (entry.copied() || options.only_compares) return;
  if (!can_be_decoded(source)) {
    throw Error(
        ErrorKind::input_invalid,
        "tensor '" + printable(entry.name) + "' is " + std::string(name_of(source)) +
            ", which qtz can copy but not decode, and would become " + std::string(name_of(entry.type)),
        "quantize the 16-bit model instead; if there is none, llama-quantize --allow-requantize makes "
        "an F16 file of this one");
  }
  if (options.allow_requantize || !is_quantized(source)) return;
  throw Error(ErrorKind::usage,
              "tensor '" + printable(entry.name) + "' is already quantized (" + std::string(name_of(source)) +
                  ") and would become " + std::string(name_of(entry.type)),
              "quantize the 16-bit model instead, or accept the loss with --allow-requantize");
}

/// llama.cpp multiplies with a weight's scale whatever the weight's type, but for the output's.
void require_output_scale_used(const std::vector<PlanEntry>& entries) {
  const auto find = [&](std::string_view name) {
    return std::find_if(entries.begin(), entries.end(),
                        [&](const PlanEntry& each) { return each.name == name; });
  };
  const auto output = find("output.weight");
  if (output == entries.end() || output->expr->dtype() != DType::nvfp4 || output->copied()) return;
  if (find("output.scale") == entries.end()) return;
  throw Error(
      ErrorKind::usage,
      "tensor 'output.weight' has a scale beside it, 'output.scale', which llama.cpp reads for NVFP4 "
      "alone, and would become " +
          std::string(name_of(output->type)),
      "leave it as it is, or quantize the model's folder, whose NVFP4 weights are decoded for other types");
}

std::vector<PlanEntry> make_entries(const std::vector<Candidate>& candidates, const FileType& file_type,
                                    const GgufModel& model, const KvList& metadata,
                                    const PlanOptions& options, const ImportanceUse& importance,
                                    std::vector<std::string>& warnings) {
  std::vector<ModelTensor> tensors;
  tensors.reserve(candidates.size());
  for (const Candidate& candidate : candidates) tensors.push_back(candidate.tensor);
  const ModelOrigin origin{model.from_gguf, model.generic, importance.is_used(),
                           !model.from_gguf && !options.allow_requantize};
  std::vector<TensorChoice> choices = choose_types(file_type, tensors, metadata, origin, options.types);
  check_type_rules(options.types, tensors, choices, warnings);

  std::vector<PlanEntry> entries(candidates.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    PlanEntry& entry = entries[i];
    entry.name = candidates[i].tensor.name;
    entry.expr = candidates[i].tensor.expr;
    entry.type = choices[i].type;
    entry.why = std::move(choices[i].why);
    entry.fixed = choices[i].fixed;
    entry.fallback = choices[i].fallback;
    require_quantizable_source(entry, options);
    if (!entry.fixed) entry.importance = importance.find(candidates[i].original_name, entry.expr->shape());
  }
  require_output_scale_used(entries);
  return entries;
}

/// With --keep-split every input file that gave a tensor becomes an output file.
std::vector<std::uint32_t> files_of_inputs(const std::vector<Candidate>& candidates) {
  std::vector<std::uint32_t> files(candidates.size(), 0);
  std::map<std::uint32_t, std::uint32_t> file_of_shard;
  for (const Candidate& candidate : candidates) file_of_shard.emplace(candidate.shard, 0);
  std::uint32_t next = 0;
  for (auto& [shard, file] : file_of_shard) file = next++;
  for (std::size_t i = 0; i < files.size(); ++i) files[i] = file_of_shard[candidates[i].shard];
  return files;
}

/// With --split-max-size files are filled one after the other, as llama-gguf-split does it.
std::vector<std::uint32_t> files_of_size(const KvList& metadata, std::span<const GgufTensor> tensors,
                                         std::uint64_t max_bytes) {
  const GgufLayout whole = make_gguf_layout(metadata, tensors);
  std::vector<std::uint32_t> files(tensors.size(), 0);
  std::uint32_t file = 0;
  std::uint64_t filled = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::uint64_t end = i + 1 < tensors.size() ? whole.offsets[i + 1] : whole.file_bytes;
    // Only the first shard has the model's alignment; whichever pads more counts.
    const std::uint64_t by_default = (whole.sizes[i] + kGgufDefaultAlignment - 1) / kGgufDefaultAlignment;
    const std::uint64_t bytes = std::max(end - whole.offsets[i], by_default * kGgufDefaultAlignment);
    if (filled > 0 && bytes > max_bytes - std::min(max_bytes, filled)) {
      ++file;
      filled = 0;
    }
    if (file >= kMaxSplits) {
      throw Error(ErrorKind::usage,
                  "--split-max-size gives more than " + std::to_string(kMaxSplits) + " files",
                  "choose a larger size");
    }
    filled += bytes;
    files[i] = file;
  }
  return files;
}

/// With --split-max-tensors every file has as many, but for the last.
std::vector<std::uint32_t> files_of_count(std::size_t tensors, std::uint64_t max_tensors) {
  if (tensors > 0 && (tensors - 1) / max_tensors >= kMaxSplits) {
    throw Error(ErrorKind::usage,
                "--split-max-tensors gives more than " + std::to_string(kMaxSplits) + " files",
                "choose a larger number");
  }
  std::vector<std::uint32_t> files(tensors, 0);
  for (std::size_t i = 0; i < tensors; ++i) files[i] = static_cast<std::uint32_t>(i / max_tensors);
  return files;
}

std::vector<std::uint32_t> files_with_tensors(const std::vector<Candidate>& candidates,
                                              const KvList& metadata, std::span<const GgufTensor> tensors,
                                              const PlanOptions& options) {
  if (options.keep_split) return files_of_inputs(candidates);
  if (options.split_max_bytes > 0) return files_of_size(metadata, tensors, options.split_max_bytes);
  if (options.split_max_tensors > 0) return files_of_count(tensors.size(), options.split_max_tensors);
  return std::vector<std::uint32_t>(tensors.size(), 0);
}

std::vector<std::uint32_t> output_files(const std::vector<Candidate>& candidates, const KvList& metadata,
                                        std::span<const GgufTensor> tensors, const PlanOptions& options) {
  std::vector<std::uint32_t> files = files_with_tensors(candidates, metadata, tensors, options);
  if (options.no_tensor_first_split) {
    for (std::uint32_t& file : files) ++file;
  }
  return files;
}

void lay_out(QuantPlan& plan, const std::vector<Candidate>& candidates, const PlanOptions& options) {
  std::vector<GgufTensor> tensors;
  tensors.reserve(plan.entries.size());
  for (const PlanEntry& entry : plan.entries) {
    tensors.push_back({entry.name, entry.type, entry.expr->shape()});
    plan.parameters += entry.expr->shape().elements();
  }
  const auto file_of_entry = output_files(candidates, plan.metadata, tensors, options);
  for (GgufLayout& layout : make_gguf_split_layouts(plan.metadata, tensors, file_of_entry)) {
    for (std::size_t i = 0; i < layout.tensors.size(); ++i) {
      PlanEntry& entry = plan.entries[layout.tensors[i]];
      entry.file = static_cast<std::uint32_t>(plan.files.size());
      entry.offset = layout.offsets[i];
      entry.bytes = layout.sizes[i];
      plan.tensor_bytes += layout.sizes[i];
    }
    plan.total_bytes += layout.file_bytes;
    plan.files.push_back({std::move(layout.header), layout.file_bytes});
  }
}

void add_warnings(QuantPlan& plan, const ImportanceUse& importance) {
  std::vector<std::string_view> fell_back;
  std::vector<std::string_view> without;
  for (const PlanEntry& entry : plan.entries) {
    if (entry.fallback) fell_back.push_back(entry.name);
    const bool encodes_blocks = traits(entry.type).block_elems > 1 && !entry.copied();
    if (encodes_blocks && entry.importance.empty() && role_of(entry.name) != TensorRole::token_embedding &&
        role_of(entry.name) != TensorRole::output) {
      without.push_back(entry.name);
    }
  }
  const bool any_quantized = std::any_of(plan.entries.begin(), plan.entries.end(),
                                         [](const PlanEntry& entry) { return is_quantized(entry.type); });
  if (is_quantized(plan.file_type->default_type) && !any_quantized) {
    plan.warnings.push_back("nothing is quantized: no tensor has a name and a shape that " +
                            std::string(plan.file_type->name) + " applies to");
  }
  const bool makes_nvfp4 = plan.file_type->default_type == DType::nvfp4 &&
                           std::any_of(plan.entries.begin(), plan.entries.end(), [](const PlanEntry& entry) {
                             return entry.type == DType::nvfp4 && !entry.copied();
                           });
  if (makes_nvfp4) {
    plan.warnings.push_back(
        "NVFP4 is made without a scale for the whole tensor, which small weights need; Q4_K_M loses less. "
        "The type "
        "is for checkpoints that are stored so");
  }
  if (!fell_back.empty()) {
    plan.warnings.push_back(
        std::to_string(fell_back.size()) +
        " tensors take a substitute type because of their row length: " + quoted_list(fell_back));
  }
  if (importance.is_used()) {
    const std::vector<std::string>& odd = plan.importance->warnings();
    plan.warnings.insert(plan.warnings.end(), odd.begin(), odd.end());
  }
  if (importance.is_used() && !without.empty()) {
    plan.warnings.push_back("the importance matrix has no values for " + std::to_string(without.size()) +
                            " tensors: " + quoted_list(without));
  }
  if (plan.importance != nullptr && !importance.is_used()) {
    plan.warnings.push_back(
        "the importance matrix changes nothing: the entries in use are of no tensor of the output");
  }
}

}  // namespace

double QuantPlan::bits_per_weight() const noexcept {
  if (parameters == 0) return 0;
  return static_cast<double>(tensor_bytes) * 8 / static_cast<double>(parameters);
}

QuantPlan make_plan(const GgufModel& model, const FileType& file_type, const PlanOptions& options) {
  QTZ_CHECK((options.keep_split ? 1 : 0) + (options.split_max_bytes > 0 ? 1 : 0) +
                (options.split_max_tensors > 0 ? 1 : 0) <=
            1);
  QuantPlan plan;
  plan.file_type = &file_type;
  plan.source = model.source;
  plan.importance = options.importance;
  plan.on_nan = options.on_nan;

  const LayerPruning pruning(options.prune_layers, model.tensors);
  std::vector<Candidate> candidates = candidates_of(model, pruning);
  put_in_order(candidates, options.keep_split);
  const ImportanceUse importance(options.importance.get(), options.include_weights, options.exclude_weights,
                                 model.tensors, pruning);

  plan.metadata = model.metadata;
  for (const std::string_view key : {kSplitNoKey, kSplitCountKey, kSplitTensorsKey}) plan.metadata.erase(key);
  plan.metadata.set("general.quantization_version", kQuantizationVersion);
  plan.metadata.set("general.file_type", file_type.gguf_ftype);
  importance.describe(plan.metadata);
  plan.metadata.set("qtz.version", QTZ_VERSION);
  for (const auto& [key, value] : options.override_kv) override_key(plan.metadata, key, value);

  // Mix rules see the model as it was: depth before pruning, as llama-quantize does.
  plan.entries =
      make_entries(candidates, file_type, model, plan.metadata, options, importance, plan.warnings);
  pruning.apply(plan.metadata, model.architecture, plan.warnings);
  require_importance(file_type, plan.entries);
  lay_out(plan, candidates, options);
  add_warnings(plan, importance);
  return plan;
}

}  // namespace qtz
