// The values that GGUF metadata can hold, each with its stored type, and the ordered list of keys that a file
// carries. A value keeps the exact type it was read with, so that metadata passes through unchanged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "qtz/core/variant.h"

namespace qtz {

/// Value types by their numbers in the file.
enum class GgufType : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

/// "u32", "string" ... for messages and tables.
std::string_view name_of(GgufType type) noexcept;

/// A homogeneous array; nested arrays are not representable (and not readable by llama.cpp). Booleans are
/// bytes 0/1.
struct GgufArray {
  using Elements = Variant<std::vector<std::uint8_t>, std::vector<std::int8_t>, std::vector<std::uint16_t>,
                           std::vector<std::int16_t>, std::vector<std::uint32_t>, std::vector<std::int32_t>,
                           std::vector<float>, std::vector<std::string>, std::vector<std::uint64_t>,
                           std::vector<std::int64_t>, std::vector<double>>;
  GgufType type;  ///< of the elements; boolean uses the uint8 vector
  Elements elements;
  std::size_t size() const noexcept;
  bool operator==(const GgufArray&) const = default;
};

/// One metadata value with its stored type.
class GgufValue {
 public:
  using Storage =
      Variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t, float,
              bool, std::string, GgufArray, std::uint64_t, std::int64_t, double>;  // order of GgufType

  GgufValue(std::uint8_t v) : value_(v) {}
  GgufValue(std::int8_t v) : value_(v) {}
  GgufValue(std::uint16_t v) : value_(v) {}
  GgufValue(std::int16_t v) : value_(v) {}
  GgufValue(std::uint32_t v) : value_(v) {}
  GgufValue(std::int32_t v) : value_(v) {}
  GgufValue(std::uint64_t v) : value_(v) {}
  GgufValue(std::int64_t v) : value_(v) {}
  GgufValue(float v) : value_(v) {}
  GgufValue(double v) : value_(v) {}
  GgufValue(bool v) : value_(v) {}
  GgufValue(std::string v) : value_(std::move(v)) {}
  GgufValue(std::string_view v) : value_(std::string(v)) {}
  GgufValue(const char* v) : value_(std::string(v)) {}
  GgufValue(GgufArray v) : value_(std::move(v)) {}
  GgufValue(std::vector<std::string> v);
  GgufValue(std::vector<std::int32_t> v);
  GgufValue(std::vector<std::uint32_t> v);
  GgufValue(std::vector<float> v);
  static GgufValue bool_array(const std::vector<bool>& v);

  GgufType type() const noexcept { return static_cast<GgufType>(value_.index()); }
  const Storage& storage() const noexcept { return value_; }

  /// Typed views: any integer type that fits; any number; exact type otherwise.
  std::optional<std::uint64_t> as_uint() const noexcept;
  std::optional<std::int64_t> as_int() const noexcept;
  std::optional<double> as_double() const noexcept;
  std::optional<bool> as_bool() const noexcept;
  const std::string* as_string() const noexcept { return std::get_if<std::string>(&value_); }
  const GgufArray* as_array() const noexcept { return std::get_if<GgufArray>(&value_); }

  bool operator==(const GgufValue&) const = default;

 private:
  Storage value_;
};

/// Metadata in file order, keys unique. Looking up and setting a key take the same time however many there
/// are.
class KvList {
 public:
  struct Entry {
    std::string key;
    GgufValue value;
    bool operator==(const Entry&) const = default;
  };

  KvList() = default;
  /// Takes entries whose keys the caller knows to be unique (a reader that checked them).
  explicit KvList(std::vector<Entry> entries);

  const std::vector<Entry>& entries() const noexcept { return entries_; }
  const GgufValue* find(std::string_view key) const noexcept;
  /// Replaces the value in place if the key exists, else appends.
  void set(std::string key, GgufValue value);
  void erase(std::string_view key);
  bool empty() const noexcept { return entries_.empty(); }
  bool operator==(const KvList& other) const { return entries_ == other.entries_; }

 private:
  /// Where `key` is among the entries; their number when it is not there.
  std::size_t place_of(std::string_view key) const noexcept;
  void index_from(std::size_t first);

  std::vector<Entry> entries_;
  /// Hash of a key to its place. Places and not pointers, so that copies and moves stay right.
  std::unordered_multimap<std::size_t, std::size_t> places_;
};

}  // namespace qtz
