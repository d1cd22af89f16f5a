// A plan as the text of a recipe: what type_rules.cpp reads, written.
#include "qtz/core/error.h"
#include "qtz/pipeline/plan.h"

namespace qtz {
namespace {

/// Bytes of the UTF-8 sequence that such a byte begins, if it begins one.
std::size_t sequence_length(unsigned char lead) noexcept {
  return lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

std::string escaped(unsigned char byte) {
  constexpr std::string_view kHex = "0123456789abcdef";
  return {'\\', 'x', kHex[byte >> 4u], kHex[byte & 15u]};
}

}  // namespace

std::string exact_pattern(std::string_view name) {
  constexpr std::string_view kSpecial = "\\^$.|?*+()[]{}#";
  std::string pattern = "^";
  while (!name.empty()) {
    const auto byte = static_cast<unsigned char>(name[0]);
    const std::string_view character = name.substr(0, sequence_length(byte));
    std::size_t taken = character.size();
    if (byte == '\'') {
      pattern += escaped(byte);  // so that the pattern can stand between quotes
    } else if (printable(character) == character) {
      if (kSpecial.find(name[0]) != std::string_view::npos) pattern += '\\';
      pattern += character;
    } else if (byte == 0xC2 && character.size() == 2 &&
               (static_cast<unsigned char>(character[1]) & 0xE0u) == 0x80u) {
      pattern +=
          escaped(static_cast<unsigned char>(character[1]));  // U+0080 to U+009F: that byte is its number
    } else {
      pattern += escaped(byte);
      taken = 1;
    }
    name.remove_prefix(taken);
  }
  return pattern + "$";
}

std::string recipe_rule(const PlanEntry& entry) {
  const bool adjustable = !entry.fixed && traits(entry.type).encodable;
  return (adjustable ? "" : "# ") + exact_pattern(entry.name) + " = " + std::string(name_of(entry.type));
}

}  // namespace qtz
