#include "model/arch/architectures.h"

#include <algorithm>

#include "qtz/core/error.h"
#include "qtz/core/text.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

std::vector<ArchSpec> all_architectures() {
  return {
#define QTZ_ARCHITECTURE(name) arch::name(),
#include "model/arch/architectures.def"
#undef QTZ_ARCHITECTURE
  };
}

ArchSpec find_architecture(std::string_view name, std::string_view where) {
  std::vector<ArchSpec> all = all_architectures();
  std::vector<std::string_view> known;
  for (ArchSpec& spec : all) {
    if (std::find(spec.classes.begin(), spec.classes.end(), name) != spec.classes.end()) {
      return std::move(spec);
    }
    known.insert(known.end(), spec.classes.begin(), spec.classes.end());
  }
  for (ArchSpec& spec : all) {
    if (spec.gguf_name == name) return std::move(spec);
    known.push_back(spec.gguf_name);
  }
  std::string message = std::string(where) + ": unknown architecture '" + printable(name) + "'";
  if (const auto near = nearest(name, known)) message += " (nearest known: " + std::string(*near) + ")";
  throw Error(
      ErrorKind::input_invalid, message,
      "`qtz archs` lists what is known; if the model is built like one of these, name it with --arch");
}

std::vector<ArchitectureInfo> list_architectures() {
  std::vector<ArchitectureInfo> rows;
  for (const ArchSpec& spec : all_architectures()) {
    for (const std::string_view name : spec.classes) rows.push_back({name, spec.gguf_name, spec.proof});
  }
  return rows;
}

}  // namespace qtz
