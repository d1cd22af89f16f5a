// A Progress for tests that look at none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "qtz/core/progress.h"

namespace qtz::test {

class SilentProgress : public Progress {
 public:
  void begin(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override {}
  void advance(std::uint64_t) override {}
  void item_done(std::string_view) override {}
  void end() override {}
  void warn(const std::string&) override {}
};

/// Keeps nothing, so that all may share it.
inline Progress& silent_progress() noexcept {
  static SilentProgress progress;
  return progress;
}

}  // namespace qtz::test
