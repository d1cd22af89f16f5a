#include "qtz/core/regex.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/expect_error.h"

namespace qtz {
namespace {

using test::expect_error;

TEST(Regex, SearchesAnywhereUnlessAnchored) {
  EXPECT_TRUE(Regex("attn_v").search("blk.0.attn_v.weight"));
  EXPECT_FALSE(Regex("^attn_v").search("blk.0.attn_v.weight"));
  EXPECT_TRUE(Regex(R"(^blk\.(0|1|2)\.ffn_.*weight$)").search("blk.2.ffn_down.weight"));
  EXPECT_TRUE(Regex("").search(""));
}

TEST(Regex, KeepsCase) {
  EXPECT_FALSE(Regex("ATTN").search("attn"));
  EXPECT_TRUE(Regex("(?i)ATTN").search("attn"));
}

TEST(Regex, KnowsUtf8) {
  EXPECT_TRUE(Regex("^.$").search("\xE2\x82\xAC"));
  EXPECT_TRUE(Regex(R"(^\p{L}+$)").search("\xC3\xA4\xC3\xB6"));
}

TEST(Regex, NeverMatchesInvalidUtf8ButDoesNotFailOnIt) {
  EXPECT_TRUE(Regex("attn").search("\xff.attn"));
  EXPECT_FALSE(Regex("attn").search("\xff"));
}

TEST(Regex, SaysWhereThePatternIsWrong) {
  expect_error(ErrorKind::usage, "regular expression 'a(b'", [] { Regex regex("a(b"); });
  expect_error(ErrorKind::usage, "(at character 4)", [] { Regex regex("a(b"); });
  expect_error(ErrorKind::usage, "regular expression '*'", [] { Regex regex("*"); });
  expect_error(ErrorKind::usage, "regular expression", [] { Regex regex("\xff"); });
  expect_error(ErrorKind::usage, "too long", [] { Regex regex(std::string(100'000, 'a')); });
}

TEST(Regex, StopsRunawayPatterns) {
  const Regex regex("^(a+)+$");
  EXPECT_TRUE(regex.search(std::string(1000, 'a')));
  expect_error(ErrorKind::usage, "match limit", [&] { regex.search(std::string(1000, 'a') + "!"); });
}

TEST(Regex, CanBeMoved) {
  Regex first("a");
  Regex second(std::move(first));
  EXPECT_TRUE(second.search("cat"));
  EXPECT_EQ(second.pattern(), "a");
}

/// All matches, as "begin-end".
std::vector<std::string> matches(const std::string& pattern, std::string_view text) {
  const TextPattern compiled(pattern);
  TextPattern::Walk walk(compiled);
  std::vector<std::string> out;
  for (std::size_t from = 0; from < text.size();) {
    const auto match = walk.next(text, from);
    if (!match) break;
    out.push_back(std::to_string(match->begin) + "-" + std::to_string(match->end));
    from = match->end;
  }
  return out;
}

TEST(TextPattern, WalksFromMatchToMatch) {
  EXPECT_EQ(matches("a+", "aab a"), (std::vector<std::string>{"0-2", "4-5"}));
  EXPECT_TRUE(matches("a+", "bcd").empty());
}

TEST(TextPattern, KnowsUnicodesClassesAndCase) {
  EXPECT_EQ(matches(R"(\p{L}+)", "\xC3\xA9t\xC3\xA9 1"), (std::vector<std::string>{"0-5"}));
  EXPECT_EQ(matches(R"(\d)", "\xD9\xA3"), (std::vector<std::string>{"0-2"}));  // an Arabic three
  EXPECT_EQ(matches("(?i:\xC3\xA9)", "\xC3\x89"), (std::vector<std::string>{"0-2"}));
}

TEST(TextPattern, EndsLinesWhereOnigurumaDoes) {
  EXPECT_EQ(matches("b$", "ab\nb"), (std::vector<std::string>{"1-2", "3-4"}));
}

TEST(TextPattern, LooksBehindTheOneBeforeOnlyWithinTheText) {
  EXPECT_EQ(matches(R"(\bb)", "ab b"), (std::vector<std::string>{"3-4"}));
}

TEST(TextPattern, WalksAMegabyteOfSmallMatches) {
  std::string text;
  for (int i = 0; i < 250'000; ++i) text += "\xC3\xA9 1";
  EXPECT_EQ(matches(R"(\p{L})", text).size(), 250'000U);
}

TEST(TextPattern, RefusesAMistakeWithItsPlace) {
  test::expect_error(ErrorKind::usage, "(at character", [] { TextPattern("a(b"); });
}

TEST(TextPattern, StopsAMatchThatNeedsTooMuch) {
  const TextPattern pattern(R"((a|a)*\d)");
  TextPattern::Walk walk(pattern);
  const std::string text(10'000'000, 'a');
  test::expect_error(ErrorKind::resource, "on a text of 10000000 bytes", [&] { walk.next(text, 0); });
}

}  // namespace
}  // namespace qtz
