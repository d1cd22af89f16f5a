#include "model/text/spaces.h"

#include "model/text/token_table.h"
#include "model/tokenizer/utf8.h"

namespace qtz {

Spaces::Spaces(const KvList& keys, bool puts_first, bool removes)
    : puts_first_(flag_key(keys, "tokenizer.ggml.add_space_prefix").value_or(puts_first)),
      removes_(flag_key(keys, "tokenizer.ggml.remove_extra_whitespaces").value_or(removes)) {}

std::string Spaces::escape(std::string_view text) const {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  if (removes_) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    while (text.ends_with(' ')) text.remove_suffix(1);
  }
  if (text.empty()) return out;
  if (puts_first_) out += kLowerBlock;
  char before = '\0';
  for (const char c : text) {
    if (c != ' ') {
      out += c;
    } else if (!removes_ || before != ' ') {
      out += kLowerBlock;
    }
    before = c;
  }
  return out;
}

}  // namespace qtz
