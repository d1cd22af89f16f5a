#include "qtz/pipeline/compare.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <limits>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "qtz/core/parallel.h"
#include "qtz/core/text.h"
#include "qtz/kernels/codes.h"
#include "tiles.h"

namespace qtz {
namespace {

/// Sums over a tile; added in the order of the tiles.
struct Sums {
  double first = 0, second = 0, product = 0, error = 0;
  double max_abs = 0, largest = 0;
  std::uint64_t nonfinite = 0;

  void add(const Sums& next) noexcept {
    first += next.first;
    second += next.second;
    product += next.product;
    error += next.error;
    max_abs = std::max(max_abs, next.max_abs);
    largest = std::max(largest, next.largest);
    nonfinite += next.nonfinite;
  }
};

Sums sums_of(std::span<const float> first, std::span<const float> second) noexcept {
  Sums sums;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (!std::isfinite(first[i]) || !std::isfinite(second[i])) {
      const bool same = first[i] == second[i] || (std::isnan(first[i]) && std::isnan(second[i]));
      if (!same) ++sums.nonfinite;
      continue;
    }
    const double x = static_cast<double>(first[i]), y = static_cast<double>(second[i]), error = x - y;
    sums.first += x * x;
    sums.second += y * y;
    sums.product += x * y;
    sums.error += error * error;
    sums.max_abs = std::max(sums.max_abs, std::fabs(error));
    sums.largest = std::max({sums.largest, std::fabs(x), std::fabs(y)});
  }
  return sums;
}

/// One side of a tile as floats.
class Side {
 public:
  explicit Side(const Backend& backend) : backend_(&backend) {}

  std::span<const std::byte> bytes(const TensorExpr& expr, const Tile& tile) {
    bytes_.resize(tile.rows * row_bytes(expr.dtype(), tile.cols));
    expr.read_rows(tile.first_row, tile.rows, bytes_);
    return bytes_;
  }
  std::span<const float> read(const TensorExpr& expr, const Tile& tile) {
    bytes(expr, tile);
    values_.resize(tile.elements());
    backend_->decode(expr.dtype(), bytes_.data(), values_.data(), values_.size());
    return values_;
  }
  /// Of what was read last.
  std::span<const float> codes(DType type) {
    codes_.resize(values_.size());
    read_codes(type, bytes_.data(), codes_.data(), codes_.size());
    return codes_;
  }

 private:
  const Backend* backend_;
  std::vector<std::byte> bytes_;
  std::vector<float> values_, codes_;
};

struct Sides {
  Side first, second;
};

constexpr int kLowestCode = -128;
constexpr std::size_t kCodes = 256;

/// Counts of a tensor, whole numbers: added in any order.
struct Counts {
  std::array<std::atomic<std::uint64_t>, kHistogramBins> first{}, second{};
  std::array<std::atomic<std::uint64_t>, kCodes> codes{};
};

std::size_t bin_of(double value, double limit) noexcept {
  const double place = (value / limit + 1) * 0.5 * static_cast<double>(kHistogramBins);
  return std::min(kHistogramBins - 1, static_cast<std::size_t>(std::max(0.0, place)));
}

void count_values(std::span<const float> values, double limit,
                  std::array<std::atomic<std::uint64_t>, kHistogramBins>& counts) noexcept {
  std::array<std::uint64_t, kHistogramBins> local{};
  for (const float value : values) {
    if (std::isfinite(value)) ++local[bin_of(static_cast<double>(value), limit)];
  }
  for (std::size_t bin = 0; bin < local.size(); ++bin) counts[bin] += local[bin];
}

void count_codes(std::span<const float> codes,
                 std::array<std::atomic<std::uint64_t>, kCodes>& counts) noexcept {
  std::array<std::uint64_t, kCodes> local{};
  for (const float code : codes) ++local[static_cast<std::size_t>(static_cast<int>(code) - kLowestCode)];
  for (std::size_t i = 0; i < local.size(); ++i) counts[i] += local[i];
}

Histogram histogram_of(const Counts& counts, double limit) {
  Histogram histogram;
  histogram.limit = limit;
  for (std::size_t bin = 0; bin < kHistogramBins; ++bin) {
    histogram.first[bin] = counts.first[bin];
    histogram.second[bin] = counts.second[bin];
  }
  for (std::size_t i = 0; i < kCodes; ++i) {
    if (counts.codes[i] > 0) histogram.codes.emplace(static_cast<int>(i) + kLowestCode, counts.codes[i]);
  }
  return histogram;
}

/// "blk.7.attn_q.weight" is role attn_q of layer 7, "encoder.layers.3.fc1.weight" encoder.layers.fc1 of
/// layer 3.
void set_place(TensorDifference& tensor) {
  tensor.role = tensor.name;
  if (tensor.role.ends_with(".weight")) tensor.role.resize(tensor.role.size() - 7);
  for (std::size_t dot = tensor.role.find('.'); dot != std::string::npos;
       dot = tensor.role.find('.', dot + 1)) {
    std::uint32_t layer = 0;
    const char* const limit = tensor.role.data() + tensor.role.size();
    const auto [end, error] = std::from_chars(tensor.role.data() + dot + 1, limit, layer);
    if (error != std::errc() || end == limit || *end != '.') continue;
    tensor.layer = layer;
    const std::string stack = tensor.role.substr(0, dot + 1);
    const bool only_stack = stack == "blk." || stack == "model.layers.";
    tensor.role = (only_stack ? "" : stack) + std::string(end + 1, limit);
    return;
  }
}

std::uint64_t bytes_of(const TensorExpr& expr) {
  return expr.shape().rows() * row_bytes(expr.dtype(), expr.shape().cols());
}

class Comparer {
 public:
  Comparer(const Backend& backend, const CompareOptions& options, Progress& progress,
           const CancelToken& cancel)
      : backend_(backend),
        threads_(resolve_threads(options.threads)),
        histograms_(options.histograms),
        progress_(progress),
        cancel_(cancel),
        sides_(threads_, Sides{Side(backend), Side(backend)}) {}

  TensorDifference compare(const ModelTensor& first, const ModelTensor& second) {
    TensorDifference tensor;
    tensor.name = first.name;
    set_place(tensor);
    tensor.shape = first.expr->shape();
    tensor.first_type = first.expr->dtype();
    tensor.second_type = second.expr->dtype();
    tensor.first_bytes = bytes_of(*first.expr);
    tensor.second_bytes = bytes_of(*second.expr);
    if (!(first.expr->shape() == second.expr->shape())) {
      tensor.problem =
          "shapes differ: " + first.expr->shape().to_string() + " and " + second.expr->shape().to_string();
    } else if (const auto opaque = opaque_type(*first.expr, *second.expr); !opaque) {
      measure(*first.expr, *second.expr, tensor);
    } else if (tensor.first_type == tensor.second_type && equal_bytes(*first.expr, *second.expr)) {
      tensor.sqnr_db = std::numeric_limits<double>::infinity();
    } else {
      tensor.problem = "cannot take " + std::string(name_of(*opaque)) + " apart";
      if (tensor.first_type == tensor.second_type) tensor.problem += "; the bytes differ";
    }
    progress_.item_done(tensor.name);
    return tensor;
  }

 private:
  /// The type that cannot be decoded, if there is one.
  std::optional<DType> opaque_type(const TensorExpr& first, const TensorExpr& second) const {
    for (const TensorExpr* expr : {&first, &second}) {
      if (!backend_.can_decode(expr->dtype())) return expr->dtype();
    }
    return std::nullopt;
  }

  bool equal_bytes(const TensorExpr& first, const TensorExpr& second) {
    const TileGrid grid = grid_of(first, second);
    std::atomic<bool> equal{true};
    parallel_for(grid.count(), threads_, cancel_, [&](unsigned worker, std::uint64_t index) {
      const Tile tile = grid.at(index);
      Sides& sides = sides_[worker];
      if (!std::ranges::equal(sides.first.bytes(first, tile), sides.second.bytes(second, tile)))
        equal = false;
      progress_.advance(tile.rows * row_bytes(first.dtype(), tile.cols));
    });
    return equal;
  }

  /// A panel is read best in large pieces; the other side does not mind.
  static TileGrid grid_of(const TensorExpr& first, const TensorExpr& second) {
    return TileGrid(first.shape(), std::max<std::uint64_t>(1, first.shape().rows()),
                    std::max(tile_elements_of(first), tile_elements_of(second)), false);
  }

  void measure(const TensorExpr& first, const TensorExpr& second, TensorDifference& tensor) {
    const TileGrid grid = grid_of(first, second);
    std::vector<Sums> parts(grid.count());
    parallel_for(grid.count(), threads_, cancel_, [&](unsigned worker, std::uint64_t index) {
      const Tile tile = grid.at(index);
      Sides& sides = sides_[worker];
      parts[index] = sums_of(sides.first.read(first, tile), sides.second.read(second, tile));
      progress_.advance(tile.rows * row_bytes(first.dtype(), tile.cols));
    });
    Sums sums;
    for (const Sums& part : parts) sums.add(part);
    set_errors(sums, tensor);
    if (histograms_ && sums.largest > 0) count(first, second, grid, sums.largest, tensor);
  }

  static void set_errors(const Sums& sums, TensorDifference& tensor) {
    constexpr double kInfinite = std::numeric_limits<double>::infinity();
    tensor.nonfinite = sums.nonfinite;
    if (sums.nonfinite > 0) {
      tensor.rmse = tensor.max_abs = tensor.relative = kInfinite;
      tensor.sqnr_db = -kInfinite;
      tensor.cosine = 0;
      return;
    }
    const auto elements = static_cast<double>(tensor.shape.elements());
    tensor.max_abs = sums.max_abs;
    if (elements > 0) tensor.rmse = std::sqrt(sums.error / elements);
    if (sums.error > 0) {
      tensor.relative = sums.first > 0 ? std::sqrt(sums.error / sums.first) : kInfinite;
      tensor.sqnr_db = sums.first > 0 ? 10 * std::log10(sums.first / sums.error) : -kInfinite;
      const double sizes = std::sqrt(sums.first) * std::sqrt(sums.second);
      tensor.cosine = sizes > 0 ? sums.product / sizes : 0;
    } else {
      tensor.sqnr_db = kInfinite;
    }
  }

  void count(const TensorExpr& first, const TensorExpr& second, const TileGrid& grid, double limit,
             TensorDifference& tensor) {
    const auto counts = std::make_unique<Counts>();
    const bool codes = has_codes(second.dtype());
    parallel_for(grid.count(), threads_, cancel_, [&](unsigned worker, std::uint64_t index) {
      const Tile tile = grid.at(index);
      Sides& sides = sides_[worker];
      count_values(sides.first.read(first, tile), limit, counts->first);
      count_values(sides.second.read(second, tile), limit, counts->second);
      if (codes) count_codes(sides.second.codes(second.dtype()), counts->codes);
    });
    tensor.histogram = histogram_of(*counts, limit);
  }

  const Backend& backend_;
  unsigned threads_;
  bool histograms_;
  Progress& progress_;
  const CancelToken& cancel_;
  std::vector<Sides> sides_;
};

void compare_keys(const KvList& first, const KvList& second, ModelComparison& found) {
  for (const KvList::Entry& entry : first.entries()) {
    const GgufValue* other = second.find(entry.key);
    if (other == nullptr) {
      found.keys_only_first.push_back(entry.key);
    } else if (!(*other == entry.value)) {
      found.keys_different.push_back(entry.key);
    }
  }
  for (const KvList::Entry& entry : second.entries()) {
    if (first.find(entry.key) == nullptr) found.keys_only_second.push_back(entry.key);
  }
}

/// What a tensor adds to its model.
void count_tensor(const ModelTensor& tensor, ModelSizes& sizes) {
  const std::uint64_t bytes = bytes_of(*tensor.expr);
  sizes.bytes += bytes;
  sizes.elements += tensor.expr->shape().elements();
  sizes.bytes_by_type[tensor.expr->dtype()] += bytes;
}

}  // namespace

ModelComparison compare_models(const GgufModel& first, const GgufModel& second, const Backend& backend,
                               const CompareOptions& options, Progress& progress, const CancelToken& cancel) {
  ModelComparison found;
  compare_keys(first.metadata, second.metadata, found);
  if (first.from_gguf && second.from_gguf) compare_keys(first.stale_metadata, second.stale_metadata, found);
  for (auto* keys : {&found.keys_only_first, &found.keys_only_second, &found.keys_different})
    std::sort(keys->begin(), keys->end());

  std::unordered_map<std::string_view, const ModelTensor*> others;  // looked up only, never walked
  for (const ModelTensor& tensor : second.tensors) {
    others.emplace(tensor.name, &tensor);
    count_tensor(tensor, found.second_sizes);
  }
  std::vector<std::pair<const ModelTensor*, const ModelTensor*>> pairs;
  std::uint64_t bytes = 0;
  for (const ModelTensor& tensor : first.tensors) {
    count_tensor(tensor, found.first_sizes);
    if (const auto other = others.find(tensor.name); other != others.end()) {
      pairs.emplace_back(&tensor, other->second);
      bytes += bytes_of(*tensor.expr);
      others.erase(other);
    } else {
      found.only_first.push_back(tensor.name);
    }
  }
  for (const ModelTensor& tensor : second.tensors) {
    if (others.count(tensor.name) > 0) found.only_second.push_back(tensor.name);
  }

  progress.begin("compare", bytes, pairs.size(), "tensors");
  Comparer comparer(backend, options, progress, cancel);
  for (const auto& [a, b] : pairs) found.tensors.push_back(comparer.compare(*a, *b));
  progress.end();
  return found;
}

}  // namespace qtz
