// NVFP4 weights that are kept as they are: the blocks, what is kept and what is not.
#include "model/quantized/kept_nvfp4.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "model/quantized/quant_methods.h"
#include "model/tensor_ops.h"
#include "qtz/model/gguf_model.h"
#include "support/arch_checkpoint.h"
#include "support/expect_error.h"
#include "unit/model/weights_writer.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;
using Floats = std::vector<float>;

constexpr std::uint64_t kBlockBytes = 36;

class KeptBlock : public testing::Test {
 protected:
  /// A matrix of `cols` columns whose byte i has the codes 2i and 2i + 1 modulo 16.
  void add_weight(std::uint64_t cols, const Bytes& scales) {
    Bytes codes;
    for (std::uint64_t i = 0; i < cols / 2; ++i)
      codes.push_back(static_cast<std::uint8_t>(2 * i % 16 + (2 * i + 1) % 16 * 16));
    writer_.add("w.weight", "U8", {1, cols / 2}, codes);
    writer_.add("w.weight_scale", "F8_E4M3", {1, cols / 16}, scales);
    writer_.add("w.weight_scale_2", "F32", {}, Floats{0.25f});
  }
  const KeptBlocks* open() {
    source_.emplace(scratch_.add("model.safetensors", writer_.bytes()));
    const ModelConfig config(
        parse_json(R"({"quantization_config": {"quant_method": "modelopt"}})", JsonLimits{}, "c"), "c");
    decoded_.emplace(decode_checkpoint(*source_, config, scratch_.path(), nullptr, true));
    const TensorInfo* tensor = decoded_->tensors.find("w.weight");
    return tensor == nullptr ? nullptr : decoded_->tensors.kept(*tensor);
  }

  test::ScratchFolder scratch_;
  test::WeightsWriter writer_;
  std::optional<SafetensorsSource> source_;
  std::optional<DecodedCheckpoint> decoded_;
};

TEST_F(KeptBlock, has_the_scales_first_and_halves_of_sixteen_side_by_side) {
  add_weight(64, {0x38, 0x01, 0x80, 0x7E});
  const KeptBlocks* kept = open();
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->blocks->dtype(), DType::nvfp4);
  EXPECT_EQ(kept->blocks->shape(), (Shape{1, 64}));
  EXPECT_EQ(read_floats(*kept->scale), Floats{0.25f});
  std::vector<std::byte> block(kBlockBytes);
  kept->blocks->read_rows(0, 1, block);
  const Bytes scales{0x38, 0x01, 0x00, 0x7E};
  for (std::size_t sub = 0; sub < 4; ++sub) {
    EXPECT_EQ(std::to_integer<unsigned>(block[sub]), scales[sub]);
    // A negative scale, here -0, turns the signs of its codes.
    const unsigned sign = sub == 2 ? 8 : 0;
    for (unsigned i = 0; i < 8; ++i) {
      EXPECT_EQ(std::to_integer<unsigned>(block[4 + 8 * sub + i]), (i ^ sign) + ((i + 8) ^ sign) * 16);
    }
  }
}

TEST_F(KeptBlock, needs_whole_blocks) {
  add_weight(32, {0x38, 0x38});
  EXPECT_EQ(open(), nullptr);
}

TEST_F(KeptBlock, holds_no_scale_that_is_nan) {
  add_weight(64, {0x38, 0x38, 0xFF, 0x38});
  const KeptBlocks* kept = open();
  ASSERT_NE(kept, nullptr);
  std::vector<std::byte> block(kBlockBytes);
  test::expect_error(ErrorKind::numeric, "'w.weight_scale' [1, 4] has a scale in row 0 that is NaN",
                     [&] { kept->blocks->read_rows(0, 1, block); });
}

TEST(ScaleReaders, are_the_graphs_that_multiply_with_them) {
  EXPECT_TRUE(reads_scale("qwen3", "blk.11.ffn_up.weight"));
  EXPECT_TRUE(reads_scale("qwen3", "output.weight"));
  EXPECT_TRUE(reads_scale("qwen2", "blk.0.attn_q.weight"));
  EXPECT_FALSE(reads_scale("qwen2", "blk.0.ffn_up.weight")) << "its graph calls build_ffn without scales";
  EXPECT_FALSE(reads_scale("qwen3", "blk.0.ffn_up.bias"));
  EXPECT_FALSE(reads_scale("qwen3", "token_embd.weight")) << "rows of it are looked up";
  EXPECT_FALSE(reads_scale("deepseek2", "blk.0.attn_q_b.weight"));
  EXPECT_FALSE(reads_scale("", "blk.0.attn_q.weight"));
}

class KeptModel : public testing::Test {
 protected:
  using Edit = std::function<void(JsonValue& config, JsonArray& tensors)>;

  GgufModel open(const std::string& name, const Edit& edit) {
    const fs::path reference = scratch_.path() / "references" / name;
    fs::create_directories(reference.parent_path());
    fs::copy(test::arch_data_folder() / name, reference, fs::copy_options::recursive);
    fs::create_directory_symlink(test::arch_data_folder() / "tokenizers",
                                 reference.parent_path() / "tokenizers");
    JsonValue config = parse_json_file(reference / "config.json", JsonLimits{});
    const JsonValue stored = parse_json_file(reference / "tensors.json", JsonLimits{});
    JsonArray tensors = *stored.as_array();
    edit(config, tensors);
    test::write_file(reference / "config.json", to_json(config));
    test::write_file(reference / "tensors.json", to_json(JsonValue(std::move(tensors))));
    ModelOptions options;
    options.keeps_nvfp4 = true;
    return open_model(test::write_checkpoint(reference, scratch_.path()), options);
  }

  static DType type_of(const GgufModel& model, std::string_view name) {
    for (const ModelTensor& tensor : model.tensors) {
      if (tensor.name == name) return tensor.expr->dtype();
    }
    ADD_FAILURE() << name << " is not there";
    return DType::f64;
  }
  static bool has(const GgufModel& model, std::string_view name) {
    return std::any_of(model.tensors.begin(), model.tensors.end(),
                       [&](const ModelTensor& tensor) { return tensor.name == name; });
  }
  static bool mentions(const std::vector<std::string>& lines, std::string_view piece) {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& line) { return line.find(piece) != std::string::npos; });
  }

  test::ScratchFolder scratch_;
};

TEST_F(KeptModel, decodes_what_the_graph_reads_no_scale_of) {
  const GgufModel model = open("llama-nvfp4", [](JsonValue& config, JsonArray&) {
    config.set("architectures", JsonArray{"SmolLM3ForCausalLM"});
  });
  EXPECT_EQ(type_of(model, "blk.1.attn_k.weight"), DType::nvfp4);
  EXPECT_TRUE(has(model, "blk.1.attn_k.scale"));
  EXPECT_TRUE(has(model, "blk.1.attn_k.input_scale"));
  EXPECT_EQ(type_of(model, "blk.1.ffn_down.weight"), DType::f32);
  EXPECT_FALSE(has(model, "blk.1.ffn_down.scale"));
  EXPECT_TRUE(mentions(model.skipped, "layers.1.mlp.down_proj.input_global_scale"));
  EXPECT_FALSE(mentions(model.skipped, "layers.1.self_attn.k_proj.input_global_scale"));
  EXPECT_TRUE(mentions(model.notes, "8 of them are kept as they are, 6 are decoded"));
}

TEST_F(KeptModel, decodes_feed_forwards_with_a_bias) {
  const GgufModel model = open("llama-nvfp4", [](JsonValue&, JsonArray& tensors) {
    for (const char* name : {"mlp.gate_proj", "self_attn.q_proj"}) {
      const std::uint64_t rows = name[0] == 'm' ? 512 : 256;
      tensors.push_back(JsonObject{{"name", "model.layers.0." + std::string(name) + ".bias"},
                                   {"shape", JsonArray{rows}},
                                   {"mean", 0.0},
                                   {"scale", 1.0}});
    }
  });
  EXPECT_EQ(type_of(model, "blk.0.ffn_gate.weight"), DType::f32);
  EXPECT_EQ(type_of(model, "blk.0.ffn_up.weight"), DType::nvfp4);
  EXPECT_EQ(type_of(model, "blk.0.attn_q.weight"), DType::nvfp4);
}

TEST_F(KeptModel, decodes_experts_of_which_one_is_stored_otherwise) {
  const std::string odd = "model.layers.1.mlp.experts.2.up_proj.weight";
  const GgufModel model = open("qwen3-moe-nvfp4", [&](JsonValue&, JsonArray& tensors) {
    std::erase_if(tensors, [&](const JsonValue& tensor) {
      const std::string& name = *tensor.find("name")->as_string();
      return name == odd + "_scale" || name == odd + "_scale_2";
    });
    for (JsonValue& tensor : tensors) {
      if (*tensor.find("name")->as_string() != odd) continue;
      const JsonArray& shape = *tensor.find("shape")->as_array();
      tensor = JsonObject{{"name", odd},
                          {"shape", JsonArray{*shape[0].as_uint(), 2 * *shape[1].as_uint()}},
                          {"mean", 0.0},
                          {"scale", 0.1},
                          {"dtype", "F32"}};
    }
  });
  EXPECT_EQ(type_of(model, "blk.1.ffn_up_exps.weight"), DType::f32);
  EXPECT_EQ(type_of(model, "blk.0.ffn_up_exps.weight"), DType::nvfp4);
}

}  // namespace
}  // namespace qtz
