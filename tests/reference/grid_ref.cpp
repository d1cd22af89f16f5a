#include "reference/grid_ref.h"

#include <algorithm>

#include "quants/grid_points.h"  // the grids themselves, which are facts
#include "reference/scale_search_ref.h"

namespace qtz::reference {
namespace {

constexpr float kOdd[] = {1, 3, 5, 7, 9, 11, 13, 15};

int distance(const Digits& a, const Digits& b) {
  int sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

struct Sums {
  float qx = 0;
  float qq = 0;
};

/// One sub-block.
class SubSearch {
 public:
  SubSearch(const GridSearch& rules, const float* x, const float* weight) : rules_(rules), weight_(weight) {
    for (std::size_t i = 0; i < rules.sub; ++i) root_.push_back(std::sqrt(weight[i]));
    for (std::size_t i = 0; i < rules.sub; i += 8) split_signs(x + i, weight + i);
  }

  void run() {
    float high = magnitude_[0];
    for (const float each : magnitude_) high = high > each ? high : each;
    numbers_.assign(groups(), 0);
    if (high < rules_.zero_below) return give_up();
    float reach = high;
    if (rules_.first_without_grid) {
      std::vector<int> unused(rules_.sub);
      scale_ = search_positive_scale(static_cast<int>(rules_.sub), rules_.top + 2, magnitude_.data(), weight_,
                                     unused.data());
      reach = scale_ * static_cast<float>(rules_.top + 1);
      if (reach <= 0) return give_up();
    } else {
      scale_ = reach / static_cast<float>(2 * rules_.top + 1);
    }
    try_candidates(reach);
    look_again();
    if (scale_ < 0) {
      scale_ = -scale_;
      for (int& each : signs_) each = ~each & (rules_.even ? 0x7f : 0xff);
    }
  }

  float scale() const { return scale_; }
  const std::vector<int>& numbers() const { return numbers_; }
  const std::vector<int>& signs() const { return signs_; }

 private:
  std::size_t group() const { return static_cast<std::size_t>(rules_.grid.digits()); }
  std::size_t groups() const { return rules_.sub / group(); }

  void give_up() {
    scale_ = 0;
    for (int& each : signs_) each = 0;
  }

  void split_signs(const float* x, const float* weight) {
    int signs = 0;
    int count = 0;
    for (int i = 0; i < 8; ++i) {
      magnitude_.push_back(x[i] >= 0 ? x[i] : -x[i]);
      if (x[i] >= 0) continue;
      signs |= 1 << i;
      ++count;
    }
    if (rules_.even && count % 2 != 0) {
      int least = 0;
      for (int i = 1; i < 8; ++i) {
        if (weight[i] * x[i] * x[i] < weight[least] * x[least] * x[least]) least = i;
      }
      float& flipped = magnitude_[magnitude_.size() - 8 + static_cast<std::size_t>(least)];
      flipped = -flipped;
      signs ^= 1 << least;
    }
    signs_.push_back(rules_.even ? signs & 0x7f : signs);
  }

  Digits rounded(std::size_t k, float inverse) const {
    Digits digits;
    for (std::size_t i = k * group(); i < (k + 1) * group(); ++i) {
      digits.push_back(clamp(round_even(0.5F * (inverse * magnitude_[i] - 1)), 0, rules_.top));
    }
    return digits;
  }

  /// The number of the group's point, or of the best near it.
  int point_for(std::size_t k, const Digits& digits, float scale) const {
    const int own = rules_.grid.number_of(digits);
    if (own >= 0) return own;
    return best_of(rules_.grid, rules_.grid.near(digits), magnitude_.data() + k * group(),
                   root_.data() + k * group(), scale, kOdd);
  }

  Sums project(const std::vector<int>& numbers) const {
    Sums sums;
    for (std::size_t i = 0; i < rules_.sub; ++i) {
      const auto digit = rules_.grid.point(numbers[i / group()])[i % group()];
      const auto q = static_cast<float>(2 * digit + 1);
      sums.qx += weight_[i] * magnitude_[i] * q;
      sums.qq += weight_[i] * q * q;
    }
    return sums;
  }

  void try_candidates(float reach) {
    off_grid_.assign(groups(), rules_.again == GridSearch::Again::all_if_any_off_grid);
    float best = 0;
    for (int step = -rules_.candidates; step <= rules_.candidates; ++step) {
      const float inverse =
          (static_cast<float>(2 * rules_.top + 1) + static_cast<float>(step) * rules_.step) / reach;
      std::vector<int> numbers;
      std::vector<bool> off_grid;
      for (std::size_t k = 0; k < groups(); ++k) {
        const Digits digits = rounded(k, inverse);
        numbers.push_back(point_for(k, digits, 1 / inverse));
        off_grid.push_back(rules_.grid.number_of(digits) < 0);
      }
      const Sums sums = project(numbers);
      if (!(sums.qq > 0 && sums.qx * sums.qx > best * sums.qq)) continue;
      scale_ = sums.qx / sums.qq;
      best = scale_ * sums.qx;
      numbers_ = numbers;
      off_grid_ = off_grid;
    }
  }

  void look_again() {
    const bool any = std::find(off_grid_.begin(), off_grid_.end(), true) != off_grid_.end();
    if (!(scale_ > 0) || !(any || rules_.again == GridSearch::Again::all)) return;
    for (std::size_t k = 0; k < groups(); ++k) {
      if (rules_.again == GridSearch::Again::off_grid && !off_grid_[k]) continue;
      numbers_[k] = point_for(k, rounded(k, 1 / scale_), scale_);
    }
    const Sums sums = project(numbers_);
    if (sums.qq > 0) scale_ = sums.qx / sums.qq;
  }

  const GridSearch& rules_;
  const float* weight_;
  std::vector<float> magnitude_;
  std::vector<float> root_;
  std::vector<int> signs_;
  std::vector<int> numbers_;
  std::vector<bool> off_grid_;
  float scale_ = 0;
};

}  // namespace

std::size_t PointGrid::pack(const Digits& digits) const {
  std::size_t packed = 0;
  for (std::size_t i = digits.size(); i-- > 0;)
    packed = (packed << bits_) | static_cast<std::size_t>(digits[i]);
  return packed;
}

int PointGrid::number_of(const Digits& digits) const {
  return number_[pack(digits)];
}

const std::vector<int>& PointGrid::near(const Digits& digits) const {
  std::vector<int>& list = near_[pack(digits)];
  if (!list.empty()) return list;
  std::vector<std::pair<int, int>> all;
  for (std::size_t i = 0; i < points_.size(); ++i) {
    all.emplace_back(distance(points_[i], digits), static_cast<int>(i));
  }
  std::sort(all.begin(), all.end());
  int rings = 0;
  int last = -1;
  for (const auto& [far, number] : all) {
    if (far != last && rings++ == rings_) break;
    last = far;
    list.push_back(number);
  }
  return list;
}

const PointGrid& grid_3_xxs() {
  static const PointGrid grid(quants::Grid3Xxs::points, 4, 3, 2);
  return grid;
}
const PointGrid& grid_3_s() {
  static const PointGrid grid(quants::Grid3S::points, 4, 3, 3);
  return grid;
}
const PointGrid& grid_2_xxs() {
  static const PointGrid grid(quants::Grid2Xxs::points, 8, 2, 2);
  return grid;
}
const PointGrid& grid_2_xs() {
  static const PointGrid grid(quants::Grid2Xs::points, 8, 2, 2);
  return grid;
}
const PointGrid& grid_2_s() {
  static const PointGrid grid(quants::Grid2S::points, 8, 2, 1);
  return grid;
}
const PointGrid& grid_1() {
  static const PointGrid grid(quants::Grid1::points, 8, 2, 3);
  return grid;
}

int best_of(const PointGrid& grid, const std::vector<int>& points, const float* x, const float* weight,
            float scale, const float* value) {
  float best = std::numeric_limits<float>::max();
  int found = points[0];
  for (const int number : points) {
    const Digits& point = grid.point(number);
    float cost = 0;
    for (std::size_t i = 0; i < point.size(); ++i) {
      const float difference = scale * value[point[i]] - x[i];
      cost += weight[i] * difference * difference;
    }
    if (!(cost < best)) continue;
    best = cost;
    found = number;
  }
  return found;
}

GridFit256 search_grid(const GridSearch& rules, const float* x, const float* weight) {
  GridFit256 fit;
  std::size_t signs = 0;
  for (std::size_t first = 0; first < 256; first += rules.sub) {
    SubSearch sub(rules, x + first, weight + first);
    sub.run();
    fit.scale.push_back(sub.scale());
    fit.largest = fit.largest > sub.scale() ? fit.largest : sub.scale();
    fit.number.insert(fit.number.end(), sub.numbers().begin(), sub.numbers().end());
    for (const int each : sub.signs()) fit.signs[signs++] = each;
  }
  return fit;
}

int odd_multiple(float scale, float inverse_step, int top) {
  return clamp(round_even(0.5F * (inverse_step * scale - 1)), 0, top);
}

int with_eighth_sign(int seven) {
  int count = 0;
  for (int i = 0; i < 7; ++i) count += (seven >> i) & 1;
  return count % 2 == 0 ? seven : seven | 0x80;
}

std::array<float, 256> lifted_weights(const float* x, const float* importance, float lift) {
  std::array<float, 256> weight;
  for (std::size_t i = 0; i < 256; ++i) {
    weight[i] = (importance != nullptr ? importance[i] : 1.0F) * std::sqrt(lift + x[i] * x[i]);
  }
  return weight;
}

}  // namespace qtz::reference
