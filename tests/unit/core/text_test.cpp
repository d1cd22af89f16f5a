#include "qtz/core/text.h"

#include <gtest/gtest.h>

#include <array>

#include "qtz/core/error.h"

namespace qtz {
namespace {

using namespace std::string_literals;

TEST(FormatBytes, UsesDecimalUnitsAndThreeDigits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.00 kB");
  EXPECT_EQ(format_bytes(1'500'000'000), "1.50 GB");
  EXPECT_EQ(format_bytes(99'949), "99.9 kB");
  EXPECT_EQ(format_bytes(99'950), "100 kB");
  EXPECT_EQ(format_bytes(9'994), "9.99 kB");
  EXPECT_EQ(format_bytes(9'995), "10.0 kB");
  EXPECT_EQ(format_bytes(999'499), "999 kB");
  EXPECT_EQ(format_bytes(999'500), "1.00 MB");
  EXPECT_EQ(format_bytes(18'446'744'073'709'551'615ull), "18.4 EB");
}

TEST(ParseBytes, ReadsDecimalAndBinarySizes) {
  EXPECT_EQ(parse_bytes("123"), 123u);
  EXPECT_EQ(parse_bytes("0"), 0u);
  EXPECT_EQ(parse_bytes("2G"), 2'000'000'000u);
  EXPECT_EQ(parse_bytes("500M"), 500'000'000u);
  EXPECT_EQ(parse_bytes("500mb"), 500'000'000u);
  EXPECT_EQ(parse_bytes("1.5GiB"), 1'610'612'736u);
  EXPECT_EQ(parse_bytes("1Ki"), 1024u);
  EXPECT_EQ(parse_bytes("3T"), 3'000'000'000'000u);
  EXPECT_EQ(parse_bytes("7b"), 7u);
}

TEST(ParseBytes, RefusesWhatIsNoSize) {
  for (const char* text : {"", "G", "x", "-1", "+1", " 1", "1 ", "1 G", "1GG", "1X", "1iB", "1e3", "inf",
                           "nan", "1,5G", "0x10", "9223372036854775808", "10000P", "1..5"}) {
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  }
}

TEST(AsciiCase, TouchesOnlyAscii) {
  EXPECT_EQ(ascii_lower("Q4_K_M \xC3\x84"), "q4_k_m \xC3\x84");
  EXPECT_EQ(ascii_upper("q4_k_m \xC3\xA4"), "Q4_K_M \xC3\xA4");
  EXPECT_TRUE(equals_ignoring_case("IQ4_xs", "iq4_XS"));
  EXPECT_FALSE(equals_ignoring_case("a", "ab"));
  EXPECT_FALSE(equals_ignoring_case("[", "{")) << "neighbours of letters are not letters";
}

TEST(Nearest, FindsWhatWasMeant) {
  constexpr std::array<std::string_view, 5> types = {"Q4_0", "Q4_K_M", "Q5_K_M", "Q8_0", "IQ4_XS"};
  EXPECT_EQ(nearest("Q5_KM", types), "Q5_K_M");
  EXPECT_EQ(nearest("q4km", types), "Q4_K_M") << "separators make no distance";
  EXPECT_EQ(nearest("iq4-xs", types), "IQ4_XS");
  EXPECT_EQ(nearest("--", types), std::nullopt);
  EXPECT_EQ(nearest("q4_k_n", types), "Q4_K_M");
  EXPECT_EQ(nearest("Q8_o", types), "Q8_0");
  EXPECT_EQ(nearest("QI4_XS", types), "IQ4_XS") << "swapped neighbours are one edit";
  EXPECT_EQ(nearest("banana", types), std::nullopt);
  EXPECT_EQ(nearest("", types), std::nullopt);
  EXPECT_EQ(nearest(std::string(1000, 'Q'), types), std::nullopt);
  EXPECT_EQ(nearest("Q4_1", types), "Q4_0") << "the first of equals";
}

TEST(FormatDouble, IsTheShortestTextThatReadsBack) {
  EXPECT_EQ(format_double(0.1), "0.1");
  EXPECT_EQ(format_double(1.0), "1");
  EXPECT_EQ(format_double(-2.5e-300), "-2.5e-300");
  EXPECT_EQ(format_double(4.8372), "4.8372");
}

TEST(Printable, ShowsTextAndEscapesTheRest) {
  EXPECT_EQ(printable("blk.0.attn_q.weight"), "blk.0.attn_q.weight");
  EXPECT_EQ(printable("\xE2\x82\xAC \xF0\x9F\x98\x80"), "\xE2\x82\xAC \xF0\x9F\x98\x80");
  EXPECT_EQ(printable("a\nb\x1b[31m\x7f"), "a\\x0ab\\x1b[31m\\x7f");
  EXPECT_EQ(printable("a\0b"s), "a\\x00b");
  EXPECT_EQ(printable("\xff\xC0\xAF"), "\\xff\\xc0\\xaf");
  EXPECT_EQ(printable("\xED\xA0\x80"), "\\xed\\xa0\\x80") << "a surrogate is no character";
  EXPECT_EQ(printable("\xC2\x9B"), "\\xc2\\x9b") << "C1 control characters steer terminals";
  EXPECT_EQ(printable("\xE2\x82"), "\\xe2\\x82") << "cut off";
}

TEST(Printable, IsNeverMuchLongerThan200Bytes) {
  EXPECT_EQ(printable(std::string(200, 'a')), std::string(200, 'a'));
  EXPECT_EQ(printable(std::string(201, 'a')), std::string(200, 'a') + "...");
  EXPECT_LE(printable(std::string(100'000, '\xff')).size(), 210u);
}

TEST(WithoutControls, EscapesAWholeMessageOnceAndNeverCutsIt) {
  EXPECT_EQ(without_controls("a\nb\x1b[31m\xC2\x9B\xff"), "a\\x0ab\\x1b[31m\\xc2\\x9b\\xff");
  EXPECT_EQ(without_controls("\xE2\x82\xAC '^a\\.b$'"), "\xE2\x82\xAC '^a\\.b$'");
  const std::string escaped = printable("\x1b[31m");
  EXPECT_EQ(without_controls(escaped), escaped) << "what was printable stays as it is";
  EXPECT_EQ(without_controls(std::string(100'000, 'a')), std::string(100'000, 'a'));
}

TEST(Error, ContextIsPutInFront) {
  Error error(ErrorKind::numeric, "3 NaN values", "try --on-nan zero");
  error.add_context("tensor 'x'");
  error.add_context("model.safetensors");
  EXPECT_STREQ(error.what(), "model.safetensors: tensor 'x': 3 NaN values");
  EXPECT_EQ(error.hint(), "try --on-nan zero");
  EXPECT_EQ(error.kind(), ErrorKind::numeric);
}

}  // namespace
}  // namespace qtz
