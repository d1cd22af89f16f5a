// Which files a policy takes its vocabulary from, and what it makes of SentencePiece vocabularies.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "model/tokenizer/split_patterns.h"
#include "model/tokenizer/tokenizer_json.h"
#include "support/expect_error.h"
#include "unit/model/tokenizer_files.h"

namespace qtz {
namespace {

using test::added_token;
using test::expect_error;
using test::flag_of;
using test::json_of;
using test::number_of;
using test::piece;
using test::Proto;
using test::small_bpe;
using test::small_sentencepiece;
using test::text_of;
using test::TokenizerFolder;
using test::tokens_of;
using test::types_of;
using test::warns_of;
using test::with;

JsonValue small_byte_fallback() {
  return json_of(R"({
    "added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 5, "content": "<extra>", "special": true}],
    "pre_tokenizer": null, "post_processor": null,
    "decoder": {"type": "Sequence", "decoders": []},
    "model": {"type": "BPE", "byte_fallback": true, "merges": ["a b"],
              "vocab": {"<unk>": 0, "<s>": 1, "<0x0A>": 2, "a": 3, "b": 4}}})");
}

std::vector<float> scores_of(const TokenizerResult& result) {
  return test::elements<float>(result, "scores");
}

TEST(TokenizerSources, are_tried_in_the_order_of_the_policy) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", small_bpe());
  EXPECT_EQ(text_of(folder.read(llama_tokenizer()), "ggml.model"), "gpt2");
  folder.add("tokenizer.json", small_byte_fallback());
  EXPECT_EQ(text_of(folder.read(llama_tokenizer()), "ggml.model"), "llama");
  folder.add("tokenizer.json", small_bpe()).add("tokenizer.model", small_sentencepiece().text());
  EXPECT_EQ(text_of(folder.read(llama_tokenizer()), "ggml.model"), "llama");
  EXPECT_EQ(text_of(folder.read(bpe_or_sentencepiece_tokenizer()), "ggml.model"), "gpt2");
  EXPECT_EQ(text_of(folder.read(sentencepiece_or_bpe_tokenizer()), "ggml.model"), "llama");
}

TEST(TokenizerSources, pass_over_a_tokenizer_model_that_is_no_sentencepiece) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", small_bpe()).add("tokenizer.model", "IQ== 0\n");
  EXPECT_EQ(text_of(folder.read(llama_tokenizer()), "ggml.model"), "gpt2");
}

TEST(TokenizerSources, never_pass_over_a_tokenizer_model_that_was_not_fetched) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", small_bpe())
      .add("tokenizer.model", "version https://git-lfs.github.com/spec/v1\n");
  expect_error(ErrorKind::input_invalid, "tokenizer.model is a Git LFS pointer",
               [&] { folder.read(llama_tokenizer()); });
  EXPECT_EQ(text_of(folder.read(bpe_tokenizer()), "ggml.model"), "gpt2") << "nobody asks for it here";
}

TEST(TokenizerSources, can_be_chosen_by_the_class) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", small_bpe()).add("tokenizer.model", small_sentencepiece().text());
  EXPECT_EQ(text_of(folder.read(phi3_tokenizer()), "ggml.model"), "llama");
  folder.add("tokenizer_config.json", R"({"tokenizer_class": "GPT2Tokenizer"})");
  EXPECT_EQ(text_of(folder.read(phi3_tokenizer()), "ggml.model"), "gpt2");
}

TEST(TokenizerSources, can_be_vocab_json_and_merges_txt) {
  TokenizerFolder folder;
  folder.add("vocab.json", R"({"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3})")
      .add("merges.txt", "#version\na b\n");
  folder.add("tokenizer_config.json", R"({"tokenizer_class": "GPT2TokenizerFast"})");
  const auto result = folder.read(bpe_tokenizer(), 0, json_of(R"({"eos_token_id": 3})"));
  EXPECT_EQ(text_of(result, "ggml.pre"), "gpt-2");
  EXPECT_EQ(types_of(result), (std::vector<std::int32_t>{1, 1, 1, 3}));
  EXPECT_EQ(test::elements<std::string>(result, "merges"), (std::vector<std::string>{"a b"}));
  EXPECT_EQ(number_of(result, "eos_token_id"), 3U);
}

TEST(TokenizerSources, never_take_the_lines_of_a_git_lfs_pointer_for_merges) {
  TokenizerFolder folder;
  folder.add("vocab.json", R"({"a": 0})").add("merges.txt", "version https://git-lfs.github.com/spec/v1\n");
  expect_error(ErrorKind::input_invalid, "merges.txt is a Git LFS pointer",
               [&] { folder.read(bpe_tokenizer()); });
}

TEST(TokenizerSources, that_are_no_json_are_recognized) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", "version https://git-lfs.github.com/spec/v1\n");
  expect_error(ErrorKind::input_invalid, "tokenizer.json is a Git LFS pointer",
               [&] { folder.read(bpe_tokenizer()); });
  folder.add("tokenizer_config.json", "<html>");
  expect_error(ErrorKind::input_invalid, "tokenizer_config.json is an HTML or XML page",
               [&] { folder.read(bpe_tokenizer()); });
}

TEST(TokenizerSources, that_are_missing_are_named) {
  TokenizerFolder folder;
  expect_error(ErrorKind::input_missing, "no tokenizer files", [&] { folder.read(llama_tokenizer()); });
  expect_error(ErrorKind::input_missing, "tokenizer.model", [&] { folder.read(sentencepiece_tokenizer()); });
}

TEST(TokenizerSources, of_kinds_that_are_not_read_are_named) {
  const auto refuse = [](const std::string& file, std::string_view content, std::string_view message) {
    SCOPED_TRACE(file);
    TokenizerFolder folder;
    folder.add(file, content);
    expect_error(ErrorKind::input_invalid, message, [&] { folder.read(llama_tokenizer()); });
  };
  refuse("rwkv_vocab_v20230424.txt", "", "kind RWKV");
  refuse("vocab.txt", "", "kind WordPiece");
  refuse("qwen.tiktoken", "", "kind tiktoken");
  refuse("tokenizer.model", "IQ== 0\n", "tiktoken");
  refuse("tokenizer.json", R"({"model": {"type": "Unigram", "vocab": [["a", 0]]}})", "kind Unigram");
  refuse("tokenizer.json", R"({"model": {"type": "WordPiece", "vocab": {"a": 0}}})", "kind WordPiece");
}

TEST(TokenizerSources, may_be_none) {
  TokenizerPolicy policy;
  policy.sources = {TokenizerSource::none};
  const auto result = TokenizerFolder().read(policy);
  EXPECT_EQ(text_of(result, "ggml.model"), "none");
  EXPECT_EQ(result.keys.entries().size(), 1U);
}

TEST(TokenizerPre, can_be_given) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", with(small_bpe(), {"pre_tokenizer"}, json_of(R"({"type": "Strange"})")));
  expect_error(ErrorKind::input_invalid, "Strange", [&] { folder.read(bpe_tokenizer()); });
  EXPECT_EQ(text_of(folder.read(bpe_tokenizer(), 0, JsonObject(), "qwen2"), "ggml.pre"), "qwen2");
  expect_error(ErrorKind::usage, "did you mean qwen2?",
               [&] { folder.read(bpe_tokenizer(), 0, JsonObject(), "qwen22"); });
}

/// The same cutting has the name under which each family's converter knows it.
TEST(TokenizerPre, of_llama_without_a_leading_token_is_not_glms) {
  JsonValue split = json_of(R"({"type": "Split", "behavior": "Isolated", "pattern": {"Regex": ""}})");
  split = with(split, {"pattern", "Regex"}, QTZ_SPLIT_CL100K);
  const JsonValue steps = JsonObject{
      {"type", "Sequence"},
      {"pretokenizers",
       JsonArray{split, json_of(R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": false})")}}};
  TokenizerFolder folder;
  folder.add("tokenizer.json",
             with(with(small_bpe(), {"pre_tokenizer"}, steps), {"model", "ignore_merges"}, true));
  EXPECT_EQ(text_of(folder.read(llama_tokenizer()), "ggml.pre"), "smaug-bpe");
  EXPECT_EQ(text_of(folder.read(glm4_moe_tokenizer()), "ggml.pre"), "glm4");
  EXPECT_EQ(text_of(folder.read(llama_tokenizer(), 0, JsonObject(), "glm4"), "ggml.pre"), "glm4");
}

TEST(TokenizerPre, is_not_used_for_sentencepiece_and_says_so) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().text());
  const auto result = folder.read(llama_tokenizer(), 0, JsonObject(), "qwen2");
  EXPECT_EQ(text_of(result, "ggml.pre"), "default");
  EXPECT_TRUE(warns_of(result, "--tokenizer-pre is not used"));
}

TEST(VocabularySize, is_bounded) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", small_bpe());
  expect_error(ErrorKind::input_invalid, "1099511627776 tokens",
               [&] { folder.read(bpe_tokenizer(), std::uint64_t{1} << 40); });
}

TEST(SentencePieceVocabulary, has_the_pieces_then_padding) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().text());
  const auto result = folder.read(llama_tokenizer(), 6);
  EXPECT_EQ(tokens_of(result), (std::vector<std::string>{"<unk>", "<s>", "</s>", "a", "b", "[PAD5]"}));
  EXPECT_EQ(types_of(result), (std::vector<std::int32_t>{2, 3, 3, 1, 1, 5}));
  EXPECT_EQ(scores_of(result), (std::vector<float>{0, 0, 0, -1, -2, -10000}));
  EXPECT_EQ(result.token_count, 5U);
}

TEST(SentencePieceVocabulary, calls_user_defined_pieces_normal_and_bytes_bytes) {
  TokenizerFolder folder;
  folder.add("tokenizer.model",
             small_sentencepiece().bytes(1, piece("user", 0, 4)).bytes(1, piece("<0xFF>", 0, 6)).text());
  const auto result = folder.read(llama_tokenizer());
  EXPECT_EQ(types_of(result), (std::vector<std::int32_t>{2, 3, 3, 1, 1, 1, 6}));
  EXPECT_TRUE(warns_of(result, "only 1 of the 256 byte tokens"));
}

TEST(SentencePieceVocabulary, is_refused_with_byte_pieces_that_name_no_byte) {
  for (const char* text : {"<0x-1>", "<0xZZ>", "<0x100>", "<0x1>", "x"}) {
    SCOPED_TRACE(text);
    TokenizerFolder folder;
    folder.add("tokenizer.model", small_sentencepiece().bytes(1, piece(text, 0, 6)).text());
    expect_error(ErrorKind::input_invalid, "stands for a byte", [&] { folder.read(llama_tokenizer()); });
  }
}

TEST(SentencePieceVocabulary, takes_added_tokens_from_both_files) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().text());
  folder.add("added_tokens.json", R"({"<one>": 5, "<two>": 6})");
  folder.add("tokenizer_config.json", R"({"added_tokens_decoder": {"6": {"content": "<two>", "special": true},
      "7": {"content": "\u2581three", "special": false}, "1": {"content": "<|start|>"}}})");
  const auto result = folder.read(llama_tokenizer(), 9);
  EXPECT_EQ(tokens_of(result), (std::vector<std::string>{"<unk>", "<|start|>", "</s>", "a", "b", "<one>",
                                                         "<two>", " three", "[PAD8]"}));
  EXPECT_EQ(types_of(result), (std::vector<std::int32_t>{2, 3, 3, 1, 1, 4, 3, 4, 5}));
  EXPECT_EQ(scores_of(result)[5], -1000.0F);
  EXPECT_EQ(scores_of(result)[8], -10000.0F);
}

TEST(SentencePieceVocabulary, of_phi3_takes_added_tokens_as_they_stand) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().text());
  folder.add("tokenizer_config.json", R"({"added_tokens_decoder": {"5": {"content": "<|x|>"}}})");
  folder.add("tokenizer.json",
             R"({"added_tokens": [{"id": 6, "content": "\u2581y", "special": true}], "model": {}})");
  const auto result = folder.read(phi3_tokenizer(), 7);
  EXPECT_EQ(tokens_of(result)[6], "\xE2\x96\x81y");
  EXPECT_EQ(types_of(result), (std::vector<std::int32_t>{2, 3, 3, 1, 1, 4, 3}));
}

TEST(SentencePieceVocabulary, is_refused_with_pieces_that_have_no_row) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().text());
  expect_error(ErrorKind::input_invalid, "has 5 pieces, but the model has 4 embedding rows",
               [&] { folder.read(llama_tokenizer(), 4); });
}

TEST(SentencePieceVocabulary, drops_added_tokens_that_have_no_row_with_a_warning) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().text())
      .add("added_tokens.json", R"({"<one>": 1099511627776})");
  const auto result = folder.read(llama_tokenizer(), 5);
  EXPECT_EQ(tokens_of(result).size(), 5U);
  EXPECT_TRUE(warns_of(result, "1 added tokens (first '<one>')"));
}

TEST(SentencePieceVocabulary, is_refused_with_added_ids_that_are_none) {
  for (const char* id : {"-1", "1.5", "\"x\"", "null"}) {
    SCOPED_TRACE(id);
    TokenizerFolder folder;
    folder.add("tokenizer.model", small_sentencepiece().text());
    folder.add("added_tokens.json", std::string(R"({"<one>": )") + id + "}");
    expect_error(ErrorKind::input_invalid, "added token '<one>'", [&] { folder.read(llama_tokenizer()); });
  }
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().text());
  folder.add("tokenizer_config.json", R"({"added_tokens_decoder": {"-1": {"content": "x"}}})");
  expect_error(ErrorKind::input_invalid, "the id '-1'", [&] { folder.read(llama_tokenizer()); });
}

TEST(SentencePieceVocabulary, is_refused_with_a_text_twice) {
  const auto refuse = [](const std::string& added, std::string_view message) {
    SCOPED_TRACE(message);
    TokenizerFolder folder;
    folder.add("tokenizer.model", small_sentencepiece().text());
    folder.add("tokenizer_config.json", R"({"added_tokens_decoder": {)" + added + "}}");
    expect_error(ErrorKind::input_invalid, message, [&] { folder.read(llama_tokenizer(), 9); });
  };
  refuse(R"("6": {"content": "x"}, "7": {"content": "x"})", "the tokens 6 and 7 are both 'x'");
  refuse(R"("8": {"content": "<s>", "special": true})", "the tokens 1 and 8 are both '<s>'");
  refuse(R"("5": {"content": "[PAD7]"})", "the tokens 5 and 7 are both '[PAD7]'");
}

/// llama.cpp gives each a name of its own.
TEST(SentencePieceVocabulary, may_have_empty_texts) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().text());
  folder.add("tokenizer_config.json",
             R"({"added_tokens_decoder": {"5": {"content": ""}, "6": {"content": ""}}})");
  EXPECT_EQ(tokens_of(folder.read(llama_tokenizer(), 7))[6], "");
}

TEST(SentencePieceVocabulary, of_a_unigram_model_is_taken_with_a_warning) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().bytes(2, Proto().varint(3, 1).text()).text());
  EXPECT_TRUE(warns_of(folder.read(llama_tokenizer()), "unigram"));
}

TEST(SentencePieceJsonVocabulary, gives_all_one_score_with_merges_and_marks_named_tokens) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", small_byte_fallback());
  folder.add("tokenizer_config.json", R"({"bos_token": "<s>", "unk_token": "<unk>"})");
  const auto result = folder.read(llama_tokenizer(), 7);
  EXPECT_EQ(tokens_of(result),
            (std::vector<std::string>{"<unk>", "<s>", "<0x0A>", "a", "b", "<extra>", "[PAD6]"}));
  EXPECT_EQ(types_of(result), (std::vector<std::int32_t>{3, 3, 6, 1, 1, 4, 5}));
  EXPECT_EQ(text_of(result, "ggml.pre"), "default");
  EXPECT_EQ(result.keys.find("tokenizer.ggml.merges"), nullptr);
  EXPECT_EQ(scores_of(folder.read(gemma4_tokenizer(), 7)), std::vector<float>(7, -1000));
}

/// A tokenizer.json with byte fallback, a vocabulary of these texts and these merges.
JsonValue byte_fallback_with(const std::vector<std::string>& texts, const std::vector<std::string>& merges) {
  JsonValue vocab = JsonObject();
  for (std::size_t id = 0; id < texts.size(); ++id) vocab.set(texts[id], std::uint64_t{id});
  JsonArray list(merges.begin(), merges.end());
  return with(with(with(small_byte_fallback(), {"model", "vocab"}, std::move(vocab)), {"model", "merges"},
                   std::move(list)),
              {"added_tokens"}, JsonArray());
}

TEST(SentencePieceJsonVocabulary, scores_tokens_in_the_order_of_the_merges) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", byte_fallback_with({"a", "b", "c", "abc", "ab", "bc", "unmade"},
                                                  {"b c", "a b", "a bc", "ab c"}));
  const auto result = folder.read(llama_tokenizer(), 8);
  EXPECT_EQ(scores_of(result), (std::vector<float>{-4, -4, -4, -2, -1, 0, -4, -4}));
  EXPECT_FALSE(warns_of(result, "may cut texts otherwise"));
}

TEST(SentencePieceJsonVocabulary, says_when_scores_cannot_tell_the_order_of_the_merges) {
  TokenizerFolder folder;
  folder.add("tokenizer.json",
             byte_fallback_with({"a", "b", "c", "abc", "ab", "bc"}, {"b c", "a bc", "a b", "ab c"}));
  const auto result = folder.read(llama_tokenizer());
  EXPECT_EQ(scores_of(result), (std::vector<float>{-4, -4, -4, -1, -2, 0}));
  EXPECT_TRUE(warns_of(result, "with merges of others between them: 1; llama.cpp"));
  EXPECT_FALSE(warns_of(folder.read(gemma4_tokenizer()), "may cut texts otherwise"));
}

TEST(SentencePieceJsonVocabulary, says_when_no_space_is_put_before_a_text) {
  const auto flag_with = [](std::string_view normalizer, std::string_view pre_tokenizer,
                            std::string_view config = "{}") {
    TokenizerFolder folder;
    folder.add("tokenizer.json", with(with(small_byte_fallback(), {"normalizer"}, json_of(normalizer)),
                                      {"pre_tokenizer"}, json_of(pre_tokenizer)));
    folder.add("tokenizer_config.json", config);
    return flag_of(folder.read(llama_tokenizer()), "add_space_prefix");
  };
  constexpr std::string_view kNever = R"({"type": "Metaspace", "prepend_scheme": "never"})";
  constexpr std::string_view kReplace =
      R"({"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"})";
  const std::string prepend =
      R"({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, )" +
      std::string(kReplace) + "]}";
  EXPECT_EQ(flag_with("null", kNever), false);
  EXPECT_EQ(flag_with("null", R"({"type": "Metaspace", "add_prefix_space": false})"), false);
  EXPECT_EQ(flag_with(kReplace, "null"), false);
  EXPECT_EQ(flag_with(kReplace, R"({"type": "Sequence", "pretokenizers": []})"), false);
  // As the converter has it: the key is left out, and llama.cpp puts the space.
  EXPECT_EQ(flag_with("null", "null"), std::nullopt);
  EXPECT_EQ(flag_with(prepend, "null"), std::nullopt);
  EXPECT_EQ(flag_with(prepend, kNever), std::nullopt);
  EXPECT_EQ(flag_with("null", R"({"type": "Metaspace", "prepend_scheme": "first"})"), std::nullopt);
  EXPECT_EQ(flag_with("null", R"({"type": "Metaspace"})"), std::nullopt);
  EXPECT_EQ(flag_with("null", kNever, R"({"add_prefix_space": true})"), true) << "the configuration wins";
}

TEST(SentencePieceJsonVocabulary, of_gemma4_keeps_merges_and_shows_its_markers) {
  TokenizerFolder folder;
  folder.add("tokenizer.json",
             with(small_byte_fallback(), {"model", "vocab"},
                  json_of(R"({"<unk>": 0, "<|channel>": 1, "<0x0A>": 2, "a": 3, "b": 4})")));
  folder.add("tokenizer_config.json", R"({"soc_token": "<|channel>", "unk_token": "<unk>"})");
  const auto result = folder.read(gemma4_tokenizer());
  EXPECT_EQ(text_of(result, "ggml.model"), "gemma4");
  EXPECT_EQ(text_of(result, "ggml.pre"), "(none)");
  EXPECT_EQ(types_of(result)[1], 4);
  EXPECT_EQ(test::elements<std::string>(result, "merges"), (std::vector<std::string>{"a b"}));
  EXPECT_EQ(flag_of(result, "add_space_prefix"), false);
  EXPECT_EQ(flag_of(result, "add_bos_token"), true);
}

TEST(TokenizerPolicies, of_llama_know_derived_models_by_their_size) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().text());
  folder.add("tokenizer_config.json", R"({"add_prefix_space": false})");
  const auto code_llama = folder.read(llama_tokenizer(), 32016);
  EXPECT_EQ(number_of(code_llama, "eot_token_id"), 32010U);
  EXPECT_EQ(code_llama.keys.entries().front().key, "tokenizer.ggml.add_space_prefix");
  EXPECT_EQ(flag_of(folder.read(llama_tokenizer(), 49152), "add_bos_token"), false);
  EXPECT_FALSE(flag_of(folder.read(llama_tokenizer(), 32000), "add_bos_token"));
}

TEST(TokenizerPolicies, of_glm_find_special_tokens_by_text) {
  TokenizerFolder folder;
  folder.add("tokenizer.json",
             with(small_bpe(), {"added_tokens"},
                  JsonArray{added_token(5, "<|endoftext|>", true), added_token(6, "[gMASK]", true),
                            added_token(7, "<|user|>", true), added_token(8, "<|observation|>", true)}));
  const auto result = folder.read(glm4_moe_tokenizer(), 0, json_of(R"({"eos_token_id": 5})"));
  EXPECT_EQ(number_of(result, "bos_token_id"), 6U);
  EXPECT_EQ(number_of(result, "eot_token_id"), 7U);
  EXPECT_EQ(number_of(result, "unknown_token_id"), 5U);
  EXPECT_EQ(number_of(result, "eom_token_id"), 8U);
  folder.add("tokenizer.json", small_bpe());
  EXPECT_TRUE(warns_of(folder.read(glm4_moe_tokenizer()), "no token '<|user|>' for eot"));
}

TEST(TokenizerPolicies, can_replace_what_the_configurations_say) {
  TokenizerFolder folder;
  folder.add("tokenizer.json",
             with(small_bpe(), {"added_tokens"}, JsonArray{added_token(5, "<|im_end|>", true)}));
  TokenizerPolicy policy = bpe_tokenizer();
  policy.special_by_text = {{"eos", "<|im_end|>", true}, {"eot", "<absent>", true}};
  const auto result = folder.read(policy, 0, json_of(R"({"eos_token_id": 1})"));
  EXPECT_EQ(number_of(result, "eos_token_id"), 5U);
  EXPECT_TRUE(result.warnings.empty());
}

TEST(TokenizerPolicies, of_laguna_take_the_end_of_turn_from_the_list) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", small_bpe());
  const auto result =
      folder.read(laguna_tokenizer(), 0, json_of(R"({"bos_token_id": 2, "eos_token_id": [2, 4]})"));
  EXPECT_EQ(number_of(result, "eot_token_id"), 4U);
}

TEST(TokenizerPolicies, write_the_keys_of_the_source_that_was_used) {
  TokenizerFolder folder;
  folder.add("tokenizer.json", small_byte_fallback());
  EXPECT_EQ(flag_of(folder.read(jamba_tokenizer()), "add_space_prefix"), false);
  folder.add("tokenizer.model", small_sentencepiece().text());
  EXPECT_FALSE(flag_of(folder.read(jamba_tokenizer()), "add_space_prefix"));
  EXPECT_EQ(flag_of(folder.read(gemma3_tokenizer()), "add_space_prefix"), false);
}

TEST(TokenizerPolicies, of_ernie_write_the_prefix_space_last) {
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().text());
  folder.add("tokenizer_config.json", R"({"add_prefix_space": true})");
  EXPECT_EQ(folder.read(ernie_tokenizer()).keys.entries().back().key, "tokenizer.ggml.add_space_prefix");
}

TEST(TokenizerFolder, is_refused_with_broken_small_files) {
  for (const char* file : {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
    SCOPED_TRACE(file);
    TokenizerFolder folder;
    folder.add("tokenizer.model", small_sentencepiece().text()).add(file, "{");
    expect_error(ErrorKind::input_invalid, file, [&] { folder.read(llama_tokenizer()); });
  }
  TokenizerFolder folder;
  folder.add("tokenizer.model", small_sentencepiece().text()).add("tokenizer_config.json", "[]");
  expect_error(ErrorKind::input_invalid, "expected object", [&] { folder.read(llama_tokenizer()); });
}

/// Every small file, and what an unreadable one must not be taken for: nothing.
TEST(TokenizerFolder, is_refused_with_files_that_cannot_be_read) {
  const auto read_with = [](const std::string& file, const auto& spoil) {
    TokenizerFolder folder;
    folder.add("tokenizer.json", small_bpe());
    std::filesystem::remove(folder.path() / file);
    spoil(folder.path() / file);
    folder.read(llama_tokenizer());
  };
  for (const char* file : {"tokenizer_config.json", "special_tokens_map.json", "tokenizer.json",
                           "tokenizer.model", "chat_template.jinja", "chat_template.json"}) {
    SCOPED_TRACE(file);
    expect_error(ErrorKind::input_missing, std::string(file) + " is a link to nothing", [&] {
      read_with(file, [](const auto& path) { std::filesystem::create_symlink("nothing", path); });
    });
    expect_error(ErrorKind::input_invalid, std::string(file) + " is not a regular file",
                 [&] { read_with(file, [](const auto& path) { std::filesystem::create_directory(path); }); });
    expect_error(ErrorKind::input_invalid, std::string(file) + " is not a regular file", [&] {
      read_with(file, [](const auto& path) { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); });
    });
    expect_error(ErrorKind::input_missing, std::string(file) + " cannot be read", [&] {
      read_with(file, [](const auto& path) { std::filesystem::create_symlink(path.filename(), path); });
    });
  }
}

TEST(TokenizerFolder, takes_links_to_files) {
  TokenizerFolder folder;
  folder.add("blob", to_json(small_bpe()));
  std::filesystem::create_symlink("blob", folder.path() / "tokenizer.json");
  EXPECT_EQ(text_of(folder.read(llama_tokenizer()), "ggml.model"), "gpt2");
}

}  // namespace
}  // namespace qtz
