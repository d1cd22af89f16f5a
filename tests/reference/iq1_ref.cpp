#include "reference/iq1_ref.h"

#include <algorithm>
#include <numeric>

namespace qtz::reference {

void Boundaries::offer(float qx, float qq, int at_low, int at_high, int with) {
  if (!(qq > 0 && qx * qx > best * qq)) return;
  scale = qx / qq;
  best = scale * qx;
  low = at_low;
  high = at_high;
  choice = with;
}

std::vector<int> ascending(std::size_t n, const float* x) {
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return x[a] < x[b]; });
  return order;
}

Digits digits_of(const Boundaries& found, const std::vector<int>& order) {
  Digits digits(order.size());
  for (std::size_t place = 0; place < order.size(); ++place) {
    const auto at = static_cast<int>(place);
    const int digit = at < found.low ? 0 : at < found.high ? 1 : 2;
    digits[static_cast<std::size_t>(order[place])] = found.scale < 0 ? 2 - digit : digit;
  }
  return digits;
}

std::vector<int> move_to_grid(const Digits& digits, const float* x, const float* weight,
                              const std::vector<bool>& down, float& scale) {
  std::vector<int> numbers;
  bool moved = false;
  for (std::size_t k = 0; k < digits.size() / 8; ++k) {
    const Digits eight(digits.begin() + static_cast<std::ptrdiff_t>(8 * k),
                       digits.begin() + static_cast<std::ptrdiff_t>(8 * k + 8));
    int number = grid_1().number_of(eight);
    if (number < 0) {
      moved = true;
      number = best_of(grid_1(), grid_1().near(eight), x + 8 * k, weight + 8 * k, scale, iq1_values(down[k]));
    }
    numbers.push_back(number);
  }
  if (!moved) return numbers;
  float qx = 0;
  float qq = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const float q = iq1_values(down[i / 8])[grid_1().point(numbers[i / 8])[i % 8]];
    qx += weight[i] * q * x[i];
    qq += weight[i] * q * q;
  }
  if (qx > 0 && qq > 0) scale = qx / qq;
  return numbers;
}

}  // namespace qtz::reference
