// JSON in (strict, bounded, duplicate keys refused) and out. The only door to the JSON library.
// Small documents become a JsonValue; large ones (tokenizers, safetensors headers) go through a JsonVisitor.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "qtz/core/input_file.h"
#include "qtz/core/variant.h"

namespace qtz {

class JsonValue;
using JsonArray = std::vector<JsonValue>;
using JsonMember = std::pair<std::string, JsonValue>;
using JsonObject = std::vector<JsonMember>;  ///< in document order

/// A parsed document. Integers stay exact; a number with a fraction or exponent is a double.
class JsonValue {
 public:
  JsonValue() = default;  // null
  JsonValue(std::nullptr_t) {}
  JsonValue(bool value) : value_(value) {}
  template <std::signed_integral T>
  JsonValue(T value) : value_(static_cast<std::int64_t>(value)) {}
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) JsonValue(T value) : value_(static_cast<std::uint64_t>(value)) {}
  JsonValue(double value) : value_(value) {}
  JsonValue(std::string value) : value_(std::move(value)) {}
  JsonValue(std::string_view value) : value_(std::string(value)) {}
  JsonValue(const char* value) : value_(std::string(value)) {}
  JsonValue(JsonArray value) : value_(std::move(value)) {}
  JsonValue(JsonObject value) : value_(std::move(value)) {}

  bool is_null() const noexcept { return std::holds_alternative<std::monostate>(value_); }
  bool is_string() const noexcept { return std::holds_alternative<std::string>(value_); }
  bool is_array() const noexcept { return std::holds_alternative<JsonArray>(value_); }
  bool is_object() const noexcept { return std::holds_alternative<JsonObject>(value_); }
  bool is_integer() const noexcept;

  /// Typed views; empty when the value is of another type or does not fit.
  std::optional<bool> as_bool() const noexcept;
  std::optional<std::int64_t> as_int() const noexcept;
  std::optional<std::uint64_t> as_uint() const noexcept;
  std::optional<double> as_double() const noexcept;  ///< of any number
  const std::string* as_string() const noexcept { return std::get_if<std::string>(&value_); }
  const JsonArray* as_array() const noexcept { return std::get_if<JsonArray>(&value_); }
  const JsonObject* as_object() const noexcept { return std::get_if<JsonObject>(&value_); }

  /// Member of an object; nullptr if absent or not an object.
  const JsonValue* find(std::string_view key) const noexcept;
  /// Adds or replaces a member; a null value becomes an object first.
  void set(std::string key, JsonValue value);
  /// The same for many members, in one go over both.
  void set_all(JsonObject members);

  /// "string", "object" ... for messages.
  std::string_view type_name() const noexcept;

  bool operator==(const JsonValue&) const = default;

 private:
  Variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, JsonArray, JsonObject>
      value_;
};

/// Enough for every configuration; a tree takes up to forty times the bytes of its text. Who reads larger
/// files says how large.
struct JsonLimits {
  std::uint64_t max_bytes = 8u << 20;
  unsigned max_depth = 64;
};

/// Receives a document as it is read. A handler may throw Error to stop.
class JsonVisitor {
 public:
  virtual ~JsonVisitor() = default;
  virtual void on_null() = 0;
  virtual void on_bool(bool value) = 0;
  virtual void on_int(std::int64_t value) = 0;    ///< negative integers
  virtual void on_uint(std::uint64_t value) = 0;  ///< other integers that fit 64 bits
  virtual void on_double(double value) = 0;
  virtual void on_string(std::string& value) = 0;  ///< may be moved from
  virtual void on_key(std::string& key) = 0;       ///< may be moved from
  virtual void on_start_object() = 0;
  virtual void on_end_object() = 0;
  virtual void on_start_array() = 0;
  virtual void on_end_array() = 0;
};

/// A visitor that builds a JsonValue, refusing duplicate keys; also for one subtree inside a larger visit.
/// `what` names the document in errors and must outlive the builder.
class JsonTreeBuilder final : public JsonVisitor {
 public:
  explicit JsonTreeBuilder(std::string_view what) : what_(what) {}

  void on_null() override { add(JsonValue()); }
  void on_bool(bool value) override { add(JsonValue(value)); }
  void on_int(std::int64_t value) override { add(JsonValue(value)); }
  void on_uint(std::uint64_t value) override { add(JsonValue(value)); }
  void on_double(double value) override { add(JsonValue(value)); }
  void on_string(std::string& value) override { add(JsonValue(std::move(value))); }
  void on_key(std::string& key) override;
  void on_start_object() override { open_.push_back({true, {}, {}, {}, {}}); }
  void on_end_object() override;
  void on_start_array() override { open_.push_back({false, {}, {}, {}, {}}); }
  void on_end_array() override;

  /// True when one whole value has been seen.
  bool complete() const noexcept { return complete_; }
  JsonValue take() { return std::move(root_); }

 private:
  struct Open {
    bool object;
    std::string key;
    std::unordered_set<std::string> keys;
    JsonObject members;
    JsonArray elements;
  };

  void add(JsonValue value);

  std::string_view what_;
  std::vector<Open> open_;
  JsonValue root_;
  bool complete_ = false;
};

/// Parses text; `what` names the document in errors. Throws input_invalid.
JsonValue parse_json(std::string_view text, const JsonLimits& limits, std::string_view what);
void visit_json(std::string_view text, const JsonLimits& limits, std::string_view what, JsonVisitor& visitor);

/// The same for a file, read in pieces: memory is what the tree or the visitor keeps.
JsonValue parse_json_file(const std::filesystem::path& path, const JsonLimits& limits);
void visit_json_file(const InputFile& file, const JsonLimits& limits, JsonVisitor& visitor);

/// An array of strings.
JsonArray json_strings(const std::vector<std::string>& strings);

/// Text of a value; `indent` < 0 gives one line. Invalid UTF-8 is replaced. Same value, same text, always.
std::string to_json(const JsonValue& value, int indent = 2);

}  // namespace qtz
