#include "model/general_metadata.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

using test::expect_error;

class GeneralMetadata : public testing::Test {
 protected:
  KvList gather() {
    KvList keys;
    sources_.folder = folder_.path();
    add_general_metadata(keys, sources_, warnings_);
    return keys;
  }
  static std::string text(const KvList& keys, std::string_view key) {
    const GgufValue* value = keys.find(key);
    return value == nullptr ? "(none)" : value->as_string() == nullptr ? "(no text)" : *value->as_string();
  }

  test::ScratchFolder folder_;
  GeneralSources sources_;
  std::vector<std::string> warnings_;
};

TEST_F(GeneralMetadata, comes_from_the_folder_name_when_nothing_else_speaks) {
  sources_.fallback_name = "Qwen2.5-0.5B-Instruct";
  sources_.parameters = 494'032'768;
  sources_.size_label = "494M";
  const KvList keys = gather();
  EXPECT_EQ(text(keys, "general.name"), "Qwen2.5 0.5B Instruct");
  EXPECT_EQ(text(keys, "general.basename"), "Qwen2.5");
  EXPECT_EQ(text(keys, "general.finetune"), "Instruct");
  EXPECT_EQ(text(keys, "general.size_label"), "0.5B");
  EXPECT_EQ(text(keys, "general.organization"), "(none)");
}

TEST_F(GeneralMetadata, prefers_the_model_card_then_the_configuration) {
  folder_.add("README.md",
              "---\nlicense: mit\nlicense_name: own\ntags:\n- x\npipeline_tag: text-generation\n"
              "language:\n- en\n- no\nmodel_creator: Someone\n---\n");
  const JsonValue config = JsonObject{{"_name_or_path", "meta-llama/Llama-2-7b-hf"}};
  sources_.config = &config;
  sources_.fallback_name = "folder-v3";
  sources_.size_label = "6.7B";
  const KvList keys = gather();
  EXPECT_EQ(text(keys, "general.name"), "Llama 2 7b Hf");
  EXPECT_EQ(text(keys, "general.organization"), "Meta Llama");
  EXPECT_EQ(text(keys, "general.author"), "Someone");
  EXPECT_EQ(text(keys, "general.basename"), "Llama-2");
  EXPECT_EQ(text(keys, "general.finetune"), "hf");
  EXPECT_EQ(text(keys, "general.size_label"), "7B");
  EXPECT_EQ(text(keys, "general.license"), "mit");
  EXPECT_EQ(text(keys, "general.license.name"), "own");
  EXPECT_EQ(*keys.find("general.tags"), GgufValue(std::vector<std::string>{"x", "text-generation"}));
  EXPECT_EQ(*keys.find("general.languages"), GgufValue(std::vector<std::string>{"en", "no"}));
}

TEST_F(GeneralMetadata, ignores_a_path_of_somebodys_machine) {
  sources_.fallback_name = "mine";
  for (const char* path :
       {"/home/x/models/y-7B", "/y-7B", "./y-7B", "../y-7B", "~/y-7B", "$HOME/y-7B", "C:\\Users\\bob\\y-7B",
        "C:\\y-7B", "C:/y-7B", "d:y-7B", "models\\y-7B", "\\\\server\\y-7B", "out/run/y-7B", "file:/y-7B",
        "https://huggingface.co/x/y-7B"}) {
    const JsonValue config = JsonObject{{"_name_or_path", path}};
    sources_.config = &config;
    const KvList keys = gather();
    EXPECT_EQ(keys.entries().size(), 1U) << path;
    EXPECT_EQ(text(keys, "general.name"), "Mine") << path;
  }
}

TEST_F(GeneralMetadata, leaves_paths_of_the_model_card_out) {
  folder_.add("README.md",
              "---\nname: /home/bob/out\nmodel_name: C:\\bob\\m\nlicense_link: file:///home/bob/LICENSE\n"
              "model_url: ~/bob\nbase_model:\n- /home/bob/base\n- data/bob/base\n- Org/Base\n"
              "- name: ../bob\n  author: A\ndatasets: C:\\bob\\data\n---\n");
  sources_.fallback_name = "mine";
  const KvList keys = gather();
  EXPECT_EQ(text(keys, "general.name"), "Mine");
  EXPECT_EQ(*keys.find("general.base_model.count"), GgufValue(std::uint32_t{2}));
  EXPECT_EQ(text(keys, "general.base_model.0.name"), "Base");
  EXPECT_EQ(text(keys, "general.base_model.1.author"), "A");
  EXPECT_EQ(keys.find("general.dataset.count"), nullptr);
  for (const KvList::Entry& entry : keys.entries()) {
    if (entry.value.as_string() == nullptr) continue;
    EXPECT_EQ(entry.value.as_string()->find("bob"), std::string::npos) << entry.key;
  }
  EXPECT_EQ(warnings_.size(), 8U);
  EXPECT_NE(warnings_[0].find("'/home/bob/out' is a path of somebody's machine"), std::string::npos);
}

TEST_F(GeneralMetadata, keeps_a_licence_that_lies_beside_the_card) {
  folder_.add("README.md", "---\nlicense_link: ./LICENSE\n---\n");
  EXPECT_EQ(text(gather(), "general.license.link"), "./LICENSE");
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(GeneralMetadata, takes_a_long_description_from_the_card) {
  const std::string description(9u << 20, 'd');
  folder_.add("README.md", "---\ndescription: " + description + "\n---\n");
  EXPECT_EQ(text(gather(), "general.description"), description);
}

TEST_F(GeneralMetadata, refuses_a_generation_config_of_more_than_eight_mebibytes) {
  folder_.add("generation_config.json", std::string((8u << 20) - 1, ' ') + "{}");
  expect_error(ErrorKind::input_invalid, "generation_config.json: JSON of 8.39 MB is larger than the limit",
               [&] { gather(); });
}

TEST_F(GeneralMetadata, names_base_models_and_data_sets) {
  folder_.add("README.md",
              "---\nbase_model:\n- mistralai/Mistral-7B-v0.1\n- https://huggingface.co/Qwen/Qwen2-7B\n"
              "- https://example.org/x\ndatasets: HuggingFaceH4/ultrachat_200k\n---\n");
  const KvList keys = gather();
  EXPECT_EQ(*keys.find("general.base_model.count"), GgufValue(std::uint32_t{3}));
  EXPECT_EQ(text(keys, "general.base_model.0.name"), "Mistral 7B v0.1");
  EXPECT_EQ(text(keys, "general.base_model.0.version"), "v0.1");
  EXPECT_EQ(text(keys, "general.base_model.0.organization"), "Mistralai");
  EXPECT_EQ(text(keys, "general.base_model.0.repo_url"), "https://huggingface.co/mistralai/Mistral-7B-v0.1");
  EXPECT_EQ(text(keys, "general.base_model.1.name"), "Qwen2 7B");
  EXPECT_EQ(text(keys, "general.base_model.1.repo_url"), "https://huggingface.co/Qwen/Qwen2-7B");
  EXPECT_EQ(text(keys, "general.base_model.2.name"), "(none)");
  EXPECT_EQ(text(keys, "general.base_model.2.repo_url"), "https://example.org/x");
  EXPECT_EQ(*keys.find("general.dataset.count"), GgufValue(std::uint32_t{1}));
  EXPECT_EQ(text(keys, "general.dataset.0.name"), "Ultrachat_200K");
  EXPECT_EQ(text(keys, "general.dataset.0.organization"), "HuggingFaceH4");
}

TEST_F(GeneralMetadata, takes_sampler_hints_from_the_generation_config) {
  folder_.add("generation_config.json",
              R"({"temperature": 0.7, "top_k": 20, "top_p": 0.8, "min_p": null, "mirostat": "x"})");
  const KvList keys = gather();
  EXPECT_EQ(*keys.find("general.sampling.temp"), GgufValue(0.7F));
  EXPECT_EQ(*keys.find("general.sampling.top_k"), GgufValue(std::int32_t{20}));
  EXPECT_EQ(*keys.find("general.sampling.top_p"), GgufValue(0.8F));
  EXPECT_EQ(keys.find("general.sampling.min_p"), nullptr);
  EXPECT_EQ(keys.find("general.sampling.mirostat"), nullptr);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("mirostat"), std::string::npos);
}

TEST_F(GeneralMetadata, survives_a_broken_card_and_a_broken_generation_config) {
  folder_.add("README.md", "---\nlicense: \xff\xfe\n---\n");
  folder_.add("generation_config.json", "{");
  sources_.fallback_name = "m\xff";
  const KvList keys = gather();
  EXPECT_EQ(text(keys, "general.license"), "\uFFFD\uFFFD");
  EXPECT_EQ(text(keys, "general.name"), "M\uFFFD");
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("sampler hints are left out"), std::string::npos);
}

TEST_F(GeneralMetadata, a_person_has_the_last_word) {
  folder_.add("README.md", "---\nlicense: mit\ntags: [a]\n---\n");
  sources_.metadata_file = folder_.add(
      "over.json", R"({"general.name": "N", "general.license": "apache-2.0", "general.tags": ["b"],
                       "general.sampling.top_k": 5, "general.base_models": [{"name": "B", "doi": "D"}]})");
  sources_.fallback_name = "x";
  KvList keys = gather();
  EXPECT_EQ(text(keys, "general.name"), "N");
  EXPECT_EQ(text(keys, "general.license"), "apache-2.0");
  EXPECT_EQ(*keys.find("general.tags"), GgufValue(std::vector<std::string>{"b"}));
  EXPECT_EQ(*keys.find("general.sampling.top_k"), GgufValue(std::int32_t{5}));
  EXPECT_EQ(text(keys, "general.base_model.0.name"), "B");
  EXPECT_EQ(text(keys, "general.base_model.0.doi"), "D");
  sources_.model_name = "by flag";
  EXPECT_EQ(text(gather(), "general.name"), "by flag");
}

TEST_F(GeneralMetadata, refuses_overrides_it_cannot_write) {
  struct Bad {
    const char* json;
    const char* message;
  };
  for (const Bad& bad :
       {Bad{"[]", "is not a JSON object"}, Bad{R"({"general.name": 1})", "'general.name' is not a text"},
        Bad{R"({"general.tags": "x"})", "is not a list of texts"},
        Bad{R"({"general.sampling.top_k": "x"})", "is not a number that fits"},
        Bad{R"({"general.sampling.top_k": 1e300})", "is not a number that fits"},
        Bad{R"({"llama.block_count": 1})", "is not a key that can be set"}, Bad{"{", "over.json"}}) {
    sources_.metadata_file = folder_.add("over.json", bad.json);
    expect_error(ErrorKind::input_invalid, bad.message, [&] { gather(); });
  }
  sources_.metadata_file = folder_.path() / "missing.json";
  expect_error(ErrorKind::input_missing, "missing.json", [&] { gather(); });
}

TEST(FolderModelId, is_the_folder_name_or_the_hub_id_of_a_cache_snapshot) {
  EXPECT_EQ(folder_model_id("/models/Qwen3-8B"), "Qwen3-8B");
  EXPECT_EQ(folder_model_id("/models/Qwen3-8B/"), "Qwen3-8B");
  EXPECT_EQ(folder_model_id("/models/x/../Qwen3-8B/."), "Qwen3-8B");
  EXPECT_EQ(folder_model_id("/c/models--Qwen--Qwen3-8B/snapshots/0123abcd"), "Qwen/Qwen3-8B");
}

}  // namespace
}  // namespace qtz
