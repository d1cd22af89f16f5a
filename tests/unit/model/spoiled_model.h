// One of the checkpoints of tests/data/arch with its configuration or its weights changed.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "qtz/core/dtype.h"
#include "qtz/core/json.h"
#include "qtz/model/gguf_model.h"
#include "support/arch_checkpoint.h"
#include "support/expect_error.h"
#include "unit/model/weights_writer.h"

namespace qtz::test {

struct WeightFacts {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
};

class SpoiledModel : public testing::Test {
 protected:
  std::filesystem::path checkpoint(const std::string& name) {
    const auto folder = scratch_.path() / name;
    return std::filesystem::exists(folder) ? folder
                                           : write_checkpoint(arch_data_folder() / name, scratch_.path());
  }

  /// Rewrites config.json, each time from the original.
  void edit_config(const std::string& name, const std::function<void(JsonValue&)>& edit) {
    JsonValue config = parse_json_file(arch_data_folder() / name / "config.json", JsonLimits{});
    edit(config);
    write_file(checkpoint(name) / "config.json", to_json(config));
  }
  void set_config(const std::string& name, const std::string& field, JsonValue value) {
    edit_config(name, [&](JsonValue& config) { config.set(field, std::move(value)); });
  }

  /// Rewrites the weights as zeros, each tensor as `edit` leaves it; an empty name leaves it out.
  void edit_weights(const std::string& name, const std::function<void(WeightFacts&)>& edit,
                    const std::vector<WeightFacts>& more = {}) {
    WeightsWriter writer;
    const JsonValue tensors = parse_json_file(arch_data_folder() / name / "tensors.json", JsonLimits{});
    for (const JsonValue& tensor : *tensors.as_array()) {
      WeightFacts facts{*tensor.find("name")->as_string(), "BF16", {}};
      for (const JsonValue& dim : *tensor.find("shape")->as_array()) facts.shape.push_back(*dim.as_uint());
      edit(facts);
      if (!facts.name.empty()) add(writer, facts);
    }
    for (const WeightFacts& facts : more) add(writer, facts);
    write_file(checkpoint(name) / "model.safetensors", writer.bytes());
  }
  void reshape_weight(const std::string& name, const std::string& tensor, std::vector<std::uint64_t> shape) {
    edit_weights(name, [&](WeightFacts& facts) {
      if (facts.name == tensor) facts.shape = shape;
    });
  }

  GgufModel open(const std::string& name) { return open_model(checkpoint(name), {}); }

  void expect_refused(const std::string& name, const std::string& piece) {
    SCOPED_TRACE(name);
    expect_error(ErrorKind::input_invalid, piece, [&] { open(name); });
  }

 private:
  static void add(WeightsWriter& writer, const WeightFacts& facts) {
    const DTypeTraits& type = traits(*dtype_from_safetensors(facts.dtype));
    std::uint64_t count = 1;
    for (const std::uint64_t dim : facts.shape) count *= dim;
    writer.add(facts.name, facts.dtype, facts.shape,
               std::vector<std::uint8_t>(count / type.block_elems * type.block_bytes));
  }

  ScratchFolder scratch_;
};

}  // namespace qtz::test
