#include "qtz/core/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "qtz/core/error.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

using namespace std::string_literals;
using test::expect_error;

JsonValue parse(std::string_view text) {
  return parse_json(text, {}, "doc");
}

TEST(Json, KeepsIntegersExact) {
  EXPECT_EQ(parse("18446744073709551615").as_uint(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parse("-9223372036854775808").as_int(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse("9007199254740993").as_int(), 9007199254740993);
  EXPECT_EQ(parse("18446744073709551615").as_int(), std::nullopt);
  EXPECT_EQ(parse("-1").as_uint(), std::nullopt);
  EXPECT_EQ(parse("0").as_uint(), 0u);
}

TEST(Json, TakesNumbersWithFractionOrExponentAsDoubles) {
  for (const char* text : {"1.0", "1e0", "10E-1"}) {
    const JsonValue value = parse(text);
    EXPECT_FALSE(value.is_integer()) << text;
    EXPECT_EQ(value.as_double(), 1.0) << text;
    EXPECT_EQ(value.as_uint(), std::nullopt) << text;
  }
  EXPECT_EQ(parse("0.1").as_double(), 0.1);
  EXPECT_EQ(parse("18446744073709551616").as_double(), 0x1p64) << "beyond 64 bits only a double can hold it";
  EXPECT_EQ(parse("3").as_double(), 3.0);
}

TEST(Json, ReadsTextsWithEscapes) {
  EXPECT_EQ(*parse(R"("a\n\"\\\/é€")").as_string(), "a\n\"\\/\xC3\xA9\xE2\x82\xAC");
  EXPECT_EQ(*parse(R"("\ud83d\ude00")").as_string(), "\xF0\x9F\x98\x80");
  EXPECT_EQ(*parse(R"("a\u0000b")").as_string(), "a\0b"s);
  EXPECT_EQ(*parse("\"\xF0\x9F\x98\x80\"").as_string(), "\xF0\x9F\x98\x80");
}

TEST(Json, KeepsMembersInDocumentOrder) {
  const JsonValue value = parse(R"({"z":1,"a":[null,true,{}],"m":{"x":"y"}})");
  const JsonObject& members = *value.as_object();
  ASSERT_EQ(members.size(), 3u);
  EXPECT_EQ(members[0].first, "z");
  EXPECT_EQ(members[1].first, "a");
  EXPECT_EQ(members[1].second.as_array()->size(), 3u);
  EXPECT_EQ(members[1].second.as_array()->at(1).as_bool(), true);
  EXPECT_EQ(*value.find("m")->find("x")->as_string(), "y");
  EXPECT_EQ(value.find("nothing"), nullptr);
  EXPECT_EQ(parse("[1]").find("a"), nullptr);
}

TEST(Json, RefusesWhatIsNotJson) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "not valid JSON"},
      {"   ", "not valid JSON"},
      {"{", "not valid JSON"},
      {"[1,]", "not valid JSON"},
      {"{\"a\":1,}", "not valid JSON"},
      {"{a:1}", "not valid JSON"},
      {"'a'", "not valid JSON"},
      {"01", "not valid JSON"},
      {"+1", "not valid JSON"},
      {"1.", "not valid JSON"},
      {".5", "not valid JSON"},
      {"0x10", "not valid JSON"},
      {"NaN", "not valid JSON"},
      {"[NaN]", "not valid JSON"},
      {"Infinity", "not valid JSON"},
      {"-Infinity", "not valid JSON"},
      {"1e999", "not valid JSON"},
      {"tru", "not valid JSON"},
      {"{} x", "not valid JSON"},
      {"{}{}", "not valid JSON"},
      {"// note\n{}", "not valid JSON"},
      {"{}\0"s, "a NUL byte"},
      {"{\0}"s, "a NUL byte"},
      {"\"a\0b\""s, "a NUL byte"},
      {"\"a\nb\"", "not valid JSON"},
      {"\"\x1b\"", "not valid JSON"},
      {"\"\xff\"", "not valid JSON"},
      {"\"\xC0\xAF\"", "not valid JSON"},
      {"\"\xED\xA0\x80\"", "not valid JSON"},
      {"\"\xF4\x90\x80\x80\"", "not valid JSON"},
      {"\"\xC3", "not valid JSON"},
      {"\"\\ud800\"", "not valid JSON"},
      {"\"\\udc00\"", "not valid JSON"},
      {"\"\\ud800\\u0041\"", "not valid JSON"},
      {"\"\\x41\"", "not valid JSON"},
      {"{\"a\":1,\"a\":2}", "key 'a' appears twice"},
      {"{\"b\":{\"a\":1,\"\\u0061\":1}}", "key 'a' appears twice"},
  };
  for (const auto& each : cases) {
    const auto& [text, piece] = each;
    SCOPED_TRACE(printable(text));
    const auto parse_it = [&] { parse(each.first); };
    expect_error(ErrorKind::input_invalid, piece, parse_it);
    expect_error(ErrorKind::input_invalid, "doc: ", parse_it);
    const test::ScratchFolder folder;
    const auto path = folder.add("file.json", text);
    expect_error(ErrorKind::input_invalid, piece, [&] { parse_json_file(path, {}); });
    expect_error(ErrorKind::input_invalid, "file.json: ", [&] { parse_json_file(path, {}); });
  }
}

TEST(Json, SameKeyInDifferentObjectsIsFine) {
  EXPECT_TRUE(parse(R"({"a":{"a":[{"a":1},{"a":2}]}})").is_object());
}

TEST(Json, BoundsTheDepth) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_json(nested(64), {}, "doc").is_array());
  expect_error(ErrorKind::input_invalid, "nested deeper than 64", [&] { parse(nested(65)); });
  expect_error(ErrorKind::input_invalid, "nested deeper than 64",
               [&] { parse(std::string(1'000'000, '[')); });
  expect_error(ErrorKind::input_invalid, "nested deeper than 2", [&] {
    parse_json(R"({"a":[{}]})", {1000, 2}, "doc");
  });
}

TEST(Json, BoundsTheSize) {
  expect_error(ErrorKind::input_invalid, "larger than the limit", [] {
    parse_json("[1,2,3]", {6, 8}, "doc");
  });
  const test::ScratchFolder folder;
  const auto path = folder.add("big.json", "[1,2,3]");
  expect_error(ErrorKind::input_invalid, "larger than the limit", [&] { parse_json_file(path, {6, 8}); });
}

TEST(Json, ReadsFilesLargerThanItsBufferAsItReadsText) {
  std::string text = "[";
  for (int i = 0; i < 60'000; ++i) text += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\xE2\x82\xAC\"";
  text += "]";
  ASSERT_GT(text.size(), 512u * 1024);
  const test::ScratchFolder folder;
  const auto path = folder.add("big.json", text);
  const JsonValue from_file = parse_json_file(path, {});
  EXPECT_EQ(from_file, parse(text));
  EXPECT_EQ(from_file.as_array()->size(), 60'000u);
}

TEST(Json, AVisitorMayStopTheReading) {
  class Stopper final : public JsonVisitor {
   public:
    void on_null() override {}
    void on_bool(bool) override {}
    void on_int(std::int64_t) override {}
    void on_uint(std::uint64_t) override { throw Error(ErrorKind::numeric, "enough"); }
    void on_double(double) override {}
    void on_string(std::string&) override {}
    void on_key(std::string&) override {}
    void on_start_object() override {}
    void on_end_object() override {}
    void on_start_array() override { ++arrays; }
    void on_end_array() override {}
    int arrays = 0;
  };
  Stopper stopper;
  expect_error(ErrorKind::numeric, "enough", [&] { visit_json("[[1],[]]", {}, "doc", stopper); });
  EXPECT_EQ(stopper.arrays, 2);
}

TEST(Json, WritesWhatItReads) {
  const std::string text =
      R"({"z":[1,-2,0.5,1e+300,true,null,""],"a":{"b":"é\n\u0001"},"big":18446744073709551615})";
  const JsonValue value = parse(text);
  EXPECT_EQ(parse(to_json(value, -1)), value);
  EXPECT_EQ(parse(to_json(value)), value);
  EXPECT_EQ(to_json(value, -1), text);
  EXPECT_EQ(to_json(JsonValue(), -1), "null");
  EXPECT_EQ(to_json(JsonObject{}, -1), "{}");
  EXPECT_EQ(to_json(JsonArray{1, "x"}, -1), R"([1,"x"])");
  EXPECT_EQ(to_json(JsonValue(0.1), -1), "0.1");
  EXPECT_EQ(to_json(JsonValue(std::nan("")), -1), "null");
}

TEST(Json, WritesInvalidUtf8AsReplacement) {
  EXPECT_EQ(to_json(JsonValue("a\xff"
                              "b"),
                    -1),
            "\"a\xEF\xBF\xBD"
            "b\"");
}

TEST(Json, SetsMembers) {
  JsonValue value;
  value.set("b", 1);
  value.set("a", "x");
  value.set("b", 2);
  EXPECT_EQ(to_json(value, -1), R"({"b":2,"a":"x"})");
  EXPECT_EQ(value.type_name(), "object");
  EXPECT_EQ(value.find("b")->type_name(), "integer");
}

TEST(Json, SetsManyMembersAsOneByOne) {
  const JsonObject members = {{"c", 3}, {"a", 4}, {"d", 5}, {"c", 6}};
  JsonValue together = JsonObject{{"a", 1}, {"b", 2}};
  together.set_all(members);
  EXPECT_EQ(to_json(together, -1), R"({"a":4,"b":2,"c":6,"d":5})");
  JsonValue alone = JsonObject{{"a", 1}, {"b", 2}};
  for (const auto& [key, value] : members) alone.set(key, value);
  EXPECT_EQ(together, alone);
  JsonValue nothing;
  nothing.set_all({});
  EXPECT_EQ(to_json(nothing, -1), "{}");
}

TEST(Json, IsReadUpToEightMebibytesUnlessMoreIsAskedFor) {
  const std::string at_limit = std::string((8u << 20) - 2, ' ') + "{}";
  EXPECT_TRUE(parse_json(at_limit, {}, "doc").is_object());
  expect_error(ErrorKind::input_invalid, "larger than the limit of 8.39 MB",
               [&] { parse_json(at_limit + " ", {}, "doc"); });
}

}  // namespace
}  // namespace qtz
