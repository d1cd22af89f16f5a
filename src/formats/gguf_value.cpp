#include "qtz/formats/gguf_value.h"

#include <algorithm>
#include <functional>
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

KvList::KvList(std::vector<Entry> entries) : entries_(std::move(entries)) {
  index_from(0);
}

void KvList::index_from(std::size_t first) {
  for (std::size_t place = first; place < entries_.size(); ++place) {
    places_.emplace(std::hash<std::string_view>{}(entries_[place].key), place);
  }
}

std::size_t KvList::place_of(std::string_view key) const noexcept {
  const auto [begin, end] = places_.equal_range(std::hash<std::string_view>{}(key));
  const auto at = std::find_if(begin, end, [&](const auto& indexed) {
    return indexed.second < entries_.size() && entries_[indexed.second].key == key;
  });
  return at != end ? at->second : entries_.size();
}

const GgufValue* KvList::find(std::string_view key) const noexcept {
  const std::size_t place = place_of(key);
  return place < entries_.size() ? &entries_[place].value : nullptr;
}

void KvList::set(std::string key, GgufValue value) {
  const std::size_t place = place_of(key);
  if (place < entries_.size()) {
    entries_[place].value = std::move(value);
  } else {
    entries_.push_back({std::move(key), std::move(value)});
    index_from(place);
  }
}

void KvList::erase(std::string_view key) {
  const std::size_t place = place_of(key);
  if (place == entries_.size()) return;
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(place));
  // What followed has moved up.
  places_.clear();
  index_from(0);
}

}  // namespace qtz
