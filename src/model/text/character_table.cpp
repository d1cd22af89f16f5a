#include "model/text/character_table.h"

#include "model/tokenizer/charsmap.h"
#include "model/tokenizer/utf8.h"

namespace qtz {
namespace {

constexpr std::size_t kWord = 4;

std::uint32_t word_at(std::string_view bytes, std::size_t at) noexcept {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < kWord; ++i) {
    word |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  return word;
}

// A unit of the double array.
bool has_value(std::uint32_t unit) noexcept {
  return (unit >> 8 & 1U) != 0;
}
std::uint32_t value_of(std::uint32_t unit) noexcept {
  return unit & 0x7FFFFFFFU;
}
std::uint32_t label_of(std::uint32_t unit) noexcept {
  return unit & 0x800000FFU;
}
std::uint32_t offset_of(std::uint32_t unit) noexcept {
  return (unit >> 10) << ((unit & 0x200U) >> 6);
}

}  // namespace

CharacterTable::CharacterTable(std::string_view bytes) {
  check_charsmap(bytes, "tokenizer.ggml.precompiled_charsmap");
  const std::size_t trie = word_at(bytes, 0);
  for (std::size_t at = 0; at < trie; at += kWord) units_.push_back(word_at(bytes, kWord + at));
  replacements_ = bytes.substr(kWord + trie);
}

CharacterTable::Found CharacterTable::longest_entry(std::string_view text) const noexcept {
  Found found;
  std::size_t node = offset_of(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (node >= units_.size() || label_of(units_[node]) != byte) break;
    const std::uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (node >= units_.size()) break;
    if (has_value(unit)) found = {i + 1, value_of(units_[node])};
  }
  // The file may say anything; the table ends with a zero byte, so what begins in it ends in it.
  return found.value < replacements_.size() ? found : Found{};
}

std::string CharacterTable::apply(std::string_view text) const {
  if (units_.empty()) return std::string(text);
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Found found = longest_entry(text);
    if (found.length > 0) {
      out += replacements_.c_str() + found.value;
      text.remove_prefix(found.length);
    } else {
      const std::string_view before = text;
      take_code_point(text);
      out += before.substr(0, before.size() - text.size());
    }
  }
  return out;
}

}  // namespace qtz
