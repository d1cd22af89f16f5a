// GPTQ checkpoints: codes packed along the input dimension of a transposed matrix, zeros along the output
// dimension.
#include "model/quantized/quant_methods.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

constexpr std::uint64_t kMaxInputs = std::uint64_t{1} << 24;

struct GptqSettings {
  unsigned bits;
  std::uint64_t group_size;  ///< 0: one group
  bool minus_one;            ///< zeros are stored less one (v1)
  bool dynamic;              ///< bits and group size may differ from module to module
  /// Files exist that say v1 and have the zeros of v2, where all zeros are the middle.
  bool doubtful;
};

/// What all tools that pack like this say alike.
GptqSettings common_settings(const ModelConfig& settings, bool minus_one) {
  return {static_cast<unsigned>(settings.need_uint("bits|w_bit")), group_size_of(settings), minus_one,
          settings.has("dynamic|extra_config"), false};
}

GptqSettings read_settings(const ModelConfig& settings) {
  const std::string format = settings.text("checkpoint_format").value_or("gptq");
  if (format != "gptq" && format != "gptq_v2") {
    settings.refuse("checkpoint_format",
                    "'" + printable(format) + "' cannot be read; 'gptq' and 'gptq_v2' can");
  }
  if (settings.boolean("is_marlin_format").value_or(false)) {
    settings.refuse("is_marlin_format", "weights repacked for one kernel cannot be read");
  }
  GptqSettings result = common_settings(settings, format == "gptq");
  result.doubtful = settings.boolean("sym").value_or(true);
  return result;
}

/// Zeros are stored so that the word or the code plus this is the zero.
CodeLayout zero_layout(unsigned bits, const GptqSettings& settings) {
  CodeLayout layout{.bits = bits};
  if (!settings.minus_one) return layout;
  if (bits == 3) {
    layout.code_add = 1;
    return layout;
  }
  // Word by word, as the library that wrote them does: a zero of 0 borrowed from its neighbour.
  for (unsigned at = 0; at < 32; at += bits) layout.word_add |= 1u << at;
  if (settings.doubtful) layout.word_kept = layout.word_add << (bits - 1);
  return layout;
}

void decode(DecodeBuild& build, const TensorInfo& qweight, const std::string& base,
            const GptqSettings& settings) {
  const TensorInfo& scales = build.need(base, ".scales", qweight);
  const TensorInfo& qzeros = build.need(base, ".qzeros", qweight);
  const TensorInfo* index = build.find(base + ".g_idx");
  if (qweight.dtype != DType::i32 || qweight.shape.rank() != 2 || qweight.shape.elements() == 0) {
    build.refuse(qweight, "should be a matrix of I32");
  }
  const std::uint64_t words = qweight.shape[0];
  const std::uint64_t out = qweight.shape[1];
  if (scales.shape.rank() != 2 || scales.shape[1] != out || scales.shape[0] == 0) {
    build.refuse(scales, "does not fit '" + printable(qweight.name) + "' " + qweight.shape.to_string());
  }
  const std::uint64_t groups = scales.shape[0];

  unsigned bits = settings.bits;
  if (settings.dynamic && qzeros.shape.rank() == 2) {
    // A zero for each output tells how wide codes are.
    bits = static_cast<unsigned>(std::min<std::uint64_t>(qzeros.shape[1], out) * 32 / out);
  }
  const std::uint64_t in = words * 32 / std::max(bits, 1u);
  if ((bits != 2 && bits != 3 && bits != 4 && bits != 8) || in > kMaxInputs || in * bits != words * 32) {
    build.refuse(qweight,
                 "cannot hold codes of " + std::to_string(bits) + " bits; 2, 3, 4 and 8 can be read");
  }
  if (out * bits % 32 != 0) build.refuse(qweight, "has columns whose zeros do not fill 32-bit words");

  CodeGroups columns;
  if (index != nullptr) {
    for (const std::int64_t group : build.take_integers(*index, kMaxInputs)) {
      if (group < 0 || static_cast<std::uint64_t>(group) >= groups)
        build.refuse(*index, "names a group that has no scale");
      columns.groups.push_back(static_cast<std::uint32_t>(group));
    }
    if (columns.groups.size() != in)
      build.refuse(*index, "should have a group for each of " + std::to_string(in) + " inputs");
  } else {
    columns.group_size = settings.group_size > 0 && !settings.dynamic ? settings.group_size : in / groups;
    if (columns.group_size == 0 || (in + columns.group_size - 1) / columns.group_size != groups) {
      build.refuse(scales, "should have one row for " + std::to_string(columns.group_size) + " of " +
                               std::to_string(in) + " inputs");
    }
  }
  TensorExprPtr codes = packed_codes(transposed(build.take(qweight)), in, {.bits = bits});
  TensorExprPtr zeros = transposed(packed_codes(
      build.take(qzeros, DType::i32, Shape{groups, out * bits / 32}), out, zero_layout(bits, settings)));
  build.give(qweight, base + ".weight",
             dequantized(std::move(codes), transposed(build.take_numbers(scales, scales.shape)),
                         std::move(zeros), std::move(columns)));
}

/// The settings are looked at where there is something to decode.
void decode_all(DecodeBuild& build, GptqSettings (*read)(const ModelConfig&)) {
  std::optional<GptqSettings> settings;
  for (const TensorInfo* tensor : build.left()) {
    const auto base = before(tensor->name, ".qweight");
    if (base.empty()) continue;
    if (!settings) settings = read(build.settings());
    decode(build, *tensor, std::string(base), *settings);
  }
}

}  // namespace

void decode_gptq(DecodeBuild& build) {
  decode_all(build, read_settings);
}

void decode_gptq_v1(DecodeBuild& build) {
  decode_all(build, [](const ModelConfig& settings) { return common_settings(settings, true); });
}

void decode_gptq_v2(DecodeBuild& build) {
  decode_all(build, [](const ModelConfig& settings) { return common_settings(settings, false); });
}

}  // namespace qtz
