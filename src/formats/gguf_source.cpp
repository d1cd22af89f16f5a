#include <algorithm>
#include <iterator>

#include "formats/gguf_reader.h"
#include "formats/open_shard.h"
#include "qtz/core/error.h"
#include "qtz/formats/gguf.h"
#include "qtz/formats/gguf_split.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

std::string shown(const fs::path& path) {
  return printable(path.native());
}

[[noreturn]] void fail(const InputFile& file, const std::string& message, std::string hint = {}) {
  throw Error(ErrorKind::input_invalid, shown(file.path()) + ": " + message, std::move(hint));
}

/// A split key's value; empty when the key is absent. llama.cpp stores u16 and i32; any integer type is
/// understood.
std::optional<std::uint64_t> split_value(const InputFile& file, const KvList& metadata,
                                         std::string_view key) {
  const GgufValue* value = metadata.find(key);
  if (value == nullptr) return std::nullopt;
  const auto number = value->as_uint();
  if (!number) fail(file, std::string(key) + " is not a non-negative integer");
  return number;
}

/// Names of the other shards, once the first one's keys and name agree that it is the first of `count`.
std::vector<fs::path> list_shards(const InputFile& file, std::uint64_t number, std::uint64_t count) {
  if (count > kMaxSplits) fail(file, "split.count is " + std::to_string(count));
  if (number >= count) {
    fail(file, "split.no is " + std::to_string(number) + " but split.count is " + std::to_string(count));
  }
  const auto shards = static_cast<std::uint32_t>(count);
  const fs::path folder = file.path().parent_path();
  const auto name = parse_split_file_name(file.path().filename().native());
  const bool named = name && name->count == shards;
  if (number != 0) {
    throw WrongFile(shown(file.path()) + ": is shard " + std::to_string(number + 1) + " of " +
                        std::to_string(count) + " of a split GGUF",
                    named ? "give the first shard, " + shown(folder / split_file_name(name->stem, 0, shards))
                          : "give the first shard");
  }
  if (!named || name->index != 0) {
    fail(file,
         "is the first of " + std::to_string(count) + " shards, so its name must end with " +
             split_file_name("", 0, shards),
         "give the shards the names they were published under");
  }
  std::vector<fs::path> paths;
  std::string missing;
  std::size_t missing_count = 0;
  for (std::uint32_t index = 1; index < shards; ++index) {
    paths.push_back(folder / split_file_name(name->stem, index, shards));
    std::error_code error;
    if (fs::exists(paths.back(), error)) continue;
    if (++missing_count <= 5)
      missing += (missing.empty() ? "" : ", ") + printable(paths.back().filename().native());
  }
  if (missing_count > 0) {
    if (missing_count > 5) missing += " and " + std::to_string(missing_count - 5) + " more";
    throw Error(ErrorKind::input_missing,
                shown(file.path()) + ": " + std::to_string(missing_count) + " of " + std::to_string(count) +
                    " shards are missing: " + missing,
                "the download is incomplete; fetch the missing files");
  }
  return paths;
}

/// Each shard's own affair: its place among the others, and how its data is padded.
bool is_per_file(std::string_view key) {
  return key.starts_with("split.") || key == "general.alignment";
}

/// The model's keys are the first shard's. One that says something else belongs to another model; keys that
/// only a later shard has are not read by llama.cpp either.
void check_shard_keys(const InputFile& file, const KvList& own, const KvList& first,
                      std::vector<std::string>& warnings) {
  constexpr std::size_t kShown = 5;
  std::string left_out;
  std::size_t count = 0;
  for (const auto& [key, value] : own.entries()) {
    if (is_per_file(key)) continue;
    const GgufValue* theirs = first.find(key);
    if (theirs == nullptr) {
      if (++count <= kShown) left_out += (count == 1 ? "'" : ", '") + printable(key) + "'";
    } else if (*theirs != value) {
      fail(file, "key '" + printable(key) + "' differs from the first shard's",
           "the shards are not of one model; fetch them again");
    }
  }
  if (count == 0) return;
  if (count > kShown) left_out += " and " + std::to_string(count - kShown) + " more";
  warnings.push_back(shown(file.path()) +
                     ": keys that the first shard does not have are left out: " + left_out);
}

/// What a later shard's own keys must say.
void check_shard(const InputFile& file, const GgufHeader& header, std::uint64_t number, std::uint64_t count,
                 const KvList& first, std::vector<std::string>& warnings) {
  const auto own_number = split_value(file, header.metadata, kSplitNoKey);
  if (!own_number) fail(file, "has no split.no: it is not a shard of a split GGUF");
  if (*own_number != number) {
    fail(file, "says that it is shard " + std::to_string(*own_number + 1) + ", its name says " +
                   std::to_string(number + 1));
  }
  const auto own_count = split_value(file, header.metadata, kSplitCountKey);
  if (own_count && *own_count != count) {
    fail(file, "says that there are " + std::to_string(*own_count) + " shards, the first one says " +
                   std::to_string(count));
  }
  check_shard_keys(file, header.metadata, first, warnings);
}

}  // namespace

GgufSource::GgufSource(const fs::path& path) {
  const auto keep = [&](GgufHeader& header) {
    if (header.trailing_bytes > 0) {
      warnings_.push_back(shown(files_.back().path()) + ": " + std::to_string(header.trailing_bytes) +
                          " bytes follow the last tensor and are ignored");
    }
    tensors_.insert(tensors_.end(), std::make_move_iterator(header.tensors.begin()),
                    std::make_move_iterator(header.tensors.end()));
  };

  files_.emplace_back(path);
  GgufHeader first = read_gguf_header(files_.front(), 0);
  keep(first);
  version_ = first.version;
  alignment_ = first.alignment;

  const auto count = split_value(files_.front(), first.metadata, kSplitCountKey).value_or(1);
  const auto number = split_value(files_.front(), first.metadata, kSplitNoKey).value_or(0);
  if (count > 1 || number > 0) {
    const auto total = split_value(files_.front(), first.metadata, kSplitTensorsKey);
    const auto others = list_shards(files_.front(), number, count);
    if (!total) fail(files_.front(), "has split.count but no split.tensors.count");
    for (const fs::path& other : others) {
      files_.push_back(open_shard(other, count));
      const auto index = static_cast<std::uint32_t>(files_.size() - 1);
      GgufHeader header = read_gguf_header(files_.back(), index);
      check_shard(files_.back(), header, index, count, first.metadata, warnings_);
      keep(header);
    }
    if (tensors_.size() != *total) {
      fail(files_.front(),
           "split.tensors.count is " + std::to_string(*total) + " but the shards hold " +
               std::to_string(tensors_.size()) + " tensors",
           "the shards are not of one model; fetch them again");
    }
  }
  metadata_ = std::move(first.metadata);
  for (const std::string_view key : {kSplitNoKey, kSplitCountKey, kSplitTensorsKey}) metadata_.erase(key);
  index_names();
}

}  // namespace qtz
