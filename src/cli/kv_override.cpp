#include "cli/kv_override.h"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <type_traits>

#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz::cli {
namespace {

constexpr std::size_t kLongestKey = 65535;
constexpr const char* kForm = "write KEY=TYPE:VALUE, for example llama.context_length=int:8192";

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) return std::nullopt;
  }
  return value;
}

template <typename T>
std::optional<GgufValue> parse_as(std::string_view text) {
  const auto value = parse_number<T>(text);
  return value ? std::optional<GgufValue>(GgufValue(*value)) : std::nullopt;
}

std::optional<GgufValue> parse_boolean(std::string_view text) {
  if (text == "true") return GgufValue(true);
  if (text == "false") return GgufValue(false);
  return std::nullopt;
}

std::optional<GgufValue> parse_string(std::string_view text) {
  return is_utf8(text) ? std::optional<GgufValue>(GgufValue(text)) : std::nullopt;
}

struct TypeParser {
  std::string_view name;
  std::optional<GgufValue> (*parse)(std::string_view);
  std::string_view expects;
};

constexpr std::array<TypeParser, 14> kParsers{{
    {"int", parse_as<std::uint32_t>,
     "a whole number from 0 to 4294967295 (stored as u32; for others use i32, u64 or i64)"},
    {"float", parse_as<float>, "a finite number"},
    {"bool", parse_boolean, "true or false"},
    {"str", parse_string, "text in UTF-8"},
    {"u8", parse_as<std::uint8_t>, "a whole number from 0 to 255"},
    {"i8", parse_as<std::int8_t>, "a whole number from -128 to 127"},
    {"u16", parse_as<std::uint16_t>, "a whole number from 0 to 65535"},
    {"i16", parse_as<std::int16_t>, "a whole number from -32768 to 32767"},
    {"u32", parse_as<std::uint32_t>, "a whole number from 0 to 4294967295"},
    {"i32", parse_as<std::int32_t>, "a whole number from -2147483648 to 2147483647"},
    {"u64", parse_as<std::uint64_t>, "a whole number that fits 64 bits"},
    {"i64", parse_as<std::int64_t>, "a whole number that fits 64 bits, signed"},
    {"f32", parse_as<float>, "a finite number"},
    {"f64", parse_as<double>, "a finite number"},
}};

std::string known_types() {
  std::string text;
  for (const auto& parser : kParsers) text += (text.empty() ? "" : " ") + std::string(parser.name);
  return text;
}

}  // namespace

std::pair<std::string, GgufValue> parse_kv_override(std::string_view text) {
  const auto equals = text.find('=');
  const auto colon = text.find(':', equals == std::string_view::npos ? 0 : equals);
  if (equals == std::string_view::npos || equals == 0 || colon == std::string_view::npos) {
    throw Error(ErrorKind::usage, "--override-kv '" + printable(text) + "' is not KEY=TYPE:VALUE", kForm);
  }
  const std::string_view key = text.substr(0, equals);
  if (key.size() > kLongestKey || !is_utf8(key)) {
    throw Error(ErrorKind::usage, "--override-kv: '" + printable(key) +
                                      "' is no key of a GGUF, which has at most " +
                                      std::to_string(kLongestKey) + " bytes of UTF-8");
  }
  const std::string_view type = text.substr(equals + 1, colon - equals - 1);
  const std::string_view value = text.substr(colon + 1);
  for (const auto& parser : kParsers) {
    if (parser.name != type) continue;
    if (auto parsed = parser.parse(value)) return {std::string(key), std::move(*parsed)};
    throw Error(ErrorKind::usage, "--override-kv " + printable(key) + ": '" + printable(value) + "' is not " +
                                      std::string(parser.expects));
  }
  throw Error(ErrorKind::usage,
              "--override-kv " + printable(key) + ": unknown type '" + printable(type) + "'",
              "types: " + known_types());
}

}  // namespace qtz::cli
