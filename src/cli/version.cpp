#include "cli/version.h"

#include "qtz/kernels/backend.h"
#include "qtz_build_info.h"

namespace qtz::cli {

std::string_view version_number() noexcept {
  return kBuildVersion;
}

std::string version_text() {
  std::string text = std::string("qtz ") + kBuildVersion;
  if (!std::string_view(kBuildCommit).empty()) text += std::string(" (") + kBuildCommit + ")";
  text += "\nbackends:";
  for (const auto& backend : list_backends()) {
    text += " " + std::string(backend.name);
    if (!backend.supported) text += " (not on this machine)";
  }
  text += "\nlibraries: " + std::string(kBuildLibraries) + "\n";
  return text;
}

}  // namespace qtz::cli
