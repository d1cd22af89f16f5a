#include "file_types.h"

#include <algorithm>
#include <array>
#include <vector>

#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz {
namespace {

constexpr FileType file_type(std::string_view name, Mix mix, DType base, std::string_view summary) {
  return {name, static_cast<std::uint32_t>(mix), base, summary};
}

constexpr std::array kFileTypes = {
    file_type("Q1_0", Mix::q1_0, DType::q1_0, "1-bit blocks of 128, signs; for models trained so"),
    file_type("IQ1_S", Mix::iq1_s, DType::iq1_s, "1.6-bit points of a grid; needs an importance matrix"),
    file_type("IQ1_M", Mix::iq1_m, DType::iq1_m, "1.8-bit points of a grid; needs an importance matrix"),
    file_type("TQ1_0", Mix::tq1_0, DType::tq1_0, "ternary, five weights a byte; for models trained so"),
    file_type("TQ2_0", Mix::tq2_0, DType::tq2_0, "ternary, four weights a byte; for models trained so"),
    file_type("Q2_0", Mix::q2_0, DType::q2_0, "2-bit blocks of 64, one scale; for models trained so"),
    file_type("IQ2_XXS", Mix::iq2_xxs, DType::iq2_xxs,
              "2.1-bit points of a grid; needs an importance matrix"),
    file_type("IQ2_XS", Mix::iq2_xs, DType::iq2_xs, "2.3-bit points of a grid; needs an importance matrix"),
    file_type("IQ2_S", Mix::iq2_s, DType::iq2_xs, "2.5-bit mix of grids; needs an importance matrix"),
    file_type("IQ2_M", Mix::iq2_m, DType::iq2_s, "2.7-bit mix of grids; needs an importance matrix"),
    file_type("Q2_K", Mix::q2_k, DType::q2_k, "2-bit K-quant with 3 and 4 bits where it hurts most"),
    file_type("Q2_K_S", Mix::q2_k_s, DType::q2_k, "2-bit K-quant, smallest; needs an importance matrix"),
    file_type("IQ3_XXS", Mix::iq3_xxs, DType::iq3_xxs, "3.1-bit mix of grids; needs an importance matrix"),
    file_type("IQ3_XS", Mix::iq3_xs, DType::iq3_s, "3.3-bit mix of grids; needs an importance matrix"),
    file_type("IQ3_S", Mix::iq3_s, DType::iq3_s, "3.4-bit points of a grid"),
    file_type("IQ3_M", Mix::iq3_m, DType::iq3_s, "3.7-bit mix of a grid and K-quants"),
    file_type("Q3_K_S", Mix::q3_k_s, DType::q3_k, "3-bit K-quant, small"),
    file_type("Q3_K_M", Mix::q3_k_m, DType::q3_k, "3-bit K-quant mix, medium"),
    file_type("Q3_K_L", Mix::q3_k_l, DType::q3_k, "3-bit K-quant mix, large"),
    file_type("Q4_0", Mix::q4_0, DType::q4_0, "4-bit blocks of 32, one scale"),
    file_type("Q4_1", Mix::q4_1, DType::q4_1, "4-bit blocks of 32, scale and minimum"),
    file_type("MXFP4_MOE", Mix::mxfp4_moe, DType::mxfp4, "4-bit floats for experts, 8 bits for the rest"),
    file_type("NVFP4", Mix::nvfp4, DType::nvfp4, "4-bit floats, as a checkpoint stores them; else made"),
    file_type("IQ4_NL", Mix::iq4_nl, DType::iq4_nl, "4-bit non-linear blocks of 32"),
    file_type("IQ4_XS", Mix::iq4_xs, DType::iq4_xs, "4-bit non-linear super-blocks of 256"),
    file_type("Q4_K_S", Mix::q4_k_s, DType::q4_k, "4-bit K-quant, small"),
    file_type("Q4_K_M", Mix::q4_k_m, DType::q4_k, "4-bit K-quant mix, medium: the usual choice"),
    file_type("Q5_0", Mix::q5_0, DType::q5_0, "5-bit blocks of 32, one scale"),
    file_type("Q5_1", Mix::q5_1, DType::q5_1, "5-bit blocks of 32, scale and minimum"),
    file_type("Q5_K_S", Mix::q5_k_s, DType::q5_k, "5-bit K-quant, small"),
    file_type("Q5_K_M", Mix::q5_k_m, DType::q5_k, "5-bit K-quant mix, medium"),
    file_type("Q6_K", Mix::q6_k, DType::q6_k, "6-bit K-quant"),
    file_type("Q8_0", Mix::q8_0, DType::q8_0, "8-bit blocks of 32: close to lossless"),
    file_type("F16", Mix::f16, DType::f16, "half precision"),
    file_type("BF16", Mix::bf16, DType::bf16, "bfloat16"),
    file_type("F32", Mix::f32, DType::f32, "single precision"),
};

struct Alias {
  std::string_view name;
  std::string_view canonical;
};
constexpr std::array kAliases = {
    Alias{"Q3_K", "Q3_K_M"},
    Alias{"Q4_K", "Q4_K_M"},
    Alias{"Q5_K", "Q5_K_M"},
};

constexpr std::string_view kContainer = "gguf:";

}  // namespace

std::span<const FileType> list_file_types() {
  return kFileTypes;
}

const FileType& find_file_type(std::string_view name) {
  std::string_view wanted = name;
  if (equals_ignoring_case(wanted.substr(0, kContainer.size()), kContainer)) {
    wanted.remove_prefix(kContainer.size());
  }
  for (const Alias& alias : kAliases) {
    if (equals_ignoring_case(alias.name, wanted)) wanted = alias.canonical;
  }
  const auto found = std::find_if(kFileTypes.begin(), kFileTypes.end(), [&](const FileType& type) {
    return equals_ignoring_case(type.name, wanted);
  });
  if (found != kFileTypes.end()) return *found;

  std::vector<std::string_view> names;
  for (const FileType& type : kFileTypes) names.push_back(type.name);
  std::string message = "unknown type '" + printable(name) + "'";
  if (const auto meant = nearest(wanted, names)) message += ", did you mean " + std::string(*meant) + "?";
  throw Error(ErrorKind::usage, message, "'qtz types' lists them all");
}

}  // namespace qtz
