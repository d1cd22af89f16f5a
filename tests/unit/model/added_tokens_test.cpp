// Added tokens of byte-level BPE: the ids they get, their types, their texts.
#include <gtest/gtest.h>

#include "model/tokenizer/byte_alphabet.h"
#include "model/tokenizer/utf8.h"
#include "model/tokenizer/vocabulary.h"
#include "qtz/core/error.h"
#include "support/expect_error.h"
#include "unit/model/tokenizer_files.h"

namespace qtz {
namespace {

using test::added_token;
using test::expect_error;
using test::json_of;
using test::small_bpe;
using test::TokenizerFolder;
using test::tokens_of;
using test::types_of;
using test::warns_of;
using test::with;

constexpr std::int32_t kNormal = 1;
constexpr std::int32_t kControl = 3;
constexpr std::int32_t kUserDefined = 4;
constexpr std::int32_t kUnused = 5;

/// The five tokens of small_bpe(), then these.
TokenizerResult read(JsonArray added, std::string_view tokenizer_config = "{}",
                     std::uint64_t vocab_size = 0) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", with(small_bpe(), {"added_tokens"}, JsonValue(std::move(added))));
  folder.add("tokenizer_config.json", tokenizer_config);
  return folder.read(bpe_tokenizer(), vocab_size);
}

std::string token_at(const TokenizerResult& result, std::size_t id) {
  return id < tokens_of(result).size() ? tokens_of(result)[id] : "(none)";
}

TEST(AddedTokens, are_control_when_special_or_when_they_look_so) {
  const auto result =
      read({added_token(5, "<x>", true), added_token(6, "<|y|>", false), added_token(7, "<z>", false)});
  EXPECT_EQ(types_of(result), (std::vector<std::int32_t>{kNormal, kNormal, kNormal, kNormal, kNormal,
                                                         kControl, kControl, kUserDefined}));
}

TEST(AddedTokens, fill_the_vocabulary_up_to_the_embedding_rows) {
  const auto result = read({added_token(5, "<x>", true)}, "{}", 8);
  EXPECT_EQ(tokens_of(result),
            (std::vector<std::string>{"a", "b", "c", "ab", "abc", "<x>", "[PAD6]", "[PAD7]"}));
  EXPECT_EQ(types_of(result).back(), kUnused);
  EXPECT_EQ(result.token_count, 6U);
}

/// "\u2581x" and " x" are two texts to the tokenizer and one to llama.cpp.
TEST(AddedTokens, are_refused_when_they_become_one_text) {
  expect_error(ErrorKind::input_invalid, "the tokens 5 and 6 are both ' x'", [] {
    read({added_token(5, "\xE2\x96\x81x", false, true), added_token(6, " x", false, true)});
  });
}

TEST(AddedTokens, get_the_next_free_id_whatever_the_file_says) {
  const auto result = read({added_token(7, "<x>", false)}, "{}", 9);
  EXPECT_EQ(token_at(result, 5), "<x>");
  EXPECT_EQ(token_at(result, 7), "[PAD7]");
  EXPECT_TRUE(warns_of(result, "'<x>' is listed as 7 and becomes 5"));
}

TEST(AddedTokens, that_the_vocabulary_has_keep_its_id) {
  const auto result = read({added_token(5, "ab", true)});
  EXPECT_EQ(tokens_of(result).size(), 5U);
  EXPECT_EQ(types_of(result)[3], kControl);
}

TEST(AddedTokens, are_taken_from_tokenizer_config_too_and_its_flags_win) {
  const auto result = read({added_token(5, "<x>", false)}, R"({"added_tokens_decoder": {
      "6": {"content": "<y>", "special": false}, "5": {"content": "<x>", "special": true}}})");
  EXPECT_EQ(token_at(result, 6), "<y>");
  EXPECT_EQ(types_of(result)[5], kControl);
  EXPECT_EQ(types_of(result)[6], kUserDefined);
}

TEST(AddedTokens, that_only_a_name_refers_to_are_special) {
  const auto result = read(
      {added_token(5, "<x>", false)},
      R"({"bos_token": "<x>", "image_token": "<image>", "additional_special_tokens": ["<more>", "ab"]})");
  EXPECT_EQ(types_of(result)[5], kControl);
  EXPECT_EQ(token_at(result, 6), "<image>");
  EXPECT_EQ(token_at(result, 7), "<more>");
  EXPECT_EQ(types_of(result)[3], kControl) << "'ab' of the vocabulary is called special";
}

TEST(AddedTokens, that_are_not_normalized_stand_as_the_decoder_writes_them) {
  const auto result = read({added_token(5, "\xC4\xA0x", false), added_token(6, "\xC4\xA0y", false, true)});
  EXPECT_EQ(token_at(result, 5), " x");
  EXPECT_EQ(token_at(result, 6), "\xC4\xA0y");
}

TEST(AddedTokens, of_the_users_have_spaces_for_blocks) {
  EXPECT_EQ(token_at(read({added_token(5, "\xE2\x96\x81\xE2\x96\x81x", false, true)}), 5), "  x");
}

TEST(AddedTokens, beyond_the_embedding_rows_are_dropped_with_a_warning) {
  const auto result = read({added_token(5, "<x>", true), added_token(6, "<y>", true)}, "{}", 6);
  EXPECT_EQ(tokens_of(result).size(), 6U);
  EXPECT_TRUE(warns_of(result, "1 added tokens (first '<y>') have ids beyond the 6 embedding rows"));
}

TEST(BaseVocabulary, beyond_the_embedding_rows_is_an_error) {
  expect_error(ErrorKind::input_invalid, "token 'abc' has id 4, but the model has 4 embedding rows",
               [] { read({}, "{}", 4); });
}

TEST(BaseVocabulary, with_holes_is_padded) {
  TokenizerFolder folder;
  folder.add("tokenizer.json",
             with(small_bpe(), {"model", "vocab"}, json_of(R"({"a": 0, "b": 1, "ab": 4})")));
  EXPECT_EQ(tokens_of(folder.read(bpe_tokenizer())),
            (std::vector<std::string>{"a", "b", "[PAD2]", "[PAD3]", "ab"}));
}

TEST(BaseVocabulary, with_an_id_or_a_text_twice_is_an_error) {
  for (const auto& [vocab, message] :
       {std::pair(R"({"a": 0, "b": 0})", "id 0 belongs to two tokens"),
        std::pair(R"({"a": 0, "a": 1})", "'a' appears twice"), std::pair("{}", "the vocabulary is empty")}) {
    SCOPED_TRACE(vocab);
    TokenizerFolder folder;
    folder.add(
        "tokenizer.json",
        std::string(
            R"({"pre_tokenizer": {"type": "ByteLevel"}, "model": {"type": "BPE", "merges": [], "vocab": )") +
            vocab + "}}");
    expect_error(ErrorKind::input_invalid, message, [&] { folder.read(bpe_tokenizer()); });
  }
}

TEST(Merges, that_make_no_token_are_counted_in_a_warning) {
  TokenizerFolder folder;
  folder.add("tokenizer.json",
             with(small_bpe(), {"model", "merges"}, json_of(R"(["a b", "a zz", "lonely"])")));
  const auto result = folder.read(bpe_tokenizer());
  EXPECT_TRUE(warns_of(result, "2 of 3 merges"));
  EXPECT_EQ(test::elements<std::string>(result, "merges").size(), 3U);
}

TEST(Merges, that_are_none_or_cut_short_are_told) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", with(small_bpe(), {"model", "merges"}, json_of("[]")));
  expect_error(ErrorKind::input_invalid, "none of 0 merges makes a token",
               [&] { folder.read(bpe_tokenizer()); });
  folder.add("tokenizer.json",
             with(with(small_bpe(), {"model", "vocab"}, json_of(R"({"a": 0, "b": 1, "ab": 2, "aba": 3})")),
                  {"model", "merges"}, json_of(R"(["a b"])")));
  EXPECT_TRUE(warns_of(folder.read(bpe_tokenizer()), "1 of 4 tokens are made by no merge"));
}

TEST(LooksSpecial, knows_the_shapes_that_publishers_forget_to_mark) {
  for (const char* text : {"<|im_end|>", "<pad>", "<mask>", "<2mass>", "[@BOS@]", "<unused12>",
                           "<\xEF\xBD\x9C"
                           "end\xEF\xBD\x9C>"}) {
    EXPECT_TRUE(looks_special(text)) << text;
  }
  for (const char* text : {"<|x", "x|>", "pad", "<tool_call>", "", "<unused"})
    EXPECT_FALSE(looks_special(text)) << text;
}

TEST(ByteAlphabet, is_read_back_as_bytes) {
  EXPECT_EQ(decode_byte_alphabet("\xC4\xA0hi\xC4\x8A"), " hi\n");
  EXPECT_EQ(decode_byte_alphabet("\xC3\x83\xC2\xA9"), "\xC3\xA9");
  EXPECT_EQ(decode_byte_alphabet("\xC3\xA9"), "\xEF\xBF\xBD") << "a lone byte E9 is no text";
  EXPECT_EQ(decode_byte_alphabet("a b"), "a b") << "a space is not of the alphabet";
  EXPECT_EQ(decode_byte_alphabet("\xE2\x96\x81x"), "\xE2\x96\x81x");
}

TEST(Utf8, is_checked_as_the_standard_says) {
  for (const char* good : {"", "a", "\xC3\xA9", "\xE2\x96\x81", "\xF0\x9F\x98\x80", "\xED\x9F\xBF"})
    EXPECT_TRUE(is_utf8(good));
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xF4\x90\x80\x80"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

TEST(Utf8, keeps_what_is_good_around_what_is_not) {
  EXPECT_EQ(utf8_lossy("a\xFF"
                       "b"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(utf8_lossy("\xE2\x96x"), "\xEF\xBF\xBDx") << "a cut sequence is one mark";
  EXPECT_EQ(utf8_lossy("\xE2\x96"), "\xEF\xBF\xBD");
  EXPECT_EQ(utf8_lossy("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

}  // namespace
}  // namespace qtz
