#include "model/text/seams.h"

namespace qtz {

void Seams::learn(std::string_view token) {
  auto left = take_code_point(token);
  while (left) {
    const auto right = take_code_point(token);
    if (!right) return;
    if (*left < kAscii && *right < kAscii) {
      ascii_[*left * kAscii + *right] = true;
    } else {
      others_.find_or_add(std::uint64_t{*left} << 32 | *right, 0);
    }
    left = right;
  }
}

}  // namespace qtz
