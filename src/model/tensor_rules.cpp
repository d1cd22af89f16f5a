#include "model/tensor_rules.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "model/folder_file.h"
#include "model/name_pattern.h"
#include "model/prediction_layers.h"
#include "model/quantized/checkpoint_tensors.h"
#include "model/quantized/kept_nvfp4.h"
#include "model/storage_type.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

constexpr std::size_t kNamesShown = 5;

/// Stored by many checkpoints, wanted by none: constants that every program computes itself.
constexpr SkipRule kConstants[] = {
    {"*.rotary_emb.inv_freq", "rotary frequencies, recomputed from the configuration"},
    {"*.rotary_emb.cos_cached", "rotary table, recomputed from the configuration"},
    {"*.rotary_emb.sin_cached", "rotary table, recomputed from the configuration"},
    {"*.attention.masked_bias", "causal mask, a constant"},
    {"*.attention.bias", "causal mask, a constant"},
};

/// Marks of the vision, audio and speech parts of a larger model: anywhere in a name, and at its start.
constexpr std::string_view kOtherParts[] = {
    "visual.",          "vision.",        "audio.",      "talker.",       "vision_",
    "audio_",           "token2wav.",     "code2wav.",   "projector.",    "pre_mm_projector_norm",
    "image_newline",    "view_seperator", "patch_embed", "patch_merger.", "patch_merge_mlp.",
    "model.connector.",
};
constexpr std::string_view kOtherStarts[] = {
    "vit.",       "vpm.",           "siglip2.",          "conformer.",         "merger.",
    "resampler.", "sound_encoder.", "sound_projection.", "speech_embeddings.",
};

/// One rule with the holes a group of stored tensors shares.
struct GroupKey {
  std::size_t rule;
  std::uint64_t layer;
  std::string_view kind;
  bool operator<(const GroupKey& other) const {
    return std::tie(rule, layer, kind) < std::tie(other.rule, other.layer, other.kind);
  }
};

struct Member {
  std::uint64_t index;
  const TensorInfo* tensor;
  bool operator<(const Member& other) const { return index < other.index; }
};

using Groups = std::map<GroupKey, std::vector<Member>>;

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) {
    if (i > 0) out += ", ";
    out += "'" + printable(names[i]) + "'";
  }
  if (names.size() > kNamesShown) out += " and " + std::to_string(names.size() - kNamesShown) + " more";
  return out;
}

/// "3, 7-9, 12": which numbers of [0, count) are not in `present`, which is sorted.
std::string missing_numbers(const std::vector<Member>& present, std::uint64_t count) {
  std::string out;
  std::uint64_t next = 0;
  const auto add = [&](std::uint64_t first, std::uint64_t last) {
    if (!out.empty()) out += ", ";
    out += std::to_string(first);
    if (last > first) out += "-" + std::to_string(last);
  };
  for (const Member& member : present) {
    if (member.index > next) add(next, member.index - 1);
    next = member.index + 1;
  }
  if (next < count) add(next, count - 1);
  return out;
}

bool has_hole(std::string_view pattern, char hole) {
  const char text[] = {'{', hole, '}', '\0'};
  return pattern.find(text) != std::string_view::npos;
}

class TensorTable {
 public:
  TensorTable(ArchBuild& build, const ArchSpec& spec)
      : build_(build), spec_(spec), blocks_(build.config.block_count()) {}

  void apply() {
    for (const TensorInfo& tensor : build_.source.tensors()) place(tensor);
    name_left_out_parts();
    sort_groups();
    if (!leftover_.empty()) refuse_leftover();
    check_needed();
    check_output();
    emit();
  }

 private:
  void place(const TensorInfo& tensor) {
    const std::string name = table_name(spec_, build_.config, tensor.name);
    for (const SkipRule& skip : spec_.skips) {
      if (match_name(skip.pattern, name)) return leave_out(tensor, skip.reason);
    }
    const auto layer = layer_of(name);
    if (layer && *layer >= blocks_ && !spec_.extra_layers_reason.empty() && other_part(tensor.name).empty()) {
      ++dropped_layers_[*layer];
      return;
    }
    const bool renamed = name != canonical_name(tensor.name);
    bool used = assign(tensor, name, renamed);
    if (!used && !spec_.optional_prefix.empty())
      used = assign(tensor, std::string(spec_.optional_prefix) + name, renamed);
    if (used) return;
    for (const SkipRule& skip : kConstants) {
      if (match_name(skip.pattern, name)) return leave_out(tensor, skip.reason);
    }
    if (const std::string_view part = other_part(tensor.name); !part.empty()) {
      ++other_parts_[part];
      return;
    }
    leftover_.push_back(tensor.name);
  }

  static std::optional<std::uint64_t> layer_of(const std::string& name) {
    const auto match = match_name("*layers.{L}.*", name);
    return match ? match->layer : std::nullopt;
  }

  bool assign(const TensorInfo& tensor, const std::string& name, bool renamed) {
    bool used = false;
    for (std::size_t rule = 0; rule < spec_.tensors.size(); ++rule) {
      const auto match = match_name(spec_.tensors[rule].source, name);
      if (!match) continue;
      used = true;
      if (build_.first_layer > 0 && is_trunks(rule, *match, renamed)) {
        if (trunk_.empty() || trunk_.back() != &tensor) trunk_.push_back(&tensor);
        continue;
      }
      if (match->layer && *match->layer >= blocks_) {
        extra_layers_.insert(*match->layer);
        continue;
      }
      // The kind points into `name`; the literals live on.
      const std::string_view kind = match->kind.empty() ? "" : match->kind == "bias" ? "bias" : "weight";
      groups_[GroupKey{rule, match->layer.value_or(0), kind}].push_back({match->index.value_or(0), &tensor});
    }
    return used;
  }

  /// Whether a file of prediction layers does without it. What is renamed comes from them.
  bool is_trunks(std::size_t rule, const NameMatch& match, bool renamed) const {
    if (match.layer) return *match.layer < build_.first_layer;
    return !renamed && !serves_prediction(spec_.tensors[rule].target);
  }

  /// Whole parts of the model, a line each.
  void name_left_out_parts() {
    const auto tensors = [](std::uint64_t count) {
      return std::to_string(count) + (count == 1 ? " tensor" : " tensors");
    };
    std::string others;
    for (const auto& [part, count] : other_parts_) {
      others += (others.empty() ? "" : ", ") + tensors(count) + " under '" + printable(part) + "'";
    }
    if (!others.empty()) {
      build_.skipped.push_back(others +
                               ": the vision or audio part; this GGUF holds the language model alone");
    }
    for (const auto& [layer, count] : dropped_layers_) {
      build_.skipped.push_back("layer " + std::to_string(layer) + ", " + tensors(count) + ": " +
                               std::string(spec_.extra_layers_reason));
    }
    if (!trunk_.empty()) {
      build_.skipped.push_back(tensors(trunk_.size()) + " of the " + std::to_string(build_.first_layer) +
                               " layers that do not predict further tokens: left out as --mtp only says");
    }
  }

  /// Puts the members of each group in order; no two may have one place.
  void sort_groups() {
    for (auto& [key, members] : groups_) {
      std::stable_sort(members.begin(), members.end());
      const auto twice =
          std::adjacent_find(members.begin(), members.end(),
                             [](const Member& a, const Member& b) { return a.index == b.index; });
      if (twice == members.end()) continue;
      throw Error(ErrorKind::input_invalid,
                  first_file() + ": tensors '" + printable(twice->tensor->name) + "' and '" +
                      printable(std::next(twice)->tensor->name) + "' are the same part of the model",
                  "keep one of them");
    }
  }

  void leave_out(const TensorInfo& tensor, std::string_view reason) {
    build_.skipped.push_back(tensor.name + ": " + std::string(reason));
  }

  std::string first_file() const { return printable(build_.source.files().front().path().native()); }

  [[noreturn]] void refuse_leftover() const {
    throw Error(ErrorKind::input_invalid,
                first_file() + ": " + std::to_string(leftover_.size()) + " of " +
                    std::to_string(build_.source.tensors().size()) +
                    " tensors have no place in the architecture '" + std::string(build_.arch) +
                    "': " + listed(leftover_),
                "nothing is dropped silently: check that config.json belongs to these weights, or name the "
                "architecture with --arch");
  }

  const std::vector<Member>* find(std::size_t rule, std::uint64_t layer) const {
    for (const std::string_view kind : {std::string_view(""), std::string_view("weight")}) {
      const auto found = groups_.find(GroupKey{rule, layer, kind});
      if (found != groups_.end()) return &found->second;
    }
    return nullptr;
  }

  /// Every rule without "?" has its tensor in every layer; of alternatives, those a layer chose are complete.
  void check_needed() const {
    if (!extra_layers_.empty()) {
      throw Error(ErrorKind::input_invalid,
                  build_.config.where() + ": 'num_hidden_layers' is " + std::to_string(blocks_) +
                      ", but the weights have a layer " + std::to_string(*extra_layers_.rbegin()),
                  "check that config.json belongs to these weights");
    }
    std::vector<std::string> missing;
    for (std::uint64_t layer = build_.first_layer; layer < blocks_ && missing.size() <= kNamesShown;
         ++layer) {
      check_layer(layer, missing);
    }
    for (std::size_t rule = 0; rule < spec_.tensors.size(); ++rule) {
      const TensorRule& entry = spec_.tensors[rule];
      if (has_hole(entry.source, 'L') || !entry.needed.empty() || find(rule, 0) != nullptr) continue;
      if (build_.first_layer > 0 && !serves_prediction(entry.target)) continue;
      if (entry.target == "token_embd.weight" && tied_output() != nullptr) continue;
      missing.push_back(fill_name(entry.source, NameMatch{}));
    }
    if (missing.empty()) return;
    throw Error(ErrorKind::input_invalid, first_file() + ": tensors are missing: " + listed(missing),
                "download the model again, or check that config.json belongs to these weights");
  }

  void check_layer(std::uint64_t layer, std::vector<std::string>& missing) const {
    std::set<std::string_view> chosen;                // "ffn:experts"
    std::map<std::string_view, std::string> example;  // a name for each choice, "ffn"
    std::set<std::string_view> decided;               // choices with an alternative chosen
    for (std::size_t rule = 0; rule < spec_.tensors.size(); ++rule) {
      const TensorRule& entry = spec_.tensors[rule];
      const auto colon = entry.needed.find(':');
      const bool chooses =
          colon != std::string_view::npos && entry.needed.find('|') == std::string_view::npos;
      if (!chooses || !has_hole(entry.source, 'L')) continue;
      const std::string_view choice = entry.needed.substr(0, colon);
      example.try_emplace(choice, fill_name(entry.source, NameMatch{layer, 0, "weight"}));
      if (find(rule, layer) == nullptr) continue;
      chosen.insert(entry.needed);
      decided.insert(choice);
    }
    for (const auto& [choice, name] : example) {
      if (decided.count(choice) == 0) missing.push_back(name);
    }
    for (std::size_t rule = 0; rule < spec_.tensors.size(); ++rule) {
      const TensorRule& entry = spec_.tensors[rule];
      if (!has_hole(entry.source, 'L') || find(rule, layer) != nullptr) continue;
      if (is_needed(entry.needed, chosen)) {
        missing.push_back(fill_name(entry.source, NameMatch{layer, 0, "weight"}));
      }
    }
  }

  static bool is_needed(std::string_view needed, const std::set<std::string_view>& chosen) {
    if (needed.empty()) return true;
    while (!needed.empty()) {
      const auto bar = needed.find('|');
      if (chosen.count(needed.substr(0, bar)) > 0) return true;
      needed = bar == std::string_view::npos ? std::string_view{} : needed.substr(bar + 1);
    }
    return false;
  }

  /// Some exporters keep tied weights under the output's name only.
  const TensorInfo* tied_output() const {
    if (!build_.config.boolean("tie_word_embeddings").value_or(false)) return nullptr;
    for (std::size_t rule = 0; rule < spec_.tensors.size(); ++rule) {
      if (fill_name(spec_.tensors[rule].target, NameMatch{}) != "output.weight") continue;
      if (const auto* members = find(rule, 0)) return members->front().tensor;
    }
    return nullptr;
  }

  /// An output that is said not to be the embedding must be there: a lost shard leaves a model that answers
  /// nonsense. Embedding models are saved without their output, with a folder or names that say so.
  void check_output() const {
    if (build_.config.boolean("tie_word_embeddings").value_or(true)) return;
    if (!build_.config.class_name().ends_with("ForCausalLM")) return;
    if (has_file(build_.folder / "modules.json") || is_bare()) return;
    const TensorRule* output = nullptr;
    for (std::size_t rule = 0; rule < spec_.tensors.size(); ++rule) {
      if (fill_name(spec_.tensors[rule].target, NameMatch{}) != "output.weight") continue;
      if (find(rule, 0) != nullptr) return;
      output = &spec_.tensors[rule];
    }
    if (output == nullptr) return;
    const std::string name = fill_name(output->source, NameMatch{});
    for (const SkipRule& skip : spec_.skips) {
      if (match_name(skip.pattern, name)) return;  // the architecture has no output of its own
    }
    throw Error(
        ErrorKind::input_invalid,
        build_.config.where() + ": 'tie_word_embeddings' is false, but the weights have no '" + name + "'",
        "download the model again; if its output is the embedding, set 'tie_word_embeddings' to true");
  }

  /// Whether the weights are those of the model without what its class adds: names lack the prefix.
  bool is_bare() const {
    if (spec_.optional_prefix.empty()) return false;
    for (const auto& [key, members] : groups_) {
      if (spec_.tensors[key.rule].target != "token_embd.weight") continue;
      return !canonical_name(members.front().tensor->name).starts_with(spec_.optional_prefix);
    }
    return false;
  }

  void emit() {
    bool has_embedding = false;
    for (const auto& [key, members] : groups_) {
      has_embedding = has_embedding || spec_.tensors[key.rule].target == "token_embd.weight";
    }
    for (auto& [key, members] : groups_) {
      const TensorRule& rule = spec_.tensors[key.rule];
      for (const Member& member : members) {
        if (!rule.integers) require_float_weights(*member.tensor);
      }
      std::string target = fill_name(rule.target, NameMatch{key.layer, 0, key.kind});
      if (target == "output.weight" && !has_embedding) target = "token_embd.weight";
      TensorExprPtr expr = kept_blocks(rule, key, members, target);
      if (expr == nullptr) {
        expr = joined(rule, key, members,
                      [&](const Member& member) { return build_.source.expression(*member.tensor); });
      }
      add(std::move(target), std::move(expr));
    }
  }

  /// The tensor made of blocks as they are stored; null where it has none, or none that llama.cpp could read.
  TensorExprPtr kept_blocks(const TensorRule& rule, const GroupKey& key, const std::vector<Member>& members,
                            std::string_view target) {
    const auto has_none = [&](const Member& member) { return build_.source.kept(*member.tensor) == nullptr; };
    if (!reads_scale(build_.arch, target) || std::any_of(members.begin(), members.end(), has_none)) return {};
    // llama.cpp adds a feed-forward's bias before it multiplies with the scale.
    const bool biased = groups_.count(GroupKey{key.rule, key.layer, "bias"}) > 0;
    if (biased && target.find(".ffn_") != std::string_view::npos) return {};
    try {
      TensorExprPtr expr = joined(rule, key, members, [&](const Member& member) {
        return build_.source.kept(*member.tensor)->blocks;
      });
      return expr->dtype() == DType::nvfp4 ? expr : nullptr;
    } catch (const Error&) {
      return {};  // it would take blocks apart, or fail for the numbers, too
    }
  }

  /// The rule's output from the expressions of `members`, which are in order, each there once.
  template <typename Expression>
  TensorExprPtr joined(const TensorRule& rule, const GroupKey& key, const std::vector<Member>& members,
                       Expression&& expression) {
    const bool many = has_hole(rule.source, 'E') || has_hole(rule.source, 'N');
    if (many) require_all(rule, key, members);
    std::vector<TensorExprPtr> parts;
    parts.reserve(members.size());
    for (const Member& member : members) parts.push_back(expression(member));
    TensorExprPtr expr = many ? stacked(std::move(parts)) : std::move(parts.front());
    return rule.transform == nullptr ? expr : rule.transform(std::move(expr), build_);
  }

  /// Throws input_invalid if there are more or fewer members than the configuration has experts.
  void require_all(const TensorRule& rule, const GroupKey& key, const std::vector<Member>& members) const {
    const std::uint64_t told = has_hole(rule.source, 'E') ? build_.config.expert_count() : 0;
    const std::uint64_t count = told > 0 ? told : members.back().index + 1;
    const std::string where = first_file() + ": layer " + std::to_string(key.layer);
    if (members.back().index >= count) {
      throw Error(ErrorKind::input_invalid,
                  where + " has an expert " + std::to_string(members.back().index) + " ('" +
                      printable(members.back().tensor->name) + "'), but " + build_.config.where() + " has " +
                      std::to_string(count) + " experts",
                  "check that config.json belongs to these weights");
    }
    if (members.size() != count) {
      throw Error(ErrorKind::input_invalid,
                  where + " lacks experts " + missing_numbers(members, count) + " of '" +
                      std::string(rule.source) + "'",
                  "download the model again, or check that config.json belongs to these weights");
    }
  }

  void add(std::string target, TensorExprPtr expr) {
    if (!targets_.insert(target).second) {
      throw Error(
          ErrorKind::input_invalid,
          first_file() + ": " + describe(*expr) + " and another tensor would both become '" + target + "'",
          "keep one of them");
    }
    build_.tensors.emplace_back(std::move(target), std::move(expr));
  }

  ArchBuild& build_;
  const ArchSpec& spec_;
  const std::uint64_t blocks_;
  Groups groups_;
  std::set<std::uint64_t> extra_layers_;
  std::map<std::string_view, std::uint64_t> other_parts_;  ///< tensors under each prefix
  std::map<std::uint64_t, std::uint64_t> dropped_layers_;  ///< tensors of each
  std::vector<const TensorInfo*> trunk_;                   ///< that a file of prediction layers leaves out
  std::set<std::string> targets_;
  std::vector<std::string> leftover_;
};

}  // namespace

std::string canonical_name(std::string_view stored_name) {
  constexpr std::string_view kWrapper = "language_model.";
  if (stored_name.find(kWrapper) == std::string_view::npos) return std::string(stored_name);
  std::string name;
  for (const char c : stored_name) {
    name += c;
    // At each end, so that one that taking out another leaves behind goes too.
    if (name.ends_with(kWrapper)) name.resize(name.size() - kWrapper.size());
  }
  return name;
}

std::string_view other_part(std::string_view name) {
  std::size_t at = std::string_view::npos;
  for (const std::string_view mark : kOtherParts) at = std::min(at, name.find(mark));
  for (const std::string_view start : kOtherStarts) {
    if (name.starts_with(start)) at = 0;
  }
  if (at == std::string_view::npos) return {};
  return name.substr(0, std::min(name.find('.', at), name.size() - 1) + 1);
}

std::string table_name(const ArchSpec& spec, const ModelConfig& config, std::string_view stored_name) {
  std::string name = canonical_name(stored_name);
  return spec.rename == nullptr ? name : spec.rename(std::move(name), config);
}

void apply_tensor_rules(ArchBuild& build, const ArchSpec& spec) {
  TensorTable(build, spec).apply();
}

}  // namespace qtz
