#include "mix_facts.h"

#include <algorithm>
#include <array>
#include <type_traits>

namespace qtz {
namespace {

/// A number, or the first of an array of integers.
std::uint64_t first_number(const GgufValue* value) {
  if (value == nullptr) return 0;
  if (const GgufArray* array = value->as_array()) {
    return std::visit(
        [](const auto& elements) -> std::uint64_t {
          using Element = typename std::decay_t<decltype(elements)>::value_type;
          if constexpr (std::is_integral_v<Element>) {
            if (!elements.empty() && elements.front() >= 0)
              return static_cast<std::uint64_t>(elements.front());
          }
          return 0;
        },
        array->elements);
  }
  return value->as_uint().value_or(0);
}

struct SeventyB {
  std::string_view architecture;
  std::uint64_t layers;
  bool needs_grouped_heads;  ///< the same depth without grouping is another size
};
constexpr std::array kSeventyB = {
    SeventyB{"llama", 80, true}, SeventyB{"llama-embed", 80, true}, SeventyB{"qwen2", 80, false},
    SeventyB{"deci", 80, false}, SeventyB{"olmo", 80, false},       SeventyB{"jais2", 68, false},
};

}  // namespace

MixFacts read_mix_facts(const KvList& metadata) {
  MixFacts facts;
  if (const GgufValue* value = metadata.find("general.architecture")) {
    if (const std::string* text = value->as_string()) facts.architecture = *text;
  }
  const auto key = [&](const char* name) { return metadata.find(facts.architecture + "." + name); };
  facts.layers = first_number(key("block_count"));
  facts.experts = first_number(key("expert_count"));
  const std::uint64_t heads = first_number(key("attention.head_count"));
  const GgufValue* kv = key("attention.head_count_kv");
  const std::uint64_t kv_heads = kv == nullptr ? heads : first_number(kv);
  facts.heads_per_kv = kv_heads == 0 ? 0 : heads / kv_heads;
  facts.falcon = facts.architecture == "falcon";

  // Blocks for predicting further tokens come after the model's own.
  const std::uint64_t extra = first_number(key("nextn_predict_layers"));
  const std::uint64_t depth = facts.layers - std::min(facts.layers, extra);
  facts.seventy_b = std::any_of(kSeventyB.begin(), kSeventyB.end(), [&](const SeventyB& each) {
    return each.architecture == facts.architecture && each.layers == depth &&
           (!each.needs_grouped_heads || heads != kv_heads);
  });
  return facts;
}

}  // namespace qtz
