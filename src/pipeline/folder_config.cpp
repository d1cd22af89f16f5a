#include "folder_config.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "qtz/core/text.h"

namespace qtz {
namespace {

/// Of Python's regular expressions, too.
std::string escaped(std::string_view name) {
  std::string pattern;
  for (const char c : name) {
    if (std::string_view(".+*?()[]{}^$|\\").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

/// The name as a pattern in which every number between dots stands for any.
std::string for_any_number(std::string_view name) {
  std::string pattern;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    const std::string_view part = name.substr(at, end - at);
    const bool number = !part.empty() && std::all_of(part.begin(), part.end(),
                                                     [](unsigned char c) { return std::isdigit(c) != 0; });
    if (at > 0) pattern += "\\.";
    pattern += number ? "\\d+" : escaped(part);
    at = end + 1;
  }
  return pattern;
}

/// Patterns that match these names and none of the others, few where a pattern for all layers will do.
std::vector<std::string> patterns_of(const std::vector<std::string>& names,
                                     const std::vector<std::string>& others) {
  std::set<std::string> taken;
  for (const std::string& other : others) taken.insert(for_any_number(other));
  std::vector<std::string> patterns;
  std::set<std::string> seen;
  for (const std::string& name : names) {
    std::string pattern = for_any_number(name);
    if (taken.count(pattern) > 0) pattern = escaped(name);
    if (seen.insert(pattern).second) patterns.push_back("^" + pattern + "$");
  }
  return patterns;
}

std::int64_t group_size_json(const IntegerScheme& scheme) {
  return scheme.group_size == 0 ? -1 : static_cast<std::int64_t>(scheme.group_size);
}

/// Modules by how they differ from the usual.
struct SameScheme {
  IntegerScheme scheme;
  std::vector<std::string> names;
};

std::vector<SameScheme> unusual_modules(const FolderPlan& plan, const IntegerScheme& usual) {
  std::vector<SameScheme> found;
  for (const PlannedModule& planned : plan.modules) {
    if (planned.scheme == usual) continue;
    const auto same = std::find_if(found.begin(), found.end(),
                                   [&](const SameScheme& each) { return each.scheme == planned.scheme; });
    if (same == found.end()) {
      found.push_back({planned.scheme, {planned.module.name}});
    } else {
      same->names.push_back(planned.module.name);
    }
  }
  return found;
}

std::vector<std::string> names_of_others(const FolderPlan& plan, const IntegerScheme* scheme) {
  std::vector<std::string> names;
  for (const PlannedModule& planned : plan.modules) {
    if (scheme == nullptr || !(planned.scheme == *scheme)) names.push_back(planned.module.name);
  }
  return names;
}

bool has_head(const FolderPlan& plan) {
  return std::any_of(plan.modules.begin(), plan.modules.end(),
                     [](const PlannedModule& planned) { return planned.module.is_output; });
}

JsonValue gptq_config(const FolderPlan& plan, const IntegerScheme& usual,
                      const std::vector<std::string>& kept) {
  JsonObject dynamic;
  for (const std::string& pattern : patterns_of(kept, names_of_others(plan, nullptr)))
    dynamic.emplace_back("-:" + pattern, JsonObject{});
  for (const SameScheme& unusual : unusual_modules(plan, usual)) {
    std::vector<std::string> others = names_of_others(plan, &unusual.scheme);
    others.insert(others.end(), kept.begin(), kept.end());
    for (const std::string& pattern : patterns_of(unusual.names, others)) {
      dynamic.emplace_back("+:" + pattern, JsonObject{{"bits", unusual.scheme.bits},
                                                      {"group_size", group_size_json(unusual.scheme)},
                                                      {"sym", unusual.scheme.symmetric}});
    }
  }
  JsonObject config{{"quant_method", "gptq"},
                    {"checkpoint_format", plan.layout == IntegerLayout::gptq ? "gptq" : "gptq_v2"},
                    {"bits", usual.bits},
                    {"group_size", group_size_json(usual)},
                    {"sym", usual.symmetric},
                    {"desc_act", plan.activation_order},
                    {"lm_head", has_head(plan)},
                    {"pack_dtype", "int32"},
                    {"damp_percent", 0.01}};
  if (!dynamic.empty()) config.emplace_back("dynamic", std::move(dynamic));
  config.emplace_back("meta", JsonObject{{"quantizer", JsonArray{"qtz:" QTZ_VERSION}}});
  return config;
}

JsonValue awq_config(const FolderPlan& plan, const IntegerScheme& usual,
                     const std::vector<std::string>& kept) {
  // Readers look for these anywhere in a module's name, so only whole names are safe.
  JsonArray names;
  for (const std::string& name : kept) names.emplace_back(name);
  if (!has_head(plan) && std::find(kept.begin(), kept.end(), "lm_head") == kept.end())
    names.emplace_back("lm_head");
  return JsonObject{
      {"quant_method", "awq"},          {"bits", usual.bits}, {"group_size", group_size_json(usual)},
      {"zero_point", !usual.symmetric}, {"version", "gemm"},  {"modules_to_not_convert", std::move(names)}};
}

JsonValue compressed_group(const IntegerScheme& scheme, JsonArray targets) {
  JsonObject weights{{"num_bits", scheme.bits},
                     {"type", "int"},
                     {"symmetric", scheme.symmetric},
                     {"strategy", scheme.group_size == 0 ? "channel" : "group"}};
  if (scheme.group_size > 0) weights.emplace_back("group_size", scheme.group_size);
  weights.emplace_back("dynamic", false);
  return JsonObject{{"targets", std::move(targets)}, {"weights", std::move(weights)}};
}

JsonValue compressed_config(const FolderPlan& plan, const IntegerScheme& usual,
                            const std::vector<std::string>& kept) {
  JsonObject groups{{"group_0", compressed_group(usual, {"Linear"})}};
  for (const SameScheme& unusual : unusual_modules(plan, usual)) {
    JsonArray targets;
    for (const std::string& name : unusual.names) targets.emplace_back(name);
    groups.emplace_back("group_" + std::to_string(groups.size()),
                        compressed_group(unusual.scheme, std::move(targets)));
  }
  JsonArray ignore;
  for (const std::string& name : kept) ignore.emplace_back(name);
  if (!has_head(plan) && std::find(kept.begin(), kept.end(), "lm_head") == kept.end())
    ignore.emplace_back("lm_head");
  return JsonObject{{"quant_method", "compressed-tensors"},
                    {"format", "pack-quantized"},
                    {"quantization_status", "compressed"},
                    {"config_groups", std::move(groups)},
                    {"ignore", std::move(ignore)}};
}

}  // namespace

JsonValue quantization_config(const FolderPlan& plan, const IntegerScheme& usual,
                              const std::vector<std::string>& kept) {
  switch (plan.type->format) {
    case FolderFormat::gptq:
      return gptq_config(plan, usual, kept);
    case FolderFormat::awq:
      return awq_config(plan, usual, kept);
    case FolderFormat::compressed_tensors:
      break;
  }
  return compressed_config(plan, usual, kept);
}

std::string model_card(const FolderPlan& plan, const IntegerScheme& usual, const FolderOptions& options) {
  const std::string groups =
      usual.group_size == 0 ? "one scale for each output" : "groups of " + std::to_string(usual.group_size);
  std::string text = "---\ntags:\n- " + ascii_lower(std::string(plan.type->name)) + "\n- " +
                     std::to_string(usual.bits) + "-bit\n---\n\n";
  text += "# " + std::to_string(usual.bits) + "-bit weights (" + std::string(plan.type->name) + ")\n\n";
  text += "Made by qtz " QTZ_VERSION ":\n\n    " + options.command + "\n\n";
  text += std::to_string(plan.modules.size()) + " matrices with " + std::to_string(usual.bits) + " bits, " +
          groups + ", " + (usual.symmetric ? "symmetric" : "with zero points") + ": " +
          format_fixed(plan.bits_per_weight(), 2) + " bits per weight. All else is as in the original.\n";
  return text;
}

}  // namespace qtz
