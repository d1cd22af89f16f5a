#include "model/front_matter.h"

#include <gtest/gtest.h>

namespace qtz {
namespace {

constexpr std::string_view kWanted[] = {"license", "tags", "base_model", "language", "name", "description"};

JsonValue read(std::string_view yaml, std::vector<std::string>* warnings = nullptr) {
  std::vector<std::string> own;
  const std::string text = "---\n" + std::string(yaml) + "---\n# Title\nname: not this\n";
  JsonValue out = read_front_matter(text, kWanted, warnings != nullptr ? *warnings : own);
  EXPECT_TRUE(own.empty()) << own.front();
  return out;
}

std::string shown(std::string_view yaml) {
  return to_json(read(yaml), -1);
}

TEST(FrontMatter, reads_texts_plain_and_quoted) {
  EXPECT_EQ(shown("license: apache-2.0\n"), R"({"license":"apache-2.0"})");
  EXPECT_EQ(shown("license: 'it''s'  # a comment\n"), R"({"license":"it's"})");
  EXPECT_EQ(shown("name: \"a \\\"b\\\" \\u00e9\"\n"), "{\"name\":\"a \\\"b\\\" \u00e9\"}");
  EXPECT_EQ(shown("name: a # comment\n"), R"({"name":"a"})");
  EXPECT_EQ(shown("name: a#b\n"), R"({"name":"a#b"})");
  EXPECT_EQ(shown("name: 1.0\nlicense: no\n"), R"({"name":"1.0","license":"no"})");
  EXPECT_EQ(shown("name: https://x.y/z\n"), R"({"name":"https://x.y/z"})");
  EXPECT_EQ(shown("name:\nlicense: ~\ndescription: null\n"),
            R"({"name":null,"license":null,"description":null})");
}

TEST(FrontMatter, reads_lists_in_all_their_forms) {
  const std::string expected = R"({"tags":["a","b c","d"]})";
  EXPECT_EQ(shown("tags:\n- a\n- b c\n- 'd'\n"), expected);
  EXPECT_EQ(shown("tags:\n  - a\n\n  # between\n  - \"b c\"\n  - d # end\n"), expected);
  EXPECT_EQ(shown("tags: [a, 'b c', d]\n"), expected);
  EXPECT_EQ(shown("tags: [a,\n  b c,\n  d]\n"), expected);
  EXPECT_EQ(shown("tags: [a,\n  b c,\n  d\n  ]\nlicense: x\n"), R"({"tags":["a","b c","d"],"license":"x"})");
  EXPECT_EQ(shown("tags: []\n"), R"({"tags":[]})");
  EXPECT_EQ(shown("tags:\n\t- a\n"), R"({"tags":["a"]})");
}

TEST(FrontMatter, reads_block_texts_and_mappings_in_lists) {
  EXPECT_EQ(shown("description: |\n  one\n  two\nname: x\n"), R"({"description":"one\ntwo\n","name":"x"})");
  EXPECT_EQ(shown("description: >-\n  one\n  two\n"), R"({"description":"one two"})");
  EXPECT_EQ(shown("description: one\n  two\n"), R"({"description":"one two"})");
  EXPECT_EQ(shown("base_model:\n- name: A\n  organization: B\n- C/D\n"),
            R"({"base_model":[{"name":"A","organization":"B"},"C/D"]})");
}

TEST(FrontMatter, looks_only_at_the_wanted_keys) {
  EXPECT_EQ(shown("model-index:\n- &x {a: *b}\nlicense: mit\nlicenses: x\n"), R"({"license":"mit"})");
}

TEST(FrontMatter, leaves_out_with_a_warning_what_it_does_not_read) {
  std::vector<std::string> warnings;
  EXPECT_EQ(
      to_json(read("tags: &anchor [a]\nlicense: mit\nname: \"open\nbase_model: {a: b}\n", &warnings), -1),
      R"({"license":"mit"})");
  ASSERT_EQ(warnings.size(), 3U);
  EXPECT_NE(warnings[0].find("'tags' is left out"), std::string::npos) << warnings[0];
  EXPECT_NE(warnings[1].find("'name'"), std::string::npos) << warnings[1];
  EXPECT_NE(warnings[2].find("'base_model'"), std::string::npos) << warnings[2];
}

TEST(FrontMatter, is_empty_where_there_is_none) {
  std::vector<std::string> warnings;
  for (const std::string_view text : {"", "# Title\n", "\n---\nname: a\n---\n", "---", "--\nname: a\n"}) {
    EXPECT_EQ(to_json(read_front_matter(text, kWanted, warnings), -1), "{}") << text;
  }
  EXPECT_EQ(to_json(read_front_matter("---\r\nname: a\r\n---\r\n", kWanted, warnings), -1),
            R"({"name":"a"})");
  EXPECT_TRUE(warnings.empty());
}

TEST(FrontMatter, does_not_fail_on_any_prefix_of_a_card) {
  const std::string card =
      "---\ntags:\n- a\n- b: c\n  d: [e, 'f']\nlicense: \"x\\u0041\"\ndescription: >\n  y\n\n  z\n---\n";
  for (std::size_t length = 0; length <= card.size(); ++length) {
    std::vector<std::string> warnings;
    EXPECT_TRUE(read_front_matter(card.substr(0, length), kWanted, warnings).is_object());
  }
}

}  // namespace
}  // namespace qtz
