#include "qtz/pipeline/recipe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "planned_models.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

using namespace qtz::test;

/// A recipe file that goes away with the test.
class RecipeFile {
 public:
  explicit RecipeFile(const std::string& text) {
    path_ = fs::path(testing::TempDir()) /
            ("recipe-" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) + "-" +
             testing::UnitTest::GetInstance()->current_test_info()->name());
    std::ofstream(path_, std::ios::binary) << text;
  }
  ~RecipeFile() { fs::remove(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string message_of(const std::function<void()>& action, ErrorKind kind) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    return error.message();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST(FileTypes, AreFoundInAnyCaseByAliasAndWithContainer) {
  EXPECT_EQ(find_file_type("q4_k_m").name, "Q4_K_M");
  EXPECT_EQ(find_file_type("Q5_K").name, "Q5_K_M");
  EXPECT_EQ(find_file_type("q3_k").name, "Q3_K_M");
  EXPECT_EQ(find_file_type("gguf:IQ4_XS").name, "IQ4_XS");
}

TEST(FileTypes, HaveTheNumbersOfLlamaCpp) {
  EXPECT_EQ(find_file_type("Q4_K_M").gguf_ftype, 15u);
  EXPECT_EQ(find_file_type("Q2_K_S").gguf_ftype, 21u);
  EXPECT_EQ(find_file_type("BF16").gguf_ftype, 32u);
  EXPECT_EQ(find_file_type("TQ1_0").gguf_ftype, 36u);
  EXPECT_EQ(find_file_type("TQ2_0").gguf_ftype, 37u);
  EXPECT_EQ(find_file_type("MXFP4_MOE").gguf_ftype, 38u);
  EXPECT_EQ(find_file_type("NVFP4").gguf_ftype, 39u);
  EXPECT_EQ(find_file_type("Q1_0").gguf_ftype, 40u);
  EXPECT_EQ(find_file_type("Q2_0").gguf_ftype, 41u);
  const std::pair<const char*, std::uint32_t> grids[] = {
      {"IQ2_XXS", 19}, {"IQ2_XS", 20}, {"IQ3_XS", 22}, {"IQ3_XXS", 23}, {"IQ1_S", 24},
      {"IQ3_S", 26},   {"IQ3_M", 27},  {"IQ2_S", 28},  {"IQ2_M", 29},   {"IQ1_M", 31}};
  for (const auto& [name, number] : grids) EXPECT_EQ(find_file_type(name).gguf_ftype, number) << name;
  EXPECT_EQ(list_file_types().size(), 36u);
}

TEST(FileTypes, OfAWrongNameSuggestTheRightOne) {
  const std::string text = message_of([] { find_file_type("Q5_KM"); }, ErrorKind::usage);
  EXPECT_EQ(text, "unknown type 'Q5_KM', did you mean Q5_K_M?");
}

TEST(TypeRules, DivideAtTheLastEqualsSign) {
  const TypeRule rule = parse_type_rule("attn_(?=v)=q6_k");
  EXPECT_EQ(rule.pattern.pattern(), "attn_(?=v)");
  EXPECT_EQ(rule.type, DType::q6_k);
}

TEST(TypeRules, AcceptEveryTypeThatCanBeEncodedAndNoOther) {
  EXPECT_EQ(parse_type_rule("x=f16").type, DType::f16);
  EXPECT_EQ(message_of([] { parse_type_rule("x=I32"); }, ErrorKind::usage).find("unknown tensor type"), 15u);
  message_of([] { parse_type_rule("x=Q4_K_M"); }, ErrorKind::usage);
  message_of([] { parse_type_rule("no equals"); }, ErrorKind::usage);
  message_of([] { parse_type_rule("=Q4_K"); }, ErrorKind::usage);
  message_of([] { parse_type_rule("(=Q4_K"); }, ErrorKind::usage);
}

TEST(Recipes, SkipCommentsAndBlanksAndKeepHashesOfPatterns) {
  const RecipeFile file("\xEF\xBB\xBF# head\r\n\r\n  a#b = Q4_K   # why\r\n\tc=F16\n# d = Q8_0\n e = Q6_K");
  const auto rules = read_recipe(file.path());
  ASSERT_EQ(rules.size(), 3u);
  EXPECT_EQ(rules[0].pattern.pattern(), "a#b");
  EXPECT_EQ(rules[0].type, DType::q4_k);
  EXPECT_EQ(rules[1].type, DType::f16);
  EXPECT_EQ(rules[2].pattern.pattern(), "e");
}

TEST(Recipes, NameTheLineOfAMistake) {
  const RecipeFile file("a = Q4_K\nb = Q9_K\n");
  const std::string text = message_of([&] { read_recipe(file.path()); }, ErrorKind::usage);
  EXPECT_NE(text.find(":2: unknown tensor type 'Q9_K'"), std::string::npos) << text;
}

TEST(Recipes, PrintedFromAPlanGiveThatPlanAgainUnderAnyFileType) {
  PlanOptions options;
  options.types.tensor_rules.push_back(parse_type_rule("blk\\.1\\.ffn_up=Q3_K"));
  options.types.leave_output_tensor = true;
  GgufModel model = dense_model(3);
  model.tensors.push_back(planned("blk.2.odd#name (1).weight", {8, 96}));
  const QuantPlan plan = make_plan(model, find_file_type("Q4_K_M"), options);

  std::string text;
  for (const PlanEntry& entry : plan.entries) text += recipe_rule(entry) + "\n";
  const RecipeFile file(text);
  PlanOptions by_recipe;
  by_recipe.types.recipe = read_recipe(file.path());
  const QuantPlan again = make_plan(model, find_file_type("Q8_0"), by_recipe);
  ASSERT_EQ(again.entries.size(), plan.entries.size());
  for (std::size_t i = 0; i < plan.entries.size(); ++i) {
    EXPECT_EQ(again.entries[i].type, plan.entries[i].type) << plan.entries[i].name;
  }
  EXPECT_EQ(entry_of(again, "output.weight").type, DType::bf16);
}

TEST(Recipes, StayLinesWhateverNamesHold) {
  const QuantPlan plan =
      make_plan(model_of({planned("a\nb.weight", {8, 96}), planned("c", {96})}), find_file_type("Q8_0"), {});
  EXPECT_EQ(recipe_rule(entry_of(plan, "a\nb.weight")), "^a\\x0ab\\.weight$ = Q8_0");
  EXPECT_EQ(recipe_rule(entry_of(plan, "c")), "# ^c$ = BF16");
}

TEST(ExactPatterns, FindTheNameAndNoOther) {
  EXPECT_EQ(exact_pattern("a.b"), "^a\\.b$");
  for (const std::string name : {"blk.0.attn_q.weight", "odd#name (1)", "it's", "line\nbreak", "\x1b[31m",
                                 "\\", "caf\xc3\xa9", "\xc2\x85next", "\xe6\x97\xa5.weight", "a=b"}) {
    const std::string pattern = exact_pattern(name);
    EXPECT_EQ(printable(pattern), pattern);
    EXPECT_EQ(pattern.find('\''), std::string::npos) << pattern;
    EXPECT_TRUE(Regex(pattern).search(name)) << pattern;
    EXPECT_FALSE(Regex(pattern).search("x" + name)) << pattern;
    EXPECT_FALSE(Regex(pattern).search(name + "x")) << pattern;
  }
  EXPECT_FALSE(Regex(exact_pattern("a.b")).search("aXb"));
  EXPECT_NO_THROW(Regex(exact_pattern("\xff\xc3"))) << "no UTF-8, still a pattern";
}

TEST(Rules, ThatMatchNoTensorAreRefusedWithASuggestion) {
  const auto message = [](const char* rule) {
    PlanOptions options;
    options.types.tensor_rules.push_back(parse_type_rule("attn_v=Q8_0"));
    options.types.tensor_rules.push_back(parse_type_rule(rule));
    return message_of([&] { make_plan(dense_model(2), find_file_type("Q4_K_M"), options); },
                      ErrorKind::usage);
  };
  EXPECT_EQ(message("atn_q=F16"), "--tensor-type 'atn_q' matches no tensor, did you mean attn_q?");
  EXPECT_EQ(message("ATTN_K=F16"), "--tensor-type 'ATTN_K' matches no tensor, did you mean attn_k?");
  EXPECT_EQ(
      message("^blk\\.1\\.fn_up\\.weight$=F16"),
      "--tensor-type '^blk\\.1\\.fn_up\\.weight$' matches no tensor, did you mean blk.1.ffn_up.weight?");
  EXPECT_EQ(message("nothing like it=F16"), "--tensor-type 'nothing like it' matches no tensor");
}

TEST(Rules, ThatMatchOnlyTensorsThatAreNeverQuantizedAreTold) {
  PlanOptions options;
  for (const char* rule : {"_norm=F16", "output=Q8_0", "^output\\.weight=F16"})
    options.types.tensor_rules.push_back(parse_type_rule(rule));
  for (const char* type : {"Q4_K_M", "F16"}) {
    const QuantPlan plan = make_plan(dense_model(2), find_file_type(type), options);
    ASSERT_EQ(plan.warnings.size(), 1u) << "a rule that others come before matches all the same";
    EXPECT_EQ(plan.warnings[0],
              "--tensor-type '_norm' changes nothing: it matches only tensors that are never quantized, like "
              "'output_norm.weight' (a vector)");
  }
}

TEST(Rules, OfARecipeThatMatchNoTensorAreCounted) {
  const RecipeFile file("attn_v = Q8_0\nx1 = F16\n_norm = F16\nx2 = F16\nx3 = F16\nx4 = F16\nx5 = F16\n");
  PlanOptions options;
  options.types.recipe = read_recipe(file.path());
  const QuantPlan plan = make_plan(dense_model(2), find_file_type("Q4_K_M"), options);
  ASSERT_EQ(plan.warnings.size(), 1u);
  EXPECT_EQ(plan.warnings[0], "5 lines of the recipe match no tensor: 'x1', 'x2', 'x3', 'x4', ...");
}

TEST(Precedence, IsRuleThenRecipeThenOutputOptionThenMix) {
  const GgufModel model = dense_model(2);
  PlanOptions options;
  options.types.output_tensor_type = DType::q5_0;
  options.types.token_embedding_type = DType::q5_1;
  const auto type_of = [&](std::string_view name) {
    return entry_of(make_plan(model, find_file_type("Q4_K_M"), options), name).type;
  };
  EXPECT_EQ(type_of("output.weight"), DType::q5_0);
  EXPECT_EQ(type_of("token_embd.weight"), DType::q5_1);
  const RecipeFile file("output = Q4_1\n");
  options.types.recipe = read_recipe(file.path());
  EXPECT_EQ(type_of("output.weight"), DType::q4_1);
  EXPECT_EQ(type_of("blk.0.attn_output.weight"), DType::q4_1) << "patterns are searched, not anchored";
  options.types.tensor_rules.push_back(parse_type_rule("^output=F16"));
  options.types.tensor_rules.push_back(parse_type_rule("output=Q8_0"));
  EXPECT_EQ(type_of("output.weight"), DType::f16) << "the first match wins";
  EXPECT_EQ(type_of("output_norm.weight"), DType::f32) << "norms follow no rule";
  EXPECT_EQ(type_of("blk.1.attn_output.weight"), DType::q8_0);
}

TEST(Options, PureGivesOneTypeAndLeaveOutputLeavesIt) {
  const GgufModel model = dense_model(2);
  PlanOptions options;
  options.types.pure = true;
  options.types.leave_output_tensor = true;
  const QuantPlan plan = make_plan(model, find_file_type("Q4_K_M"), options);
  for (const PlanEntry& entry : plan.entries) {
    const DType wanted = entry.name == "output.weight" ? DType::bf16 : entry.fixed ? DType::f32 : DType::q4_k;
    EXPECT_EQ(entry.type, wanted) << entry.name;
  }
}

TEST(Options, ForPartsThatTheModelDoesNotHaveAreTold) {
  PlanOptions options;
  options.types.output_tensor_type = DType::q8_0;
  options.types.token_embedding_type = DType::q8_0;
  EXPECT_TRUE(make_plan(dense_model(2), find_file_type("Q4_K_M"), options).warnings.empty());
  EXPECT_TRUE(make_plan(dense_model(2, true), find_file_type("Q4_K_M"), options).warnings.empty());
  const GgufModel without = model_of({planned("down.0.weight", {64, 256})});
  EXPECT_EQ(make_plan(without, find_file_type("Q4_K_M"), options).warnings,
            (std::vector<std::string>{
                "--output-tensor-type changes nothing: no tensor is the output (output.weight)",
                "--token-embedding-type changes nothing: no tensor is the token embedding "
                "(token_embd.weight)"}));
  PlanOptions leave;
  leave.types.leave_output_tensor = true;
  EXPECT_EQ(make_plan(dense_model(2, true), find_file_type("Q4_K_M"), leave).warnings,
            std::vector<std::string>{
                "--leave-output-tensor changes nothing: no tensor is the output (output.weight)"});
}

TEST(Options, OutputTypeReachesTiedEmbeddings) {
  PlanOptions options;
  options.types.output_tensor_type = DType::q8_0;
  const QuantPlan plan = make_plan(dense_model(2, true), find_file_type("Q4_K_M"), options);
  EXPECT_EQ(entry_of(plan, "token_embd.weight").type, DType::q8_0);
}

}  // namespace
}  // namespace qtz
