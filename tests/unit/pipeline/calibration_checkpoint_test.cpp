#include <gtest/gtest.h>

#include <string>

#include "qtz/pipeline/calibrate.h"
#include "support/expect_error.h"
#include "support/silent_progress.h"
#include "unit/pipeline/small_models.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

/// Cancels when a layer is done, and keeps warnings.
class Watch final : public test::SilentProgress {
 public:
  explicit Watch(CancelToken* cancel = nullptr) : cancel_(cancel) {}
  void item_done(std::string_view) override {
    if (cancel_ != nullptr) cancel_->cancel();
  }
  void warn(const std::string& message) override { warnings += message; }

  std::string warnings;

 private:
  CancelToken* cancel_;
};

class Checkpoint : public testing::Test {
 protected:
  Calibration run(std::size_t tokens, Watch& watch, const CancelToken& cancel = {},
                  std::chrono::seconds interval = std::chrono::seconds(0)) const {
    CalibrationOptions options;
    options.context = 32;
    options.checkpoint = path_;
    options.checkpoint_interval = interval;
    return calibrate(model_, test::some_tokens(tokens), options, select_backend(""), watch, cancel);
  }

  /// A run that ends after the first of two layers.
  void run_half(std::size_t tokens) const {
    CancelToken cancel;
    Watch watch(&cancel);
    test::expect_error(ErrorKind::interrupted, "goes on after layer 1 of 2",
                       [&] { run(tokens, watch, cancel); });
    ASSERT_TRUE(fs::exists(path_));
  }

  void expect_same_as_whole_run(std::size_t tokens, const std::string& warning) const {
    Watch watch;
    const Calibration found = run(tokens, watch);
    EXPECT_EQ(watch.warnings.empty(), warning.empty()) << watch.warnings;
    EXPECT_NE(watch.warnings.find(warning), std::string::npos) << watch.warnings;
    remove_checkpoint(path_);
    EXPECT_FALSE(fs::exists(path_));
    const Calibration whole = run(tokens, watch);
    ASSERT_EQ(found.statistics.entries().size(), whole.statistics.entries().size());
    for (const auto& [name, entry] : whole.statistics.entries()) {
      EXPECT_EQ(found.statistics.entries().at(name).squares, entry.squares) << name;
      EXPECT_EQ(found.statistics.entries().at(name).counts, entry.counts) << name;
    }
  }

  test::ScratchFolder scratch_;
  GgufModel model_ = test::small_model("qwen3-moe", scratch_);
  fs::path path_ = scratch_.path() / "matrix.gguf.checkpoint";
};

TEST_F(Checkpoint, a_run_goes_on_where_another_was_stopped) {
  run_half(96);
  expect_same_as_whole_run(96, "");
}

TEST_F(Checkpoint, a_run_that_goes_on_knows_what_is_done) {
  run_half(96);
  // Stopped again before it keeps anything of its own, it can tell this from the file alone.
  CancelToken cancel;
  Watch watch(&cancel);
  test::expect_error(ErrorKind::interrupted, "goes on after layer 1 of 2",
                     [&] { run(96, watch, cancel, std::chrono::hours(1)); });
}

TEST_F(Checkpoint, of_another_text_is_not_used) {
  run_half(64);
  expect_same_as_whole_run(96, "not of this run");
}

TEST_F(Checkpoint, that_is_damaged_is_not_used) {
  run_half(96);
  std::string bytes = test::read_file(path_);
  for (const std::size_t at : {std::size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
    SCOPED_TRACE(at);
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    test::write_file(path_, damaged);
    expect_same_as_whole_run(96, "not whole");
  }
  for (const std::size_t size : {std::size_t{90}, bytes.size() / 2, bytes.size() - 1}) {
    SCOPED_TRACE(size);
    test::write_file(path_, bytes.substr(0, size));
    expect_same_as_whole_run(96, "not whole");
  }
}

TEST_F(Checkpoint, never_replaces_another_file) {
  test::write_file(path_, "notes of mine");
  Watch watch;
  test::expect_error(ErrorKind::output, "exists", [&] { run(96, watch); });
  remove_checkpoint(path_);
  EXPECT_EQ(test::read_file(path_), "notes of mine");
}

}  // namespace
}  // namespace qtz
