// What single families make of their tokenizer files.
#include <gtest/gtest.h>

#include "qtz/model/arch_spec.h"
#include "support/expect_error.h"
#include "unit/model/tokenizer_files.h"

namespace qtz {
namespace {

using test::added_token;
using test::flag_of;
using test::json_of;
using test::number_of;
using test::piece;
using test::small_bpe;
using test::small_sentencepiece;
using test::text_of;
using test::TokenizerFolder;
using test::tokens_of;
using test::types_of;
using test::with;

using Texts = std::vector<std::string>;
using Types = std::vector<std::int32_t>;

std::vector<float> scores_of(const TokenizerResult& result) {
  return test::elements<float>(result, "scores");
}

TEST(InternLm2Tokenizer, calls_unused_pieces_unused_and_never_writes_a_zero_character) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece()
                                    .bytes(1, piece(std::string(1, '\0'), -3, 1))
                                    .bytes(1, piece("[UNUSED_TOKEN_1]", -4, 4))
                                    .bytes(1, piece("[UNUSED", -5, 1))
                                    .text());
  const auto result = folder.read(internlm2_tokenizer());
  EXPECT_EQ(tokens_of(result),
            (Texts{"<unk>", "<s>", "</s>", "a", "b", "\xF0\x9F\x90\x89", "[UNUSED_TOKEN_1]", "[UNUSED"}));
  EXPECT_EQ(types_of(result), (Types{2, 3, 3, 1, 1, 1, 5, 5}));
  EXPECT_EQ(scores_of(result)[5], -3.0F);
  const auto other = folder.read(llama_tokenizer());
  EXPECT_EQ(tokens_of(other)[5], std::string(1, '\0'));
  EXPECT_EQ(types_of(other)[7], 1);
}

TEST(InternLm2Tokenizer, does_not_use_the_zero_character_where_bytes_are_pieces) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece()
                                    .bytes(1, piece(std::string(1, '\0'), -3, 1))
                                    .bytes(2, test::Proto().varint(35, 1).text())
                                    .text());
  EXPECT_EQ(types_of(folder.read(internlm2_tokenizer()))[5], 5);
}

TEST(InternLm2Tokenizer, ends_a_turn_where_the_tokenizer_can) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().bytes(1, piece("[UNUSED_TOKEN_1]", -4, 4)).text());
  folder.add("tokenizer_config.json", R"({"added_tokens_decoder": {}})");
  const JsonValue config = json_of(R"({"bos_token_id": 1, "eos_token_id": 2})");
  EXPECT_EQ(number_of(folder.read(internlm2_tokenizer(), 6, config), "eos_token_id"), 2U);
  folder.add("tokenizer_config.json", R"({"added_tokens_decoder": {"5": {"content": "<|im_end|>"}}})");
  const auto result = folder.read(internlm2_tokenizer(), 6, config);
  EXPECT_EQ(number_of(result, "eos_token_id"), 5U);
  EXPECT_EQ(tokens_of(result)[5], "<|im_end|>");
  EXPECT_EQ(types_of(result)[5], 4) << "added tokens are special only where they are said to be";
}

TEST(LlamaTokenizer, says_that_runs_of_spaces_are_removed_where_they_are) {
  for (const bool removes : {false, true}) {
    TokenizerFolder folder;
    test::Proto normalizer;
    normalizer.varint(4, removes ? 1 : 0);
    folder.add("tokenizer.model", small_sentencepiece().bytes(3, normalizer.text()).text());
    const auto flag = flag_of(folder.read(llama_tokenizer()), "remove_extra_whitespaces");
    EXPECT_EQ(flag, removes ? std::optional(true) : std::nullopt);
  }
}

TEST(InternLm2Tokenizer, takes_the_space_before_a_text_from_the_model) {
  for (const bool prefix : {false, true}) {
    TokenizerFolder folder;
    test::Proto normalizer;
    normalizer.varint(3, prefix ? 1 : 0);
    folder.add("tokenizer.model", small_sentencepiece().bytes(3, normalizer.text()).text());
    EXPECT_EQ(flag_of(folder.read(internlm2_tokenizer()), "add_space_prefix"), prefix);
    EXPECT_EQ(flag_of(folder.read(llama_tokenizer()), "add_space_prefix"), std::nullopt);
  }
}

TEST(InternLm3Tokenizer, ends_a_turn_where_the_tokenizer_can) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().text());
  folder.add(
      "tokenizer_config.json",
      R"({"add_prefix_space": false, "added_tokens_decoder": {"5": {"content": "<|im_end|>", "special": true}}})");
  const auto result = folder.read(internlm3_tokenizer(), 6, json_of(R"({"eos_token_id": 2})"));
  EXPECT_EQ(number_of(result, "eos_token_id"), 5U);
  EXPECT_EQ(flag_of(result, "add_space_prefix"), false);
}

TEST(ArcticTokenizer, lets_added_tokens_redefine_pieces) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().text());
  folder.add("added_tokens.json", R"({"<passed over>": 5})");
  folder.add("tokenizer_config.json", R"({"unk_token": "<unk>", "added_tokens_decoder": {
      "0": {"content": "<unk>", "special": true}, "3": {"content": "<|im_start|>", "special": true},
      "4": {"content": "\u2581b", "special": false}}})");
  const auto result = folder.read(arctic_tokenizer(), 6);
  EXPECT_EQ(tokens_of(result), (Texts{"<unk>", "<s>", "</s>", "<|im_start|>",
                                      "\xE2\x96\x81"
                                      "b",
                                      "[PAD5]"}));
  EXPECT_EQ(types_of(result), (Types{2, 3, 3, 3, 4, 5}));
  EXPECT_EQ(scores_of(result), (std::vector<float>{0, 0, 0, 0, -10000, -10000}));
}

TEST(ArcticTokenizer, works_without_a_name_for_the_unknown_token) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().text());
  folder.add("tokenizer_config.json",
             R"({"added_tokens_decoder": {"0": {"content": "<unk>", "special": true}}})");
  EXPECT_EQ(types_of(folder.read(arctic_tokenizer())), (Types{3, 3, 3, 1, 1}));
}

TEST(XverseTokenizer, writes_the_zero_character_as_a_byte_and_flags_as_they_are) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", json_of(R"({
    "added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 5, "content": "<|extra|>", "special": false}],
    "pre_tokenizer": null, "post_processor": null, "decoder": {"type": "Sequence", "decoders": []},
    "model": {"type": "BPE", "byte_fallback": true, "merges": ["a b"],
              "vocab": {"<unk>": 0, "\u0000": 1, "<0x0A>": 2, "a": 3, "ab": 4}}})"));
  const auto result = folder.read(xverse_tokenizer());
  EXPECT_EQ(tokens_of(result), (Texts{"<unk>", "<b'\\x00'>", "<0x0A>", "a", "ab", "<|extra|>"}));
  EXPECT_EQ(types_of(result), (Types{3, 6, 6, 1, 1, 4}));
  EXPECT_EQ(text_of(result, "ggml.model"), "llama");
}

TEST(DiffusionTokenizers, take_added_tokens_as_they_stand) {
  TokenizerFolder folder;
  folder.add("tokenizer.json",
             with(small_bpe(), {"added_tokens"},
                  JsonArray{added_token(5, "<|plain|>", false), added_token(6, "\xC4\xA0x", true),
                            added_token(7, "\xE2\x96\x81y", false)}));
  for (const TokenizerPolicy& policy : {llada_tokenizer(), dream_tokenizer()}) {
    const auto result = folder.read(policy);
    const Texts tokens = tokens_of(result);
    ASSERT_EQ(tokens.size(), 8U);
    EXPECT_EQ(Texts(tokens.begin() + 5, tokens.end()), (Texts{"<|plain|>", "\xC4\xA0x", "\xE2\x96\x81y"}));
    EXPECT_EQ(types_of(result), (Types{1, 1, 1, 1, 1, 4, 3, 4}));
  }
  EXPECT_EQ(flag_of(folder.read(llada_tokenizer()), "add_bos_token"), true);
  EXPECT_EQ(flag_of(folder.read(dream_tokenizer()), "add_bos_token"), std::nullopt);
}

TEST(DiffusionTokenizers, of_dream_are_cut_as_qwens_without_a_tokenizer_json) {
  TokenizerFolder folder;
  folder.add("vocab.json", R"({"a": 0, "b": 1, "ab": 2})").add("merges.txt", "#version: 0.2\na b\n");
  folder.add("tokenizer_config.json", R"({"tokenizer_class": "DreamTokenizer"})");
  EXPECT_EQ(text_of(folder.read(dream_tokenizer()), "ggml.pre"), "qwen2");
}

TEST(ModernBertTokenizer, has_names_of_its_own_for_what_others_cut_alike) {
  const auto name_of = [](const JsonValue& tokenizer) {
    TokenizerFolder folder;
    folder.add("tokenizer.json", tokenizer);
    return text_of(folder.read(modern_bert_tokenizer()), "ggml.pre");
  };
  const auto with_steps = [](std::string_view text) {
    return with(small_bpe(), {"pre_tokenizer"}, json_of(text));
  };
  EXPECT_EQ(name_of(with_steps(R"({"type": "ByteLevel", "add_prefix_space": false})")), "modern-bert");
  const JsonValue blocks = with_steps(
      R"({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false})");
  EXPECT_EQ(name_of(with(blocks, {"normalizer"},
                         json_of(R"({"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"})"))),
            "granite-embed-multi-311m");
}

TEST(JinaBertTokenizer, is_of_words_where_the_steps_say_so) {
  TokenizerFolder folder;
  const JsonValue words = with(small_bpe(), {"pre_tokenizer"}, json_of(R"({"type": "Whitespace"})"));
  folder.add("tokenizer.json", with(words, {"normalizer"}, json_of(R"({"type": "Lowercase"})")));
  folder.add("tokenizer_config.json", R"({"tokenizer_class": "RobertaTokenizer"})");
  const auto result = folder.read(find_architecture("JinaBertModel", "the test").tokenizer);
  EXPECT_EQ(text_of(result, "ggml.model"), "whitespace");
  EXPECT_EQ(text_of(result, "ggml.pre"), "whitespace");
  EXPECT_EQ(flag_of(result, "normalizer.lowercase"), true);
  EXPECT_EQ(number_of(result, "token_type_count"), 2U);
  EXPECT_FALSE(test::elements<std::string>(result, "merges").empty());
  folder.add("tokenizer.json", small_bpe());
  EXPECT_EQ(text_of(folder.read(find_architecture("JinaBertModel", "the test").tokenizer), "ggml.model"),
            "gpt2");
}

TEST(AfmoeTokenizer, has_its_name_whatever_the_digits_are_cut_by) {
  TokenizerFolder folder;
  folder.add("tokenizer.json",
             with(small_bpe(), {"pre_tokenizer"}, json_of(R"({"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": "x"}, "behavior": "Isolated", "invert": false}]})")));
  const auto result = folder.read(find_architecture("AfmoeForCausalLM", "the test").tokenizer);
  EXPECT_EQ(text_of(result, "ggml.pre"), "afmoe");
  EXPECT_TRUE(test::warns_of(result, "is called afmoe as this architecture's are"));
  test::expect_error(ErrorKind::input_invalid, "unknown pre-tokenizer",
                     [&] { folder.read(llama_tokenizer()); });
}

}  // namespace
}  // namespace qtz
