#include "mix_rules.h"

namespace qtz {
namespace {

constexpr std::string_view kMoreBits = "more bits";
constexpr std::string_view kOuter = "more bits in the outer layers and every third";
constexpr std::string_view kFirst = "more bits in the first layers";
constexpr std::string_view kGrouped = "more bits, it is small with grouped heads";
constexpr std::string_view kEightExperts = "more bits, it is small beside 8 experts";

constexpr std::string_view kFewer = "fewer bits where they are missed least";

MixPick more(DType type, std::string_view why = kMoreBits) {
  return {type, why};
}

/// The mixes around grids of one and two bits have rules of their own.
bool is_below_three_bits(Mix mix) noexcept {
  switch (mix) {
    case Mix::iq1_s:
    case Mix::iq1_m:
    case Mix::iq2_xxs:
    case Mix::iq2_xs:
    case Mix::iq2_s:
    case Mix::iq2_m:
      return true;
    default:
      return false;
  }
}

}  // namespace

/// The first and the last eighth of the layers, and every third between.
bool MixRules::Place::is_outer_or_third() const noexcept {
  const std::uint64_t eighth = count / 8;
  return index < eighth || index >= 7 * count / 8 || (index - eighth) % 3 == 2;
}

bool MixRules::Place::is_between_eighths() const noexcept {
  return index >= count / 8 && index < 7 * count / 8;
}

/// Experts stored one by one are not in layer order, so with experts the name tells the layer.
MixRules::Place MixRules::place_of(std::string_view name, std::uint64_t seen) const {
  const auto named = facts_.experts > 1 ? layer_of(name) : std::nullopt;
  return {named ? std::uint64_t{*named} : seen, facts_.layers};
}

std::optional<MixPick> MixRules::next(TensorRole role, std::string_view name, const Shape& shape) {
  if (setting_.mix == Mix::mxfp4_moe) return expert_or_not(role, shape);
  if (role == TensorRole::output) return output(shape.cols());
  if (role == TensorRole::token_embedding) {
    return setting_.tied_embeddings ? output(shape.cols()) : token_embedding();
  }
  if (is_below_three_bits(setting_.mix)) return below_three_bits(role);
  switch (role) {
    case TensorRole::attention_value:
      return attention_value(values_seen_++);
    case TensorRole::attention_key:
      return attention_key();
    case TensorRole::attention_output:
      return attention_output();
    case TensorRole::attention_query:
      return attention_query();
    case TensorRole::ffn_down:
      return ffn_down(place_of(name, downs_seen_++));
    case TensorRole::ffn_gate:
      return ffn_gate_or_up(place_of(name, gates_seen_++));
    case TensorRole::ffn_up:
      return ffn_gate_or_up(place_of(name, ups_seen_++));
    case TensorRole::output:
    case TensorRole::token_embedding:
    case TensorRole::other:
      break;
  }
  return std::nullopt;
}

/// Values, the first ffn_down and attention's output get more; here the layer is always that in the count.
std::optional<MixPick> MixRules::below_three_bits(TensorRole role) {
  const Mix mix = setting_.mix;
  const bool upper = mix == Mix::iq2_s || mix == Mix::iq2_m;
  const bool ones = mix == Mix::iq1_s || mix == Mix::iq1_m;
  const DType richer = upper ? DType::iq3_s : DType::q2_k;
  switch (role) {
    case TensorRole::attention_value:
      if (facts_.heads_per_kv >= 4) return more(DType::q4_k, kGrouped);
      if (facts_.experts >= 4) return more(DType::q4_k, "more bits, it is small beside the experts");
      return more(richer);
    case TensorRole::attention_key:
      if (facts_.experts == 8) return more(DType::q4_k, kEightExperts);
      break;
    case TensorRole::attention_output:
      if (facts_.experts == 8) return more(DType::q5_k, kEightExperts);
      if (ones) return more(DType::iq2_xxs);
      if (upper) return more(DType::iq3_s);
      break;
    case TensorRole::ffn_down:
      if (Place{downs_seen_++, facts_.layers}.within_first(8)) return more(richer, kFirst);
      break;
    default:
      break;
  }
  return std::nullopt;
}

/// The last matrix before the logits: 6 bits at least, 5 in the mixes of few bits.
std::optional<MixPick> MixRules::output(std::uint64_t cols) const {
  if (facts_.falcon) return more(DType::q8_0, "8 bits for the output of Falcon");
  if (cols % traits(setting_.base).block_elems != 0) return more(DType::q8_0, "8 bits, odd row length");
  if (setting_.base == DType::q8_0) return std::nullopt;
  if (is_below_three_bits(setting_.mix) || setting_.mix == Mix::iq3_xxs) {
    return more(DType::q5_k, "5 bits for the output");
  }
  return more(DType::q6_k, "6 bits for the output");
}

std::optional<MixPick> MixRules::token_embedding() const {
  switch (setting_.mix) {
    case Mix::q2_0:
    case Mix::tq1_0:
    case Mix::tq2_0:
      return more(DType::q4_k, "4 bits, the embedding is not trained ternary");
    case Mix::iq1_s:
    case Mix::iq1_m:
    case Mix::iq2_xxs:
    case Mix::iq2_xs:
      return more(DType::q2_k);
    case Mix::iq2_s:
    case Mix::iq2_m:
    case Mix::iq3_xxs:
      return more(DType::iq3_s);
    default:
      return std::nullopt;
  }
}

/// MXFP4_MOE: what has one matrix per expert has the base type. The third dimension tells, and for
/// BailingMoE 3, which has others with one, the role.
std::optional<MixPick> MixRules::expert_or_not(TensorRole role, const Shape& shape) const {
  const bool last =
      role == TensorRole::output || (role == TensorRole::token_embedding && setting_.tied_embeddings);
  const bool stacked = shape.rank() > 2 && shape[shape.rank() - 3] > 1;
  const bool feed_forward =
      role == TensorRole::ffn_up || role == TensorRole::ffn_gate || role == TensorRole::ffn_down;
  const bool expert = stacked && !last && (facts_.architecture != "bailingmoe3" || feed_forward);
  if (expert) return std::nullopt;
  return more(DType::q8_0, "8 bits for all but experts");
}

std::optional<MixPick> MixRules::attention_value(std::uint64_t index) const {
  if (facts_.experts == 8) return more(DType::q8_0, kEightExperts);
  const auto pick = attention_value_by_mix(index);
  const DType type = pick ? pick->type : setting_.base;
  if (facts_.seventy_b && (type == DType::q3_k || type == DType::q4_k)) {
    return more(DType::q5_k, "more bits, it is an eighth of attn_q in a 70B");
  }
  return pick;
}

std::optional<MixPick> MixRules::attention_value_by_mix(std::uint64_t index) const {
  const bool grouped = facts_.heads_per_kv >= 4;
  const Place place{index, setting_.values};
  switch (setting_.mix) {
    case Mix::q2_k:
      return grouped ? more(DType::q4_k, kGrouped) : more(DType::q3_k);
    case Mix::q2_k_s:
      if (grouped) return more(DType::q4_k, kGrouped);
      break;
    case Mix::iq3_xxs:
      if (grouped) return more(DType::q4_k, kGrouped);
      if (!setting_.has_importance) return more(DType::iq3_s);
      break;
    case Mix::iq3_xs:
    case Mix::iq3_s:
      if (grouped) return more(DType::q4_k, kGrouped);
      break;
    case Mix::iq3_m:
      return more(DType::q4_k);
    case Mix::q3_k_m:
      return index < 2 ? more(DType::q5_k, kFirst) : more(DType::q4_k);
    case Mix::q3_k_l:
      return more(DType::q5_k);
    case Mix::q4_k_s:
      if (index < 4) return more(DType::q5_k, kFirst);
      break;
    case Mix::q4_k_m:
    case Mix::q5_k_m:
      if (place.is_outer_or_third()) return more(DType::q6_k, kOuter);
      break;
    case Mix::iq4_nl:
    case Mix::iq4_xs:
      if (grouped) return more(DType::q5_k, kGrouped);
      break;
    default:
      break;
  }
  return std::nullopt;
}

std::optional<MixPick> MixRules::attention_key() const {
  if (facts_.experts == 8) return more(DType::q8_0, kEightExperts);
  return attention_query();
}

/// Queries, and keys, take what the others get more.
std::optional<MixPick> MixRules::attention_query() const {
  if (setting_.mix == Mix::iq3_xs) return MixPick{DType::iq3_xxs, kFewer};
  if (setting_.mix == Mix::iq3_xxs) return MixPick{DType::iq2_s, kFewer};
  return std::nullopt;
}

std::optional<MixPick> MixRules::attention_output() const {
  if (facts_.falcon) {
    if (setting_.mix == Mix::q3_k_l) return more(DType::q4_k);
    return std::nullopt;
  }
  const bool eight_experts = facts_.experts == 8;
  switch (setting_.mix) {
    case Mix::q2_k:
      return eight_experts ? more(DType::q5_k, kEightExperts) : more(DType::q3_k);
    case Mix::iq3_xxs:
      return eight_experts ? more(DType::q5_k, kEightExperts) : more(DType::iq3_s);
    case Mix::q3_k_m:
    case Mix::iq3_m:
      return eight_experts ? more(DType::q5_k, kEightExperts) : more(DType::q4_k);
    case Mix::q3_k_l:
      if (!eight_experts) return more(DType::q5_k);
      break;
    case Mix::iq3_xs:
    case Mix::iq3_s:
    case Mix::q3_k_s:
    case Mix::q4_k_s:
    case Mix::q4_k_m:
    case Mix::iq4_nl:
    case Mix::iq4_xs:
      if (eight_experts) return more(DType::q5_k, kEightExperts);
      break;
    default:
      break;
  }
  return std::nullopt;
}

std::optional<MixPick> MixRules::ffn_down(Place place) const {
  switch (setting_.mix) {
    case Mix::q2_k:
      return more(DType::q3_k);
    case Mix::q2_k_s:
      if (place.within_first(8)) return more(DType::q4_k, kFirst);
      break;
    case Mix::iq3_xxs:
      if (setting_.has_importance) break;
      return place.within_first(8) ? more(DType::q4_k, kFirst) : more(DType::q3_k);
    case Mix::iq3_m:
      if (place.within_first(8)) return more(DType::q4_k, kFirst);
      if (facts_.experts == 8 && place.is_outer_or_third()) return more(DType::q4_k, kOuter);
      break;
    case Mix::q3_k_m:
      if (place.within_first(16)) return more(DType::q5_k, kFirst);
      if (!facts_.falcon) return more(DType::q4_k);
      if (place.is_outer_or_third()) return more(DType::q4_k, kOuter);
      break;
    case Mix::q3_k_l:
      return more(facts_.falcon ? DType::q4_k : DType::q5_k);
    case Mix::q4_k_s:
      if (!facts_.falcon && place.within_first(8)) return more(DType::q5_k, kFirst);
      break;
    case Mix::q4_k_m:
      if (facts_.falcon && place.within_first(16)) return more(DType::q6_k, kFirst);
      if (place.is_outer_or_third()) return more(facts_.falcon ? DType::q5_k : DType::q6_k, kOuter);
      break;
    case Mix::q5_k_m:
      if (place.is_outer_or_third()) return more(DType::q6_k, kOuter);
      break;
    case Mix::iq4_nl:
    case Mix::iq4_xs:
      if (!setting_.has_importance && place.within_first(8)) return more(DType::q5_k, kFirst);
      break;
    // An importance matrix can drive the symmetric types to extremes in the first layers; a minimum tames
    // them.
    case Mix::q4_0:
      if (setting_.has_importance && place.within_first(8)) return more(DType::q4_1, kFirst);
      break;
    case Mix::q5_0:
      if (setting_.has_importance && place.within_first(8)) return more(DType::q5_1, kFirst);
      break;
    default:
      break;
  }
  return std::nullopt;
}

std::optional<MixPick> MixRules::ffn_gate_or_up(Place place) const {
  if (setting_.mix == Mix::iq3_xs && place.is_between_eighths()) return MixPick{DType::iq3_xxs, kFewer};
  return std::nullopt;
}

}  // namespace qtz
