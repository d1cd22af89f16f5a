// For every group of levels that is no point of a grid, the points near it: those at the grid's smallest
// distances, nearest first, and of equal distance in ascending order. Authority: ggml's iq2xs_init_impl and
// iq3xs_init_impl.
//
// The lists are worked out by the first thread that asks, which takes some milliseconds, and stand in static
// memory. They are padded to whole sets of lanes with a copy of their first point, which never is the first
// of the best.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "quants/grid_points.h"

namespace qtz::quants {

/// Points in all lists of a grid together; a test counts them.
template <class G>
inline constexpr std::size_t kListed = 0;
template <>
inline constexpr std::size_t kListed<Grid3Xxs> = 18985;
template <>
inline constexpr std::size_t kListed<Grid3S> = 24733;
template <>
inline constexpr std::size_t kListed<Grid2Xxs> = 113157;
template <>
inline constexpr std::size_t kListed<Grid2Xs> = 181721;
template <>
inline constexpr std::size_t kListed<Grid2S> = 44716;
template <>
inline constexpr std::size_t kListed<Grid1> = 327721;

template <class G, std::size_t Width>
class GridNeighbours {
 public:
  /// A group of levels, by its place in ascending order: a point's number, or where its list is.
  struct Place {
    std::uint32_t first;  ///< the point's number, or index of the list's first entry
    std::uint32_t sets;   ///< of Width entries each; 0 for a point
  };

  static const GridNeighbours& table() {
    static const GridNeighbours only;
    return only;
  }

  const Place& at(std::size_t code) const { return places_[code]; }
  /// Packed points.
  const std::uint16_t* list(const Place& place) const { return lists_.data() + place.first; }

 private:
  static constexpr std::size_t kHalf = G::digits / 2;
  static constexpr std::size_t kHalfBits = kHalf * G::digit_bits;
  static constexpr std::size_t kMaxDistance = G::digits * (G::base - 1) * (G::base - 1);
  using HalfRow = std::array<std::uint8_t, std::size_t{1} << kHalfBits>;

  GridNeighbours() {
    std::uint32_t rank = 0, end = 0;
    HalfRow low, high;
    for (std::uint32_t code = 0; code < G::codes; ++code) {
      const std::uint16_t packed = G::pack(code);
      if (G::has(code)) {
        places_[code] = {rank++, 0};
        continue;
      }
      fill_half(low, packed & (low.size() - 1));
      fill_half(high, packed >> kHalfBits);
      const std::uint32_t first = end;
      end = append(low, high, end);
      while (end % Width != 0) lists_[end++] = lists_[first];
      places_[code] = {first, static_cast<std::uint32_t>((end - first) / Width)};
    }
  }

  /// Squared distances of half a group from every half there is.
  static void fill_half(HalfRow& row, std::size_t packed) {
    for (std::size_t other = 0; other < row.size(); ++other) {
      int sum = 0;
      for (std::size_t i = 0; i < kHalf; ++i) {
        const int difference =
            G::digit(static_cast<std::uint16_t>(packed), i) - G::digit(static_cast<std::uint16_t>(other), i);
        sum += difference * difference;
      }
      row[other] = static_cast<std::uint8_t>(sum);
    }
  }

  /// Writes the list whose distances are given by halves; returns its end.
  std::uint32_t append(const HalfRow& low, const HalfRow& high, std::uint32_t end) {
    std::array<std::uint8_t, G::count> distance;
    std::array<std::uint32_t, kMaxDistance + 1> at{};
    for (std::size_t i = 0; i < G::count; ++i) {
      const std::uint32_t point = G::points[i];
      distance[i] = static_cast<std::uint8_t>(low[point & (low.size() - 1)] + high[point >> kHalfBits]);
      ++at[distance[i]];
    }
    // From how many points are at a distance to where they start.
    std::size_t rings = 0, reach = 0;
    for (std::size_t d = 0; d <= kMaxDistance && rings < G::rings; ++d) {
      const std::uint32_t points = at[d];
      at[d] = end;
      end += points;
      if (points > 0) ++rings;
      reach = d;
    }
    if (end > lists_.size()) std::abort();
    for (std::size_t i = 0; i < G::count; ++i) {
      if (distance[i] <= reach) lists_[at[distance[i]]++] = G::points[i];
    }
    return end;
  }

  std::array<Place, G::codes> places_;
  std::array<std::uint16_t, kListed<G> + (G::codes - G::count) * (Width - 1)> lists_;
};

}  // namespace qtz::quants
