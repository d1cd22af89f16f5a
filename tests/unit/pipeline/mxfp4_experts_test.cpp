// gpt-oss as it is published, experts in MXFP4: from the folder to the file no weight changes.
#include <gtest/gtest.h>

#include <cmath>

#include "planned_models.h"
#include "qtz/formats/gguf.h"
#include "qtz/pipeline/run.h"
#include "support/arch_checkpoint.h"
#include "support/scratch_folder.h"
#include "support/silent_progress.h"
#include "unit/model/weights_writer.h"

namespace qtz {
namespace {

using namespace qtz::test;

constexpr std::uint64_t kExperts = 4;
constexpr std::uint64_t kHidden = 256;
constexpr std::uint64_t kInner = 256;
using Bytes = std::vector<std::uint8_t>;

/// A stored stack of matrices: [experts, rows, cols / 32, 16] codes and [experts, rows, cols / 32] exponents.
struct Packed {
  std::uint64_t rows, cols;
  Bytes blocks, scales;

  Packed(std::uint64_t rows_, std::uint64_t cols_, unsigned seed) : rows(rows_), cols(cols_) {
    for (std::uint64_t i = 0; i < kExperts * rows * cols / 2; ++i)
      blocks.push_back(static_cast<std::uint8_t>(seed = seed * 1103515245 + 12345, seed >> 16));
    for (std::uint64_t i = 0; i < kExperts * rows * cols / 32; ++i)
      scales.push_back(static_cast<std::uint8_t>(100 + (seed = seed * 1103515245 + 12345, seed >> 16) % 30));
  }
  /// transformers' convert_moe_packed_tensors: a table of E2M1, low half first, times two to the exponent
  /// less 127.
  float at(std::uint64_t expert, std::uint64_t row, std::uint64_t col) const {
    constexpr float kValues[] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                 -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};
    const std::uint64_t element = (expert * rows + row) * cols + col;
    const unsigned pair = blocks[element / 2];
    return std::ldexp(kValues[element % 2 == 0 ? pair & 15 : pair >> 4], scales[element / 32] - 127);
  }
};

/// The checkpoint of tests/data/arch with its experts packed, as the published models have them.
class PublishedGptOss {
 public:
  PublishedGptOss() {
    const fs::path reference = arch_data_folder() / "gpt-oss";
    folder_ = write_checkpoint(reference, scratch_.path());
    JsonValue config = parse_json_file(reference / "config.json", JsonLimits{});
    config.set("quantization_config", JsonObject{{"quant_method", "mxfp4"}});
    write_file(folder_ / "config.json", to_json(config));
    WeightsWriter writer;
    const JsonValue tensors = parse_json_file(reference / "tensors.json", JsonLimits{});
    for (const JsonValue& tensor : *tensors.as_array()) {
      const std::string& name = *tensor.find("name")->as_string();
      if (name.ends_with("gate_up_proj")) {
        add(writer, name, gate_up);
      } else if (name.ends_with("down_proj")) {
        add(writer, name, down);
      } else {
        std::vector<std::uint64_t> shape;
        std::uint64_t count = 1;
        for (const JsonValue& dim : *tensor.find("shape")->as_array()) {
          shape.push_back(*dim.as_uint());
          count *= shape.back();
        }
        writer.add(name, "BF16", shape, checkpoint_values(name, count, 0, 0.1));
      }
    }
    write_file(folder_ / "model.safetensors", writer.bytes());
  }

  /// The file of that type.
  fs::path make(const char* type) const {
    const QuantPlan plan = make_plan(open_model(folder_, {}), find_file_type(type), {});
    const fs::path output = scratch_.path() / (std::string(type) + ".gguf");
    execute({&plan, 1}, {&output, 1}, select_backend(""), {}, silent_progress(), CancelToken());
    return output;
  }

  const Packed gate_up{2 * kInner, kHidden, 1};  ///< rows of gate and up by turns
  const Packed down{kHidden, kInner, 2};

 private:
  static void add(WeightsWriter& writer, const std::string& name, const Packed& packed) {
    writer.add(name + "_blocks", "U8", {kExperts, packed.rows, packed.cols / 32, 16}, packed.blocks);
    writer.add(name + "_scales", "U8", {kExperts, packed.rows, packed.cols / 32}, packed.scales);
  }

  ScratchFolder scratch_;
  fs::path folder_;
};

std::vector<float> decoded(const GgufSource& file, const std::string& name) {
  const TensorInfo* info = file.find(name);
  if (info == nullptr || info->dtype != DType::mxfp4) {
    ADD_FAILURE() << name << " is no MXFP4";
    return {};
  }
  std::vector<std::byte> bytes(info->bytes);
  file.read(*info, 0, bytes);
  std::vector<float> values(info->shape.elements());
  select_backend("scalar").decode(info->dtype, bytes.data(), values.data(), values.size());
  return values;
}

TEST(Mxfp4Experts, HaveTransformersValuesInEveryFile) {
  const PublishedGptOss model;
  for (const char* type : {"MXFP4_MOE", "Q4_K_M", "BF16"}) {
    const GgufSource file(model.make(type));
    for (const char* block : {"blk.0.", "blk.1."}) {
      const auto gate = decoded(file, block + std::string("ffn_gate_exps.weight"));
      const auto up = decoded(file, block + std::string("ffn_up_exps.weight"));
      const auto down = decoded(file, block + std::string("ffn_down_exps.weight"));
      ASSERT_EQ(gate.size(), kExperts * kInner * kHidden);
      ASSERT_EQ(up.size(), gate.size());
      ASSERT_EQ(down.size(), gate.size());
      std::size_t wrong = 0;
      for (std::uint64_t i = 0; i < gate.size(); ++i) {
        const std::uint64_t expert = i / (kInner * kHidden), row = i / kHidden % kInner, col = i % kHidden;
        wrong += gate[i] != model.gate_up.at(expert, 2 * row, col) ? 1U : 0U;
        wrong += up[i] != model.gate_up.at(expert, 2 * row + 1, col) ? 1U : 0U;
        wrong += down[i] != model.down.at(expert, row, col) ? 1U : 0U;
      }
      EXPECT_EQ(wrong, 0u) << type << " " << block;
    }
  }
}

}  // namespace
}  // namespace qtz
