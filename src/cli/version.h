// What `qtz --version` says: version, commit, backends and the libraries the binary was built with.
#pragma once

#include <string>

namespace qtz::cli {

std::string version_text();

}  // namespace qtz::cli
