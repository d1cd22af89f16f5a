#include "model/text/pattern_dialect.h"

#include "model/tokenizer/utf8.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

/// Unicode's White_Space, to stand inside a set.
constexpr std::string_view kSpaces =
    R"(\x09-\x0D\x20\x85\xA0\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

// The script, which PCRE2's \p{Han} is no longer: since 10.40 that has more characters in it.
#define QTZ_HAN                                                                                       \
  R"(\x{2E80}-\x{2E99}\x{2E9B}-\x{2EF3}\x{2F00}-\x{2FD5}\x{3005}\x{3007}\x{3021}-\x{3029}\x{3038}-)"  \
  R"(\x{303B}\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FA6D}\x{FA70}-\x{FAD9}\x{16FE2}\x{16FE3})" \
  R"(\x{16FF0}\x{16FF1}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B739}\x{2B740}-\x{2B81D}\x{2B820}-\x{2CEA1})" \
  R"(\x{2CEB0}-\x{2EBE0}\x{2EBF0}-\x{2EE5D}\x{2F800}-\x{2FA1D}\x{30000}-\x{3134A}\x{31350}-\x{323AF})"

struct Rewriting {
  std::string_view from;
  std::string_view to;
};

/// The same matches, in other words.
constexpr Rewriting kRewritings[] = {
    // Intersections, which PCRE2 lacks: what is left over of everything.
    {R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]])", R"([^\p{Ll}\p{N}\p{P}\p{S}\p{Z}\p{C})" QTZ_HAN "]"},
    {R"([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]])", R"([^\p{Lu}\p{Lt}\p{N}\p{P}\p{S}\p{Z}\p{C})" QTZ_HAN "]"},
    {R"([\p{Han}])", "[" QTZ_HAN "]"},
    // Groups that are remembered at every turn, for a way back that is never needed.
    {R"((?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+)", R"(\p{L}(?:[\p{L}\p{M}]| \p{L})*+)"},
    {R"((?:\r?\n)+(?!\r?\n))", R"((?:\r?\n)++)"},
    // Tried from every space of a long run, which takes the square of its length.
    {R"(\s+$)", R"((?<!\s)\s++$)"},
    // Behind a space that this alternative did not take there is no line break in the run.
    {R"(\s*[\r\n]+|\s{512})", R"((?<!(?![\r\n])\s)\s*[\r\n]+|\s{512})"},
};

/// One pass over a pattern.
class Translation {
 public:
  explicit Translation(std::string_view pattern) : pattern_(pattern), rest_(pattern) {}

  std::string run() {
    std::string out;
    while (!rest_.empty()) {
      if (rest_.starts_with("\\s")) {
        out += "[" + std::string(kSpaces) + "]";
        rest_.remove_prefix(2);
      } else if (rest_.starts_with("\\S")) {
        out += "[^" + std::string(kSpaces) + "]";
        rest_.remove_prefix(2);
      } else if (rest_.front() == '[') {
        out += "[" + members() + "]";
      } else {
        out += take(rest_.front() == '\\' ? 2 : 1);
      }
    }
    return out;
  }

 private:
  [[noreturn]] void refuse(const std::string& problem) const {
    throw Error(ErrorKind::usage, "regular expression '" + printable(pattern_) + "': " + problem);
  }

  std::string take(std::size_t count) {
    if (rest_.size() < count) refuse("ends in the middle");
    std::string out(rest_.substr(0, count));
    rest_.remove_prefix(count);
    return out;
  }

  /// What stands between the brackets of the set at the front, which is taken.
  std::string members() {
    take(1);
    std::string out;
    if (rest_.starts_with('^')) out += take(1);
    while (!rest_.starts_with(']')) {
      if (rest_.starts_with("\\s")) {
        out += kSpaces;
        rest_.remove_prefix(2);
      } else if (rest_.starts_with("&&") || rest_.starts_with("\\S")) {
        refuse("a set of this form is not known");
      } else if (rest_.starts_with('[')) {
        const std::string inner = members();
        if (inner.starts_with('^')) refuse("the complement of a set within a set is not known");
        out += inner;
      } else {
        out += take(rest_.starts_with('\\') ? 2 : 1);
      }
    }
    take(1);
    return out;
  }

  std::string_view pattern_;
  std::string_view rest_;
};

}  // namespace

std::string pcre_dialect(std::string_view pattern) {
  std::string rewritten(pattern);
  for (const Rewriting& row : kRewritings) rewritten = replace_all(rewritten, row.from, row.to);
  return Translation(rewritten).run();
}

}  // namespace qtz
