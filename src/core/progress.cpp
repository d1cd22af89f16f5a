#include "qtz/core/progress.h"

namespace qtz {
namespace {

class SilentProgress final : public Progress {
 public:
  void begin(std::string_view, std::uint64_t, std::uint64_t) override {}
  void advance(std::uint64_t) override {}
  void tensor_done(std::string_view) override {}
  void end() override {}
  void warn(const std::string&) override {}
};

}  // namespace

Progress& silent_progress() noexcept {
  static SilentProgress progress;
  return progress;
}

}  // namespace qtz
