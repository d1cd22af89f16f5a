#include "qtz/kernels/bench.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <string_view>

#include "qtz/core/error.h"

namespace qtz {
namespace {

using Operation = BenchResult::Operation;

constexpr std::uint64_t kCols = 4096;
constexpr std::uint64_t kTileRows = 16;

/// A small generator of our own, so that every run and every standard library times the same numbers.
class Generator {
 public:
  std::uint32_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(state_ >> 32);
  }
  float uniform() { return static_cast<float>(next() >> 8) * 0x1p-24f; }
  /// Roughly normal: the sum of uniform numbers.
  float bell() {
    float sum = -3.0f;
    for (int i = 0; i < 6; ++i) sum += uniform();
    return sum * 0.03f;
  }

 private:
  std::uint64_t state_ = 1;
};

template <class Body>
double seconds_of(const Body& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// A body for Bench::time that does nothing but what is timed.
template <class Body>
auto timed(Body body) {
  return [body](std::uint64_t rows) { return seconds_of([&] { body(rows); }); };
}

class Bench {
 public:
  Bench(const Backend& backend, const BenchOptions& options)
      : backend_(backend), options_(options), rows_(std::max<std::uint64_t>(options.weights / kCols, 1)) {
    Generator generator;
    x_.resize(rows_ * kCols);
    for (float& value : x_) value = generator.bell();
    importance_.resize(kCols);
    for (float& value : importance_) value = generator.uniform();
    blocks_.resize(x_.size() * sizeof(float));
    back_.resize(x_.size());
  }

  void copy() {
    time(Operation::copy, DType::f32, sizeof(float), timed([&](std::uint64_t rows) {
           std::memcpy(back_.data(), x_.data(), rows * kCols * sizeof(float));
         }));
    time(Operation::find_nonfinite, DType::f32, sizeof(float), timed([&](std::uint64_t rows) {
           QTZ_CHECK(backend_.find_nonfinite(x_.data(), rows * kCols) == rows * kCols);
         }));
  }

  /// As the pipeline encodes: one tile after the other, each freshly written by the step before, so that it
  /// is in the cache. Writing it is not timed.
  void encode(DType type, const float* importance) {
    time(importance != nullptr ? Operation::encode_importance : Operation::encode, type, sizeof(float),
         [&](std::uint64_t rows) {
           double seconds = 0;
           for (std::uint64_t row = 0; row < rows; row += kTileRows) {
             const std::uint64_t tile_rows = std::min(kTileRows, rows - row);
             std::memcpy(back_.data(), x_.data() + row * kCols, tile_rows * kCols * sizeof(float));
             seconds += seconds_of(
                 [&] { backend_.encode(type, back_.data(), importance, tile_rows, kCols, blocks_.data()); });
           }
           return seconds;
         });
  }

  void decode(DType type) {
    const DTypeTraits& facts = traits(type);
    if (facts.encodable) {
      backend_.encode(type, x_.data(), nullptr, rows_, kCols, blocks_.data());
    } else {
      std::fill(blocks_.begin(), blocks_.end(), std::byte{0});
    }
    const std::uint64_t fitting = blocks_.size() / row_bytes(type, kCols);
    time(Operation::decode, type, static_cast<double>(facts.block_bytes) / facts.block_elems,
         timed([&](std::uint64_t rows) {
           backend_.decode(type, blocks_.data(), back_.data(), std::min(rows, fitting) * kCols);
         }),
         fitting);
  }

  const float* importance() const { return importance_.data(); }
  std::vector<BenchResult> take() && { return std::move(results_); }

 private:
  /// `body(rows)` works on so many rows and returns the seconds that count.
  template <class Body>
  void time(Operation operation, DType type, double bytes_per_weight, const Body& body,
            std::uint64_t most_rows = std::numeric_limits<std::uint64_t>::max()) {
    std::uint64_t rows = std::min(rows_, most_rows);
    // A first look at a few rows also wakes the clock of the core.
    const std::uint64_t probe = std::max<std::uint64_t>(rows / 64, 1);
    const double expected = body(probe) * static_cast<double>(rows) / static_cast<double>(probe);
    if (expected > options_.longest_repetition) {
      const double share = options_.longest_repetition / expected;
      rows = std::max(probe, static_cast<std::uint64_t>(static_cast<double>(rows) * share));
    }
    double fastest = std::numeric_limits<double>::infinity();
    for (int i = 0; i < std::max(options_.repetitions, 1); ++i) {
      fastest = std::min(fastest, body(rows));
    }
    const std::uint64_t weights = rows * kCols;
    const double rate = static_cast<double>(weights) / std::max(fastest, 1e-9);
    results_.push_back({operation, type, weights, fastest, rate, rate * bytes_per_weight / 1e9});
  }

  const Backend& backend_;
  BenchOptions options_;
  std::uint64_t rows_;
  std::vector<float> x_, importance_, back_;
  std::vector<std::byte> blocks_;
  std::vector<BenchResult> results_;
};

}  // namespace

std::string_view name_of(BenchResult::Operation operation) noexcept {
  switch (operation) {
    case Operation::copy:
      return "memcpy";
    case Operation::find_nonfinite:
      return "find_nonfinite";
    case Operation::encode:
      return "encode";
    case Operation::encode_importance:
      return "encode+importance";
    case Operation::decode:
      return "decode";
  }
  return {};
}

std::vector<BenchResult> run_kernel_bench(std::span<const DType> types, const Backend& backend,
                                          const BenchOptions& options) {
  QTZ_CHECK(backend.supported && backend.table != nullptr);
  Bench bench(backend, options);
  bench.copy();
  for (const DType type : types) {
    if (traits(type).encodable) {
      bench.encode(type, nullptr);
      if (options.with_importance && is_quantized(type)) bench.encode(type, bench.importance());
    }
    if (options.with_decode && backend.can_decode(type)) bench.decode(type);
  }
  return std::move(bench).take();
}

}  // namespace qtz
