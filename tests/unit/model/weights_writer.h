// Small safetensors files with given values, for tests of expressions and models.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "qtz/core/json.h"
#include "qtz/formats/safetensors.h"
#include "support/safetensors_bytes.h"
#include "support/scratch_folder.h"

namespace qtz::test {

/// Collects tensors, then writes them to model.safetensors in a folder.
class WeightsWriter {
 public:
  template <typename T>
  WeightsWriter& add(const std::string& name, const std::string& dtype, std::vector<std::uint64_t> shape,
                     const std::vector<T>& values) {
    JsonArray dims;
    for (const std::uint64_t dim : shape) dims.emplace_back(dim);
    const std::uint64_t begin = data_.size();
    data_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    header_.set(name, JsonObject{{"dtype", dtype},
                                 {"shape", std::move(dims)},
                                 {"data_offsets", JsonArray{begin, std::uint64_t{data_.size()}}}});
    return *this;
  }
  /// F32 values 0, 1, 2 ...
  WeightsWriter& add_counting(const std::string& name, std::vector<std::uint64_t> shape) {
    std::uint64_t count = 1;
    for (const std::uint64_t dim : shape) count *= dim;
    std::vector<float> values(count);
    for (std::uint64_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
    return add(name, "F32", std::move(shape), values);
  }
  std::string bytes() const {
    const std::string text = to_json(header_, -1);
    return little_endian_u64(text.size()) + text + data_;
  }

 private:
  JsonValue header_ = JsonObject{};
  std::string data_;
};

}  // namespace qtz::test
