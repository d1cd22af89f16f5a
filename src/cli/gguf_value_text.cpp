#include "cli/gguf_value_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <type_traits>
#include <variant>

#include "qtz/core/error.h"

namespace qtz::cli {
namespace {

constexpr std::size_t kShownText = 6;
constexpr std::size_t kShownJson = 16;

std::string quoted(const std::string& value) {
  std::string text = "\"";
  for (const char c : printable(value)) {
    if (c == '"') text += '\\';
    text += c;
  }
  return text + '"';
}

template <typename T>
std::string scalar_text(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_same_v<T, std::string>) {
    return quoted(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    std::array<char, 64> buffer{};
    const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
    return std::string(buffer.data(), result.ptr);
  } else {
    return std::to_string(value);
  }
}

/// A float as the double with the float's shortest decimal text: 1e-05, not 9.999999747378752e-06.
double shortest_double(float value) {
  const std::string text = scalar_text(value);
  double out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

template <typename T>
JsonValue scalar_json(const T& value) {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string>) {
    return JsonValue(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) return {};
    if constexpr (std::is_same_v<T, float>) return shortest_double(value);
    return JsonValue(static_cast<double>(value));
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<std::int64_t>(value);
  } else {
    return static_cast<std::uint64_t>(value);
  }
}

template <typename T>
std::string elements_text(const std::vector<T>& elements, bool booleans, std::size_t shown) {
  std::string text = "[";
  for (std::size_t i = 0; i < std::min(shown, elements.size()); ++i) {
    if (i > 0) text += ", ";
    if constexpr (std::is_same_v<T, std::uint8_t>) {
      text += booleans ? scalar_text(elements[i] != 0) : scalar_text(elements[i]);
    } else {
      text += scalar_text(elements[i]);
    }
  }
  return text + (shown < elements.size() ? ", ...]" : "]");
}

template <typename T>
JsonArray elements_json(const std::vector<T>& elements, bool booleans, std::size_t shown) {
  JsonArray array;
  for (std::size_t i = 0; i < std::min(shown, elements.size()); ++i) {
    if constexpr (std::is_same_v<T, std::uint8_t>) {
      array.push_back(booleans ? JsonValue(elements[i] != 0) : scalar_json(elements[i]));
    } else {
      array.push_back(scalar_json(elements[i]));
    }
  }
  return array;
}

}  // namespace

std::string type_text(const GgufValue& value) {
  const GgufArray* array = value.as_array();
  if (array == nullptr) return std::string(name_of(value.type()));
  return "array of " + std::to_string(array->size()) + " " + std::string(name_of(array->type));
}

std::string value_text(const GgufValue& value, bool whole) {
  return std::visit(
      [&](const auto& stored) -> std::string {
        if constexpr (std::is_same_v<std::decay_t<decltype(stored)>, GgufArray>) {
          const bool booleans = stored.type == GgufType::boolean;
          const std::size_t shown = whole ? stored.size() : kShownText;
          return std::visit([&](const auto& elements) { return elements_text(elements, booleans, shown); },
                            stored.elements);
        } else {
          return scalar_text(stored);
        }
      },
      value.storage());
}

JsonValue value_json(const GgufValue& value, bool whole) {
  return std::visit(
      [&](const auto& stored) -> JsonValue {
        if constexpr (std::is_same_v<std::decay_t<decltype(stored)>, GgufArray>) {
          const bool booleans = stored.type == GgufType::boolean;
          const std::size_t shown = whole ? stored.size() : kShownJson;
          JsonArray elements = std::visit(
              [&](const auto& vector) { return elements_json(vector, booleans, shown); }, stored.elements);
          return JsonObject{{"type", "array"},
                            {"of", name_of(stored.type)},
                            {"length", static_cast<std::uint64_t>(stored.size())},
                            {"value", std::move(elements)}};
        } else {
          return JsonObject{{"type", name_of(value.type())}, {"value", scalar_json(stored)}};
        }
      },
      value.storage());
}

}  // namespace qtz::cli
