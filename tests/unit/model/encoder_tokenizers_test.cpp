// The vocabularies of encoders: WordPiece, and unigram models in SentencePiece files and in tokenizer.json.
#include <gtest/gtest.h>

#include "model/tokenizer/base64.h"
#include "model/tokenizer/charsmap.h"
#include "support/expect_error.h"
#include "unit/model/tokenizer_files.h"

namespace qtz {
namespace {

using test::expect_error;
using test::flag_of;
using test::json_of;
using test::number_of;
using test::piece;
using test::Proto;
using test::text_of;
using test::TokenizerFolder;
using test::tokens_of;
using test::types_of;
using test::warns_of;

using Texts = std::vector<std::string>;
using Types = std::vector<std::int32_t>;

constexpr const char* kBlock = "\xE2\x96\x81";

std::vector<float> scores_of(const TokenizerResult& result) {
  return test::elements<float>(result, "scores");
}

/// A table of characters as short as there can be: a trie of one word, one replacement.
std::string small_charsmap() {
  return std::string("\x04\0\0\0abcdx\0", 10);
}

Proto small_unigram() {
  Proto model;
  model.bytes(1, piece("<unk>", 0, 2)).bytes(1, piece("<s>", 0, 3)).bytes(1, piece("</s>", 0, 3));
  model.bytes(1, piece("a", -1)).bytes(1, piece("b", -2));
  model.bytes(2, Proto().varint(3, 1).text());
  return model;
}

JsonValue small_wordpiece() {
  return json_of(R"({"added_tokens": [{"id": 0, "content": "[PAD]", "special": true},
                                      {"id": 5, "content": "extra", "special": false}],
    "normalizer": {"type": "BertNormalizer", "lowercase": true},
    "model": {"type": "WordPiece", "vocab": {"[PAD]": 0, "[UNK]": 1, "play": 2, "##ing": 3, "##": 4}}})");
}

JsonValue small_unigram_json(const std::string& pieces) {
  return json_of(R"({"added_tokens": [{"id": 0, "content": "<s>", "special": true},
                                      {"id": 3, "content": "<new>", "special": false}],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "Precompiled",
                                                        "precompiled_charsmap": "BAAAAGFiY2R4AA=="}]},
    "pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "always"},
    "model": {"type": "Unigram", "unk_id": 1, "vocab": )" +
                 pieces + "}}");
}

TEST(WordPiece, marks_what_begins_a_word) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", small_wordpiece());
  folder.add("tokenizer_config.json", R"({"unk_token": "[UNK]", "tokenizer_class": "BertTokenizer"})");
  const auto result = folder.read(bert_tokenizer(), 7, json_of(R"({"type_vocab_size": 2})"));
  const std::string block(kBlock);
  EXPECT_EQ(tokens_of(result),
            (Texts{"[PAD]", "[UNK]", block + "play", "ing", "", block + "extra", block + "[PAD6]"}));
  EXPECT_EQ(types_of(result), (Types{3, 3, 1, 1, 1, 4, 5}));
  EXPECT_EQ(text_of(result, "ggml.model"), "bert");
  EXPECT_EQ(text_of(result, "ggml.pre"), "jina-v2-en");
  EXPECT_EQ(number_of(result, "token_type_count"), 2U);
  EXPECT_EQ(flag_of(result, "normalizer.lowercase"), true);
  EXPECT_EQ(result.token_count, 6U);
}

TEST(WordPiece, can_be_a_vocab_txt) {
  TokenizerFolder folder;
  folder.add("vocab.txt", "[PAD]\r\n[CLS]\r\nplay\r\n##ing\r\n");
  const auto result = folder.read(bert_tokenizer(), 0, json_of(R"({"model_type": "bert"})"));
  EXPECT_EQ(tokens_of(result), (Texts{"[PAD]", "[CLS]", std::string(kBlock) + "play", "ing"}));
  EXPECT_EQ(types_of(result), (Types{3, 3, 1, 1}));
  EXPECT_EQ(number_of(result, "token_type_count"), 1U);
}

TEST(WordPiece, names_the_chinese_vocabulary) {
  std::string lines;
  for (int id = 0; id < 2769; ++id) lines += "t" + std::to_string(id) + "\n";
  TokenizerFolder folder;
  folder.add("vocab.txt", lines + "\xE6\x88\x91\n");
  EXPECT_EQ(text_of(folder.read(bert_tokenizer()), "ggml.pre"), "bert-bge-large");
}

TEST(WordPiece, is_refused_when_its_file_is_none) {
  const auto refuse = [](std::string_view text, std::string_view message) {
    SCOPED_TRACE(message);
    TokenizerFolder folder;
    folder.add("vocab.txt", text);
    expect_error(ErrorKind::input_invalid, message, [&] { folder.read(bert_tokenizer()); });
  };
  refuse("", "the vocabulary is empty");
  refuse("a\nb\na\n", "token 'a' appears twice");
  refuse("a\n\xFF\n", "line 2 is not UTF-8");
  refuse("version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer");
}

TEST(WordPiece, has_no_pre_tokenizer_to_choose) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", small_wordpiece());
  const auto result = folder.read(bert_tokenizer(), 0, JsonObject(), "qwen2");
  EXPECT_TRUE(warns_of(result, "--tokenizer-pre is not used"));
}

TEST(UnigramJson, has_the_spans_of_t5_as_special_tokens_though_no_file_names_them) {
  JsonValue document = small_unigram_json(R"([["<s>", 0], ["<unk>", 0], ["<extra_id_1>", 0]])");
  document = test::with(document, {"added_tokens"},
                        JsonArray{JsonObject{{"id", 2}, {"content", "<extra_id_1>"}, {"special", true}}});
  TokenizerFolder folder;
  folder.add("tokenizer.json", document);
  const JsonValue t5 = json_of(R"({"model_type": "t5"})");
  EXPECT_EQ(types_of(folder.read(t5_tokenizer(), 3, t5)), (Types{1, 2, 3}));
  folder.add("tokenizer_config.json", R"({"tokenizer_class": "T5Tokenizer", "extra_ids": 1})");
  EXPECT_EQ(types_of(folder.read(t5_tokenizer(), 3, t5)), (Types{1, 2, 4})) << "one is all there is";
}

TEST(UnigramFile, has_pieces_padding_and_added_tokens) {
  TokenizerFolder folder;
  folder.add(
      "spiece.model",
      small_unigram().bytes(3, Proto().bytes(2, small_charsmap()).varint(3, 0).varint(4, 0).text()).text());
  folder.add("added_tokens.json", R"({"<extra>": 6, "<far>": 9})");
  const auto result = folder.read(t5_tokenizer(), 8);
  EXPECT_EQ(tokens_of(result), (Texts{"<unk>", "<s>", "</s>", "a", "b", "[PAD5]", "<extra>", "[PAD7]"}));
  EXPECT_EQ(types_of(result), (Types{2, 3, 3, 1, 1, 5, 4, 5}));
  EXPECT_EQ(scores_of(result), (std::vector<float>{0, 0, 0, -1, -2, -10000, -1000, -10000}));
  EXPECT_EQ(text_of(result, "ggml.model"), "t5");
  EXPECT_EQ(flag_of(result, "add_space_prefix"), false);
  EXPECT_EQ(flag_of(result, "remove_extra_whitespaces"), false);
  EXPECT_EQ(test::elements<std::uint8_t>(result, "precompiled_charsmap").size(), 10U);
  EXPECT_TRUE(warns_of(result, "added token '<far>' has id 9"));
}

TEST(UnigramFile, of_xlm_roberta_is_numbered_as_fairseq_does) {
  TokenizerFolder folder;
  folder.add("sentencepiece.bpe.model", small_unigram().text());
  const auto result = folder.read(xlm_roberta_tokenizer(), 8, json_of(R"({"type_vocab_size": 1})"));
  EXPECT_EQ(tokens_of(result), (Texts{"<s>", "<pad>", "</s>", "<unk>", "a", "b", "[PAD5]", "[PAD6]"}));
  EXPECT_EQ(types_of(result), (Types{3, 3, 3, 2, 1, 1, 5, 5}));
  EXPECT_EQ(number_of(result, "token_type_count"), 1U);
  EXPECT_EQ(result.keys.find("tokenizer.ggml.precompiled_charsmap"), nullptr);
  expect_error(ErrorKind::input_invalid, "has 6 pieces, but the model has 5 embedding rows",
               [&] { folder.read(xlm_roberta_tokenizer(), 5); });
}

TEST(UnigramFile, of_another_algorithm_is_refused_or_read_as_what_it_is) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", test::small_sentencepiece().text());
  EXPECT_EQ(text_of(folder.read(t5_tokenizer()), "ggml.model"), "llama");
  TokenizerFolder other;
  other.add("spiece.model", test::small_sentencepiece().text());
  expect_error(ErrorKind::input_invalid, "is no unigram model", [&] { other.read(t5_tokenizer()); });
}

TEST(UnigramJson, has_types_from_the_configurations) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", small_unigram_json(R"([["<s>", 0], ["<unk>", 0.0], ["a", -1.5]])"));
  folder.add("tokenizer_config.json", R"({"bos_token": "<s>", "clean_up_tokenization_spaces": false})");
  const auto result = folder.read(xlm_roberta_tokenizer(), 5);
  EXPECT_EQ(tokens_of(result), (Texts{"<s>", "<unk>", "a", "<new>", "[PAD4]"}));
  EXPECT_EQ(types_of(result), (Types{3, 2, 1, 4, 5}));
  EXPECT_EQ(scores_of(result), (std::vector<float>{0, 0, -1.5F, -1000, -10000}));
  EXPECT_EQ(flag_of(result, "add_space_prefix"), true);
  EXPECT_EQ(flag_of(result, "remove_extra_whitespaces"), false);
  const auto table = test::elements<std::uint8_t>(result, "precompiled_charsmap");
  EXPECT_EQ(std::string(table.begin(), table.end()), small_charsmap());
}

TEST(UnigramJson, is_refused_with_entries_that_are_no_pieces) {
  for (const char* pieces :
       {R"([["a"]])", R"([["a", 0, 1]])", R"([[0, "a"]])", R"([["a", "b"]])", R"(["a"])", R"([["a", 1e999]])",
        R"([["a", 1e39]])", R"([[["a", 0]]])", R"([{"a": 0}])", R"([["a", null]])"}) {
    SCOPED_TRACE(pieces);
    TokenizerFolder folder;
    folder.add("tokenizer.json", R"({"model": {"type": "Unigram", "vocab": )" + std::string(pieces) + "}}");
    EXPECT_THROW(folder.read(t5_tokenizer()), Error);
  }
  TokenizerFolder folder;
  folder.add("tokenizer.json", small_unigram_json("[]"));
  expect_error(ErrorKind::input_invalid, "the vocabulary is empty", [&] { folder.read(t5_tokenizer()); });
  folder.add("tokenizer.json", small_unigram_json(R"([["a", 0], ["b", 0]])"));
  expect_error(ErrorKind::input_invalid, "has 2 pieces, but the model has 1 embedding rows",
               [&] { folder.read(t5_tokenizer(), 1); });
}

TEST(Charsmap, is_checked_as_far_as_llama_cpp_relies_on_it) {
  const auto refuse = [](std::string_view bytes, std::string_view message) {
    SCOPED_TRACE(message);
    expect_error(ErrorKind::input_invalid, message, [&] { check_charsmap(bytes, "file"); });
  };
  check_charsmap(small_charsmap(), "file");
  refuse("abc", "has only 3 bytes");
  refuse(std::string_view("\x04\0\0\0abcd", 8), "claims a trie of 4 bytes, but 4 bytes follow");
  refuse(std::string_view("\x03\0\0\0abcdx\0", 10), "claims a trie of 3 bytes");
  refuse(std::string_view("\0\0\0\0abcdx\0", 10), "claims a trie of 0 bytes");
  refuse(std::string_view("\xFC\xFF\xFF\xFF"
                          "abcdx\0",
                          10),
         "claims a trie of 4294967292 bytes");
  refuse(std::string_view("\x04\0\0\0abcdxy", 10), "does not end with a zero byte");
}

TEST(Base64, gives_the_bytes_or_nothing) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("TWFu"), "Man");
  EXPECT_EQ(decode_base64("TWE="), "Ma");
  EXPECT_EQ(decode_base64("TQ=="), "M");
  EXPECT_EQ(decode_base64("+/+/"), "\xFB\xFF\xBF");
  for (const char* text : {"TWF", "T===", "TQ=a", "TR==", "TW F", "TWF-", "=AAA", "===="}) {
    EXPECT_EQ(decode_base64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace qtz
