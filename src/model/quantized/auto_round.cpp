// AutoRound checkpoints, which are packed as GPTQ's or AWQ's are.
#include "model/quantized/quant_methods.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

/// A "packing_format" and who reads what it stands for (auto_round/inference: GPTQ_FORMAT, GPTQ_FORMAT_NO_ZP,
/// AWQ_FORMAT and the short names that its loader takes for them).
struct PackingFormat {
  std::string_view name;
  void (*read)(DecodeBuild&);
};
constexpr PackingFormat kFormats[] = {
    {"auto_round:auto_gptq", decode_gptq_v1},
    {"auto_round:gptq", decode_gptq_v1},
    {"auto", decode_gptq_v1},
    {"auto_round:gptqmodel", decode_gptq_v2},
    {"auto_round", decode_gptq_v2},
    {"auto_round:auto_awq", decode_awq},
    {"auto_round:awq", decode_awq},
};

}  // namespace

void decode_auto_round(DecodeBuild& build) {
  const ModelConfig& settings = build.settings();
  // The first versions named kernels instead, whose layouts are their own affair.
  if (!settings.has("packing_format") && settings.has("backend")) {
    const std::string backend = settings.text("backend").value_or("");
    if (backend != "auto" && backend.find("gptq") == std::string::npos) {
      settings.refuse("backend", "'" + printable(backend) + "' does not tell how the weights are packed");
    }
  }
  const std::string name = settings.text("packing_format").value_or("auto");
  for (const PackingFormat& format : kFormats) {
    if (format.name == name) return format.read(build);
  }
  settings.refuse("packing_format", "'" + printable(name) +
                                        "' cannot be read; 'auto_round:auto_gptq', "
                                        "'auto_round:gptqmodel' and 'auto_round:auto_awq' can");
}

}  // namespace qtz
