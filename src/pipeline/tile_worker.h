// One worker's part of the conveyor belt: its buffers, and the way of a tile from the source into the
// outputs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "extremes.h"
#include "qtz/kernels/backend.h"
#include "qtz/pipeline/plan.h"
#include "tiles.h"

namespace qtz {

/// Why a tile cannot be written.
struct TileProblem {
  enum class Kind {
    nonfinite,    ///< NaN or infinite weights
    cannot_keep,  ///< ... under OnNan::keep, and the target's blocks cannot hold them
    cannot_zero,  ///< ... under OnNan::zero, inside quantized blocks that are to be copied
    too_large,    ///< finite weights that overflow the target type's numbers
  };
  Kind kind;
  const TileJob* job;
  const PlanEntry* entry;  ///< the target that cannot take it
};

/// Whether the entry's type can hold NaN and infinite weights (OnNan::keep), and whether zeros can be written
/// in their place (OnNan::zero): blocks that are copied are not opened.
bool can_keep_nonfinite(const PlanEntry& entry) noexcept;
bool can_zero_nonfinite(const PlanEntry& entry) noexcept;

class TileWorker {
 public:
  /// Receives encoded bytes of a target from byte `at` of the tensor on. Thread-safe.
  class Writer {
   public:
    virtual ~Writer() = default;
    virtual void write(const TileTarget& target, std::uint64_t at, std::span<const std::byte> bytes) = 0;
    /// Sees what a tile of a target was encoded to, before it is written.
    virtual void see(const TileJob& job, const TileTarget& target, const Tile& tile,
                     std::span<const float> values, std::span<const std::byte> bytes) = 0;
  };

  TileWorker(const TileBounds& bounds, const Backend& backend, OnNan on_nan);

  /// Memory of one worker beside what reading an expression needs.
  static std::uint64_t memory(const TileBounds& bounds) noexcept;

  /// Reads, checks, encodes and writes for every target of the tile.
  std::optional<TileProblem> process(const TileJob& job, const Tile& tile, Writer& writer);

  /// Reads the tile and counts its non-finite values; `first` becomes the index in the tensor of the first
  /// one.
  NonfiniteCount count_nonfinite(const TileJob& job, const Tile& tile, std::optional<std::uint64_t>& first);

  std::uint64_t replaced() const noexcept { return replaced_; }

 private:
  std::span<std::byte> read(const TileJob& job, const Tile& tile);
  std::span<float> widen(const TileJob& job, const Tile& tile, std::span<const std::byte> source);
  std::optional<TileProblem> treat_nonfinite(const TileJob& job, std::span<float> values,
                                             NonfiniteCount count);
  std::span<const std::byte> encode(const PlanEntry& entry, const Tile& tile, std::span<const float> values);

  const Backend& backend_;
  OnNan on_nan_;
  std::unique_ptr<std::byte[]> source_;
  std::unique_ptr<float[]> floats_;
  std::unique_ptr<std::byte[]> encoded_;
  std::uint64_t replaced_ = 0;
};

}  // namespace qtz
