#include "qtz/core/json.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz {
namespace {

using Library = nlohmann::ordered_json;

/// The library takes a NUL for the end of the text and would not see what follows it; JSON never holds a raw
/// one.
void refuse_nul(std::string_view piece, std::uint64_t offset, std::string_view what) {
  const auto at = piece.find('\0');
  if (at == std::string_view::npos) return;
  throw Error(ErrorKind::input_invalid, std::string(what) + ": not valid JSON at byte " +
                                            std::to_string(offset + at + 1) + ": a NUL byte");
}

/// Reads a file in pieces as the character iterator that the parser wants.
class FileCharacters {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  struct Buffer {
    const InputFile& file;
    std::uint64_t next = 0;  ///< file offset of the first byte after `bytes`
    std::size_t at = 0;
    std::string bytes{};

    bool fill() {
      const std::uint64_t left = file.size() - next;
      bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, 256 << 10)));
      file.read(next, std::as_writable_bytes(std::span(bytes)));
      refuse_nul(bytes, next, printable(file.path().native()));
      next += bytes.size();
      at = 0;
      return !bytes.empty();
    }
  };

  FileCharacters() = default;  // the end
  explicit FileCharacters(Buffer* buffer) : buffer_(buffer->fill() ? buffer : nullptr) {}

  reference operator*() const { return buffer_->bytes[buffer_->at]; }
  FileCharacters& operator++() {
    if (++buffer_->at == buffer_->bytes.size() && !buffer_->fill()) buffer_ = nullptr;
    return *this;
  }
  FileCharacters operator++(int) {
    FileCharacters old = *this;
    ++*this;
    return old;
  }
  bool operator==(const FileCharacters& other) const { return buffer_ == other.buffer_; }

 private:
  Buffer* buffer_ = nullptr;
};

/// Forwards the library's events to a visitor, keeping the depth bounded and errors ours.
class Forwarder final : public nlohmann::json_sax<Library> {
 public:
  Forwarder(JsonVisitor& visitor, unsigned max_depth, std::string_view what)
      : visitor_(visitor), max_depth_(max_depth), what_(what) {}

  bool null() override { return visitor_.on_null(), true; }
  bool boolean(bool value) override { return visitor_.on_bool(value), true; }
  bool number_integer(std::int64_t value) override { return visitor_.on_int(value), true; }
  bool number_unsigned(std::uint64_t value) override { return visitor_.on_uint(value), true; }
  bool number_float(double value, const std::string&) override { return visitor_.on_double(value), true; }
  bool string(std::string& value) override { return visitor_.on_string(value), true; }
  bool binary(nlohmann::json::binary_t&) override { return false; }
  bool key(std::string& value) override { return visitor_.on_key(value), true; }
  bool start_object(std::size_t) override { return enter(), visitor_.on_start_object(), true; }
  bool end_object() override { return --depth_, visitor_.on_end_object(), true; }
  bool start_array(std::size_t) override { return enter(), visitor_.on_start_array(), true; }
  bool end_array() override { return --depth_, visitor_.on_end_array(), true; }

  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::json::exception& error) override {
    std::string reason = error.what();
    // The library prefixes "[json.exception.parse_error.101] parse error at line 1, column 2: ", or only the
    // bracket.
    if (const auto bracket = reason.find("] "); bracket != std::string::npos) reason.erase(0, bracket + 2);
    const auto colon = reason.find(": ");
    if (colon != std::string::npos && reason.starts_with("parse error at")) reason.erase(0, colon + 2);
    throw Error(ErrorKind::input_invalid, std::string(what_) + ": not valid JSON at byte " +
                                              std::to_string(position) + " near '" +
                                              printable(token.substr(0, 40)) + "': " + printable(reason));
  }

 private:
  void enter() {
    if (++depth_ > max_depth_) {
      throw Error(ErrorKind::input_invalid,
                  std::string(what_) + ": JSON nested deeper than " + std::to_string(max_depth_));
    }
  }

  JsonVisitor& visitor_;
  unsigned max_depth_;
  std::string_view what_;
  unsigned depth_ = 0;
};

void check_size(std::uint64_t size, const JsonLimits& limits, std::string_view what) {
  if (size > limits.max_bytes) {
    throw Error(ErrorKind::input_invalid, std::string(what) + ": JSON of " + format_bytes(size) +
                                              " is larger than the limit of " +
                                              format_bytes(limits.max_bytes));
  }
}

Library to_library(const JsonValue& value) {
  if (const auto flag = value.as_bool()) return *flag;
  if (const auto* text = value.as_string()) return *text;
  if (value.is_integer()) {
    if (const auto number = value.as_uint()) return *number;
    return *value.as_int();
  }
  if (const auto number = value.as_double())
    return std::isfinite(*number) ? Library(*number) : Library(nullptr);
  if (const auto* array = value.as_array()) {
    Library out = Library::array();
    for (const JsonValue& element : *array) out.push_back(to_library(element));
    return out;
  }
  if (const auto* object = value.as_object()) {
    Library out = Library::object();
    for (const auto& [key, member] : *object) out[key] = to_library(member);
    return out;
  }
  return nullptr;
}

}  // namespace

bool JsonValue::is_integer() const noexcept {
  return std::holds_alternative<std::int64_t>(value_) || std::holds_alternative<std::uint64_t>(value_);
}

std::optional<bool> JsonValue::as_bool() const noexcept {
  const bool* flag = std::get_if<bool>(&value_);
  return flag ? std::optional(*flag) : std::nullopt;
}

std::optional<std::int64_t> JsonValue::as_int() const noexcept {
  if (const auto* number = std::get_if<std::int64_t>(&value_)) return *number;
  if (const auto* number = std::get_if<std::uint64_t>(&value_)) {
    if (*number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return static_cast<std::int64_t>(*number);
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> JsonValue::as_uint() const noexcept {
  if (const auto* number = std::get_if<std::uint64_t>(&value_)) return *number;
  if (const auto* number = std::get_if<std::int64_t>(&value_)) {
    if (*number >= 0) return static_cast<std::uint64_t>(*number);
  }
  return std::nullopt;
}

std::optional<double> JsonValue::as_double() const noexcept {
  if (const auto* number = std::get_if<double>(&value_)) return *number;
  if (const auto* number = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*number);
  return std::nullopt;
}

const JsonValue* JsonValue::find(std::string_view key) const noexcept {
  const JsonObject* object = as_object();
  if (object == nullptr) return nullptr;
  for (const auto& [name, value] : *object) {
    if (name == key) return &value;
  }
  return nullptr;
}

void JsonValue::set(std::string key, JsonValue value) {
  if (is_null()) value_ = JsonObject();
  auto* object = std::get_if<JsonObject>(&value_);
  QTZ_CHECK(object != nullptr);
  for (auto& [name, old] : *object) {
    if (name == key) {
      old = std::move(value);
      return;
    }
  }
  object->emplace_back(std::move(key), std::move(value));
}

void JsonValue::set_all(JsonObject members) {
  if (is_null()) value_ = JsonObject();
  auto* object = std::get_if<JsonObject>(&value_);
  QTZ_CHECK(object != nullptr);
  object->reserve(object->size() + members.size());  // the names that the index sees stay where they are
  std::unordered_map<std::string_view, std::size_t> places;
  for (std::size_t place = 0; place < object->size(); ++place) places.emplace((*object)[place].first, place);
  for (JsonMember& member : members) {
    if (const auto known = places.find(member.first); known != places.end()) {
      (*object)[known->second].second = std::move(member.second);
    } else {
      object->push_back(std::move(member));
      places.emplace(object->back().first, object->size() - 1);
    }
  }
}

std::string_view JsonValue::type_name() const noexcept {
  static constexpr std::string_view kNames[] = {"null",   "boolean", "integer", "integer",
                                                "number", "string",  "array",   "object"};
  return kNames[value_.index()];
}

void JsonTreeBuilder::on_key(std::string& key) {
  if (!open_.back().keys.insert(key).second) {
    throw Error(ErrorKind::input_invalid,
                std::string(what_) + ": key '" + printable(key) + "' appears twice");
  }
  open_.back().key = std::move(key);
}

void JsonTreeBuilder::on_end_object() {
  Open done = std::move(open_.back());
  open_.pop_back();
  add(JsonValue(std::move(done.members)));
}

void JsonTreeBuilder::on_end_array() {
  Open done = std::move(open_.back());
  open_.pop_back();
  add(JsonValue(std::move(done.elements)));
}

void JsonTreeBuilder::add(JsonValue value) {
  if (open_.empty()) {
    root_ = std::move(value);
    complete_ = true;
  } else if (open_.back().object) {
    open_.back().members.emplace_back(std::move(open_.back().key), std::move(value));
  } else {
    open_.back().elements.push_back(std::move(value));
  }
}

void visit_json(std::string_view text, const JsonLimits& limits, std::string_view what,
                JsonVisitor& visitor) {
  check_size(text.size(), limits, what);
  refuse_nul(text, 0, what);
  Forwarder forwarder(visitor, limits.max_depth, what);
  Library::sax_parse(text.begin(), text.end(), &forwarder);
}

JsonValue parse_json(std::string_view text, const JsonLimits& limits, std::string_view what) {
  JsonTreeBuilder builder(what);
  visit_json(text, limits, what, builder);
  return builder.take();
}

void visit_json_file(const InputFile& file, const JsonLimits& limits, JsonVisitor& visitor) {
  const std::string what = printable(file.path().native());
  check_size(file.size(), limits, what);
  Forwarder forwarder(visitor, limits.max_depth, what);
  FileCharacters::Buffer buffer{file};
  Library::sax_parse(FileCharacters(&buffer), FileCharacters(), &forwarder);
  file.check_unchanged();
}

JsonValue parse_json_file(const std::filesystem::path& path, const JsonLimits& limits) {
  const InputFile file(path);
  const std::string what = printable(path.native());
  JsonTreeBuilder builder(what);
  visit_json_file(file, limits, builder);
  return builder.take();
}

JsonArray json_strings(const std::vector<std::string>& strings) {
  return {strings.begin(), strings.end()};
}

std::string to_json(const JsonValue& value, int indent) {
  return to_library(value).dump(indent, ' ', false, Library::error_handler_t::replace);
}

}  // namespace qtz
