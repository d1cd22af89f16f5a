// What a tile of an artifact is when looked at: the errors of its numbers against the source, summed in a
// fixed order.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "qtz/core/dtype.h"

namespace qtz {

/// Sums over a tile; tiles are added in file order, so that the sums do not depend on threads.
struct Comparison {
  std::uint64_t nonfinite = 0;             ///< of the artifact, where the source is finite or not known
  std::optional<std::uint64_t> first_bad;  ///< element of the first of them
  bool same_bytes = true;                  ///< as the source's, or as the source encoded again
  double signal = 0;
  double stored_signal = 0;
  double product = 0;
  double noise = 0;
  double foretold = 0;
  double max_abs = 0;
  double worst_piece = 0;      ///< largest ratio of noise to foretold noise
  std::uint64_t worst_at = 0;  ///< element where that piece begins
  std::uint64_t pieces = 0;
  std::uint64_t lost_pieces = 0;  ///< whose noise is as large as their signal: zeros would do as well
  std::optional<std::uint64_t> first_lost;  ///< element where the first of them begins

  void add(const Comparison& next) noexcept;
};

/// Compares rows of `cols` numbers; `first` is the element that they begin with. The source must be finite.
Comparison compare_rows(DType type, std::span<const float> source, std::span<const float> stored,
                        std::uint64_t cols, std::uint64_t first) noexcept;

}  // namespace qtz
