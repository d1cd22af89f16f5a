#include "metadata_override.h"

#include <bit>
#include <limits>
#include <optional>
#include <type_traits>

#include "qtz/core/error.h"

namespace qtz {
namespace {

/// As --override-kv calls it.
std::string flag_name(GgufType type) {
  if (type == GgufType::string) return "str";
  if (type == GgufType::boolean) return "bool";
  return std::string(name_of(type));
}

/// The number as the same integer type that `like` has; nothing if it does not fit or `like` is no integer.
std::optional<GgufValue> as_integer_like(const GgufValue& like, std::uint32_t number) {
  return std::visit(
      [&](const auto& held) -> std::optional<GgufValue> {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
          if (std::uint64_t{number} <= static_cast<std::uint64_t>(std::numeric_limits<T>::max()))
            return GgufValue(static_cast<T>(number));
        }
        return std::nullopt;
      },
      like.storage());
}

bool is_integer(const GgufValue& value) {
  return as_integer_like(value, 0).has_value();
}

[[noreturn]] void refuse(const std::string& key, const std::string& problem, std::string hint = {}) {
  throw Error(ErrorKind::usage, "--override-kv " + printable(key) + ": " + problem, std::move(hint));
}

GgufValue converted(const std::string& key, const GgufValue& present, const GgufValue& wanted) {
  if (wanted.type() == present.type() && wanted.as_array() == nullptr) return wanted;
  const std::string type = flag_name(present.type());
  if (wanted.type() == GgufType::u32 && is_integer(present)) {
    const std::uint64_t number = wanted.as_uint().value_or(0);
    if (auto value = as_integer_like(present, static_cast<std::uint32_t>(number))) return *std::move(value);
    refuse(key, std::to_string(number) + " does not fit the key's type " + type);
  }
  if (present.as_array() != nullptr) {
    refuse(key, "the key is an array, which " + flag_name(wanted.type()) + " cannot replace");
  }
  refuse(key, "the key's type is " + type + ", not " + flag_name(wanted.type()),
         "write " + printable(key) + "=" + type + ":VALUE");
}

}  // namespace

void override_key(KvList& metadata, const std::string& key, const GgufValue& value) {
  const GgufValue* present = metadata.find(key);
  GgufValue wanted = present == nullptr ? value : converted(key, *present, value);
  if (key == "general.alignment" &&
      (wanted.type() != GgufType::u32 || !std::has_single_bit(wanted.as_uint().value_or(0)))) {
    refuse(key, "the alignment is a u32 power of two", "write general.alignment=int:32");
  }
  metadata.set(key, std::move(wanted));
}

}  // namespace qtz
