// The mixes: how the file types of llama-quantize deviate from their base type, tensor by tensor.
// A mix spends more bits where an error costs most: in the values of attention, in ffn_down, in the outer
// layers.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "file_types.h"
#include "mix_facts.h"
#include "qtz/core/shape.h"
#include "tensor_role.h"

namespace qtz {

/// What a mix decided, and the reason for people.
struct MixPick {
  DType type;
  std::string_view why;
};

/// Decides tensor after tensor. Some rules depend on how many tensors of a role were decided before (the
/// "outer layers" of attn_v are outer in that count), so the caller must keep llama-quantize's order and must
/// not ask for tensors that another rule has already decided.
class MixRules {
 public:
  struct Setting {
    Mix mix;
    DType base;            ///< the file type's default
    bool has_importance;   ///< an importance matrix is in use, for whatever tensors
    bool tied_embeddings;  ///< the model has no output.weight: token_embd does its work
    std::uint64_t values;  ///< attention_value tensors in the whole model
  };
  MixRules(const Setting& setting, const MixFacts& facts) : setting_(setting), facts_(facts) {}

  /// The next tensor's type; nothing when the base type stands.
  bool tied_embeddings() const noexcept { return setting_.tied_embeddings; }

  std::optional<MixPick> next(TensorRole role, std::string_view name, const Shape& shape);

 private:
  /// A layer's place in the depth that the rules divide.
  struct Place {
    std::uint64_t index;
    std::uint64_t count;
    bool within_first(std::uint64_t parts) const noexcept { return index < count / parts; }
    bool is_outer_or_third() const noexcept;
    bool is_between_eighths() const noexcept;
  };

  Place place_of(std::string_view name, std::uint64_t seen) const;

  std::optional<MixPick> below_three_bits(TensorRole role);
  std::optional<MixPick> output(std::uint64_t cols) const;
  std::optional<MixPick> token_embedding() const;
  std::optional<MixPick> expert_or_not(TensorRole role, const Shape& shape) const;
  std::optional<MixPick> attention_value(std::uint64_t index) const;
  std::optional<MixPick> attention_value_by_mix(std::uint64_t index) const;
  std::optional<MixPick> attention_key() const;
  std::optional<MixPick> attention_query() const;
  std::optional<MixPick> attention_output() const;
  std::optional<MixPick> ffn_down(Place place) const;
  std::optional<MixPick> ffn_gate_or_up(Place place) const;

  Setting setting_;
  MixFacts facts_;
  std::uint64_t values_seen_ = 0;
  std::uint64_t downs_seen_ = 0;
  std::uint64_t gates_seen_ = 0;
  std::uint64_t ups_seen_ = 0;
};

}  // namespace qtz
