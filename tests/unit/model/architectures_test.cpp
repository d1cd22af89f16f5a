// Every architecture with an oracle in tests/data/arch: keys, names, shapes, types and every byte of the
// tensors are those of llama.cpp's converter.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "model/tensor_ops.h"
#include "qtz/core/half.h"
#include "qtz/core/json.h"
#include "qtz/model/arch_spec.h"
#include "qtz/model/gguf_model.h"
#include "support/arch_checkpoint.h"
#include "support/scratch_folder.h"
#include "support/sha256_hex.h"

namespace qtz {
namespace {

/// The tensor's data as it stands in a file where it has type `type`.
std::vector<std::byte> materialized(const TensorExpr& expr, DType type) {
  const std::uint64_t rows = expr.shape().rows();
  std::vector<std::byte> bytes(rows * row_bytes(expr.dtype(), expr.shape().cols()));
  expr.read_rows(0, rows, bytes);
  if (expr.dtype() == type) return bytes;
  std::vector<float> values(expr.shape().elements());
  widen_to_f32(expr.dtype(), bytes, values);
  std::vector<std::byte> out(expr.shape().elements() * traits(type).block_bytes);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (type == DType::f32) std::memcpy(out.data() + 4 * i, &values[i], 4);
    const std::uint16_t code = f32_to_bf16(values[i]);
    if (type == DType::bf16) std::memcpy(out.data() + 2 * i, &code, 2);
  }
  return out;
}

std::string type_name(const GgufValue& value) {
  static const std::map<GgufType, std::string> kNames = {
      {GgufType::u8, "UINT8"},    {GgufType::i8, "INT8"},      {GgufType::u16, "UINT16"},
      {GgufType::i16, "INT16"},   {GgufType::u32, "UINT32"},   {GgufType::i32, "INT32"},
      {GgufType::f32, "FLOAT32"}, {GgufType::boolean, "BOOL"}, {GgufType::string, "STRING"},
      {GgufType::u64, "UINT64"},  {GgufType::i64, "INT64"},    {GgufType::f64, "FLOAT64"},
  };
  if (value.as_array() != nullptr) return "ARRAY/" + kNames.at(value.as_array()->type);
  return kNames.at(value.type());
}

std::string payload_sha256(const GgufArray& array) {
  Sha256 hash;
  std::visit(
      [&](const auto& elements) {
        for (const auto& element : elements) {
          if constexpr (std::is_same_v<std::decay_t<decltype(element)>, std::string>) {
            const std::uint64_t length = element.size();
            hash.update(std::as_bytes(std::span(&length, 1)));
            hash.update(std::as_bytes(std::span(element.data(), element.size())));
          } else {
            hash.update(std::as_bytes(std::span(&element, 1)));
          }
        }
      },
      array.elements);
  return hash.finish();
}

bool within_one_ulp(float a, float b) {
  return a == b || std::nextafterf(a, b) == b;
}

void expect_equal(const std::string& key, const JsonValue& expected, const GgufValue& found) {
  SCOPED_TRACE(key);
  EXPECT_EQ(type_name(found), *expected.find("type")->as_string());
  if (const GgufArray* array = found.as_array()) {
    if (expected.find("len") != nullptr) {
      EXPECT_EQ(array->size(), expected.find("len")->as_uint());
      EXPECT_EQ(payload_sha256(*array), *expected.find("sha256_payload")->as_string());
      return;
    }
    const JsonArray& values = *expected.find("value")->as_array();
    ASSERT_EQ(array->size(), values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::visit(
          [&](const auto& elements) {
            using Element = typename std::decay_t<decltype(elements)>::value_type;
            if constexpr (std::is_same_v<Element, std::string>) {
              EXPECT_EQ(elements[i], *values[i].as_string());
            } else if constexpr (std::is_same_v<Element, float>) {
              EXPECT_TRUE(within_one_ulp(elements[i], static_cast<float>(*values[i].as_double())));
            } else {
              const double number = values[i].as_bool() ? *values[i].as_bool() : *values[i].as_double();
              EXPECT_EQ(static_cast<double>(elements[i]), number);
            }
          },
          array->elements);
    }
    return;
  }
  const JsonValue& value = *expected.find("value");
  if (found.type() == GgufType::string) {
    EXPECT_EQ(*found.as_string(), *value.as_string());
  } else if (found.type() == GgufType::boolean) {
    EXPECT_EQ(found.as_bool(), value.as_bool());
  } else if (found.type() == GgufType::f32) {
    EXPECT_TRUE(
        within_one_ulp(static_cast<float>(*found.as_double()), static_cast<float>(*value.as_double())))
        << *found.as_double() << " instead of " << *value.as_double();
  } else {
    EXPECT_EQ(found.as_int(), value.as_int());
  }
}

/// A computed tensor whose hash differs: libraries' exponentials differ in the last bit. It must be -exp of
/// what is stored.
void expect_decay_rates(const std::filesystem::path& reference, const TensorExpr& expr,
                        std::span<const std::byte> data) {
  std::vector<const TensorInfo*> inputs;
  expr.collect_inputs(inputs);
  ASSERT_EQ(inputs.size(), 1U);
  ASSERT_TRUE(inputs[0]->name.ends_with(".A_log")) << "not the converter's bytes";
  const JsonValue tensors = parse_json_file(reference / "tensors.json", JsonLimits{});
  for (const JsonValue& tensor : *tensors.as_array()) {
    if (*tensor.find("name")->as_string() != inputs[0]->name) continue;
    const auto codes =
        test::checkpoint_values(inputs[0]->name, expr.shape().elements(), *tensor.find("mean")->as_double(),
                                *tensor.find("scale")->as_double());
    for (std::size_t i = 0; i < codes.size(); ++i) {
      float found = 0;
      std::memcpy(&found, data.data() + 4 * i, 4);
      ASSERT_TRUE(within_one_ulp(found, -std::exp(bf16_to_f32(codes[i])))) << i;
    }
  }
}

/// Opens the folder's checkpoint and compares it with the record that the converter's file gave.
void expect_conversion(const std::string& name, const std::string& record, const ModelOptions& options) {
  const test::ScratchFolder scratch;
  const auto reference = test::arch_data_folder() / name;
  const auto folder = test::write_checkpoint(reference, scratch.path());
  const JsonValue expected = parse_json_file(reference / record, JsonLimits{});

  const GgufModel model = open_model(folder, options);
  for (const auto& [key, value] : *expected.find("kv")->as_object()) {
    if (key == "general.file_type" || key == "general.quantization_version") continue;
    const GgufValue* found = model.metadata.find(key);
    ASSERT_NE(found, nullptr) << key;
    expect_equal(key, value, *found);
  }

  std::map<std::string, const JsonValue*> tensors;
  for (const JsonValue& tensor : *expected.find("tensors")->as_array()) {
    tensors.emplace(*tensor.find("name")->as_string(), &tensor);
  }
  EXPECT_EQ(model.tensors.size(), tensors.size());
  for (const ModelTensor& tensor : model.tensors) {
    SCOPED_TRACE(tensor.name);
    ASSERT_EQ(tensors.count(tensor.name), 1U);
    const JsonValue& facts = *tensors.at(tensor.name);
    std::vector<std::uint64_t> ne;
    for (const JsonValue& dim : *facts.find("ne")->as_array()) ne.insert(ne.begin(), *dim.as_uint());
    EXPECT_EQ(tensor.expr->shape(), Shape(ne));
    EXPECT_EQ(name_of(tensor.unquantized), *facts.find("type")->as_string());
    const auto data = materialized(*tensor.expr, *find_dtype(*facts.find("type")->as_string()));
    if (test::sha256_hex(data) != *facts.find("sha256")->as_string()) {
      expect_decay_rates(reference, *tensor.expr, data);
    }
  }
  for (const std::string& warning : model.warnings) {
    EXPECT_NE(warning.find("the weights were quantized before"), std::string::npos) << warning;
  }
}

class Architectures : public testing::TestWithParam<std::string> {};

TEST_P(Architectures, are_converted_as_llama_cpp_converts_them) {
  expect_conversion(GetParam(), "expected-bf16.json", ModelOptions{});
}

class LayersThatPredict : public testing::TestWithParam<std::string> {};

TEST_P(LayersThatPredict, are_left_out_as_llama_cpp_leaves_them_out) {
  const auto record = test::arch_data_folder() / GetParam() / "expected-bf16-drop.json";
  if (!std::filesystem::exists(record)) GTEST_SKIP() << "left out without being asked";
  ModelOptions options;
  options.prediction_layers = PredictionLayers::drop;
  expect_conversion(GetParam(), "expected-bf16-drop.json", options);
}

TEST_P(LayersThatPredict, are_a_file_of_their_own_as_llama_cpp_makes_it) {
  ModelOptions options;
  options.prediction_layers = PredictionLayers::only;
  expect_conversion(GetParam(), "expected-bf16-only.json", options);
}

class Nvfp4Checkpoints : public testing::TestWithParam<std::string> {};

TEST_P(Nvfp4Checkpoints, keep_their_blocks_and_scales_as_llama_cpps_converter_does) {
  ModelOptions options;
  options.keeps_nvfp4 = true;
  expect_conversion(GetParam(), "expected-nvfp4.json", options);
}

/// Reading tile by tile gives what reading at once gives, whatever the tile.
TEST_P(Architectures, read_the_same_in_tiles_of_any_height) {
  const test::ScratchFolder scratch;
  const auto folder = test::write_checkpoint(test::arch_data_folder() / GetParam(), scratch.path());
  const GgufModel model = open_model(folder, ModelOptions{});
  for (const ModelTensor& tensor : model.tensors) {
    SCOPED_TRACE(tensor.name);
    const TensorExpr& expr = *tensor.expr;
    const std::uint64_t row = row_bytes(expr.dtype(), expr.shape().cols());
    const std::uint64_t rows = expr.shape().rows();
    std::vector<std::byte> whole(rows * row);
    std::vector<std::byte> tiled(rows * row);
    expr.read_rows(0, rows, whole);
    for (std::uint64_t first = 0, height = 1; first < rows; first += height, height = height * 2 + 1) {
      const std::uint64_t count = std::min(height, rows - first);
      expr.read_rows(first, count, std::span(tiled).subspan(first * row, count * row));
      height = count;
    }
    EXPECT_EQ(whole, tiled);
  }
}

std::string test_name(const testing::TestParamInfo<std::string>& parameter) {
  std::string name = parameter.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Oracles, Architectures,
                         testing::ValuesIn(test::arch_data_names("expected-bf16.json")), test_name);
INSTANTIATE_TEST_SUITE_P(Oracles, LayersThatPredict,
                         testing::ValuesIn(test::arch_data_names("expected-bf16-only.json")), test_name);
INSTANTIATE_TEST_SUITE_P(Oracles, Nvfp4Checkpoints,
                         testing::ValuesIn(test::arch_data_names("expected-nvfp4.json")), test_name);

TEST(ArchitectureList, gives_every_class_one_architecture) {
  std::map<std::string_view, std::string_view> seen;
  for (const ArchitectureInfo& row : list_architectures()) {
    EXPECT_TRUE(seen.emplace(row.hf_class, row.gguf_name).second) << row.hf_class << " is listed twice";
    EXPECT_EQ(find_architecture(row.hf_class, "config.json").gguf_name, row.gguf_name);
    EXPECT_TRUE(row.proof == "bytes" || row.proof == "logits" || row.proof == "loads") << row.proof;
  }
  EXPECT_FALSE(seen.empty());
}

}  // namespace
}  // namespace qtz
