// Rows for the kernel tests that differ from the golden ones: reproducible, of every temper.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace qtz::testing_kernels {

enum class Temper { normal, heavy_tails, coarse, tiny, huge, any_bits };

inline constexpr Temper kTempers[] = {Temper::normal, Temper::heavy_tails, Temper::coarse,
                                      Temper::tiny,   Temper::huge,        Temper::any_bits};

inline std::string name_of(Temper temper) {
  switch (temper) {
    case Temper::normal:
      return "normal";
    case Temper::heavy_tails:
      return "heavy tails";
    case Temper::coarse:
      return "few distinct values";
    case Temper::tiny:
      return "tiny and subnormal";
    case Temper::huge:
      return "near the largest float";
    case Temper::any_bits:
      return "any finite bits";
  }
  return {};
}

/// `count` finite floats.
inline std::vector<float> random_values(Temper temper, std::size_t count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  const auto uniform = [&] { return static_cast<float>(engine() >> 8) * 0x1p-24f; };
  const auto bell = [&] { return (uniform() + uniform() + uniform() + uniform() - 2.0f); };
  std::vector<float> out(count);
  for (float& value : out) {
    switch (temper) {
      case Temper::normal:
        value = 0.03f * bell();
        break;
      case Temper::heavy_tails: {
        const float base = bell();
        value = 0.01f * base / (0.02f + uniform());
        break;
      }
      case Temper::coarse:
        value = 0.125f * std::floor(4.0f * bell());
        break;
      case Temper::tiny:
        value = bell() * std::ldexp(1.0f, -100 - static_cast<int>(engine() % 50));
        break;
      case Temper::huge:
        value = bell() * 0x1p126f;
        break;
      case Temper::any_bits:
        do value = std::bit_cast<float>(static_cast<std::uint32_t>(engine()));
        while (!std::isfinite(value));
        break;
    }
  }
  return out;
}

/// `count` weights >= 0, some of them zero.
inline std::vector<float> random_importance(std::size_t count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::vector<float> out(count);
  for (float& value : out) {
    const std::uint32_t draw = static_cast<std::uint32_t>(engine());
    value = draw % 16 == 0 ? 0.0f : static_cast<float>(draw >> 8) * 0x1p-20f;
  }
  return out;
}

}  // namespace qtz::testing_kernels
