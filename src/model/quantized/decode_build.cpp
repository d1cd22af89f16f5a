#include "model/quantized/decode_build.h"

#include "qtz/core/bytes.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

std::string named(const TensorInfo& tensor) {
  return "tensor '" + printable(tensor.name) + "' " + std::string(name_of(tensor.dtype)) + " " +
         tensor.shape.to_string();
}

}  // namespace

std::vector<const TensorInfo*> DecodeBuild::left() const {
  std::vector<const TensorInfo*> out;
  for (const TensorInfo& tensor : stored_.tensors()) {
    if (used_.count(&tensor) == 0) out.push_back(&tensor);
  }
  return out;
}

const TensorInfo& DecodeBuild::need(std::string_view base, std::string_view suffix,
                                    const TensorInfo& of) const {
  const std::string name = std::string(base) + std::string(suffix);
  if (const TensorInfo* tensor = find(name)) return *tensor;
  refuse(of, "there is no '" + printable(name) + "', without which it cannot be decoded");
}

TensorExprPtr DecodeBuild::take(const TensorInfo& tensor) {
  used_.insert(&tensor);
  return stored(stored_, tensor);
}

TensorExprPtr DecodeBuild::take(const TensorInfo& tensor, DType type, const Shape& shape) {
  if (tensor.dtype != type) refuse(tensor, "should have type " + std::string(name_of(type)));
  if (tensor.shape != shape) refuse(tensor, "should have shape " + shape.to_string());
  return take(tensor);
}

TensorExprPtr DecodeBuild::take_numbers(const TensorInfo& tensor, const Shape& shape) {
  if (!is_plain(tensor.dtype)) refuse(tensor, "should have numbers as scales");
  if (tensor.shape != shape) refuse(tensor, "should have shape " + shape.to_string());
  return take(tensor);
}

std::vector<std::int64_t> DecodeBuild::take_integers(const TensorInfo& tensor, std::uint64_t at_most) {
  if (tensor.dtype != DType::i64 && tensor.dtype != DType::i32) refuse(tensor, "should have integers");
  if (tensor.shape.elements() > at_most)
    refuse(tensor, "has more than " + std::to_string(at_most) + " elements");
  used_.insert(&tensor);
  std::vector<std::byte> bytes(tensor.bytes);
  stored_.read(tensor, 0, bytes);
  std::vector<std::int64_t> out(tensor.shape.elements());
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = tensor.dtype == DType::i64 ? load_le<std::int64_t>(bytes.data() + 8 * i)
                                        : std::int64_t{load_le<std::int32_t>(bytes.data() + 4 * i)};
  }
  return out;
}

std::string DecodeBuild::take_text(const TensorInfo& tensor, std::uint64_t at_most) {
  if (tensor.bytes > at_most) refuse(tensor, "has more than " + std::to_string(at_most) + " bytes");
  used_.insert(&tensor);
  std::string text(tensor.bytes, '\0');
  stored_.read(tensor, 0, std::as_writable_bytes(std::span(text)));
  return text;
}

void DecodeBuild::give(const TensorInfo& main, std::string name, TensorExprPtr expr) {
  used_.insert(&main);
  TensorInfo info{std::move(name), expr->dtype(), expr->shape(), main.offset, 0, main.shard};
  const bool first =
      given_.try_emplace(&main, CheckpointTensors::Entry{std::move(info), std::move(expr)}).second;
  QTZ_CHECK(first);
}

void DecodeBuild::keep(KeptBlocks blocks) {
  const auto given = given_.find(blocks.codes);
  QTZ_CHECK(given != given_.end());
  if (blocks.input != nullptr) used_.insert(blocks.input);
  given->second.kept = std::make_shared<const KeptBlocks>(std::move(blocks));
}

void DecodeBuild::leave_out(const TensorInfo& tensor, std::string_view reason) {
  used_.insert(&tensor);
  skipped_.push_back(tensor.name + ": " + std::string(reason));
}

void DecodeBuild::refuse(const TensorInfo& tensor, const std::string& problem) const {
  throw Error(
      ErrorKind::input_invalid,
      printable(stored_.files()[tensor.shard].path().native()) + ": " + named(tensor) + ": " + problem,
      "check that " + settings_.where() + " belongs to these weights");
}

CheckpointTensors DecodeBuild::finish() && {
  std::vector<CheckpointTensors::Entry> entries;
  for (const TensorInfo& tensor : stored_.tensors()) {
    if (const auto given = given_.find(&tensor); given != given_.end()) {
      entries.push_back(std::move(given->second));
    } else if (used_.count(&tensor) == 0) {
      entries.push_back({tensor, stored(stored_, tensor)});
    }
  }
  return CheckpointTensors(stored_, std::move(entries));
}

std::uint64_t group_size_of(const ModelConfig& settings) {
  constexpr double kMost = 1u << 24;
  const double size = settings.number("group_size|q_group_size").value_or(-1);
  if (size > kMost) settings.refuse("group_size", "is absurd");
  return size > 0 ? static_cast<std::uint64_t>(size) : 0;
}

std::string_view before(std::string_view name, std::string_view suffix) {
  if (name.size() <= suffix.size() || !name.ends_with(suffix)) return {};
  return name.substr(0, name.size() - suffix.size());
}

}  // namespace qtz
