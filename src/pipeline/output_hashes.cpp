#include "output_hashes.h"

#include <array>
#include <condition_variable>
#include <map>
#include <mutex>

#include "qtz/core/error.h"
#include "qtz/core/sha256.h"

namespace qtz {

/// One file.
class OutputHashes::Stream {
 public:
  explicit Stream(const PlanFile& file) : file_(file) { pass(file.header); }

  /// In the order of their offsets.
  void expect(const PlanEntry& entry) {
    QTZ_CHECK(entries_.empty() || entries_.back()->offset <= entry.offset);
    entries_.push_back(&entry);
  }

  void write(const PlanEntry& entry, std::uint64_t at, std::span<const std::byte> bytes) {
    if (bytes.empty() || !wait_for(entry, at)) return;
    // Nobody else has this turn, so the others only wait.
    if (at == 0) pad_to(entry.offset);
    pass(bytes);
    tensor_.update(bytes);
    const std::lock_guard lock(mutex_);
    written_ += bytes.size();
    if (written_ == entry.bytes) finish_tensor();
    turn_.notify_all();
  }

  void abandon() noexcept {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
    turn_.notify_all();
  }

  std::span<const PlanEntry* const> entries() const noexcept { return entries_; }
  std::span<const std::string> tensor_hashes() const noexcept { return hashes_; }

  /// The file's hash; those of its tensors are complete then.
  std::string finish() {
    skip_empty();
    QTZ_CHECK(!abandoned_ && hashes_.size() == entries_.size());
    pad_to(file_.bytes);
    return whole_.finish();
  }

 private:
  bool wait_for(const PlanEntry& entry, std::uint64_t at) {
    std::unique_lock lock(mutex_);
    turn_.wait(lock, [&] {
      skip_empty();
      return abandoned_ ||
             (hashes_.size() < entries_.size() && entries_[hashes_.size()] == &entry && written_ == at);
    });
    return !abandoned_;
  }

  void finish_tensor() {
    hashes_.push_back(tensor_.finish());
    tensor_ = Sha256();
    written_ = 0;
  }

  /// No tile brings a tensor without bytes.
  void skip_empty() {
    while (hashes_.size() < entries_.size() && entries_[hashes_.size()]->bytes == 0) finish_tensor();
  }

  void pass(std::span<const std::byte> bytes) {
    whole_.update(bytes);
    position_ += bytes.size();
  }

  void pad_to(std::uint64_t position) {
    static constexpr std::array<std::byte, 4096> kZeros{};
    QTZ_CHECK(position_ <= position);
    while (position_ < position) {
      pass(std::span(kZeros).first(std::min<std::uint64_t>(kZeros.size(), position - position_)));
    }
  }

  const PlanFile& file_;
  std::vector<const PlanEntry*> entries_;
  Sha256 whole_;
  std::uint64_t position_ = 0;
  Sha256 tensor_;
  std::uint64_t written_ = 0;  ///< bytes of the tensor whose turn it is
  std::vector<std::string> hashes_;
  bool abandoned_ = false;
  std::mutex mutex_;
  std::condition_variable turn_;
};

OutputHashes::OutputHashes(std::span<const QuantPlan> plans, const TileQueue& queue) : plans_(plans) {
  streams_.resize(plans.size());
  for (std::size_t plan = 0; plan < plans.size(); ++plan) {
    for (const PlanFile& file : plans[plan].files) {
      streams_[plan].push_back(std::make_unique<Stream>(file));
    }
    for (const PlanEntry& entry : plans[plan].entries) streams_[plan][entry.file]->expect(entry);
  }
  // In any other order a worker could wait for a tile that nobody has begun.
  std::map<const Stream*, std::size_t> next;
  for (const TileJob& job : queue.jobs()) {
    for (const TileTarget& target : job.targets) {
      const Stream* stream = streams_[target.plan][target.entry->file].get();
      QTZ_CHECK(target.entry == stream->entries()[next[stream]]);
      ++next[stream];
    }
  }
}

OutputHashes::~OutputHashes() = default;

void OutputHashes::write(const TileTarget& target, std::uint64_t at, std::span<const std::byte> bytes) {
  streams_[target.plan][target.entry->file]->write(*target.entry, at, bytes);
}

void OutputHashes::abandon() noexcept {
  for (auto& of_plan : streams_) {
    for (auto& stream : of_plan) stream->abandon();
  }
}

std::vector<OutputHashes::OfPlan> OutputHashes::finish() {
  std::vector<OfPlan> hashes(plans_.size());
  for (std::size_t plan = 0; plan < plans_.size(); ++plan) {
    const PlanEntry* first = plans_[plan].entries.data();
    hashes[plan].tensors.resize(plans_[plan].entries.size());
    for (auto& stream : streams_[plan]) {
      hashes[plan].files.push_back(stream->finish());
      for (std::size_t i = 0; i < stream->entries().size(); ++i) {
        hashes[plan].tensors[static_cast<std::size_t>(stream->entries()[i] - first)] =
            stream->tensor_hashes()[i];
      }
    }
  }
  return hashes;
}

}  // namespace qtz
