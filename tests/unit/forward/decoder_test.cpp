#include "qtz/forward/decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "model/tensor_ops.h"
#include "qtz/core/json.h"
#include "support/arch_checkpoint.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The numbers of a float32 array that numpy saved.
std::vector<float> read_npy(const fs::path& path) {
  const std::string bytes = contents(path);
  constexpr std::size_t kLength = 8;  // where version 1 has the header's length
  std::uint16_t header = 0;
  std::memcpy(&header, bytes.data() + kLength, sizeof header);
  const std::size_t begin = kLength + sizeof header + header;
  EXPECT_NE(bytes.substr(0, begin).find("'<f4'"), std::string::npos);
  std::vector<float> values((bytes.size() - begin) / sizeof(float));
  std::memcpy(values.data(), bytes.data() + begin, values.size() * sizeof(float));
  return values;
}

/// Logits of another program, most often transformers, at some positions of one text.
struct Oracle {
  std::vector<std::uint32_t> tokens;
  std::vector<std::uint64_t> positions;
  std::vector<float> logits;
};

fs::path oracle_folder(const std::string& name) {
  const fs::path own = test::arch_data_folder() / name;
  return fs::exists(own / "logits.npy") ? own : fs::path(QTZ_SHARED_DIR) / "data" / "arch" / name;
}

Oracle read_oracle(const std::string& name) {
  const fs::path folder = oracle_folder(name);
  const JsonValue json = parse_json(contents(folder / "logits.json"), JsonLimits{}, "logits.json");
  Oracle oracle;
  for (const JsonValue& id : *json.find("input_ids")->as_array())
    oracle.tokens.push_back(static_cast<std::uint32_t>(*id.as_uint()));
  for (const JsonValue& position : *json.find("positions")->as_array())
    oracle.positions.push_back(*position.as_uint());
  oracle.logits = read_npy(folder / "logits.npy");
  return oracle;
}

/// Largest difference in standard deviations of what is expected.
double deviation(const std::vector<float>& found, const std::vector<float>& expected) {
  double mean = 0.0;
  for (const float x : expected) mean += x;
  mean /= static_cast<double>(expected.size());
  double square = 0.0;
  double worst = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    square += (expected[i] - mean) * (expected[i] - mean);
    worst = std::max(worst,
                     std::isfinite(found[i]) ? std::fabs(static_cast<double>(found[i]) - expected[i]) : 1e30);
  }
  return worst / std::sqrt(square / static_cast<double>(expected.size()));
}

/// All logits of one text.
std::vector<float> run(const GgufModel& model, const Batch& batch, StatePlace place = StatePlace::memory,
                       std::uint64_t kept = 1 << 30) {
  const CancelToken cancel;
  Decoder decoder(model, select_backend(""), {.threads = 2}, cancel);
  decoder.limit_kept(kept);
  States states = decoder.embed(batch, place);
  for (std::uint64_t layer = 0; layer < decoder.layers(); ++layer) decoder.run_layer(layer, batch, states);
  std::vector<float> rows(states.rows() * states.width());
  states.read(0, states.rows(), rows.data());
  std::vector<float> logits;
  decoder.logits(rows, logits);
  return logits;
}

std::vector<float> rows(const std::vector<float>& all, const std::vector<std::uint64_t>& positions,
                        std::size_t cols) {
  std::vector<float> out;
  for (const std::uint64_t position : positions) {
    const auto* first = all.data() + position * cols;
    out.insert(out.end(), first, first + cols);
  }
  return out;
}

/// Token 0 of youtu is padding, for whose embedding, which is the head, transformers has zeros whatever is
/// stored.
void leave_out_padding(const std::string& name, std::vector<float>& expected, const std::vector<float>& found,
                       std::size_t cols) {
  if (name != "youtu") return;
  for (std::size_t i = 0; i < expected.size(); i += cols) expected[i] = found[i];
}

/// In deviations of the logits. Attention of gemma4 is not scaled: with made-up weights it is so sharp that
/// transformers' own f32 and f64 are 2.7e-3 apart.
double bound_of(const std::string& name) {
  return name == "gemma4" ? 5e-3 : 1e-3;
}

std::vector<std::string> runnable_folders() {
  const std::vector<std::string_view> known = runnable_architectures();
  std::vector<std::string> names;
  for (const std::string& name : test::arch_data_names("expected-bf16.json")) {
    if (!fs::exists(oracle_folder(name) / "logits.npy")) continue;
    const std::string text = contents(test::arch_data_folder() / name / "expected-bf16.json");
    const bool runs = std::any_of(known.begin(), known.end(), [&](std::string_view arch) {
      return text.find("\"" + std::string(arch) + ".block_count\"") != std::string::npos;
    });
    if (runs) names.push_back(name);
  }
  return names;
}

class LogitsOf : public testing::TestWithParam<std::string> {};

TEST_P(LogitsOf, agree_with_the_record) {
  test::ScratchFolder scratch;
  const Oracle oracle = read_oracle(GetParam());
  const GgufModel model = open_model(
      test::write_checkpoint(test::arch_data_folder() / GetParam(), scratch.path()), ModelOptions{});
  const std::vector<float> logits = run(model, {oracle.tokens, {0}});
  const std::size_t cols = oracle.logits.size() / oracle.positions.size();
  ASSERT_GE(logits.size() / oracle.tokens.size(), cols);
  const std::vector<float> own = rows(logits, oracle.positions, logits.size() / oracle.tokens.size());
  std::vector<float> expected = oracle.logits;
  leave_out_padding(GetParam(), expected, own, cols);
  const double found = deviation(own, expected);
  RecordProperty("deviation", std::to_string(found));
  EXPECT_LT(found, bound_of(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Architectures, LogitsOf, testing::ValuesIn(runnable_folders()),
                         [](const testing::TestParamInfo<std::string>& parameter) {
                           std::string name = parameter.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Decoder, keeps_texts_apart) {
  test::ScratchFolder scratch;
  const GgufModel model =
      open_model(test::write_checkpoint(test::arch_data_folder() / "llama", scratch.path()), ModelOptions{});
  const std::vector<std::uint32_t> a = {1, 56, 178, 374, 644};
  const std::vector<std::uint32_t> b = {1, 988, 1406};
  std::vector<float> expected = run(model, {a, {0}});
  const std::vector<float> second = run(model, {b, {0}});
  expected.insert(expected.end(), second.begin(), second.end());
  Batch both{a, {0, a.size()}};
  both.tokens.insert(both.tokens.end(), b.begin(), b.end());
  EXPECT_LT(deviation(run(model, both), expected), 1e-5);
}

/// Texts of more tokens than are run at a time.
Batch several_pieces() {
  constexpr std::uint64_t kTexts = 3;
  constexpr std::uint64_t kLength = 1000;
  Batch batch;
  for (std::uint64_t i = 0; i < kTexts * kLength; ++i) {
    if (i % kLength == 0) batch.starts.push_back(i);
    batch.tokens.push_back(static_cast<std::uint32_t>((i * i + 7 * i) % 251));
  }
  return batch;
}

TEST(Decoder, gives_the_same_logits_in_little_memory) {
  // Experts that come and go; more that goes from layer to layer than the states.
  for (const char* name : {"qwen3-moe", "gemma3n-shared"}) {
    SCOPED_TRACE(name);
    test::ScratchFolder scratch;
    const GgufModel model =
        open_model(test::write_checkpoint(test::arch_data_folder() / name, scratch.path()), ModelOptions{});
    const Batch batch = several_pieces();
    const std::vector<float> expected = run(model, batch);
    EXPECT_EQ(run(model, batch, StatePlace::scratch_file, 0), expected);
    EXPECT_EQ(run(model, batch, StatePlace::memory, 1 << 17), expected);
  }
}

/// The model with these tensors beside its own.
GgufModel with_scales(GgufModel model,
                      const std::vector<std::pair<std::string, std::vector<float>>>& scales) {
  for (const auto& [name, values] : scales)
    model.tensors.emplace_back(name, constant(Shape{values.size()}, values));
  return model;
}

TEST(Decoder, multiplies_weights_by_the_scales_beside_them) {
  test::ScratchFolder scratch;
  const GgufModel model = open_model(
      test::write_checkpoint(test::arch_data_folder() / "qwen3-moe", scratch.path()), ModelOptions{});
  const Batch batch{{1, 56, 178, 374, 644}, {0}};
  const std::vector<float> expected = run(model, batch);
  // Powers of two are exact, and these pairs cancel.
  const std::vector<float> experts = {2.0f, 0.5f, 4.0f, 0.25f};
  const std::vector<float> inverse = {0.5f, 2.0f, 0.25f, 4.0f};
  EXPECT_EQ(run(with_scales(model, {{"blk.0.attn_v.scale", {4.0f}},
                                    {"blk.0.attn_output.scale", {0.25f}},
                                    {"blk.1.ffn_up_exps.scale", experts},
                                    {"blk.1.ffn_down_exps.scale", inverse}}),
                batch),
            expected);
  EXPECT_NE(run(with_scales(model, {{"blk.1.ffn_down_exps.scale", experts}}), batch), expected);
}

TEST(Decoder, names_what_it_cannot_run) {
  test::ScratchFolder scratch;
  const GgufModel model =
      open_model(test::write_checkpoint(test::arch_data_folder() / "rwkv7", scratch.path()), ModelOptions{});
  test::expect_error(ErrorKind::input_invalid, "'rwkv7'", [&] { run(model, {{1}, {0}}); });
}

/// Indexers choose what a token sees once a text is longer than what they leave.
TEST(Decoder, refuses_texts_that_need_sparse_attention) {
  for (const char* name : {"minimax-m3", "deepseek3-2"}) {
    SCOPED_TRACE(name);
    test::ScratchFolder scratch;
    const GgufModel model =
        open_model(test::write_checkpoint(test::arch_data_folder() / name, scratch.path()), ModelOptions{});
    const std::string keys = model.architecture + ".attention.indexer.";
    const GgufValue* const blocks = model.metadata.find(keys + "block_size");
    const std::uint64_t most =
        *model.metadata.find(keys + "top_k")->as_uint() * (blocks == nullptr ? 1 : *blocks->as_uint());
    const std::vector<std::uint32_t> tokens(most + 1, 7);
    test::expect_error(ErrorKind::input_invalid, "sparse attention", [&] { run(model, {tokens, {0}}); });
  }
}

TEST(Decoder, refuses_layers_that_take_keys_from_none) {
  test::ScratchFolder scratch;
  GgufModel model = open_model(
      test::write_checkpoint(test::arch_data_folder() / "gemma4-per-layer", scratch.path()), ModelOptions{});
  model.metadata.set("gemma4.attention.shared_kv_layers",
                     std::uint32_t{4});  // the only global one among them
  test::expect_error(ErrorKind::input_invalid, "layer 2 takes keys and values", [&] {
    run(model, {{1, 2}, {0}});
  });
}

/// The model with one tensor in the place of another.
GgufModel with_tensor_of(GgufModel model, const std::string& name, const std::string& other) {
  const auto find = [&](const std::string& wanted) {
    return std::find_if(model.tensors.begin(), model.tensors.end(),
                        [&](const ModelTensor& tensor) { return tensor.name == wanted; });
  };
  find(name)->expr = find(other)->expr;
  return model;
}

TEST(Decoder, refuses_tensors_that_do_not_fit) {
  test::ScratchFolder scratch;
  const GgufModel model = open_model(
      test::write_checkpoint(test::arch_data_folder() / "llama-bias", scratch.path()), ModelOptions{});
  const auto refuse = [&](const std::string& name, const std::string& other, const std::string& piece) {
    SCOPED_TRACE(name);
    test::expect_error(ErrorKind::input_invalid, piece, [&] {
      run(with_tensor_of(model, name, other), {{1, 2}, {0}});
    });
  };
  refuse("blk.0.attn_output.weight", "blk.0.attn_k.weight", "needs 128");
  refuse("blk.0.attn_q.weight", "blk.0.ffn_down.weight", "multiplies rows of");
  refuse("blk.0.attn_k.weight", "blk.0.attn_q.weight", "needs 256");
  refuse("blk.0.ffn_down.weight", "blk.0.attn_q.weight", "MLP widens");
  refuse("blk.0.ffn_norm.weight", "blk.0.attn_k.bias", "the forward pass needs 256");
  refuse("blk.0.attn_q.bias", "blk.0.attn_k.bias", "the forward pass needs 256");
  refuse("token_embd.weight", "blk.0.ffn_down.weight", "of width 256");
}

TEST(Decoder, refuses_a_vocabulary_of_another_model) {
  test::ScratchFolder scratch;
  GgufModel model =
      open_model(test::write_checkpoint(test::arch_data_folder() / "llama", scratch.path()), ModelOptions{});
  std::vector<std::string> tokens =
      std::get<std::vector<std::string>>(model.metadata.find("tokenizer.ggml.tokens")->as_array()->elements);
  tokens.emplace_back("one more");
  model.metadata.set("tokenizer.ggml.tokens", tokens);
  test::expect_error(ErrorKind::input_invalid, "not of one model", [&] { run(model, {{1, 2}, {0}}); });
}

TEST(Decoder, refuses_tokens_beyond_the_embedding) {
  test::ScratchFolder scratch;
  const GgufModel model =
      open_model(test::write_checkpoint(test::arch_data_folder() / "llama", scratch.path()), ModelOptions{});
  test::expect_error(ErrorKind::input_invalid, "token 5000000", [&] { run(model, {{1, 5000000}, {0}}); });
}

}  // namespace
}  // namespace qtz
