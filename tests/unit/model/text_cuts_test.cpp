// How texts are cut before merging, by every name that a GGUF may give.
#include "model/text/text_cuts.h"

#include <gtest/gtest.h>

#include "model/text/digit_groups.h"
#include "model/text/pattern_dialect.h"
#include "model/tokenizer/pre_tokenizer.h"
#include "model/tokenizer/split_patterns.h"
#include "qtz/model/tokenizer.h"
#include "support/expect_error.h"

namespace qtz {
namespace {

using Pieces = std::vector<std::string>;

Pieces pieces_of(const TextCuts& cuts, std::string_view text) {
  Pieces out;
  std::vector<TextPattern::Walk> walks;
  cuts.for_each_piece(text, walks, [&](std::string_view piece) { out.emplace_back(piece); });
  return out;
}

Pieces cut(const std::string& name, std::string_view text) {
  return pieces_of(TextCuts(name), text);
}

TEST(TextCuts, knows_every_name) {
  for (const std::string_view name : list_pre_tokenizers())
    EXPECT_NO_THROW(TextCuts{std::string(name)}) << name;
}

TEST(TextCuts, leaves_no_byte_out_and_makes_no_empty_piece) {
  const std::string text =
      "Hello WORLD's 1234567 \xC2\xB2\xC2\xB3 caf\xC3\xA9 e\xCC\x81 \xE6\x88\x91\xE6\x83\xB3 \xED\x95\x9C, "
      "\t\n\n  x \r\n"
      "<sentinel:7> IMGIMGABCZ (a|b) \xF0\x9F\x9A\x80\xE2\x80\x8D  end  ";
  for (const std::string_view name : list_pre_tokenizers()) {
    if (name == "whitespace") continue;  // which leaves spaces out
    std::string joined;
    for (const std::string& piece : cut(std::string(name), text)) {
      EXPECT_FALSE(piece.empty()) << name;
      joined += piece;
    }
    EXPECT_EQ(joined, text) << name;
  }
}

TEST(TextCuts, cuts_as_the_families_do) {
  EXPECT_EQ(cut("gpt-2", "I'm 123  ok!\n"), (Pieces{"I", "'m", " 123", " ", " ok", "!", "\n"}));
  EXPECT_EQ(cut("llama-bpe", "x 12345\n\n y"), (Pieces{"x", " ", "123", "45", "\n\n", " y"}));
  EXPECT_EQ(cut("qwen2", "x 12"), (Pieces{"x", " ", "1", "2"}));
  EXPECT_EQ(cut("gpt-4o", "camelCase"), (Pieces{"camel", "Case"}));
  EXPECT_EQ(cut("kimi-k2",
                "ab\xE6\x88\x91\xE6\x83\xB3"
                "cd"),
            (Pieces{"ab", "\xE6\x88\x91\xE6\x83\xB3", "cd"}));
  EXPECT_EQ(cut("bloom", "a (b) c.d"), (Pieces{"a", " (", "b", ")", " c", ".", "d"}));
  EXPECT_EQ(cut("falcon", "a!!b 1234"), (Pieces{"a", "!!", "b", " ", "123", "4"}));
  EXPECT_EQ(cut("exaone-moe", "a b"), (Pieces{"a b"}));
  EXPECT_EQ(cut("laguna", "a\n\n\nb"), (Pieces{"a", "\n\n\n", "b"}));
  EXPECT_EQ(cut("tiny_aya", "1234567 x"), (Pieces{"1", "234", "567", " x"}));
  EXPECT_EQ(cut("jais-2", "!\n  \n  x" + std::string(5, ' ') + "y"),
            (Pieces{"!\n", "  \n", " ", " x", "    ", " y"}));
  EXPECT_EQ(cut("afmoe", "1234 x"), (Pieces{"1", "234", " x"}));
  EXPECT_EQ(cut("whitespace", " it's\n3_4 !?"), (Pieces{"it", "'", "s", "3_4", "!?"}));
  EXPECT_EQ(cut("superbpe", "a1234 b"), (Pieces{"a", "1", "234", " b"}));
}

/// Among the letters that stand for bytes are numbers, and cuts that come after them see those.
TEST(TextCuts, sees_numbers_among_the_letters_of_bytes) {
  EXPECT_EQ(cut("falcon", "\xC3\xB2"), (Pieces{"\xC3", "\xB2"}));  // 0xB2 is written as U+00B2
  EXPECT_EQ(cut("gpt-2", "\xC3\xB2"), (Pieces{"\xC3\xB2"}));
}

TEST(TextCuts, has_no_mongolian_vowel_separator_among_spaces) {
  EXPECT_EQ(cut("gpt-2", "a \xE1\xA0\x8E"), (Pieces{"a", " \xE1\xA0\x8E"}));
}

TEST(TextCuts, cuts_long_pieces_whatever_they_are) {
  constexpr std::size_t kLong = 1 << 18;  // the square of it would take minutes
  const auto repeat = [](std::string_view text) {
    std::string out;
    while (out.size() < kLong) out += text;
    return out;
  };
  const std::string texts[] = {
      repeat("a"),
      repeat("A"),
      repeat("1"),
      repeat(" ") + "x",
      repeat("\n") + "x",
      repeat("\r\n"),
      repeat("!"),
      repeat(" a"),
      repeat(" \n") + "x",
      repeat("1 "),
      repeat("\xE6\x88\x91"),
      repeat("Aa"),
      repeat("e\xCC\x81"),
      repeat("\xCC\x81\xCC\xA3"),
      "x" + repeat("1") + "x",
  };
  for (const PreTokenizerLine& line : pre_tokenizer_table()) {
    if (line.steps.empty()) continue;
    const std::string name(line.name);
    const TextCuts cuts(name);
    for (const std::string& text : texts) {
      std::size_t bytes = 0;
      std::vector<TextPattern::Walk> walks;
      cuts.for_each_piece(text, walks, [&](std::string_view piece) { bytes += piece.size(); });
      EXPECT_TRUE(bytes == text.size() || name == "whitespace") << name << ": " << text.substr(0, 4);
    }
  }
}

/// What a pattern makes of a text: matches and what is between them.
Pieces cut_by(std::string_view pattern, std::string_view text) {
  const TextPattern compiled(pcre_dialect(pattern));
  TextPattern::Walk walk(compiled);
  Pieces out;
  std::size_t done = 0;
  const auto cut_at = [&](std::size_t place) {
    if (place > done) out.emplace_back(text.substr(done, place - done));
    done = place;
  };
  for (std::size_t from = 0; from < text.size();) {
    const auto match = walk.next(text, from);
    if (!match) break;
    cut_at(match->begin);
    cut_at(match->end);
    from = match->end;
    // Behind a match of nothing the next character is stepped over.
    if (match->end == match->begin) ++from;
    while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0U) == 0x80U) ++from;
  }
  cut_at(text.size());
  return out;
}

Pieces grouped(void (*group)(std::string_view, const VisitPart&), std::string_view text) {
  Pieces out;
  group(text, [&](std::size_t begin, std::size_t end) { out.emplace_back(text.substr(begin, end - begin)); });
  return out;
}

/// Every text of up to seven of these letters, against the expressions that the models have.
TEST(DigitGroups, are_those_of_the_models_expressions) {
  constexpr std::string_view kLetters = "17a ._";
  std::string text;
  std::size_t tried = 0;
  const auto try_all = [&](const auto& self, std::size_t left) -> void {
    ++tried;
    EXPECT_EQ(grouped(cut_digit_groups, text), cut_by(QTZ_SPLIT_DIGITS_FROM_RIGHT, text)) << text;
    EXPECT_EQ(grouped(cut_number_groups, text), cut_by(QTZ_SPLIT_DIGITS_BY_PLACE, text)) << text;
    EXPECT_EQ(grouped(cut_thousands, text), cut_by(QTZ_SPLIT_THOUSANDS, text)) << text;
    if (left == 0) return;
    for (const char letter : kLetters) {
      text += letter;
      self(self, left - 1);
      text.pop_back();
    }
  };
  try_all(try_all, 4);
  for (const char* longer : {"1234567", "x1234567", "1234567x", "12 34567890.1", "1234567_",
                             "12\xC2\xB2"
                             "456",
                             "\xD9\xA3\xD9\xA3\xD9\xA3\xD9\xA3"}) {
    text = longer;
    try_all(try_all, 0);
  }
  EXPECT_GT(tried, 1000U);
}

TEST(PatternDialect, makes_one_set_of_sets_within_sets) {
  EXPECT_EQ(pcre_dialect("[a[bc]d]"), "[abcd]");
  EXPECT_EQ(cut_by("[^(\\s|[.,])]+", "a,b (c|d)e"), (Pieces{"a", ",", "b", " (", "c", "|", "d", ")", "e"}));
}

TEST(PatternDialect, refuses_sets_that_it_does_not_know) {
  test::expect_error(ErrorKind::usage, "ends in the middle", [] { pcre_dialect("[ab"); });
  test::expect_error(ErrorKind::usage, "not known", [] { pcre_dialect("[a&&b]"); });
  test::expect_error(ErrorKind::usage, "complement", [] { pcre_dialect("[a[^b]]"); });
}

}  // namespace
}  // namespace qtz
