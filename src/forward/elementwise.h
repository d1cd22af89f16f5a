// What happens to states row by row: norms, activations, rotary positions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "forward/graph.h"

namespace qtz {

/// Norms one row in place. `weight` and `bias` are empty where a model has none.
void norm_row(std::span<float> row, NormKind kind, double epsilon, std::span<const float> weight,
              std::span<const float> bias) noexcept;

float sigmoid(float x) noexcept;
float silu(float x) noexcept;
/// ln(1 + e^x)
float softplus(float x) noexcept;

/// One element of the MLP: act(gate) * up.
float gated(Activation activation, const Xielu& xielu, float gate, float up) noexcept;
/// act(x)
float activated(Activation activation, const Xielu& xielu, float x) noexcept;

/// cos and sin of every pair at each of `positions` positions: [positions, dims / 2] each.
struct RopeTable {
  std::uint64_t pairs = 0;
  std::vector<float> cosines;
  std::vector<float> sines;
};
RopeTable make_rope_table(const Rope& rope, std::uint64_t positions);

/// Turns the first 2 * pairs elements of a head at `position`.
void turn(std::span<float> head, const RopeTable& table, RopeKind kind, std::uint64_t position) noexcept;

}  // namespace qtz
