// Weights that are stored quantized: every method's layout against values worked out by hand or element by
// element, and parts that do not fit together.
#include <gtest/gtest.h>

#include <cmath>

#include "model/quantized/quant_methods.h"
#include "model/tensor_ops.h"
#include "qtz/core/half.h"
#include "support/expect_error.h"
#include "unit/model/weights_writer.h"

namespace qtz {
namespace {

using test::expect_error;
using Floats = std::vector<float>;
using Words = std::vector<std::uint32_t>;
using Bytes = std::vector<std::uint8_t>;

class Quantized : public testing::Test {
 protected:
  /// All values of the tensor `name` of a checkpoint with this "quantization_config".
  Floats decode(const test::WeightsWriter& writer, const std::string& settings, const std::string& name) {
    const SafetensorsSource source(scratch_.add("model.safetensors", writer.bytes()));
    const ModelConfig config(
        parse_json(R"({"quantization_config": )" + settings + "}", JsonLimits{}, "config.json"),
        "config.json");
    const DecodedCheckpoint decoded = decode_checkpoint(source, config, scratch_.path());
    const TensorInfo* tensor = decoded.tensors.find(name);
    if (tensor == nullptr) {
      ADD_FAILURE() << name << " is not there";
      return {};
    }
    shape_ = tensor->shape;
    return read_floats(*decoded.tensors.expression(*tensor));
  }

  test::ScratchFolder scratch_;
  Shape shape_;
};

std::vector<std::uint16_t> halves(const Floats& values) {
  std::vector<std::uint16_t> out;
  for (const float value : values) out.push_back(f32_to_f16(value));
  return out;
}

TEST_F(Quantized, fp8_blocks_have_a_scale_each) {
  // 1.0 is 0x38 in E4M3, 448 the largest; blocks of 2 x 2 on 3 x 3, so that the last ones are cut.
  test::WeightsWriter writer;
  writer.add("w.weight", "F8_E4M3", {3, 3}, Bytes{0x38, 0x40, 0x38, 0xb8, 0x01, 0x7e, 0x38, 0x38, 0x38});
  writer.add("w.weight_scale_inv", "F32", {2, 2}, Floats{2, 3, 5, 7});
  const Floats wanted{2, 4, 3, -2, 2 * 0.001953125f, 448 * 3, 5, 5, 7};
  EXPECT_EQ(decode(writer, R"({"quant_method": "fp8", "weight_block_size": [2, 2]})", "w.weight"), wanted);
}

TEST_F(Quantized, int8_channels_of_compressed_tensors) {
  test::WeightsWriter writer;
  writer.add("w.weight", "I8", {2, 2}, std::vector<std::int8_t>{1, -128, 127, 0});
  writer.add("w.weight_scale", "F32", {2, 1}, Floats{0.5f, 2});
  writer.add("w.input_scale", "F32", {1}, Floats{1});
  const std::string settings = R"({"quant_method": "compressed-tensors", "format": "int-quantized"})";
  EXPECT_EQ(decode(writer, settings, "w.weight"), (Floats{0.5f, -64, 254, 0}));
}

/// One column of 32 codes 0 .. 2^bits - 1 over and over, in the words that every GPTQ tool packs them into.
struct PackedRun {
  unsigned bits;
  Words words;
};
const PackedRun kRuns[] = {
    {2, {0xE4E4E4E4, 0xE4E4E4E4}},
    {3, {0x88FAC688, 0xC688FAC6, 0xFAC688FA}},
    {4, {0x76543210, 0xFEDCBA98, 0x76543210, 0xFEDCBA98}},
    {8, {0x03020100, 0x07060504, 0x0B0A0908, 0x0F0E0D0C, 0x13121110, 0x17161514, 0x1B1A1918, 0x1F1E1D1C}},
};

TEST_F(Quantized, gptq_of_every_width) {
  for (const PackedRun& run : kRuns) {
    for (const bool v1 : {true, false}) {
      // 32 inputs, 32 outputs that all have the same column; zeros are all bits 0, so 1 (v1) or 0.
      Words qweight;
      for (const std::uint32_t word : run.words) qweight.insert(qweight.end(), 32, word);
      test::WeightsWriter writer;
      writer.add("w.qweight", "I32", {run.words.size(), 32}, qweight);
      writer.add("w.qzeros", "I32", {1, run.bits}, Words(run.bits, 0));
      writer.add("w.scales", "F16", {1, 32}, halves(Floats(32, 0.5f)));
      const std::string settings = R"({"quant_method": "gptq", "group_size": -1, "sym": false, "bits": )" +
                                   std::to_string(run.bits) +
                                   (v1 ? "}" : R"(, "checkpoint_format": "gptq_v2"})");
      const Floats values = decode(writer, settings, "w.weight");
      ASSERT_EQ(values.size(), 32U * 32U);
      for (unsigned row = 0; row < 32; row += 31) {
        for (unsigned i = 0; i < 32; ++i) {
          const int code = static_cast<int>(i % (1u << run.bits)) - (v1 ? 1 : 0);
          EXPECT_EQ(values[row * 32 + i], 0.5f * static_cast<float>(code))
              << run.bits << " " << v1 << " " << i;
        }
      }
    }
  }
}

TEST_F(Quantized, gptq_groups_follow_their_index) {
  test::WeightsWriter writer;
  writer.add("w.qweight", "I32", {1, 8}, Words(8, 0x76543210));
  writer.add("w.qzeros", "I32", {2, 1}, Words{0x11111111, 0x33333333});
  writer.add("w.scales", "F16", {2, 8}, halves({1, 1, 1, 1, 1, 1, 1, 1, 4, 4, 4, 4, 4, 4, 4, 4}));
  writer.add("w.g_idx", "I32", {8}, std::vector<std::int32_t>{0, 1, 0, 1, 1, 1, 0, 0});
  const Floats values = decode(
      writer, R"({"quant_method": "gptq", "bits": 4, "group_size": 4, "checkpoint_format": "gptq_v2"})",
      "w.weight");
  EXPECT_EQ(Floats(values.begin(), values.begin() + 8), (Floats{-1, -8, 1, 0, 4, 8, 5, 6}));
}

TEST_F(Quantized, awq_words_have_their_own_order) {
  // Outputs 0 to 7 have the codes 0 to 7, outputs 8 to 15 the codes 8 to 15.
  test::WeightsWriter writer;
  writer.add("w.qweight", "I32", {1, 2}, Words{0x75316420, 0xFDB9ECA8});
  writer.add("w.qzeros", "I32", {1, 2}, Words{0x11111111, 0x22222222});
  writer.add("w.scales", "F16", {1, 16}, halves(Floats(16, 2)));
  const Floats values =
      decode(writer, R"({"quant_method": "awq", "bits": 4, "version": "gemm"})", "w.weight");
  EXPECT_EQ(shape_, (Shape{16, 1}));
  for (unsigned row = 0; row < 16; ++row) {
    EXPECT_EQ(values[row], 2 * static_cast<float>(static_cast<int>(row) - (row < 8 ? 1 : 2))) << row;
  }
}

TEST_F(Quantized, packed_integers_of_compressed_tensors) {
  const std::string settings = R"({"quant_method": "compressed-tensors", "format": "pack-quantized",
      "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int", "group_size": 4}}}})";
  test::WeightsWriter writer;
  writer.add("w.weight_packed", "I32", {2, 1}, Words{0x76543210, 0xFEDCBA98});
  writer.add("w.weight_shape", "I64", {2}, std::vector<std::int64_t>{2, 8});
  writer.add("w.weight_scale", "F32", {2, 2}, Floats{1, 2, 3, 4});
  EXPECT_EQ(decode(writer, settings, "w.weight"),
            (Floats{-8, -7, -6, -5, -8, -6, -4, -2, 0, 3, 6, 9, 16, 20, 24, 28}));
  // With zeros, packed along the rows: 1 and 2 for the first row's groups, 3 and 4 for the second's.
  writer.add("w.weight_zero_point", "I32", {1, 2}, Words{0x31, 0x42});
  EXPECT_EQ(decode(writer, settings, "w.weight"),
            (Floats{-1, 0, 1, 2, 4, 6, 8, 10, 15, 18, 21, 24, 32, 36, 40, 44}));
}

TEST_F(Quantized, nvfp4_has_two_scales) {
  test::WeightsWriter writer;
  writer.add("w.weight", "U8", {1, 8}, Bytes{0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE});
  writer.add("w.weight_scale", "F8_E4M3", {1, 1}, Bytes{0x40});  // 2
  writer.add("w.weight_scale_2", "F32", {}, Floats{0.25f});
  const Floats values = decode(writer, R"({"quant_method": "modelopt", "quant_algo": "NVFP4"})", "w.weight");
  EXPECT_EQ(values,
            (Floats{0, 0.25f, 0.5f, 0.75f, 1, 1.5f, 2, 3, -0.0f, -0.25f, -0.5f, -0.75f, -1, -1.5f, -2, -3}));
}

TEST_F(Quantized, bitnet_rows_and_the_two_meanings_of_its_scale) {
  test::WeightsWriter writer;
  writer.add("w.weight", "U8", {1, 2}, Bytes{0b10'01'00'10, 0b00'00'01'01});
  writer.add("w.weight_scale", "F32", {1}, Floats{4});
  const std::string start = R"({"quant_method": "bitnet", "linear_class": ")";
  EXPECT_EQ(decode(writer, start + R"(autobitlinear"})", "w.weight"), (Floats{4, 0, -4, 0, 0, -4, 4, -4}));
  EXPECT_EQ(decode(writer, start + R"(bitlinear"})", "w.weight"),
            (Floats{0.25f, 0, -0.25f, 0, 0, -0.25f, 0.25f, -0.25f}));
}

TEST_F(Quantized, bitnet_plain_weights_take_their_scale) {
  test::WeightsWriter writer;
  writer.add("w.weight", "BF16", {1, 3}, std::vector<std::uint16_t>{0x3F80, 0xBF80, 0});  // 1, -1, 0
  writer.add("w.weight_scale", "F32", {1}, Floats{0.5f});
  EXPECT_EQ(decode(writer, R"({"quant_method": "bitnet", "linear_class": "autobitlinear"})", "w.weight"),
            (Floats{0.5f, -0.5f, 0}));
}

TEST_F(Quantized, bitnet_online_rounds_projections_to_their_mean_magnitude) {
  // The mean magnitude is 2, so that halves, which become zero, are at 1.
  const Floats weights{1, -1, 1.0625f, -6, 0.5f, -0.25f, 2.1875f, 4};
  const Floats rounded{0, -0.0f, 2, -2, 0, -0.0f, 2, 2};
  test::WeightsWriter writer;
  for (const char* name : {"model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.down_proj.weight",
                           "model.embed_tokens.weight", "lm_head.weight"}) {
    writer.add(name, "F32", {2, 4}, weights);
  }
  const std::string settings = R"({"quant_method": "bitnet", "linear_class": "autobitlinear",
                                   "quantization_mode": "online", "modules_to_not_convert": ["down_proj"]})";
  const Floats found = decode(writer, settings, "model.layers.0.mlp.up_proj.weight");
  EXPECT_EQ(found, rounded);
  EXPECT_TRUE(std::signbit(found[1])) << "as torch rounds it";
  EXPECT_EQ(decode(writer, settings, "model.layers.0.mlp.down_proj.weight"), weights);
  EXPECT_EQ(decode(writer, settings, "model.embed_tokens.weight"), weights);
  EXPECT_EQ(decode(writer, settings, "lm_head.weight"), weights);
}

TEST_F(Quantized, bitnet_online_of_nothing_is_nothing) {
  test::WeightsWriter writer;
  writer.add("layers.0.up_proj.weight", "F32", {1, 2}, Floats{0, 0});
  writer.add("layers.1.up_proj.weight", "F32", {1, 2}, Floats{std::nanf(""), 1});
  const std::string settings =
      R"({"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"})";
  EXPECT_EQ(decode(writer, settings, "layers.0.up_proj.weight"), (Floats{0, 0}));
  for (const float value : decode(writer, settings, "layers.1.up_proj.weight"))
    EXPECT_TRUE(std::isnan(value)) << "for whoever quantizes to refuse";
}

TEST_F(Quantized, bitnet_of_other_kinds_is_refused_by_name) {
  test::WeightsWriter writer;
  writer.add("w.weight", "U8", {1, 2}, Bytes{0, 0});
  expect_error(ErrorKind::input_invalid, "'quantization_mode' 'halfway' is neither",
               [&] { decode(writer, R"({"quant_method": "bitnet", "quantization_mode": "halfway"})", "w"); });
  expect_error(ErrorKind::input_invalid, "'linear_class' 'x' is neither",
               [&] { decode(writer, R"({"quant_method": "bitnet", "linear_class": "x"})", "w"); });
}

/// 32 outputs with the codes 0 to 7 as inputs, and zeros of 5 as stored.
test::WeightsWriter auto_round_weights() {
  test::WeightsWriter writer;
  writer.add("w.qweight", "I32", {1, 32}, Words(32, 0x76543210));
  writer.add("w.qzeros", "I32", {1, 4}, Words(4, 0x55555555));
  writer.add("w.scales", "F16", {1, 32}, halves(Floats(32, 0.5f)));
  return writer;
}

TEST_F(Quantized, auto_round_zeros_depend_on_the_packing) {
  const auto first_row = [&](const std::string& packing) {
    const Floats values =
        decode(auto_round_weights(),
               R"({"quant_method": "auto-round", "bits": 4, "group_size": 128, "sym": true)" + packing + "}",
               "w.weight");
    return Floats(values.begin(), values.begin() + 8);
  };
  const Floats less_one{-3, -2.5f, -2, -1.5f, -1, -0.5f, 0, 0.5f};
  const Floats plain{-2.5f, -2, -1.5f, -1, -0.5f, 0, 0.5f, 1};
  EXPECT_EQ(first_row(R"(, "packing_format": "auto_round:auto_gptq")"), less_one);
  EXPECT_EQ(first_row(""), less_one);
  EXPECT_EQ(first_row(R"(, "packing_format": "auto_round:gptqmodel")"), plain);
  EXPECT_EQ(first_row(R"(, "packing_format": "auto_round")"), plain);
}

TEST_F(Quantized, auto_round_layers_may_have_other_widths) {
  // Said to have 8 bits, but for this one: a zero of 4 bits for each output tells.
  const Floats values = decode(auto_round_weights(),
                               R"({"quant_method": "auto-round", "bits": 8, "group_size": 128,
                                   "packing_format": "auto_round", "extra_config": {"w": {"bits": 4}}})",
                               "w.weight");
  EXPECT_EQ(shape_, (Shape{32, 8}));
  EXPECT_EQ(values[7], 1);
}

TEST_F(Quantized, auto_round_may_pack_as_awq) {
  test::WeightsWriter writer;
  writer.add("w.qweight", "I32", {1, 1}, Words{0x75316420});
  writer.add("w.qzeros", "I32", {1, 1}, Words{0x11111111});
  writer.add("w.scales", "F16", {1, 8}, halves(Floats(8, 2)));
  EXPECT_EQ(
      decode(writer, R"({"quant_method": "auto-round", "bits": 4, "packing_format": "auto_round:auto_awq"})",
             "w.weight"),
      (Floats{-2, 0, 2, 4, 6, 8, 10, 12}));
}

TEST_F(Quantized, auto_round_of_other_packings_is_refused_by_name) {
  const auto refused = [&](const std::string& settings, const std::string& piece) {
    expect_error(ErrorKind::input_invalid, piece, [&] {
      decode(auto_round_weights(), R"({"quant_method": "auto-round", "bits": 4, )" + settings + "}", "w");
    });
  };
  refused(R"("packing_format": "auto_round:llm_compressor")",
          "'packing_format' 'auto_round:llm_compressor' cannot be read");
  refused(R"("backend": "auto_round:exllamav2")", "'backend' 'auto_round:exllamav2' does not tell");
}

TEST_F(Quantized, awq_of_the_gemv_kind_has_rows_in_order) {
  // One word of 8 inputs for each of 8 outputs, in groups of 4; scales and zeros padded to whole words.
  Floats scales;
  for (unsigned row = 0; row < 8; ++row) scales.insert(scales.end(), {1, 2, 0, 0, 0, 0, 0, 0});
  test::WeightsWriter writer;
  writer.add("w.qweight", "I32", {8, 1}, Words(8, 0x76543210));
  writer.add("w.qzeros", "I32", {8, 1}, Words{0x21, 0, 0, 0, 0, 0, 0, 0});
  writer.add("w.scales", "F16", {8, 8}, halves(scales));
  const std::string start = R"({"quant_method": "awq", "bits": 4, "group_size": 4, "version": ")";
  const Floats values = decode(writer, start + R"(GEMV"})", "w.weight");
  EXPECT_EQ(shape_, (Shape{8, 8}));
  EXPECT_EQ(Floats(values.begin(), values.begin() + 16),
            (Floats{-1, 0, 1, 2, 4, 6, 8, 10, 0, 1, 2, 3, 8, 10, 12, 14}));
  expect_error(ErrorKind::input_invalid, "'version' 'gemv_fast' cannot be read; 'gemm' and 'gemv' can",
               [&] { decode(writer, start + R"(gemv_fast"})", "w.weight"); });
}

TEST_F(Quantized, bitsandbytes_blocks_cross_rows) {
  // 3 rows of 6 in blocks of 8: high halves come first, the last block is short.
  test::WeightsWriter writer;
  writer.add("w.weight", "U8", {9, 1}, Bytes{0xF0, 0xFF, 0xFF, 0x7F, 0xF7, 0xFF, 0xFF, 0xFF, 0x0F});
  writer.add("w.weight.absmax", "F32", {3}, Floats{1, 2, 4});
  const std::string state = R"({"quant_type": "nf4", "blocksize": 8, "dtype": "bfloat16", "shape": [3, 6]})";
  writer.add("w.weight.quant_state.bitsandbytes__nf4", "U8", {state.size()},
             Bytes(state.begin(), state.end()));
  EXPECT_EQ(decode(writer, R"({"quant_method": "bitsandbytes"})", "w.weight"),
            (Floats{1, -1, 1, 1, 1, 1, 0, 1, 2, 0, 2, 2, 2, 2, 2, 2, -4, 4}));
  EXPECT_EQ(shape_, (Shape{3, 6}));
}

TEST_F(Quantized, mxfp4_keeps_its_codes) {
  Bytes codes;
  for (unsigned i = 0; i < 16; ++i)
    codes.push_back(static_cast<std::uint8_t>(2 * i % 16 + (2 * i + 1) % 16 * 16));
  test::WeightsWriter writer;
  writer.add("e_blocks", "U8", {1, 1, 1, 16}, codes);
  writer.add("e_scales", "U8", {1, 1, 1}, Bytes{120});
  const SafetensorsSource source(scratch_.add("model.safetensors", writer.bytes()));
  const ModelConfig config(
      parse_json(R"({"quantization_config": {"quant_method": "mxfp4"}})", JsonLimits{}, "c"), "c");
  const DecodedCheckpoint decoded = decode_checkpoint(source, config, scratch_.path());
  const TensorInfo* tensor = decoded.tensors.find("e_blocks");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->dtype, DType::mxfp4);
  EXPECT_EQ(tensor->shape, (Shape{1, 1, 32}));
  std::vector<std::byte> block(17);
  decoded.tensors.expression(*tensor)->read_rows(0, 1, block);
  EXPECT_EQ(block[0], std::byte{120});
  for (unsigned i = 0; i < 16; ++i) EXPECT_EQ(std::to_integer<unsigned>(block[1 + i]), i + 16 * i) << i;
}

TEST_F(Quantized, parts_that_do_not_fit_are_refused_by_name) {
  test::WeightsWriter writer;
  writer.add("w.weight", "F8_E4M3", {4, 4}, Bytes(16, 0x38));
  writer.add("w.weight_scale_inv", "F32", {3, 1}, Floats{1, 1, 1});
  expect_error(
      ErrorKind::input_invalid, "tensor 'w.weight_scale_inv' F32 [3, 1]: does not fit 'w.weight' [4, 4]",
      [&] { decode(writer, R"({"quant_method": "fp8", "weight_block_size": [2, 2]})", "w.weight"); });
  expect_error(ErrorKind::input_invalid,
               "quantized with 'hqq', which qtz cannot read | use the model's 16-bit original",
               [&] { decode(writer, R"({"quant_method": "hqq"})", "w.weight"); });
}

}  // namespace
}  // namespace qtz
