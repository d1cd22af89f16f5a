// A model's keys as the forward pass reads them.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "qtz/core/error.h"
#include "qtz/formats/gguf_value.h"

namespace qtz {

/// The keys of one architecture: "block_count" for "llama.block_count".
class Keys {
 public:
  Keys(std::string_view arch, const KvList& all) : arch_(arch), all_(all) {}

  std::string_view arch() const noexcept { return arch_; }
  const KvList& all() const noexcept { return all_; }

  const GgufValue* find(std::string_view key) const { return all_.find(full(key)); }

  /// Of an array, the entry of `layer`.
  std::optional<double> number(std::string_view key, std::uint64_t layer = 0) const {
    const GgufValue* value = find(key);
    return value == nullptr ? std::nullopt : element(*value, layer);
  }

  double number_or(std::string_view key, double otherwise) const { return number(key).value_or(otherwise); }

  std::uint64_t count(std::string_view key, std::uint64_t layer = 0) const {
    const auto found = number(key, layer);
    if (!found || *found < 0 || *found > 1e9 || *found != std::floor(*found)) {
      throw Error(ErrorKind::input_invalid,
                  "the model's key '" + full(key) + "' is " + (find(key) == nullptr ? "missing" : "no count"),
                  "the forward pass needs it; convert the model again");
    }
    return static_cast<std::uint64_t>(*found);
  }

  std::uint64_t count_or(std::string_view key, std::uint64_t otherwise, std::uint64_t layer = 0) const {
    return find(key) == nullptr ? otherwise : count(key, layer);
  }

  bool flag(std::string_view key, bool otherwise) const {
    const GgufValue* value = find(key);
    return value == nullptr ? otherwise : value->as_bool().value_or(otherwise);
  }

  std::string text(std::string_view key) const {
    const GgufValue* value = find(key);
    const std::string* text = value == nullptr ? nullptr : value->as_string();
    return text == nullptr ? std::string() : *text;
  }

  static std::optional<double> element(const GgufValue& value, std::uint64_t at) {
    const GgufArray* array = value.as_array();
    if (array == nullptr) return value.as_double();
    return std::visit(
        [&](const auto& elements) -> std::optional<double> {
          using Element = typename std::decay_t<decltype(elements)>::value_type;
          if constexpr (std::is_arithmetic_v<Element>) {
            if (at < elements.size()) return static_cast<double>(elements[at]);
          }
          return std::nullopt;
        },
        array->elements);
  }

 private:
  std::string full(std::string_view key) const { return std::string(arch_) + "." + std::string(key); }

  std::string_view arch_;
  const KvList& all_;
};

}  // namespace qtz
