#include "qtz/formats/gguf_value.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <type_traits>

#include "qtz/core/error.h"

namespace qtz {

std::string_view name_of(GgufType type) noexcept {
  static constexpr std::string_view kNames[] = {"u8",      "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                "boolean", "string", "array", "u64", "i64", "f64"};
  const auto index = static_cast<std::size_t>(type);
  QTZ_CHECK(index < std::size(kNames));
  return kNames[index];
}

std::size_t GgufArray::size() const noexcept {
  return std::visit([](const auto& values) { return values.size(); }, elements);
}

GgufValue::GgufValue(std::vector<std::string> v) : value_(GgufArray{GgufType::string, std::move(v)}) {}
GgufValue::GgufValue(std::vector<std::int32_t> v) : value_(GgufArray{GgufType::i32, std::move(v)}) {}
GgufValue::GgufValue(std::vector<std::uint32_t> v) : value_(GgufArray{GgufType::u32, std::move(v)}) {}
GgufValue::GgufValue(std::vector<float> v) : value_(GgufArray{GgufType::f32, std::move(v)}) {}

GgufValue GgufValue::bool_array(const std::vector<bool>& v) {
  return GgufValue(GgufArray{GgufType::boolean, std::vector<std::uint8_t>(v.begin(), v.end())});
}

namespace {

template <typename T>
inline constexpr bool kIsInteger = std::is_integral_v<T> && !std::is_same_v<T, bool>;

}  // namespace

std::optional<std::uint64_t> GgufValue::as_uint() const noexcept {
  return std::visit(
      [](const auto& v) -> std::optional<std::uint64_t> {
        using T = std::decay_t<decltype(v)>;
        if constexpr (kIsInteger<T>) {
          if constexpr (std::is_signed_v<T>) {
            if (v < 0) return std::nullopt;
          }
          return static_cast<std::uint64_t>(v);
        } else {
          return std::nullopt;
        }
      },
      value_);
}

std::optional<std::int64_t> GgufValue::as_int() const noexcept {
  return std::visit(
      [](const auto& v) -> std::optional<std::int64_t> {
        using T = std::decay_t<decltype(v)>;
        if constexpr (kIsInteger<T>) {
          if constexpr (std::is_same_v<T, std::uint64_t>) {
            if (v > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
          }
          return static_cast<std::int64_t>(v);
        } else {
          return std::nullopt;
        }
      },
      value_);
}

std::optional<double> GgufValue::as_double() const noexcept {
  return std::visit(
      [](const auto& v) -> std::optional<double> {
        using T = std::decay_t<decltype(v)>;
        if constexpr (kIsInteger<T> || std::is_floating_point_v<T>) {
          return static_cast<double>(v);
        } else {
          return std::nullopt;
        }
      },
      value_);
}

std::optional<bool> GgufValue::as_bool() const noexcept {
  const bool* flag = std::get_if<bool>(&value_);
  return flag != nullptr ? std::optional(*flag) : std::nullopt;
}

const GgufValue* KvList::find(std::string_view key) const noexcept {
  const auto at =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
  return at != entries_.end() ? &at->value : nullptr;
}

void KvList::set(std::string key, GgufValue value) {
  const auto at =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
  if (at != entries_.end()) {
    at->value = std::move(value);
  } else {
    entries_.push_back({std::move(key), std::move(value)});
  }
}

void KvList::erase(std::string_view key) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.key == key; });
}

}  // namespace qtz
