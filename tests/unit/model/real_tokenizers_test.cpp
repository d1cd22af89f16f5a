// Every tokenizer of the large test data against what llama.cpp's converter and ollama's write for it. Needs
// that data; skipped without it.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "model/tokenizer/utf8.h"
#include "qtz/model/arch_spec.h"
#include "unit/model/tokenizer_files.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

const fs::path kShared = fs::path(QTZ_SHARED_DIR) / "data";

bool has_shared_data() {
  return fs::exists(kShared / "tokenizers");
}

/// A folder with these files and what is read from it.
class RealFolder {
 public:
  RealFolder& copy(const std::string& name, const std::string& file) {
    fs::copy(kShared / "tokenizers" / file, scratch_.path() / name);
    return *this;
  }
  RealFolder& write(const std::string& name, std::string_view text) {
    scratch_.add(name, text);
    return *this;
  }
  TokenizerResult read(std::string_view architecture, const JsonValue& config,
                       const std::optional<std::string>& pre = std::nullopt) const {
    const TokenizerPolicy policy = find_architecture(architecture, "the test").tokenizer;
    return read_tokenizer(scratch_.path(), config, *config.find("vocab_size")->as_uint(), policy, pre);
  }

 private:
  test::ScratchFolder scratch_;
};

/// As tests/data/tokenizers/README.md describes it.
std::string digest(const std::string& key, const GgufValue& value) {
  if (value.as_array() != nullptr) return test::payload_sha256(*value.as_array());
  if (key == "chat_template") return test::sha256_hex(std::as_bytes(std::span(*value.as_string())));
  return value.as_string() != nullptr ? *value.as_string() : "(no text)";
}

TEST(RealTokenizers, give_what_llama_cpps_converter_gives) {
  if (!has_shared_data()) GTEST_SKIP() << "no " << kShared / "tokenizers";
  const JsonValue cases =
      parse_json_file(fs::path(QTZ_TESTS_DIR) / "data" / "tokenizers" / "expected.json", JsonLimits{});
  for (const auto& [name, facts] : *cases.as_object()) {
    SCOPED_TRACE(name);
    RealFolder folder;
    for (const auto& [target, file] : *facts.find("files")->as_object())
      folder.copy(target, *file.as_string());
    const TokenizerResult result =
        folder.read(*facts.find("architecture")->as_string(), *facts.find("config"));
    for (const auto& [key, expected] : *facts.find("expected")->as_object()) {
      SCOPED_TRACE(key);
      const GgufValue* found = result.keys.find("tokenizer." + key);
      ASSERT_NE(found, nullptr);
      if (expected.as_string() != nullptr) {
        EXPECT_EQ(digest(key, *found), *expected.as_string());
      } else {
        EXPECT_EQ(found->as_bool(), expected.as_bool());
        EXPECT_EQ(found->as_uint(), expected.as_uint());
      }
    }
  }
  EXPECT_GE(cases.as_object()->size(), 15U);
}

/// A folder without a case would be a tokenizer that nothing compares.
TEST(RealTokenizers, have_a_case_for_every_folder_with_a_vocabulary) {
  if (!has_shared_data()) GTEST_SKIP() << "no " << kShared / "tokenizers";
  const std::string cases =
      test::read_file(fs::path(QTZ_TESTS_DIR) / "data" / "tokenizers" / "expected.json");
  for (const auto& folder : fs::directory_iterator(kShared / "tokenizers")) {
    bool has_vocabulary = false;
    for (const auto& file : fs::directory_iterator(folder)) {
      const std::string name = file.path().filename();
      has_vocabulary |= name != "tokenizer_config.json" && name != "special_tokens_map.json";
    }
    const std::string name = folder.path().filename();
    EXPECT_TRUE(!has_vocabulary || cases.find("\"" + name + "/") != std::string::npos) << name;
  }
}

/// A text as ollama's tests hash it: JSON for web pages, padding numbered from its own beginning.
std::string web_json(std::string text, std::size_t& padding) {
  if (text.starts_with("[PAD")) text = "[PAD" + std::to_string(padding++) + "]";
  text = to_json(JsonValue(std::move(text)), -1);
  for (const auto& [character, escape] :
       {std::pair("<", "\\u003c"), std::pair(">", "\\u003e"), std::pair("&", "\\u0026"),
        std::pair("\xE2\x80\xA8", "\\u2028"), std::pair("\xE2\x80\xA9", "\\u2029")}) {
    text = replace_all(text, character, escape);
  }
  return text;
}

std::string web_sha256(const GgufArray& array) {
  std::string text;
  std::size_t padding = 0;
  std::visit(
      [&]<typename T>(const std::vector<T>& elements) {
        for (const T& element : elements) {
          text += text.empty() ? '[' : ',';
          if constexpr (std::is_same_v<T, std::string>) {
            text += web_json(element, padding);
          } else {
            // Scores are whole numbers wherever ollama's and ours are the same, and some are -0.
            const bool minus_zero = element == 0 && std::signbit(static_cast<double>(element));
            text += minus_zero ? "-0" : std::to_string(static_cast<std::int64_t>(element));
          }
        }
      },
      array.elements);
  text += ']';
  return test::sha256_hex(std::as_bytes(std::span(text)));
}

/// Llama 3's 256 special tokens, which no file of the test data names.
std::string llama3_config() {
  JsonValue decoder = JsonObject{};
  int reserved = 0;
  for (std::uint64_t i = 0; i < 256; ++i) {
    static const std::map<std::uint64_t, std::string> kNamed = {{0, "begin_of_text"},
                                                                {1, "end_of_text"},
                                                                {6, "start_header_id"},
                                                                {7, "end_header_id"},
                                                                {9, "eot_id"}};
    const auto named = kNamed.find(i);
    const std::string name =
        named != kNamed.end() ? named->second : "reserved_special_token_" + std::to_string(reserved++);
    decoder.set(std::to_string(128'000 + i), JsonObject{{"content", "<|" + name + "|>"}, {"special", true}});
  }
  return to_json(JsonObject{{"added_tokens_decoder", decoder}});
}

struct OllamaCase {
  std::string_view expected;  ///< expected-gguf-kv/<this>.json
  std::string_view architecture;
  std::map<std::string, std::string> files;
  std::string_view config;
  /// Where both mean the same: ollama has types of its own for padding and for tokens that only a
  /// configuration calls special, and other scores for Phi-3's added tokens.
  std::vector<std::string_view> keys;
};

TEST(RealTokenizers, give_what_ollamas_converter_gives) {
  if (!has_shared_data()) GTEST_SKIP() << "no " << kShared / "tokenizers";
  const std::vector<OllamaCase> cases = {
      {"Meta-Llama-3-8B-Instruct",
       "LlamaForCausalLM",
       {{"vocab.json", "llama3/encoder.json"}, {"merges.txt", "llama3/vocab.bpe"}},
       R"({"vocab_size": 128256, "bos_token_id": 128000, "eos_token_id": 128009})",
       {"model", "tokens", "token_type", "merges", "bos_token_id", "eos_token_id"}},
      {"Mistral-7B-Instruct-v0.2",
       "MistralForCausalLM",
       {{"tokenizer.model", "mistral-spm/tokenizer.model.v1"}},
       R"({"vocab_size": 32000, "bos_token_id": 1, "eos_token_id": 2, "unk_token_id": 0})",
       {"model", "tokens", "scores", "token_type", "bos_token_id", "eos_token_id", "unknown_token_id"}},
      {"Phi-3-mini-128k-instruct",
       "Phi3ForCausalLM",
       {{"tokenizer.model", "llama2/tokenizer.model"},
        {"tokenizer.json", "phi-3-mini/tokenizer.json"},
        {"tokenizer_config.json", "phi-3-mini/tokenizer_config.json"}},
       R"({"vocab_size": 32064, "bos_token_id": 1, "eos_token_id": 32000})",
       {"model", "pre", "tokens", "add_bos_token", "add_eos_token", "bos_token_id", "eos_token_id",
        "unknown_token_id", "padding_token_id"}},
      {"Qwen2.5-0.5B-Instruct",
       "Qwen2ForCausalLM",
       {{"tokenizer.json", "qwen2/tokenizer.derived.json"},
        {"tokenizer_config.json", "qwen2.5/tokenizer_config.json"}},
       R"({"vocab_size": 151936, "bos_token_id": 151643, "eos_token_id": 151645})",
       {"model", "pre", "tokens", "merges", "eos_token_id", "padding_token_id"}},
      {"gemma-2b-it",
       "GemmaForCausalLM",
       {{"tokenizer.model", "gemma/tokenizer.derived.model"}},
       R"({"vocab_size": 256000, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0})",
       {"model", "tokens", "scores", "token_type", "bos_token_id", "eos_token_id", "padding_token_id"}},
      {"gemma-2-2b-it",
       "Gemma2ForCausalLM",
       {{"tokenizer.model", "gemma/tokenizer.derived.model"}},
       R"({"vocab_size": 256000, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0})",
       {"model", "tokens", "scores", "bos_token_id", "eos_token_id", "padding_token_id"}},
  };
  for (const OllamaCase& example : cases) {
    SCOPED_TRACE(example.expected);
    RealFolder folder;
    for (const auto& [target, file] : example.files) folder.copy(target, file);
    const bool llama3 = example.files.contains("vocab.json");
    if (llama3) folder.write("tokenizer_config.json", llama3_config());
    const TokenizerResult result = folder.read(example.architecture, test::json_of(example.config),
                                               llama3 ? std::optional("llama-bpe") : std::nullopt);
    const JsonValue expected = parse_json_file(
        kShared / "expected-gguf-kv" / (std::string(example.expected) + ".json"), JsonLimits{});
    for (const std::string_view name : example.keys) {
      const std::string key = "tokenizer.ggml." + std::string(name);
      SCOPED_TRACE(key);
      const GgufValue* found = result.keys.find(key);
      ASSERT_NE(found, nullptr);
      std::string text;
      if (found->as_array() != nullptr) {
        text = web_sha256(*found->as_array());
      } else if (found->as_string() != nullptr) {
        text = *found->as_string();
      } else if (const auto flag = found->as_bool()) {
        text = *flag ? "true" : "false";
      } else {
        text = std::to_string(*found->as_uint());
      }
      EXPECT_EQ(text, *expected.find(key)->as_string());
    }
  }
}

}  // namespace
}  // namespace qtz
