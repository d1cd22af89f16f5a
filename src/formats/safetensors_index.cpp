#include "formats/safetensors_index.h"

#include <algorithm>
#include <map>

#include "formats/safetensors_header.h"
#include "qtz/core/error.h"
#include "qtz/core/json.h"
#include "qtz/formats/foreign_file.h"

namespace qtz {
namespace {

constexpr std::uint64_t kMaxIndexBytes = 64u << 20;

class IndexVisitor final : public JsonVisitor {
 public:
  explicit IndexVisitor(const InputFile& file) : file_(file) {}

  SafetensorsIndex take() {
    if (!has_map_) fail("has no weight_map");
    if (index_.entries.empty()) fail("weight_map is empty");
    number_shards_by_name();
    std::sort(index_.entries.begin(), index_.entries.end(),
              [](const auto& a, const auto& b) { return a.tensor < b.tensor; });
    const auto twice = std::adjacent_find(index_.entries.begin(), index_.entries.end(),
                                          [](const auto& a, const auto& b) { return a.tensor == b.tensor; });
    if (twice != index_.entries.end()) fail("weight_map has tensor '" + printable(twice->tensor) + "' twice");
    return std::move(index_);
  }

  void on_null() override { on_other("null"); }
  void on_bool(bool) override { on_other("a boolean"); }
  void on_int(std::int64_t) override { on_other("a number"); }
  void on_uint(std::uint64_t value) override {
    if (at_total_size()) index_.total_size = value;
    on_other("a number");
  }
  void on_double(double value) override {
    // Some writers divide and multiply: 1.6e9 is a whole number too.
    if (at_total_size() && value >= 0 && value < 0x1p53 &&
        value == static_cast<double>(static_cast<std::uint64_t>(value))) {
      index_.total_size = static_cast<std::uint64_t>(value);
    }
    on_other("a number");
  }

  void on_string(std::string& value) override {
    if (!in_map()) return on_other("a string");
    if (!is_plain_file_name(value)) {
      fail("tensor '" + printable(key_) + "' is said to be in '" + printable(value) +
           "'; a shard name must be a plain file name");
    }
    if (index_.entries.size() == kSafetensorsMaxTensors) {
      fail("lists more than " + std::to_string(kSafetensorsMaxTensors) + " tensors");
    }
    const auto next = static_cast<std::uint32_t>(shards_.size());
    const auto shard = shards_.try_emplace(std::move(value), next).first;
    index_.entries.push_back({std::move(key_), shard->second});
  }

  void on_key(std::string& key) override {
    if (depth_ == 1) top_key_ = key;
    key_ = std::move(key);
  }

  void on_start_object() override {
    if (in_map()) refuse_in_map("an object");
    ++depth_;
    if (depth_ == 2 && top_key_ == "weight_map") {
      if (has_map_) fail("has two weight_maps");
      has_map_ = true;
    }
  }
  void on_end_object() override { --depth_; }
  void on_start_array() override {
    on_other("an array");
    ++depth_;
  }
  void on_end_array() override { --depth_; }

 private:
  bool in_map() const { return depth_ == 2 && top_key_ == "weight_map"; }
  bool at_total_size() const { return depth_ == 2 && top_key_ == "metadata" && key_ == "total_size"; }

  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorKind::input_invalid, printable(file_.path().native()) + ": " + message);
  }
  [[noreturn]] void refuse_in_map(const char* found) const {
    fail("weight_map gives " + std::string(found) + " and not a file name for tensor '" + printable(key_) +
         "'");
  }
  /// Anything that is not a shard name: wrong inside or as the map, of no interest elsewhere.
  void on_other(const char* found) const {
    if (depth_ == 0) fail("is not a JSON object but " + std::string(found));
    if (depth_ == 1 && top_key_ == "weight_map")
      fail("weight_map is not an object but " + std::string(found));
    if (in_map()) refuse_in_map(found);
  }

  /// Shards in the order of their names, whatever the order in which the map mentions them.
  void number_shards_by_name() {
    std::vector<std::uint32_t> rank(shards_.size());
    for (const auto& [name, first_seen] : shards_) {
      rank[first_seen] = static_cast<std::uint32_t>(index_.shards.size());
      index_.shards.push_back(name);
    }
    for (auto& entry : index_.entries) entry.shard = rank[entry.shard];
  }

  const InputFile& file_;
  SafetensorsIndex index_;
  std::map<std::string, std::uint32_t> shards_;
  std::string top_key_;
  std::string key_;
  unsigned depth_ = 0;
  bool has_map_ = false;
};

}  // namespace

bool is_plain_file_name(std::string_view name) noexcept {
  if (name.empty() || name == "." || name == "..") return false;
  return std::none_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '/' || c == '\\' || c == ':' || byte < 0x20 || byte == 0x7F;
  });
}

SafetensorsIndex read_safetensors_index(const InputFile& file) {
  std::string first(file.size() > 0 ? 1 : 0, '\0');
  file.read(0, std::as_writable_bytes(std::span(first)));
  if (first != "{" && first != " " && first != "\n" && first != "\r" && first != "\t") {
    fail_as_foreign(file, FileFormat::other, "does not start with '{' as a JSON index does",
                    "fetch the file again");
  }
  IndexVisitor visitor(file);
  visit_json_file(file, {kMaxIndexBytes, 64}, visitor);
  return visitor.take();
}

}  // namespace qtz
