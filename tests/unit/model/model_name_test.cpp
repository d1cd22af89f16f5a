#include "model/model_name.h"

#include <gtest/gtest.h>

#include <ostream>

namespace qtz {
namespace {

struct Case {
  const char* id;
  std::uint64_t parameters;
  const char* name;
  const char* organization;
  const char* basename;
  const char* finetune;
  const char* version;
  const char* size;
};

void PrintTo(const Case& test, std::ostream* out) {
  *out << test.id;
}

class ModelNames : public testing::TestWithParam<Case> {};

std::string or_dash(const std::optional<std::string>& text) {
  return text.value_or("-");
}

// Expected values: gguf-py's get_model_id_components.
TEST_P(ModelNames, are_taken_apart_as_the_converter_does) {
  const Case& test = GetParam();
  const NameParts parts = split_model_id(test.id, test.parameters);
  EXPECT_EQ(or_dash(parts.full_name), test.name);
  EXPECT_EQ(or_dash(parts.organization), test.organization);
  EXPECT_EQ(or_dash(parts.basename), test.basename);
  EXPECT_EQ(or_dash(parts.finetune), test.finetune);
  EXPECT_EQ(or_dash(parts.version), test.version);
  EXPECT_EQ(or_dash(parts.size_label), test.size);
}

const Case kCases[] = {
    {"meta-llama/Meta-Llama-3.1-8B-Instruct", 8030261248ULL, "Meta-Llama-3.1-8B-Instruct", "meta-llama",
     "Meta-Llama-3.1", "Instruct", "-", "8B"},
    {"Qwen/Qwen2.5-0.5B-Instruct", 494032768U, "Qwen2.5-0.5B-Instruct", "Qwen", "Qwen2.5", "Instruct", "-",
     "0.5B"},
    {"mistralai/Mixtral-8x7B-Instruct-v0.1", 46702792704ULL, "Mixtral-8x7B-Instruct-v0.1", "mistralai",
     "Mixtral", "Instruct", "v0.1", "8x7B"},
    {"mistralai/Mistral-7B-Instruct-v0.2", 0U, "Mistral-7B-Instruct-v0.2", "mistralai", "Mistral", "Instruct",
     "v0.2", "7B"},
    {"Qwen/Qwen3-30B-A3B-Instruct-2507", 30532122624ULL, "Qwen3-30B-A3B-Instruct-2507", "Qwen", "Qwen3",
     "Instruct", "2507", "30B-A3B"},
    {"gemma-2-2b-it", 2614341888U, "gemma-2-2b-it", "-", "gemma-2", "it", "-", "2B"},
    {"google/gemma-3-27b-it", 27009346304ULL, "gemma-3-27b-it", "google", "gemma-3", "it", "-", "27B"},
    {"bigscience/bloom-7b1", 7069016064ULL, "bloom-7b1", "bigscience", "bloom", "-", "-", "7.1B"},
    {"bigscience/bloom-7b1-petals", 0U, "bloom-7b1-petals", "bigscience", "bloom", "petals", "-", "7.1B"},
    {"Phi-3-mini-128k-instruct", 3821079552U, "Phi-3-mini-128k-instruct", "-", "Phi-3", "128k-instruct", "-",
     "mini"},
    {"microsoft/Phi-3-medium-4k-instruct", 13960238080ULL, "Phi-3-medium-4k-instruct", "microsoft", "Phi-3",
     "4k-instruct", "-", "medium"},
    {"openai-community/gpt2-xl", 1557611200U, "gpt2-xl", "openai-community", "gpt2", "-", "-", "xl"},
    {"gpt2", 124439808U, "gpt2", "-", "-", "-", "-", "-"},
    {"./some-folder", 0U, "some-folder", "-", "-", "-", "-", "-"},
    {"../x", 0U, "x", "-", "-", "-", "-", "-"},
    {"A plain name 7B", 0U, "A plain name 7B", "-", "-", "-", "-", "-"},
    {"stabilityai/stablelm-2-1_6b-chat", 1644515328U, "stablelm-2-1_6b-chat", "stabilityai", "stablelm-2",
     "chat", "-", "1.6B"},
    {"Nous-Hermes-2-Mistral-7B-DPO", 7241732096ULL, "Nous-Hermes-2-Mistral-7B-DPO", "-",
     "Nous-Hermes-2-Mistral", "DPO", "-", "7B"},
    {"TinyLlama-1.1B-Chat-v1.0", 1100048384U, "TinyLlama-1.1B-Chat-v1.0", "-", "TinyLlama", "Chat", "v1.0",
     "1.1B"},
    {"llama", 2229504U, "llama", "-", "-", "-", "-", "-"},
    {"qwen3-5", 3700000U, "qwen3-5", "-", "qwen3", "-", "5", "-"},
    {"deepseek-v3", 0U, "deepseek-v3", "-", "deepseek", "-", "v3", "-"},
    {"DeepSeek-V3-0324", 671026419200ULL, "DeepSeek-V3-0324", "-", "DeepSeek", "-", "V3-0324", "-"},
    {"Meta-Llama-3-8B-iter1-lora", 0U, "Meta-Llama-3-8B-iter1-lora", "-", "Meta-Llama-3", "lora", "iter1",
     "8B"},
    {"x--y-", 0U, "x--y-", "-", "-", "-", "-", "-"},
    {"-", 0U, "-", "-", "-", "-", "-", "-"},
    {"Llama-3-8B-Q4_K_M", 0U, "Llama-3-8B-Q4_K_M", "-", "Llama-3", "-", "-", "8B"},
    {"model-bf16", 0U, "model-bf16", "-", "-", "-", "-", "-"},
    {"m-fp8-F16", 0U, "m-fp8-F16", "-", "-", "-", "-", "-"},
    {"7B-model-v2", 7000000000ULL, "7B-model-v2", "-", "-", "7B-model", "v2", "-"},
    {"Yi-34B-200K", 34388917248ULL, "Yi-34B-200K", "-", "Yi", "200k", "-", "34B"},
    {"model-mini-7B-xl", 7000000000ULL, "model-mini-7B-xl", "-", "model-mini", "xl", "-", "7B"},
    {"org/a/b-7B", 0U, "a/b-7B", "org", "a/b", "-", "-", "7B"},
    {"Falcon3-7B-Instruct-1.58bit", 0U, "Falcon3-7B-Instruct-1.58bit", "-", "Falcon3", "Instruct-1.58bit",
     "-", "7B"},
    {"smol_lm-0_5b", 0U, "smol_lm-0_5b", "-", "smol_lm", "-", "-", "0.5B"},
    {"v1-7B", 0U, "v1-7B", "-", "v1", "-", "-", "7B"},
    {"Model-A3B-A3B", 0U, "Model-A3B-A3B", "-", "Model", "-", "-", "A3B"},
    {"Command-R-Plus-08-2024", 103810674688ULL, "Command-R-Plus-08-2024", "-", "Command-R-Plus", "-",
     "08-2024", "-"},
    {"Kimi-K2-Instruct", 1026408232448ULL, "Kimi-K2-Instruct", "-", "Kimi-K2", "Instruct", "-", "-"},
};

INSTANTIATE_TEST_SUITE_P(Hub, ModelNames, testing::ValuesIn(kCases));

TEST(ModelTitles, are_in_title_case_unless_they_are_versions_or_have_capitals) {
  EXPECT_EQ(title_of("gemma-2b-it"), "Gemma 2b It");
  EXPECT_EQ(title_of("qwen3-5-moe"), "Qwen3 5 Moe");
  EXPECT_EQ(title_of("Meta-Llama-3.1-8B"), "Meta Llama 3.1 8B");
  EXPECT_EQ(title_of("gemma3n"), "Gemma3N");
  EXPECT_EQ(title_of("mistral-v0.2"), "Mistral v0.2");
  EXPECT_EQ(title_of("vicuna  -x"), "Vicuna X");
  EXPECT_EQ(title_of(""), "");
}

TEST(SizeLabels, have_two_digits_at_least) {
  EXPECT_EQ(size_label_of(2'229'504), "2.2M");
  EXPECT_EQ(size_label_of(494'032'768), "494M");
  EXPECT_EQ(size_label_of(8'030'261'248), "8.0B");
  EXPECT_EQ(size_label_of(70'553'706'496), "71B");
  EXPECT_EQ(size_label_of(1'026'000'000'000), "1.0T");
  EXPECT_EQ(size_label_of(404), "0.40K");
  EXPECT_EQ(size_label_of(0), "0.00K");
}

}  // namespace
}  // namespace qtz
