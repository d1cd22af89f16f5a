// Real tokenizers against what llama.cpp's converter and llama.cpp's own vocabulary files have. Needs the
// large test data; skipped without it.
#include <gtest/gtest.h>

#include <map>

#include "model/tokenizer/utf8.h"
#include "qtz/formats/gguf.h"
#include "unit/model/tokenizer_files.h"

namespace qtz {
namespace {

const std::filesystem::path kShared = std::filesystem::path(QTZ_SHARED_DIR) / "data";

std::string payload_of(const KvList& keys, std::string_view key) {
  const GgufValue* value = keys.find(key);
  return value && value->as_array() ? test::payload_sha256(*value->as_array()) : "(none)";
}

/// The policy of an architecture folder's converter class, as far as it is not Llama's.
TokenizerPolicy policy_of(const std::string& name) {
  static const std::map<std::string, TokenizerPolicy (*)()> kPolicies = {
      {"gemma", gemma_tokenizer},
      {"gemma2", gemma2_tokenizer},
      {"gemma3", gemma3_tokenizer},
      {"gemma3n", gemma3_tokenizer},
      {"gemma4", gemma4_tokenizer},
      {"glm", chatglm_tokenizer},
      {"glm4", glm4_tokenizer},
      {"glm4-moe", glm4_moe_tokenizer},
      {"glm4-moe-lite", glm4_moe_tokenizer},
      {"glm-moe-dsa", glm4_moe_tokenizer},
      {"phi3", phi3_tokenizer},
      {"phi4-long", phi3_tokenizer},
      {"jamba", jamba_tokenizer},
      {"nemotron", nemotron_tokenizer},
      {"ernie4-5-moe", ernie_tokenizer},
      {"minicpm3", sentencepiece_tokenizer},
      {"mamba", bpe_or_sentencepiece_tokenizer},
      {"laguna", laguna_tokenizer},
  };
  const auto known = kPolicies.find(name);
  return known == kPolicies.end() ? llama_tokenizer() : known->second();
}

/// Three expectations were made with other texts for the two special tokens than the tokenizer that is
/// stored.
bool has_other_tokenizer(const std::string& name) {
  return name == "qwen3" || name == "qwen2-moe" || name == "qwen3-moe";
}

TEST(TokenizerOracle, gives_every_architecture_folder_its_keys_in_order) {
  if (!std::filesystem::exists(kShared / "arch")) GTEST_SKIP() << "no " << kShared / "arch";
  std::size_t checked = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kShared / "arch")) {
    const std::string name = entry.path().filename();
    if (!std::filesystem::exists(entry.path() / "expected-bf16.json") || has_other_tokenizer(name)) continue;
    SCOPED_TRACE(name);
    const JsonValue logits = parse_json_file(entry.path() / "logits.json", JsonLimits{});
    const auto folder = kShared / "arch" / "tokenizers" / *logits.find("tokenizer")->as_string();
    const JsonValue config = parse_json_file(entry.path() / "config.json", JsonLimits{});
    // Python writes infinities that JSON does not have.
    const std::string text =
        replace_all(test::read_file(entry.path() / "expected-bf16.json"), "-Infinity", "0");
    const JsonValue expected = test::json_of(text);
    const TokenizerResult result =
        read_tokenizer(folder, config, *config.find("vocab_size")->as_uint(), policy_of(name), std::nullopt);

    std::vector<std::string> order;
    for (const auto& [key, facts] : *expected.find("kv")->as_object()) {
      if (!key.starts_with("tokenizer.")) continue;
      SCOPED_TRACE(key);
      order.push_back(key);
      const GgufValue* found = result.keys.find(key);
      ASSERT_NE(found, nullptr);
      if (const JsonValue* sha256 = facts.find("sha256_payload")) {
        EXPECT_EQ(found->as_array()->size(), *facts.find("len")->as_uint());
        EXPECT_EQ(payload_of(result.keys, key), *sha256->as_string());
      } else if (found->as_string() != nullptr) {
        EXPECT_EQ(*found->as_string(), *facts.find("value")->as_string());
      } else {
        EXPECT_EQ(found->as_bool(), facts.find("value")->as_bool());
        EXPECT_EQ(found->as_uint(), facts.find("value")->as_uint());
      }
    }
    std::vector<std::string> found_order;
    for (const KvList::Entry& key : result.keys.entries()) found_order.push_back(key.key);
    EXPECT_EQ(found_order, order);
    ++checked;
  }
  EXPECT_GE(checked, 50U);
}

struct VocabularyCase {
  std::string_view gguf;                     ///< ggml-vocab-<this>.gguf
  std::map<std::string, std::string> files;  ///< name in the folder -> file of the test data
  TokenizerPolicy (*policy)();
  std::uint64_t vocab_size;
  std::string_view config;
  std::vector<std::string_view> keys;
};

TEST(TokenizerOracle, gives_the_vocabularies_that_llama_cpp_tests_with) {
  if (!std::filesystem::exists(kShared / "ggml-vocab")) GTEST_SKIP() << "no " << kShared / "ggml-vocab";
  const std::vector<VocabularyCase> cases = {
      {"gpt-2",
       {{"vocab.json", "gpt2/vocab.json"}, {"merges.txt", "gpt2/merges.txt"}},
       bpe_tokenizer,
       50257,
       R"({"model_type": "gpt2", "bos_token_id": 50256, "eos_token_id": 50256})",
       {"tokens", "token_type", "merges", "pre", "bos_token_id", "eos_token_id"}},
      {"falcon",
       {{"tokenizer.json", "falcon/tokenizer.json"}},
       bpe_tokenizer,
       65024,
       R"({"bos_token_id": 11, "eos_token_id": 11})",
       {"tokens", "token_type", "merges", "pre", "bos_token_id", "eos_token_id"}},
      {"llama-spm",
       {{"tokenizer.model", "llama2/tokenizer.model"},
        {"tokenizer_config.json", "llama2/tokenizer_config.json"}},
       llama_tokenizer,
       32000,
       R"({"bos_token_id": 1, "eos_token_id": 2, "unk_token_id": 0})",
       {"tokens", "scores", "token_type", "pre", "bos_token_id", "eos_token_id", "unknown_token_id",
        "add_bos_token", "add_eos_token"}},
      // That file is older: unused rows have another type there, and its template was corrected since.
      {"phi-3",
       {{"tokenizer.model", "llama2/tokenizer.model"},
        {"tokenizer.json", "phi-3-mini/tokenizer.json"},
        {"tokenizer_config.json", "phi-3-mini/tokenizer_config.json"}},
       phi3_tokenizer,
       32064,
       R"({"bos_token_id": 1, "eos_token_id": 32000})",
       {"tokens", "scores", "pre", "bos_token_id", "eos_token_id", "padding_token_id"}},
  };
  for (const VocabularyCase& example : cases) {
    SCOPED_TRACE(example.gguf);
    const test::ScratchFolder scratch;
    for (const auto& [name, file] : example.files) {
      std::filesystem::copy(kShared / "tokenizers" / file, scratch.path() / name);
    }
    const TokenizerResult result = read_tokenizer(scratch.path(), test::json_of(example.config),
                                                  example.vocab_size, example.policy(), std::nullopt);
    const GgufSource oracle(kShared / "ggml-vocab" / ("ggml-vocab-" + std::string(example.gguf) + ".gguf"));
    for (const std::string_view name : example.keys) {
      const std::string key = "tokenizer.ggml." + std::string(name);
      const GgufValue* found = result.keys.find(key);
      const GgufValue* expected = oracle.metadata().find(key);
      ASSERT_TRUE(found != nullptr && expected != nullptr) << key;
      EXPECT_TRUE(*found == *expected) << key;
    }
  }
}

TEST(TokenizerOracle, names_the_pre_tokenizers_of_real_models) {
  if (!std::filesystem::exists(kShared / "tokenizers")) GTEST_SKIP() << "no " << kShared / "tokenizers";
  const std::map<std::string, std::string> expected = {{"falcon/tokenizer.json", "falcon"},
                                                       {"phi-2/tokenizer.json", "phi-2"},
                                                       {"qwen2/tokenizer.derived.json", "qwen2"},
                                                       {"roberta-gpt2bpe/tokenizer.json", "roberta-bpe"},
                                                       {"smollm2/tokenizer.json", "smollm"}};
  for (const auto& [file, name] : expected) {
    SCOPED_TRACE(file);
    const test::ScratchFolder scratch;
    const auto path = kShared / "tokenizers" / file;
    std::filesystem::copy(path, scratch.path() / "tokenizer.json");
    const auto config = path.parent_path() / "tokenizer_config.json";
    if (std::filesystem::exists(config)) std::filesystem::copy(config, scratch.path());
    const TokenizerResult result =
        read_tokenizer(scratch.path(), JsonObject(), 0, bpe_tokenizer(), std::nullopt);
    EXPECT_EQ(test::text_of(result, "ggml.pre"), name);
  }
}

}  // namespace
}  // namespace qtz
