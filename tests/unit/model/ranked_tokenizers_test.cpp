// Vocabularies of bytes: tiktoken's and tekken's, whose merges come from ranks, and RWKV's.
#include <gtest/gtest.h>

#include "model/tokenizer/byte_alphabet.h"
#include "model/tokenizer/merge_ranks.h"
#include "model/tokenizer/python_literal.h"
#include "qtz/model/arch_spec.h"
#include "qtz/model/gguf_model.h"
#include "support/arch_checkpoint.h"
#include "support/expect_error.h"
#include "unit/model/tokenizer_files.h"

namespace qtz {
namespace {

using test::expect_error;
using test::flag_of;
using test::json_of;
using test::number_of;
using test::text_of;
using test::TokenizerFolder;
using test::tokens_of;
using test::types_of;
using test::warns_of;

using Texts = std::vector<std::string>;

std::vector<std::string> merges_of(const TokenizerResult& result) {
  return test::elements<std::string>(result, "merges");
}

TokenizerPolicy small_tiktoken() {
  TokenizerPolicy policy;
  policy.sources = {TokenizerSource::tiktoken};
  policy.tiktoken.file = "small.tiktoken";
  policy.tiktoken.pre = "qwen2";
  policy.tiktoken.specials = {"<|end|>"};
  return policy;
}

/// "a", "b", " ", "ab", " ab", "ba" and "abab".
constexpr std::string_view kRanks = "YQ== 0\nYg== 1\nIA== 2\nYWI= 3\nIGFi 4\nYmE= 5\nYWJhYg== 6\n";

TEST(Tiktoken, has_merges_worked_out_from_ranks) {
  TokenizerFolder folder;
  folder.add("small.tiktoken", kRanks);
  const auto result = folder.read(small_tiktoken(), 9);
  EXPECT_EQ(tokens_of(result), (Texts{"a", "b", "\xC4\xA0", "ab",
                                      "\xC4\xA0"
                                      "ab",
                                      "ba", "abab", "<|end|>", "[PAD8]"}));
  EXPECT_EQ(types_of(result), (std::vector<std::int32_t>{1, 1, 1, 1, 1, 1, 1, 3, 5}));
  EXPECT_EQ(merges_of(result), (Texts{"a b", "\xC4\xA0 ab", "b a", "ab ab"}));
  EXPECT_EQ(text_of(result, "ggml.pre"), "qwen2");
  EXPECT_EQ(text_of(folder.read(small_tiktoken(), 9, JsonObject(), "gpt-2"), "ggml.pre"), "gpt-2");
}

TEST(Tiktoken, says_which_tokens_no_merge_makes) {
  TokenizerFolder folder;
  folder.add("small.tiktoken", std::string(kRanks) + "eHh4 7\n");
  EXPECT_TRUE(warns_of(folder.read(small_tiktoken()), "1 of 8 tokens are not made of two others"));
}

TEST(Tiktoken, names_reserved_tokens_by_the_configuration) {
  TokenizerPolicy policy = small_tiktoken();
  policy.tiktoken.reserved = 3;
  policy.tiktoken.named_eos = true;
  TokenizerFolder folder;
  folder.add("small.tiktoken", kRanks);
  folder.add("tokenizer_config.json", R"({"eos_token": "<stop>", "added_tokens_decoder":
      {"9": {"content": "<stop>", "special": true}, "70": {"content": "<far>", "special": true}}})");
  const auto result = folder.read(policy, 0, json_of(R"({"eos_token_id": 1})"));
  const Texts tokens = tokens_of(result);
  EXPECT_EQ(Texts(tokens.begin() + 7, tokens.end()),
            (Texts{"<|end|>", "<|reserved_token_8|>", "<stop>", "<|reserved_token_10|>"}));
  EXPECT_EQ(number_of(result, "eos_token_id"), 9U);
}

TEST(Tiktoken, of_qwen_ends_where_nothing_else_is_said) {
  std::string ranks(kRanks);
  TokenizerFolder folder;
  folder.add("qwen.tiktoken", ranks);
  const auto result = folder.read(qwen_tokenizer());
  EXPECT_EQ(number_of(result, "bos_token_id"), 7U);
  EXPECT_EQ(number_of(result, "eos_token_id"), 7U);
  EXPECT_EQ(number_of(result, "unknown_token_id"), 7U);
  const auto told = folder.read(qwen_tokenizer(), 0, json_of(R"({"eos_token_id": 9})"));
  EXPECT_EQ(number_of(told, "bos_token_id"), std::nullopt);
  EXPECT_EQ(number_of(told, "eos_token_id"), 9U);
  EXPECT_EQ(number_of(told, "unknown_token_id"), 7U);
}

TEST(Tiktoken, of_kimi_is_read_by_every_class_of_the_family) {
  const auto source = test::arch_data_folder() / "tokenizers" / "kimi-tiktoken";
  for (const char* name :
       {"DeepseekV3ForCausalLM", "KimiLinearForCausalLM", "KimiK3ForConditionalGeneration"}) {
    SCOPED_TRACE(name);
    const TokenizerPolicy policy = find_architecture(name, "the test").tokenizer;
    const auto result = read_tokenizer(source, json_of(R"({"eos_token_id": 301})"), 0, policy, std::nullopt);
    EXPECT_EQ(tokens_of(result).size(), 558U);
    EXPECT_EQ(tokens_of(result)[302], "<|im_end|>");
    EXPECT_EQ(text_of(result, "ggml.pre"), "kimi-k2");
    EXPECT_FALSE(merges_of(result).empty());
  }
}

TEST(Tiktoken, of_kimi_k3_ends_where_the_configuration_says) {
  const test::ScratchFolder scratch;
  const auto data = test::arch_data_folder();
  const auto folder = test::write_checkpoint(data / "kimi-k3", scratch.path());
  std::filesystem::remove(folder / "tokenizer.json");
  for (const char* file : {"tiktoken.model", "tokenizer_config.json"}) {
    std::filesystem::copy_file(data / "tokenizers" / "kimi-tiktoken" / file, folder / file,
                               std::filesystem::copy_options::overwrite_existing);
  }
  const GgufModel model = open_model(folder, {});
  EXPECT_EQ(model.metadata.find("tokenizer.ggml.eos_token_id")->as_uint(), 2047U)
      << "the tokenizer's own is 302";
  EXPECT_EQ(*model.metadata.find("tokenizer.ggml.pre")->as_string(), "kimi-k2");
}

TEST(Tiktoken, is_refused_when_lines_are_wrong) {
  const auto refuse = [](std::string_view text, std::string_view message) {
    SCOPED_TRACE(message);
    TokenizerFolder folder;
    folder.add("small.tiktoken", text);
    expect_error(ErrorKind::input_invalid, message, [&] { folder.read(small_tiktoken()); });
  };
  refuse("", "the vocabulary is empty");
  refuse("YQ 0\n", "line 1 does not begin with a Base64 text: 'YQ 0'");
  refuse("YQ==\n", "line 1 has no number for its rank");
  refuse("YQ== -1\n", "line 1 has no number for its rank");
  refuse("YQ== 0x\n", "line 1 has no number for its rank");
  refuse("YQ== 0\nYg== 2\n", "line 2 has the rank 2, but 1 comes next");
  refuse("YQ== 0\nYQ== 1\n", "the ranks 0 and 1 are both 'a'");
  refuse(" 0\n", "the token of rank 0 is empty");
  refuse("YQ== 0\nYg== 1\n", "no token is made of two others");
  refuse(std::string(2000, 'A') + " 0\n", "is a token of 1500 bytes, more than 512");
  refuse("version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer");
}

TEST(Tiktoken, is_refused_with_more_tokens_than_rows) {
  TokenizerFolder folder;
  folder.add("small.tiktoken", kRanks);
  expect_error(ErrorKind::input_invalid, "has 7 tokens, but the model has 6 embedding rows",
               [&] { folder.read(small_tiktoken(), 6); });
  EXPECT_TRUE(warns_of(folder.read(small_tiktoken(), 7), "1 special tokens have ids beyond the 7"));
}

TEST(MergeRanks, merge_the_lowest_first_and_the_leftmost_of_equals) {
  const std::vector<std::string> tokens = {"a", "b", "c", "aa", "bc", "aab", "aaa", "abc", "aaabc"};
  const MergeRanks ranks(tokens, "file");
  EXPECT_EQ(ranks.last_merge(5), MergeRanks::Parts("aa", "b"));
  EXPECT_EQ(ranks.last_merge(6), MergeRanks::Parts("aa", "a"));
  EXPECT_EQ(ranks.last_merge(7), MergeRanks::Parts("a", "bc"));
  EXPECT_EQ(ranks.last_merge(8), MergeRanks::Parts("aaa", "bc"));
  EXPECT_EQ(ranks.last_merge(0), std::nullopt);
  EXPECT_EQ(ranks.all_merges(6), (std::vector<MergeRanks::Parts>{{"a", "aa"}, {"aa", "a"}}));
}

/// "a", "b" and what `vocab` adds, as tekken.json has them; 256 bytes come first.
JsonValue small_tekken(const Texts& more, std::uint64_t specials = 3) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  JsonArray vocab;
  const auto add = [&](std::string base64) {
    vocab.push_back(JsonObject{{"rank", std::uint64_t{vocab.size()}}, {"token_bytes", std::move(base64)}});
  };
  for (unsigned byte = 0; byte < 256; ++byte) {
    add(std::string{kLetters[byte >> 2], kLetters[(byte & 3) << 4]} + "==");
  }
  for (const std::string& text : more) add(text);
  JsonValue document = json_of(R"({"config": {"version": "v7"}, "special_tokens": [{"token_str": "<unk>"},
      {"token_str": "<s>"}, {"token_str": "</s>"}]})");
  const std::uint64_t size = vocab.size() + specials;
  document = test::with(document, {"config", "default_vocab_size"}, size);
  document = test::with(document, {"config", "default_num_special_tokens"}, specials);
  return test::with(document, {"vocab"}, std::move(vocab));
}

TEST(Tekken, has_special_tokens_first_and_every_merge) {
  TokenizerFolder folder;
  folder.add("tekken.json", small_tekken({"YWE=", "YWFh"}, 4));
  const auto result = folder.read(llama_tokenizer());
  const Texts tokens = tokens_of(result);
  ASSERT_EQ(tokens.size(), 262U);
  EXPECT_EQ(Texts(tokens.begin(), tokens.begin() + 4), (Texts{"<unk>", "<s>", "</s>", "<SPECIAL_3>"}));
  EXPECT_EQ(Texts(tokens.end() - 2, tokens.end()), (Texts{"aa", "aaa"}));
  EXPECT_EQ(merges_of(result), (Texts{"a a", "a aa", "aa a"}));
  EXPECT_EQ(types_of(result)[3], 3);
  EXPECT_EQ(types_of(result)[4], 1);
  EXPECT_EQ(number_of(result, "bos_token_id"), 1U);
  EXPECT_EQ(number_of(result, "padding_token_id"), 2U) << "the end of a text fills up";
  EXPECT_EQ(flag_of(result, "add_bos_token"), true);
  EXPECT_EQ(flag_of(result, "add_eos_token"), false);
  EXPECT_EQ(text_of(result, "ggml.pre"), "tekken");
  EXPECT_EQ(text_of(result, "chat_template"), "mistral-v7-tekken");
}

TEST(Tekken, is_passed_over_beside_a_tokenizer_json_and_keeps_the_folders_template) {
  TokenizerFolder folder;
  folder.add("tekken.json", small_tekken({"YWE="}));
  folder.add("chat_template.jinja", "{{ own }}");
  EXPECT_EQ(text_of(folder.read(llama_tokenizer()), "chat_template"), "{{ own }}");
  folder.add("tokenizer.json", test::small_bpe());
  EXPECT_EQ(tokens_of(folder.read(llama_tokenizer())).size(), 5U);
}

TEST(Tekken, is_refused_when_parts_are_wrong) {
  const auto refuse = [](JsonValue document, std::string_view message) {
    SCOPED_TRACE(message);
    TokenizerFolder folder;
    folder.add("tekken.json", document);
    expect_error(ErrorKind::input_invalid, message, [&] { folder.read(llama_tokenizer()); });
  };
  const JsonValue sound = small_tekken({"YWE="});
  refuse(JsonObject(), "the document has no 'config'");
  refuse(test::with(sound, {"config", "default_vocab_size"}, "x"), "'default_vocab_size' is no count");
  refuse(test::with(sound, {"config", "default_vocab_size"}, std::uint64_t{1} << 40), "1099511627776 tokens");
  refuse(test::with(sound, {"config", "default_vocab_size"}, std::uint64_t{300}), "lists 257 tokens");
  refuse(test::with(sound, {"config", "default_num_special_tokens"}, std::uint64_t{260}),
         "claims 260 special tokens of 260");
  refuse(test::with(sound, {"config", "default_num_special_tokens"}, std::uint64_t{2}),
         "has 3 special tokens, but room for 2");
  refuse(test::with(sound, {"special_tokens"}, JsonArray{JsonObject()}), "special token 0 has no text");
  refuse(test::with(sound, {"vocab"}, "x"), "'vocab' is no list");
  refuse(small_tekken({"YQ=="}), "the ranks 97 and 256 are both 'a'");
  refuse(small_tekken({"YWI"}), "token 256 is not Base64");
  refuse(small_tekken({"YWFh"}), "token 256 ('aaa') is not made of two others");
  JsonValue displaced = sound;
  JsonArray vocab = *sound.find("vocab")->as_array();
  vocab[5] = JsonObject{{"rank", std::uint64_t{7}}, {"token_bytes", "BQ=="}};
  refuse(test::with(displaced, {"vocab"}, std::move(vocab)), "token 5 has another rank than its place");
}

TEST(Rwkv, shows_bytes_as_python_does) {
  TokenizerFolder folder;
  folder.add("rwkv_vocab_v20230424.txt",
             "1 '\\x00' 1\n2 b'\\xff' 1\n3 'a b' 3\n4 \"'\" 1\n5 '\xC3\xA9' 2\n6 '\\n\\n' 2\n");
  const auto result = folder.read(rwkv_tokenizer(), 8);
  EXPECT_EQ(tokens_of(result),
            (Texts{"<s>", "\\x00", "\\xff", "a b", "'", "\\xc3\\xa9", "\\n\\n", "[PAD7]"}));
  EXPECT_EQ(types_of(result), (std::vector<std::int32_t>{3, 1, 1, 1, 1, 1, 1, 5}));
  EXPECT_EQ(text_of(result, "ggml.model"), "rwkv");
  EXPECT_EQ(text_of(result, "ggml.pre"), "(none)");
  EXPECT_EQ(text_of(result, "chat_template"), "rwkv-world");
  EXPECT_EQ(number_of(result, "bos_token_id"), 0U);
  EXPECT_EQ(number_of(result, "eos_token_id"), 0U);
}

TEST(Rwkv, is_refused_when_lines_are_wrong) {
  const auto refuse = [](std::string_view text, std::string_view message) {
    SCOPED_TRACE(message);
    TokenizerFolder folder;
    folder.add("rwkv_vocab_v20230424.txt", text);
    expect_error(ErrorKind::input_invalid, message, [&] { folder.read(rwkv_tokenizer()); });
  };
  refuse("", "the vocabulary is empty");
  refuse("1 'a'\n", "line 1 has");
  refuse("x 'a' 1\n", "has another id than 1");
  refuse("2 'a' 1\n", "has another id than 1");
  refuse("1 a 1\n", "has no Python literal");
  refuse("1 '' 0\n", "has an empty token");
  refuse("1 'a' 2\n", "has another number of bytes than its token, 1");
  refuse("1 'a' 1\n2 'a' 1\n", "are both 'a'");
  TokenizerFolder folder;
  folder.add("rwkv_vocab_v20230424.txt", "1 'a' 1\n2 'b' 1\n");
  expect_error(ErrorKind::input_invalid, "has 3 tokens, but the model has 2 embedding rows",
               [&] { folder.read(rwkv_tokenizer(), 2); });
}

TEST(PythonLiteral, stands_for_bytes) {
  EXPECT_EQ(parse_python_literal("'a'"), "a");
  EXPECT_EQ(parse_python_literal("\"a'b\""), "a'b");
  EXPECT_EQ(parse_python_literal("'\\u00e9\\xe9\\U0001f600\\101\\t'"),
            "\xC3\xA9\xC3\xA9\xF0\x9F\x98\x80"
            "A\t");
  EXPECT_EQ(parse_python_literal("b'\\xe9\\''"), "\xE9'");
  for (const char* text : {"", "'", "''x", "a", "'a", "b", "b'\xC3\xA9'", "b'\\u0041'", "'\\x4'", "'\\ud800'",
                           "'\\U00110000'", "'\\q'", "'\\", "b'\\777'"}) {
    EXPECT_EQ(parse_python_literal(text), std::nullopt) << text;
  }
}

TEST(PythonText, prefers_single_quotes) {
  EXPECT_EQ(python_text_of("a'b"), "a'b") << "between double quotes";
  EXPECT_EQ(python_text_of("a'b\""), "a\\'b\"");
  EXPECT_EQ(python_text_of("\\\t\x7F\x80"), "\\\\\\t\\x7f\\x80");
}

TEST(ByteAlphabet, has_a_character_for_every_byte) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  EXPECT_EQ(decode_byte_alphabet(encode_byte_alphabet(bytes.substr(0, 128))), bytes.substr(0, 128));
  EXPECT_EQ(encode_byte_alphabet(" \xAD\xFF"), "\xC4\xA0\xC5\x83\xC3\xBF");
}

}  // namespace
}  // namespace qtz
