// System calls that a signal may cut short: called again until they have an answer of their own.
#pragma once

#include <cerrno>

namespace qtz {

/// Calls until the result is not "-1, interrupted".
template <typename Call>
auto uninterrupted(const Call& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

}  // namespace qtz
