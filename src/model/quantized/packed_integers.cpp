// compressed-tensors' pack-quantized form: integers of a few bits in 32-bit words, along the rows.
#include <optional>

#include "model/quantized/quant_methods.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

constexpr std::uint64_t kMaxColumns = std::uint64_t{1} << 24;

/// The layout in which `cols` codes of one of the widths take `words` words. Widths that do not divide 32
/// were packed with a rest in each word before they were packed densely.
std::optional<CodeLayout> layout_of(std::uint64_t cols, std::uint64_t words,
                                    const std::vector<unsigned>& widths) {
  for (const unsigned bits : widths) {
    if ((cols * bits + 31) / 32 == words) return CodeLayout{.bits = bits};
    const unsigned per_word = 32 / bits;
    if (32 % bits != 0 && (cols + per_word - 1) / per_word == words)
      return CodeLayout{.bits = bits, .per_word = per_word};
  }
  return std::nullopt;
}

/// "num_bits" of all the groups.
std::vector<unsigned> told_widths(const ModelConfig& settings) {
  std::vector<unsigned> widths;
  const auto groups = settings.find("config_groups");
  const JsonObject* members = groups ? groups->value->as_object() : nullptr;
  if (members == nullptr) settings.refuse("config_groups", "is missing or no object");
  for (const JsonMember& group : *members) {
    const JsonValue* weights = group.second.find("weights");
    const JsonValue* bits = weights != nullptr ? weights->find("num_bits") : nullptr;
    const auto count = bits != nullptr ? bits->as_uint() : std::nullopt;
    if (count && *count >= 1 && *count <= 8) widths.push_back(static_cast<unsigned>(*count));
  }
  return widths;
}

std::vector<std::uint32_t> column_groups(DecodeBuild& build, const TensorInfo& index, std::uint64_t cols,
                                         std::uint64_t groups) {
  std::vector<std::uint32_t> out;
  for (const std::int64_t group : build.take_integers(index, kMaxColumns)) {
    if (group < 0 || static_cast<std::uint64_t>(group) >= groups)
      build.refuse(index, "names a group that has no scale");
    out.push_back(static_cast<std::uint32_t>(group));
  }
  if (out.size() != cols)
    build.refuse(index, "should have a group for each of " + std::to_string(cols) + " columns");
  return out;
}

void decode(DecodeBuild& build, const TensorInfo& packed, const std::string& weight,
            const std::vector<unsigned>& widths) {
  const TensorInfo& told_shape = build.need(weight, "_shape", packed);
  const std::vector<std::int64_t> dims = build.take_integers(told_shape, 2);
  if (packed.shape.rank() != 2 || dims.size() != 2 || dims[0] != static_cast<std::int64_t>(packed.shape[0]) ||
      dims[1] <= 0 || static_cast<std::uint64_t>(dims[1]) > kMaxColumns) {
    build.refuse(told_shape, "does not fit '" + printable(packed.name) + "' " + packed.shape.to_string());
  }
  const std::uint64_t rows = packed.shape[0];
  const auto cols = static_cast<std::uint64_t>(dims[1]);
  const auto layout = layout_of(cols, packed.shape[1], widths);
  if (!layout) {
    build.refuse(packed, "holds rows of " + std::to_string(cols) +
                             " integers in none of the widths that 'config_groups' has");
  }
  const TensorInfo& scale = build.need(weight, "_scale", packed);
  if (scale.shape.rank() != 2 || scale.shape[0] != rows || scale.shape[1] == 0) {
    build.refuse(scale, "does not fit '" + printable(packed.name) + "' " + packed.shape.to_string());
  }
  const std::uint64_t groups = scale.shape[1];
  CodeGroups columns{.zero = 1u << (layout->bits - 1)};
  if (const TensorInfo* index = build.find(weight + "_g_idx")) {
    columns.groups = column_groups(build, *index, cols, groups);
  } else if (cols % groups == 0) {
    columns.group_size = cols / groups;
  } else {
    build.refuse(scale, "has groups that do not divide rows of " + std::to_string(cols));
  }
  TensorExprPtr zeros;
  if (const TensorInfo* zero_point = build.find(weight + "_zero_point")) {
    // Packed along the other dimension: a column of words holds the zeros of one group.
    const std::uint64_t words = layout->per_word > 0 ? (rows + layout->per_word - 1) / layout->per_word
                                                     : (rows * layout->bits + 31) / 32;
    TensorExprPtr column = transposed(build.take(*zero_point, DType::i32, Shape{words, groups}));
    zeros = transposed(packed_codes(std::move(column), rows, *layout));
  }
  TensorExprPtr scales = build.take_numbers(scale, scale.shape);
  build.give(packed, weight,
             dequantized(packed_codes(build.take(packed), cols, *layout), std::move(scales), std::move(zeros),
                         std::move(columns)));
}

}  // namespace

void decode_packed_integers(DecodeBuild& build) {
  for (const std::string_view field : {"sparsity_config", "transform_config"}) {
    const auto found = build.settings().find(field);
    const JsonValue* format = found ? found->value->find("format") : nullptr;
    const bool is_dense =
        format != nullptr && format->as_string() != nullptr && *format->as_string() == "dense";
    const JsonObject* members = found ? found->value->as_object() : nullptr;
    if (members == nullptr || members->empty() || is_dense) continue;
    build.settings().refuse(field, field == "sparsity_config"
                                       ? "sparse weights cannot be read"
                                       : "models that rotate their activations have no GGUF form");
  }
  std::vector<unsigned> widths;
  for (const TensorInfo* tensor : build.left()) {
    const auto base = before(tensor->name, "_packed");
    if (base.empty() || tensor->dtype != DType::i32) continue;
    if (widths.empty()) widths = told_widths(build.settings());
    decode(build, *tensor, std::string(base), widths);
  }
}

}  // namespace qtz
