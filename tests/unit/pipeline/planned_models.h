// Models for pipeline tests that need no folder: tensors in memory, and the tensor lists of converted
// checkpoints.
#pragma once

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "qtz/core/bytes.h"
#include "qtz/core/error.h"
#include "qtz/core/json.h"
#include "qtz/model/gguf_model.h"
#include "qtz/pipeline/plan.h"

namespace qtz::test {

namespace fs = std::filesystem;

/// A tensor whose bytes are in memory, or one that is only planned with (no bytes).
class MemoryExpr final : public TensorExpr {
 public:
  MemoryExpr(Shape shape, DType type, std::vector<std::byte> bytes = {}, std::uint32_t shard = 0,
             std::uint64_t position = 0)
      : TensorExpr(std::move(shape), type), bytes_(std::move(bytes)) {
    info_ = {"stored", type, this->shape(), position, bytes_.size(), shard};
  }
  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const override {
    const std::uint64_t row = row_bytes(dtype(), shape().cols());
    QTZ_CHECK(out.size() == count * row && (first + count) * row <= bytes_.size());
    std::memcpy(out.data(), bytes_.data() + first * row, out.size());
  }
  /// The same tensor, said to lie elsewhere.
  std::shared_ptr<const MemoryExpr> moved_to(std::uint32_t shard, std::uint64_t position) const {
    return std::make_shared<MemoryExpr>(shape(), dtype(), bytes_, shard, position);
  }
  std::uint64_t staging_bytes(std::uint64_t) const override { return 0; }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override { inputs.push_back(&info_); }

 private:
  std::vector<std::byte> bytes_;
  TensorInfo info_;
};

/// A source of no files, for models that live in memory.
class NoFiles final : public TensorSource {
 public:
  std::span<const TensorInfo> tensors() const override { return {}; }
  std::span<const InputFile> files() const override { return {}; }
};

inline ModelTensor planned(std::string name, Shape shape, DType type = DType::bf16, std::uint32_t shard = 0,
                           std::uint64_t position = 0) {
  auto expr = std::make_shared<MemoryExpr>(std::move(shape), type, std::vector<std::byte>{}, shard, position);
  return {std::move(name), std::move(expr), type};
}

inline GgufModel model_of(std::vector<ModelTensor> tensors, std::string architecture = "llama") {
  GgufModel model;
  model.source = std::make_shared<NoFiles>();
  model.architecture = architecture;
  model.metadata.set("general.architecture", architecture);
  model.tensors = std::move(tensors);
  return model;
}

inline void set_number(GgufModel& model, const std::string& key, std::uint32_t value) {
  model.metadata.set(model.architecture + "." + key, value);
}

/// A small dense model with everything a mix looks at.
inline GgufModel dense_model(std::uint32_t layers, bool tied = false, std::uint32_t heads = 8,
                             std::uint32_t kv = 2) {
  std::vector<ModelTensor> tensors;
  if (!tied) tensors.push_back(planned("output.weight", {512, 256}));
  tensors.push_back(planned("token_embd.weight", {512, 256}));
  tensors.push_back(planned("output_norm.weight", {256}, DType::f32));
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    tensors.push_back(planned(block + "attn_norm.weight", {256}, DType::f32));
    for (const char* name : {"attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight"})
      tensors.push_back(planned(block + name, {256, 256}));
    tensors.push_back(planned(block + "ffn_up.weight", {512, 256}));
    tensors.push_back(planned(block + "ffn_gate.weight", {512, 256}));
    tensors.push_back(planned(block + "ffn_down.weight", {256, 512}));
  }
  GgufModel model = model_of(std::move(tensors));
  set_number(model, "block_count", layers);
  set_number(model, "attention.head_count", heads);
  set_number(model, "attention.head_count_kv", kv);
  return model;
}

/// File types that are refused without an importance matrix.
inline bool wants_importance(const FileType& type) {
  try {
    make_plan(dense_model(1), type, {});
    return false;
  } catch (const Error&) {
    return true;
  }
}

inline fs::path arch_folder() {
  return fs::path(QTZ_SHARED_DIR) / "data" / "arch";
}

inline GgufValue value_from(const JsonValue& value) {
  if (const auto number = value.as_uint()) return static_cast<std::uint32_t>(*number);
  if (const auto flag = value.as_bool()) return *flag;
  if (const auto number = value.as_double()) return static_cast<float>(*number);
  if (const auto* array = value.as_array()) {
    std::vector<std::int32_t> numbers;
    for (const JsonValue& each : *array)
      numbers.push_back(static_cast<std::int32_t>(each.as_int().value_or(0)));
    return numbers;
  }
  return value.as_string() == nullptr ? "" : *value.as_string();
}

/// A record of what the peers made of a checkpoint. Some hold -Infinity, which JSON does not have and no test
/// looks at.
inline JsonValue read_record(const fs::path& path) {
  std::string text = read_text_file(path, 1u << 24);
  constexpr std::string_view kInfinity = "-Infinity";
  for (auto at = text.find(kInfinity); at != std::string::npos; at = text.find(kInfinity))
    text.replace(at, kInfinity.size(), "0");
  return parse_json(text, {}, path.native());
}

/// The BF16 GGUF that the converter made of a checkpoint folder, as llama-quantize would open it: tensor list
/// and metadata (long arrays left out), no weights.
inline GgufModel converted_model(const std::string& name) {
  const JsonValue expected = read_record(arch_folder() / name / "expected-bf16.json");
  GgufModel model;
  model.source = std::make_shared<NoFiles>();
  model.from_gguf = true;
  for (const auto& [key, entry] : *expected.find("kv")->as_object()) {
    if (const JsonValue* value = entry.find("value")) model.metadata.set(key, value_from(*value));
  }
  model.architecture = *model.metadata.find("general.architecture")->as_string();
  for (const JsonValue& tensor : *expected.find("tensors")->as_array()) {
    std::vector<std::uint64_t> dims;
    for (const JsonValue& dim : *tensor.find("ne")->as_array()) dims.insert(dims.begin(), *dim.as_uint());
    model.tensors.push_back(planned(*tensor.find("name")->as_string(), Shape(dims),
                                    *find_dtype(*tensor.find("type")->as_string())));
  }
  return model;
}

/// Names of all checkpoint folders, sorted; empty where the data is absent.
inline std::vector<std::string> converted_names() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(arch_folder(), error)) {
    if (fs::exists(entry.path() / "expected-quant.json")) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline const PlanEntry& entry_of(const QuantPlan& plan, std::string_view name) {
  for (const PlanEntry& entry : plan.entries) {
    if (entry.name == name) return entry;
  }
  throw std::out_of_range(std::string(name));
}

}  // namespace qtz::test
