#include "qtz/core/regex.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace qtz
