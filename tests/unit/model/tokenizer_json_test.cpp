#include "model/tokenizer/tokenizer_json.h"

#include <gtest/gtest.h>

#include "model/tokenizer/token_index.h"
#include "support/expect_error.h"
#include "unit/model/tokenizer_files.h"

namespace qtz {
namespace {

using test::added_token;
using test::expect_error;
using test::json_of;
using test::small_bpe;
using test::with;

class TokenizerJsonFile : public testing::Test {
 protected:
  TokenizerJson read(const JsonValue& document) { return read_text(to_json(document)); }
  TokenizerJson read_text(std::string_view text) {
    return read_tokenizer_json(scratch_.add("tokenizer.json", text));
  }
  void refuse(const JsonValue& document, std::string_view message) {
    expect_error(ErrorKind::input_invalid, message, [&] { read(document); });
  }
  test::ScratchFolder scratch_;
};

TEST_F(TokenizerJsonFile, gives_arrays_and_small_parts) {
  const TokenizerJson json = read(small_bpe());
  EXPECT_EQ(json.model_type, "BPE");
  EXPECT_EQ(json.byte_fallback, false);
  EXPECT_FALSE(json.ignore_merges);
  ASSERT_EQ(json.vocab.size(), 5U);
  EXPECT_EQ(json.vocab[3].text, "ab");
  EXPECT_EQ(json.vocab[3].id, 3U);
  EXPECT_EQ(json.merges, (std::vector<std::string>{"a b", "ab c"}));
  EXPECT_EQ(*json.pre_tokenizer.find("type")->as_string(), "ByteLevel");
  EXPECT_EQ(*json.decoder.find("type")->as_string(), "ByteLevel");
  EXPECT_TRUE(json.normalizer.is_null());
}

TEST_F(TokenizerJsonFile, takes_merges_as_texts_or_pairs) {
  EXPECT_EQ(read(with(small_bpe(), {"model", "merges"}, json_of(R"(["a b"])"))).merges,
            (std::vector<std::string>{"a b"}));
  EXPECT_EQ(read(with(small_bpe(), {"model", "merges"}, json_of("[]"))).merges.size(), 0U);
}

TEST_F(TokenizerJsonFile, writes_a_space_inside_a_merged_part_as_another_character) {
  EXPECT_EQ(read(with(small_bpe(), {"model", "merges"}, json_of(R"([["a b", " "]])"))).merges,
            (std::vector<std::string>{"a\xC4\xA0"
                                      "b \xC4\xA0"}));
}

TEST_F(TokenizerJsonFile, is_refused_with_merges_of_other_shapes) {
  for (const char* merges :
       {R"([["a"]])", R"([["a", "b", "c"]])", R"(["a b", ["a", "b"]])", R"([["a", "b"], "a b"])", R"([1])",
        R"([{"a": "b"}])", R"([[["a"], "b"]])", R"([["a", 1]])", "[null]"}) {
    SCOPED_TRACE(merges);
    refuse(with(small_bpe(), {"model", "merges"}, json_of(merges)), "merge");
  }
}

TEST_F(TokenizerJsonFile, is_refused_with_ids_that_are_none) {
  for (const char* id :
       {"-1", "1.5", "1099511627776", "18446744073709551615", "null", "\"7\"", "true", "[]", "{}"}) {
    SCOPED_TRACE(id);
    refuse(with(small_bpe(), {"model", "vocab"}, json_of(std::string(R"({"bad": )") + id + "}")), "bad");
  }
}

TEST_F(TokenizerJsonFile, is_refused_when_parts_are_missing_or_double) {
  expect_error(ErrorKind::input_invalid, "not an object", [&] { read_text("[]"); });
  expect_error(ErrorKind::input_invalid, "not an object", [&] { read_text("3"); });
  expect_error(ErrorKind::input_invalid, "appears twice",
               [&] { read_text(R"({"model": {"vocab": {"a": 0}, "vocab": {"b": 0}}})"); });
  expect_error(ErrorKind::input_invalid, "appears twice",
               [&] { read_text(R"({"decoder": null, "decoder": null})"); });
  expect_error(ErrorKind::input_invalid, "tokenizer.json", [&] { read_text(R"({"model": )"); });
  refuse(with(small_bpe(), {"model", "vocab"}, json_of("7")), "expected an object");
}

TEST_F(TokenizerJsonFile, reads_added_tokens_with_their_flags) {
  const JsonValue tokens = JsonArray{added_token(5, "<x>", true), added_token(6, "<y>", false, true)};
  const TokenizerJson json = read(with(small_bpe(), {"added_tokens"}, tokens));
  ASSERT_EQ(json.added_tokens.size(), 2U);
  EXPECT_EQ(json.added_tokens[0].content, "<x>");
  EXPECT_TRUE(json.added_tokens[0].special);
  EXPECT_FALSE(json.added_tokens[0].normalized);
  EXPECT_TRUE(json.added_tokens[1].normalized);
}

TEST_F(TokenizerJsonFile, is_refused_with_added_tokens_without_id_or_text) {
  for (const char* token :
       {R"([{"content": "x"}])", R"([{"id": -3, "content": "x"}])", R"([{"id": "a", "content": "x"}])",
        R"([{"id": 3}])", R"([{"id": 3, "content": 7}])", "[3]", "{}"}) {
    SCOPED_TRACE(token);
    refuse(with(small_bpe(), {"added_tokens"}, json_of(token)), "added");
  }
}

TEST_F(TokenizerJsonFile, of_the_first_years_is_recognized_by_its_shape) {
  EXPECT_EQ(read_text(R"({"model": {"vocab": {"a": 0}, "merges": ["a a"]}})").model_type, "BPE");
  EXPECT_EQ(read_text(R"({"model": {"unk_id": 0, "vocab": [["a", 0.5]]}})").model_type, "Unigram");
  EXPECT_EQ(read_text(R"({"model": {"vocab": {"a": 0}}})").model_type, "WordPiece");
}

TEST_F(TokenizerJsonFile, cannot_make_us_hold_more_than_a_tokenizer_needs) {
  std::string text = R"({"decoder": [)";
  for (int i = 0; i < 600'000; ++i) text += "0,";
  text += "0]}";
  expect_error(ErrorKind::input_invalid, "larger than any tokenizer needs", [&] { read_text(text); });
}

TEST(OlderFiles, give_the_same_arrays) {
  const test::ScratchFolder scratch;
  const auto vocab = read_vocab_json(scratch.add("vocab.json", R"({"a": 0, "b": 1})"));
  EXPECT_EQ(vocab.size(), 2U);
  std::uint64_t malformed = 0;
  const auto merges = read_merges_text(
      scratch.add("merges.txt", "#version: 0.2\na b\r\n\nab c\nlonely\none two three\n# #"), malformed);
  EXPECT_EQ(merges, (std::vector<std::string>{"a b", "ab c", "# #"}));
  EXPECT_EQ(malformed, 2U);
}

TEST(TokenIndex, finds_every_text_and_reports_the_first_double) {
  std::vector<VocabEntry> entries;
  for (std::uint32_t i = 0; i < 1000; ++i) entries.push_back({i * 3, "token" + std::to_string(i)});
  const TokenIndex index(entries);
  for (const VocabEntry& entry : entries) EXPECT_EQ(index.find(entry.text), entry.id);
  EXPECT_FALSE(index.find("token1000"));
  EXPECT_EQ(index.duplicate(), nullptr);
  entries.push_back({7, "token5"});
  const TokenIndex again(entries);
  ASSERT_NE(again.duplicate(), nullptr);
  EXPECT_EQ(again.duplicate()->text, "token5");
  EXPECT_FALSE(TokenIndex({}).find("x"));
}

}  // namespace
}  // namespace qtz
