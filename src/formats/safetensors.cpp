#include "qtz/formats/safetensors.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "formats/open_shard.h"
#include "formats/safetensors_folder.h"
#include "formats/safetensors_header.h"
#include "formats/safetensors_index.h"
#include "qtz/core/checked.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

std::string shown(const fs::path& path) {
  return printable(path.native());
}

/// Up to five names and how many more there are.
class NameList {
 public:
  void add(const std::string& name) {
    if (count_++ < kShown) text_ += (text_.empty() ? "" : ", ") + name;
  }
  std::size_t count() const noexcept { return count_; }
  std::string text() const {
    return count_ > kShown ? text_ + " and " + std::to_string(count_ - kShown) + " more" : text_;
  }

 private:
  static constexpr std::size_t kShown = 5;
  std::size_t count_ = 0;
  std::string text_;
};

/// Every shard must be there before the first is read, and all that are missing are named at once.
void check_shards_exist(const fs::path& index, const fs::path& folder,
                        const std::vector<std::string>& shards) {
  NameList missing;
  for (const std::string& shard : shards) {
    std::error_code error;
    if (!fs::exists(folder / shard, error)) missing.add(printable(shard));
  }
  if (missing.count() == 0) return;
  throw Error(ErrorKind::input_missing,
              shown(index) + ": " + std::to_string(missing.count()) + " of " + std::to_string(shards.size()) +
                  " shards are missing: " + missing.text(),
              "the download is incomplete; fetch the missing files");
}

/// True when `target` lies in `folder`, or in the blobs of the hub cache whose snapshot `folder` is. Both are
/// canonical.
bool belongs_to(const fs::path& folder, const fs::path& target) {
  const auto inside = [&](const fs::path& root) {
    return std::mismatch(root.begin(), root.end(), target.begin(), target.end()).first == root.end();
  };
  if (inside(folder)) return true;
  for (fs::path at = folder; at.has_relative_path(); at = at.parent_path()) {
    if (at.filename() == "snapshots") return inside(at.parent_path() / "blobs");
  }
  return false;
}

/// A folder can come from anywhere with links in it: one that leaves the folder is followed, but not
/// silently.
void warn_of_foreign_link(const fs::path& shard, std::vector<std::string>& warnings) {
  std::error_code error;
  if (!fs::is_symlink(shard, error)) return;
  const fs::path folder = fs::canonical(shard.has_parent_path() ? shard.parent_path() : fs::path("."), error);
  const fs::path target = fs::canonical(shard, error);
  if (error || belongs_to(folder, target)) return;
  warnings.push_back(shown(shard) + " is a symbolic link to " + shown(target) +
                     ", outside the model's folder");
}

/// The index and the shards must name the same tensors in the same places.
void check_index(const fs::path& path, const SafetensorsIndex& index, std::span<const TensorInfo> tensors) {
  std::vector<bool> found(index.entries.size());
  NameList unlisted;
  for (const TensorInfo& tensor : tensors) {
    const auto at =
        std::lower_bound(index.entries.begin(), index.entries.end(), tensor.name,
                         [](const auto& entry, const std::string& name) { return entry.tensor < name; });
    if (at != index.entries.end() && at->tensor == tensor.name && at->shard == tensor.shard) {
      found[static_cast<std::size_t>(at - index.entries.begin())] = true;
    } else {
      unlisted.add("'" + printable(tensor.name) + "' (" + printable(index.shards[tensor.shard]) + ")");
    }
  }
  NameList missing;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i]) continue;
    missing.add("'" + printable(index.entries[i].tensor) + "' (" +
                printable(index.shards[index.entries[i].shard]) + ")");
  }
  if (missing.count() == 0 && unlisted.count() == 0) return;
  std::string problem;
  if (missing.count() > 0) problem = "tensors listed but not in their shard: " + missing.text();
  if (unlisted.count() > 0) {
    problem +=
        (problem.empty() ? "" : "; ") + ("tensors in a shard but not listed there: " + unlisted.text());
  }
  throw Error(ErrorKind::input_invalid, shown(path) + " and its shards disagree: " + problem,
              "the folder mixes files of different models or downloads; fetch it again");
}

}  // namespace

SafetensorsSource::SafetensorsSource(const fs::path& path) {
  SafetensorsFiles found = find_safetensors(path);
  warnings_ = std::move(found.warnings);
  SafetensorsIndex index;
  if (!found.index.empty()) {
    const InputFile file(found.index);
    index = read_safetensors_index(file);
    const fs::path folder = found.index.parent_path();
    check_shards_exist(found.index, folder, index.shards);
    for (const std::string& shard : index.shards) found.files.push_back(folder / shard);
  }

  for (const fs::path& shard : found.files) {
    files_.push_back(open_shard(shard, found.files.size()));
    if (shard != path) warn_of_foreign_link(shard, warnings_);
    SafetensorsHeader header =
        read_safetensors_header(files_.back(), static_cast<std::uint32_t>(files_.size() - 1));
    if (files_.size() == 1) metadata_ = std::move(header.metadata);
    tensors_.insert(tensors_.end(), std::make_move_iterator(header.tensors.begin()),
                    std::make_move_iterator(header.tensors.end()));
  }
  index_names();
  if (found.index.empty()) return;

  check_index(found.index, index, tensors_);
  std::optional<std::uint64_t> total = 0;
  for (const TensorInfo& tensor : tensors_) {
    if (total) total = checked_add(*total, tensor.bytes);
  }
  if (!total) throw Error(ErrorKind::input_invalid, shown(found.index) + ": the shards' sizes overflow");
  if (index.total_size && *index.total_size != *total) {
    warnings_.push_back(shown(found.index) + ": total_size says " + std::to_string(*index.total_size) +
                        " bytes, the tensors have " + std::to_string(*total));
  }
}

}  // namespace qtz
