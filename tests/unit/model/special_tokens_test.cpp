#include "model/tokenizer/special_tokens.h"

#include <gtest/gtest.h>

#include "model/tokenizer/post_processor.h"
#include "unit/model/tokenizer_files.h"

namespace qtz {
namespace {

using test::added_token;
using test::flag_of;
using test::json_of;
using test::number_of;
using test::small_bpe;
using test::TokenizerFolder;
using test::warns_of;
using test::with;

constexpr std::string_view kBosTemplate = R"({"type": "TemplateProcessing",
  "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
  "pair": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}},
           {"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "B"}}]})";

/// [CLS] A [SEP] and [CLS] A [SEP] B [SEP]
constexpr std::string_view kBertTemplate = R"({"type": "TemplateProcessing",
  "single": [{"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "[SEP]"}}],
  "pair": [{"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "[SEP]"}},
           {"Sequence": {"id": "B"}}, {"SpecialToken": {"id": "[SEP]"}}]})";

/// Five tokens, then <s> </s> [CLS] [SEP].
JsonValue tokenizer(std::string_view post_processor) {
  JsonValue json = with(small_bpe(), {"added_tokens"},
                        JsonArray{added_token(5, "<s>", true), added_token(6, "</s>", true),
                                  added_token(7, "[CLS]", true), added_token(8, "[SEP]", true)});
  return with(std::move(json), {"post_processor"}, json_of(post_processor));
}

TokenizerResult read(std::string_view post_processor, std::string_view tokenizer_config,
                     std::string_view config = "{}") {
  TokenizerFolder folder;
  folder.add("tokenizer.json", tokenizer(post_processor));
  if (!tokenizer_config.empty()) folder.add("tokenizer_config.json", tokenizer_config);
  return folder.read(bpe_tokenizer(), 0, json_of(config));
}

TEST(SpecialIds, come_from_tokenizer_config_before_config) {
  const auto result = read("null", R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}})",
                           R"({"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1})");
  EXPECT_EQ(number_of(result, "bos_token_id"), 5U);
  EXPECT_EQ(number_of(result, "eos_token_id"), 6U);
  EXPECT_EQ(number_of(result, "padding_token_id"), 1U);
}

TEST(SpecialIds, come_from_the_text_part_when_the_root_has_none) {
  const auto result = read("null", "{}", R"({"bos_token_id": null, "text_config": {"bos_token_id": 3}})");
  EXPECT_EQ(number_of(result, "bos_token_id"), 3U);
}

TEST(SpecialIds, of_lists_and_unknown_texts_are_left_out) {
  const auto result =
      read("null", R"({"bos_token": "<none>"})", R"({"eos_token_id": [1, 2], "unk_token_id": true})");
  EXPECT_FALSE(number_of(result, "bos_token_id"));
  EXPECT_FALSE(number_of(result, "eos_token_id"));
  EXPECT_FALSE(number_of(result, "unknown_token_id"));
}

TEST(SpecialIds, outside_the_vocabulary_are_dropped_with_a_warning) {
  const auto result =
      read("null", "{}", R"({"bos_token_id": -1, "eos_token_id": 9, "pad_token_id": 18446744073709551615})");
  EXPECT_FALSE(number_of(result, "bos_token_id"));
  EXPECT_FALSE(number_of(result, "eos_token_id"));
  EXPECT_FALSE(number_of(result, "padding_token_id"));
  EXPECT_TRUE(warns_of(result, "special token bos has id -1"));
  EXPECT_TRUE(warns_of(result, "special token eos has id 9, outside the vocabulary of 9 tokens"));
  EXPECT_TRUE(warns_of(result, "special token pad"));
}

TEST(AddFlags, come_from_a_template_unless_the_configuration_says_otherwise) {
  const auto from_template = read(kBosTemplate, R"({"bos_token": "<s>"})");
  EXPECT_EQ(flag_of(from_template, "add_bos_token"), true);
  EXPECT_EQ(flag_of(from_template, "add_sep_token"), false);
  EXPECT_FALSE(flag_of(from_template, "add_eos_token"));
  const auto configured =
      read(kBosTemplate, R"({"bos_token": "<s>", "add_bos_token": false, "add_eos_token": true})");
  EXPECT_EQ(flag_of(configured, "add_bos_token"), false);
  EXPECT_EQ(flag_of(configured, "add_eos_token"), true);
}

TEST(AddFlags, are_found_in_the_parts_of_a_sequence) {
  const auto result = read(
      R"({"type": "Sequence", "processors": [{"type": "ByteLevel"}, )" + std::string(kBosTemplate) + "]}",
      R"({"bos_token": "<s>"})");
  EXPECT_EQ(flag_of(result, "add_bos_token"), true);
}

TEST(AddFlags, of_a_template_name_the_token_that_the_configuration_does_not) {
  const auto result = read(kBosTemplate, R"({"eos_token": "</s>"})");
  EXPECT_EQ(number_of(result, "bos_token_id"), 5U);
  EXPECT_EQ(flag_of(result, "add_bos_token"), true);
}

TEST(AddFlags, of_a_template_with_a_token_nobody_names_are_off) {
  const auto result = read(kBosTemplate, R"({"bos_token": "</s>", "cls_token": "</s>"})");
  EXPECT_EQ(flag_of(result, "add_bos_token"), false);
  EXPECT_TRUE(warns_of(result, "'<s>' before a text"));
}

TEST(AddFlags, work_without_a_tokenizer_config) {
  EXPECT_EQ(flag_of(read(kBosTemplate, ""), "add_bos_token"), true);
}

TEST(AddFlags, of_bert_templates_are_all_on) {
  const auto result = read(kBertTemplate, R"({"cls_token": "[CLS]", "sep_token": "[SEP]"})");
  EXPECT_EQ(flag_of(result, "add_bos_token"), true);
  EXPECT_EQ(flag_of(result, "add_eos_token"), true);
  EXPECT_EQ(flag_of(result, "add_sep_token"), false);
  EXPECT_EQ(number_of(result, "bos_token_id"), 7U);
  EXPECT_EQ(number_of(result, "eos_token_id"), 8U);
  EXPECT_EQ(number_of(result, "seperator_token_id"), 8U);
}

TEST(AddFlags, with_two_separators_between_a_pair_add_them) {
  const auto result = read(R"({"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "</s>"}}],
      "pair": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "</s>"}},
               {"SpecialToken": {"id": "</s>"}}, {"Sequence": {"id": "B"}}, {"SpecialToken": {"id": "</s>"}}]})",
                           R"({"bos_token": "<s>", "eos_token": "</s>"})");
  EXPECT_EQ(flag_of(result, "add_sep_token"), true);
  EXPECT_EQ(number_of(result, "seperator_token_id"), 6U);
}

TEST(AddFlags, of_roberta_processing_are_all_on) {
  const auto result = read(R"({"type": "RobertaProcessing", "sep": ["</s>", 6], "cls": ["<s>", 5]})",
                           R"({"bos_token": "<s>"})");
  for (const char* key : {"add_bos_token", "add_eos_token", "add_sep_token"})
    EXPECT_EQ(flag_of(result, key), true);
  EXPECT_EQ(number_of(result, "seperator_token_id"), 6U);
}

TEST(AddFlags, of_a_template_that_ends_otherwise_keep_the_old_end_as_end_of_turn) {
  const auto result = read(R"({"type": "TemplateProcessing",
      "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "[SEP]"}}], "pair": []})",
                           R"({"eos_token": "</s>"})");
  EXPECT_EQ(number_of(result, "eos_token_id"), 8U);
  EXPECT_EQ(number_of(result, "eot_token_id"), 6U);
  EXPECT_EQ(flag_of(result, "add_eos_token"), true);
}

TEST(PostProcessors, of_strange_shapes_are_passed_over) {
  for (const char* shape : {"3", "[]", R"({"type": 7})", R"({"processors": 3})",
                            R"({"processors": [3, null]})", R"({"type": "TemplateProcessing"})",
                            R"({"type": "TemplateProcessing", "single": [1, 2], "pair": [3]})",
                            R"({"type": "TemplateProcessing", "single": {}, "pair": "x"})",
                            R"({"type": "RobertaProcessing", "sep": 1, "cls": []})"}) {
    SCOPED_TRACE(shape);
    EXPECT_NO_THROW(read(shape, R"({"bos_token": "<s>"})"));
  }
}

TEST(Framing, is_what_stands_around_a_text) {
  EXPECT_EQ(framing_of(json_of(kBosTemplate)), Framing::leading);
  EXPECT_EQ(framing_of(json_of(R"({"type": "RobertaProcessing"})")), Framing::roberta);
  EXPECT_EQ(framing_of(json_of(R"({"type": "ByteLevel"})")), Framing::none);
  EXPECT_EQ(framing_of(JsonValue()), Framing::none);
}

TEST(NormalizerKeys, are_written_for_what_the_runtime_can_do) {
  TokenizerFolder folder;
  folder.add(
      "tokenizer.json",
      with(small_bpe(), {"normalizer"},
           json_of(R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]})")));
  const auto result = folder.read(bpe_tokenizer());
  EXPECT_EQ(flag_of(result, "normalizer.lowercase"), true);
  EXPECT_FALSE(flag_of(result, "normalizer.strip_accents"));
}

TEST(SpecialIdKeys, have_the_names_that_llama_cpp_reads) {
  EXPECT_EQ(special_id_key("sep"), "tokenizer.ggml.seperator_token_id");
  EXPECT_EQ(special_id_key("pad"), "tokenizer.ggml.padding_token_id");
  EXPECT_EQ(special_id_key("cls"), "");
}

}  // namespace
}  // namespace qtz
