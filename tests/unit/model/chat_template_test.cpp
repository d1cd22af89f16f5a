#include "model/tokenizer/chat_template.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "unit/model/tokenizer_files.h"

namespace qtz {
namespace {

using test::expect_error;
using test::text_of;
using test::TokenizerFolder;
using test::warns_of;

class ChatTemplate : public testing::Test {
 protected:
  ChatTemplate() { folder_.add("tokenizer.json", test::small_bpe()); }
  TokenizerResult read(const TokenizerPolicy& policy = bpe_tokenizer()) { return folder_.read(policy); }
  TokenizerFolder folder_;
};

TEST_F(ChatTemplate, is_absent_when_no_file_has_one) {
  const auto result = read();
  EXPECT_FALSE(result.has_chat_template);
  EXPECT_EQ(text_of(result, "chat_template"), "(none)");
}

TEST_F(ChatTemplate, comes_from_tokenizer_config_first) {
  folder_.add("tokenizer_config.json", R"({"chat_template": "one"})");
  folder_.add("chat_template.jinja", "two").add("chat_template.json", R"({"chat_template": "three"})");
  EXPECT_EQ(text_of(read(), "chat_template"), "one");
  TokenizerPolicy file_first = bpe_tokenizer();
  file_first.template_file_first = true;
  EXPECT_EQ(text_of(read(file_first), "chat_template"), "two");
}

TEST_F(ChatTemplate, comes_from_the_files_otherwise) {
  folder_.add("tokenizer_config.json", R"({"chat_template": null})");
  folder_.add("chat_template.json", R"({"chat_template": "three"})");
  EXPECT_EQ(text_of(read(), "chat_template"), "three");
  folder_.add("chat_template.jinja", "two\r\n");
  EXPECT_EQ(text_of(read(), "chat_template"), "two\r\n") << "bytes are kept";
}

TEST_F(ChatTemplate, of_a_list_is_written_by_name) {
  folder_.add("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "T"},
      {"name": "default", "template": "D"}, {"name": "r/a.g", "template": "R"}, {"name": "", "template": "X"},
      {"name": "broken"}, 7]})");
  const auto result = read();
  EXPECT_EQ(text_of(result, "chat_template"), "D");
  EXPECT_EQ(text_of(result, "chat_template.tool_use"), "T");
  EXPECT_EQ(text_of(result, "chat_template.r_a_g"), "R");
  const GgufValue* names = result.keys.find("tokenizer.chat_templates");
  ASSERT_NE(names, nullptr);
  EXPECT_EQ(std::get<std::vector<std::string>>(names->as_array()->elements),
            (std::vector<std::string>{"tool_use", "r_a_g"}));
}

TEST_F(ChatTemplate, files_in_additional_chat_templates_go_with_the_jinja_file) {
  folder_.add("chat_template.jinja", "D").add("additional_chat_templates/rag.jinja", "R");
  folder_.add("additional_chat_templates/notes.txt", "N");
  const auto result = read();
  EXPECT_EQ(text_of(result, "chat_template"), "D");
  EXPECT_EQ(text_of(result, "chat_template.rag"), "R");
  EXPECT_EQ(text_of(result, "chat_template.notes"), "(none)");
}

TEST_F(ChatTemplate, files_that_cannot_be_listed_are_not_taken_for_none) {
  folder_.add("chat_template.jinja", "D").add("additional_chat_templates", "a file");
  expect_error(ErrorKind::input_missing, "additional_chat_templates: cannot be read", [&] { read(); });
}

TEST_F(ChatTemplate, of_another_type_is_left_out_with_a_warning) {
  folder_.add("tokenizer_config.json", R"({"chat_template": 7})");
  const auto result = read();
  EXPECT_FALSE(result.has_chat_template);
  EXPECT_TRUE(warns_of(result, "chat_template is of type integer"));
}

TEST_F(ChatTemplate, of_more_than_four_mebibytes_is_refused) {
  folder_.add("chat_template.jinja", std::string((4U << 20) + 1, 'x'));
  expect_error(ErrorKind::input_invalid, "chat_template.jinja", [&] { read(); });
}

TEST_F(ChatTemplate, that_was_not_fetched_is_refused) {
  folder_.add("chat_template.jinja", "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n");
  expect_error(ErrorKind::input_invalid, "chat_template.jinja is a Git LFS pointer", [&] { read(); });
}

TEST_F(ChatTemplate, lists_are_bounded) {
  const auto config_with = [](std::size_t count) {
    JsonArray list;
    for (std::size_t i = 0; i < count; ++i) {
      list.emplace_back(JsonObject{{"name", "t" + std::to_string(i)}, {"template", "x"}});
    }
    return JsonValue(JsonObject{{"chat_template", std::move(list)}});
  };
  folder_.add("tokenizer_config.json", config_with(kMaxTemplates));
  EXPECT_EQ(text_of(read(), "chat_template.t255"), "x");
  folder_.add("tokenizer_config.json", config_with(50'000));
  expect_error(ErrorKind::input_invalid, "50000 chat templates are more than the limit of 256",
               [&] { read(); });
  folder_.add("tokenizer_config.json", "{}").add("chat_template.jinja", "D");
  for (std::size_t i = 0; i < kMaxTemplates; ++i) {
    folder_.add("additional_chat_templates/" + std::to_string(i) + ".jinja", "x");
  }
  expect_error(ErrorKind::input_invalid, "257 chat templates are more", [&] { read(); });
}

TEST_F(ChatTemplate, that_is_not_utf8_is_refused) {
  folder_.add("chat_template.jinja", "\xFF");
  expect_error(ErrorKind::input_invalid, "not UTF-8", [&] { read(); });
}

TEST_F(ChatTemplate, is_missed_in_a_folder_that_calls_itself_instruct) {
  const auto folder = folder_.path() / "Model-7B-Instruct";
  std::filesystem::create_directory(folder);
  std::filesystem::copy(folder_.path() / "tokenizer.json", folder);
  const auto result = read_tokenizer(folder, JsonObject(), 0, bpe_tokenizer(), std::nullopt);
  EXPECT_TRUE(warns_of(result, "no chat template"));
  EXPECT_FALSE(warns_of(read(), "no chat template"));
}

}  // namespace
}  // namespace qtz
