#include "model/tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "qtz/core/regex.h"
#include "qtz/model/tokenizer.h"
#include "support/arch_checkpoint.h"
#include "support/expect_error.h"
#include "unit/model/tokenizer_files.h"

namespace qtz {
namespace {

using test::json_of;

std::string steps_of(std::string_view pre_tokenizer, std::string_view normalizer = "null") {
  return canonical_steps(json_of(normalizer), json_of(pre_tokenizer));
}

constexpr std::string_view kBytes = R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": false})";

std::string sequence(std::initializer_list<std::string_view> steps) {
  std::string out = R"({"type": "Sequence", "pretokenizers": [)";
  for (const std::string_view step : steps)
    out += std::string(out.back() == '[' ? "" : ",") + std::string(step);
  return out + "]}";
}

std::string split(std::string_view regex, std::string_view behavior = "Isolated", bool invert = false) {
  JsonValue step = JsonObject{{"type", "Split"},
                              {"pattern", JsonObject{{"Regex", regex}}},
                              {"behavior", behavior},
                              {"invert", invert}};
  return to_json(step, -1);
}

std::string_view name_of_steps(std::string steps, bool ignore_merges = false, Framing framing = Framing::none,
                               std::optional<bool> clean_up = std::nullopt) {
  return find_pre_tokenizer({std::move(steps), ignore_merges, framing, clean_up}).value_or("(unknown)");
}

constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// With raw line breaks, as the models have them.
constexpr std::string_view kDeepseek3 =
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
    "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+";

TEST(CanonicalSteps, say_in_order_what_is_cut_and_mapped) {
  EXPECT_EQ(steps_of(sequence({split("[0-9]"), kBytes})), "split([0-9]) > bytes");
  EXPECT_EQ(steps_of("null"), "");
}

TEST(CanonicalSteps, are_the_same_for_spellings_that_do_the_same) {
  const std::string expected = "split(" + std::string(kGpt2) + ") > bytes";
  EXPECT_EQ(
      steps_of(
          R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})"),
      expected);
  EXPECT_EQ(steps_of(R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false})"), expected);
  EXPECT_EQ(steps_of(sequence({split(kGpt2), kBytes})), expected);
  EXPECT_EQ(steps_of(sequence({split(kGpt2, "Removed", true), kBytes})), expected);
  EXPECT_EQ(steps_of(sequence({sequence({split(kGpt2)}), kBytes})), expected);
}

TEST(CanonicalSteps, write_digits_and_control_characters_one_way) {
  EXPECT_EQ(steps_of(R"({"type": "Digits", "individual_digits": true})"), steps_of(split(R"(\p{N})")));
  EXPECT_EQ(steps_of(R"({"type": "Digits", "individual_digits": false})"), steps_of(split(R"(\p{N}+)")));
  EXPECT_EQ(steps_of(split("[\r\n\t]")), steps_of(split(R"([\r\n\t])")));
  EXPECT_EQ(steps_of(split("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|x")),
            steps_of(split("(?i:'s|'t|'re|'ve|'m|'ll|'d)|x")));
}

TEST(CanonicalSteps, keep_what_changes_the_result) {
  std::set<std::string> all;
  for (const char* behavior : {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"}) {
    EXPECT_TRUE(all.insert(steps_of(split("x", behavior))).second) << behavior;
  }
  EXPECT_TRUE(all.insert(steps_of(split("x", "MergedWithNext", true))).second);
  EXPECT_TRUE(all.insert(steps_of(R"({"type": "Split", "pattern": {"String": "x"}, "behavior": "Isolated"})"))
                  .second);
  EXPECT_TRUE(
      all.insert(steps_of(R"({"type": "ByteLevel", "add_prefix_space": true, "use_regex": false})")).second);
  EXPECT_TRUE(all.insert(steps_of(R"({"type": "Punctuation", "behavior": "Isolated"})")).second);
  EXPECT_TRUE(all.insert(steps_of(R"({"type": "Punctuation", "behavior": "Contiguous"})")).second);
}

TEST(CanonicalSteps, leave_out_unicode_normalization_but_not_replacements) {
  EXPECT_EQ(steps_of(kBytes, R"({"type": "NFC"})"), "bytes");
  EXPECT_EQ(
      steps_of(kBytes, R"({"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]})"),
      "bytes");
  EXPECT_NE(steps_of(kBytes, R"({"type": "Prepend", "prepend": "x"})"), "bytes");
}

TEST(PreTokenizerTable, finds_the_families_by_their_own_tokenizer_json) {
  const std::string llama3 = steps_of(sequence({split(kLlama3), kBytes}));
  EXPECT_EQ(name_of_steps(llama3, true, Framing::leading), "llama-bpe");
  EXPECT_EQ(name_of_steps(llama3, true), "glm4");
  EXPECT_EQ(name_of_steps(llama3), "dbrx");
  EXPECT_EQ(name_of_steps(steps_of(sequence({split(kQwen2), kBytes}))), "qwen2");
  EXPECT_EQ(name_of_steps(steps_of(sequence({split(kQwen2), kBytes})), false, Framing::none, false), "qwen2");
  EXPECT_EQ(name_of_steps(steps_of(sequence({split(kQwen2), kBytes})), false, Framing::none, true),
            "stablelm2");
  const std::string gpt2 = steps_of(sequence({split(kGpt2), kBytes}));
  EXPECT_EQ(name_of_steps(gpt2), "gpt-2");
  EXPECT_EQ(name_of_steps(gpt2, false, Framing::roberta), "roberta-bpe");
  const std::string starcoder =
      steps_of(sequence({R"({"type": "Digits", "individual_digits": true})", split(kGpt2), kBytes}));
  EXPECT_EQ(name_of_steps(starcoder), "starcoder");
  EXPECT_EQ(name_of_steps(starcoder, false, Framing::none, false), "smollm");
}

TEST(PreTokenizerTable, finds_deepseek_whose_patterns_hold_raw_line_breaks) {
  const std::string steps = steps_of(
      sequence({split(R"(\p{N}{1,3})"),
                split("[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F\xE3\x82\xA0-\xE3\x83\xBF]+"),
                split(kDeepseek3), kBytes}));
  EXPECT_EQ(name_of_steps(steps), "deepseek-v3");
}

TEST(PreTokenizerTable, finds_falcon_and_laguna_whose_steps_are_of_several_kinds) {
  EXPECT_EQ(name_of_steps(steps_of(
                sequence({R"({"type": "Punctuation", "behavior": "Contiguous"})",
                          R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": true})",
                          R"({"type": "Digits", "individual_digits": false})", split("[0-9][0-9][0-9]")}))),
            "falcon");
  EXPECT_EQ(name_of_steps(steps_of(
                sequence({split(R"((?:\r?\n)+(?!\r?\n))", "MergedWithNext"), split(kQwen2), kBytes}))),
            "laguna");
}

TEST(PreTokenizerTable, finds_what_llama_cpp_states_itself) {
  EXPECT_EQ(name_of_steps(steps_of(R"({"type": "Whitespace"})")), "whitespace");
  EXPECT_EQ(name_of_steps(steps_of(
                sequence({split(R"(\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})))"),
                          split("[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-"
                                "៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+"),
                          split(kDeepseek3), kBytes}))),
            "afmoe");
  EXPECT_EQ(name_of_steps(steps_of(sequence({split(R"([\p{P}\$\+<=>\^~\|]+)"), split(kGpt2),
                                             R"({"type": "Digits", "individual_digits": false})",
                                             split("[0-9][0-9][0-9]"), kBytes}))),
            "default");
}

TEST(PreTokenizerTable, knows_the_steps_of_every_name) {
  for (const PreTokenizerLine& line : pre_tokenizer_table()) {
    EXPECT_NE(line.steps.empty(), line.same_as.empty()) << line.name;
  }
}

TEST(PreTokenizerTable, does_not_guess) {
  EXPECT_EQ(name_of_steps("split(x) > bytes"), "(unknown)");
  EXPECT_EQ(name_of_steps(""), "(unknown)");
}

TEST(PreTokenizerTable, has_a_line_that_is_found_for_every_name_that_is_written) {
  std::map<std::string_view, const PreTokenizerLine*> found;
  for (const PreTokenizerLine& line : pre_tokenizer_table()) {
    if (line.steps.empty()) continue;
    PreTokenizerFacts facts{std::string(line.steps), line.ignore_merges.value_or(false),
                            line.framing.value_or(Framing::none), line.clean_up_spaces};
    EXPECT_EQ(find_pre_tokenizer(facts).value_or("(unknown)"), line.name);
    EXPECT_TRUE(found.emplace(line.name, &line).second) << line.name << " has two lines";
  }
  for (const PreTokenizerLine& line : pre_tokenizer_table()) {
    if (line.same_as.empty()) continue;
    EXPECT_EQ(found.count(line.same_as), 1U) << line.name << " -> " << line.same_as;
  }
}

TEST(PreTokenizerTable, names_everything_once) {
  EXPECT_EQ(list_pre_tokenizers().size(), pre_tokenizer_table().size());
}

/// A mistyped pattern would never be found: each must at least be one. Sets within sets are not PCRE2's.
TEST(PreTokenizerTable, has_patterns_that_are_regular_expressions) {
  for (const PreTokenizerLine& line : pre_tokenizer_table()) {
    std::string_view rest = line.steps;
    while (!rest.empty()) {
      const auto end = std::min(rest.find(" > "), rest.size());
      const std::string_view step = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 3, rest.size()));
      if (!step.starts_with("split") || !step.ends_with(")")) continue;
      const auto open = step.find('(');
      const std::string regex(step.substr(open + 1, step.size() - open - 2));
      if (regex.find("&&") != std::string::npos || regex.find("|[.,") != std::string::npos) continue;
      EXPECT_NO_THROW(Regex{regex}) << line.name << ": " << regex;
    }
  }
}

TEST(NeedPreTokenizer, prints_the_canonical_form_and_the_way_out) {
  test::expect_error(ErrorKind::input_invalid,
                     "split(x) > bytes; whole tokens before merges; special token before", [] {
                       need_pre_tokenizer({"split(x) > bytes", true, Framing::leading, {}}, "tokenizer.json");
                     });
  test::expect_error(ErrorKind::input_invalid, "--tokenizer-pre", [] {
    need_pre_tokenizer({"", false, Framing::none, {}}, "tokenizer.json");
  });
}

TEST(CheckPreTokenizerName, suggests_the_nearest_known_name) {
  EXPECT_NO_THROW(check_pre_tokenizer_name("llama-bpe"));
  EXPECT_NO_THROW(check_pre_tokenizer_name("afmoe"));
  test::expect_error(ErrorKind::usage, "did you mean llama-bpe?",
                     [] { check_pre_tokenizer_name("lama-bpe"); });
  test::expect_error(ErrorKind::usage, "llama.cpp refuses",
                     [] { check_pre_tokenizer_name("nothing like it"); });
}

/// The small tokenizers of the architecture tests say themselves what is expected of them.
TEST(PreTokenizerTable, finds_what_the_test_tokenizers_expect) {
  std::size_t checked = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::arch_data_folder() / "tokenizers")) {
    if (!std::filesystem::exists(entry.path() / "PRE")) continue;
    const TokenizerResult result =
        read_tokenizer(entry.path(), JsonObject(), 0, bpe_tokenizer(), std::nullopt);
    EXPECT_EQ(test::text_of(result, "ggml.pre"), test::read_file(entry.path() / "PRE")) << entry.path();
    ++checked;
  }
  EXPECT_GE(checked, 4U);
}

}  // namespace
}  // namespace qtz
