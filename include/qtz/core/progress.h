// How lower floors tell what they are doing (Progress) and are asked to stop (CancelToken). Only cli prints.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "qtz/core/error.h"

namespace qtz {

/// Set by a signal handler or another thread; polled per tile.
class CancelToken {
 public:
  void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const noexcept { return cancelled_.load(std::memory_order_relaxed); }
  /// Throws Error{interrupted} once cancelled.
  void poll() const {
    if (cancelled()) throw Error(ErrorKind::interrupted, "interrupted; nothing was left behind");
  }

 private:
  std::atomic<bool> cancelled_{false};
};

/// Receives events of a long run. Calls may come from any thread; implementations must be thread-safe and
/// quick.
class Progress {
 public:
  virtual ~Progress() = default;
  /// A stage begins: `total_bytes` of input in `items` "tensors", "layers" or "files", as `what` says.
  virtual void begin(std::string_view stage, std::uint64_t total_bytes, std::uint64_t items,
                     std::string_view what) = 0;
  /// `bytes` more input bytes are done.
  virtual void advance(std::uint64_t bytes) = 0;
  virtual void item_done(std::string_view name) = 0;
  virtual void end() = 0;
  /// Something a person should know although the run goes on.
  virtual void warn(const std::string& message) = 0;
};

}  // namespace qtz
