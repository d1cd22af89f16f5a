// What `qtz --version` says: version, commit, backends and the libraries the binary was built with.
#pragma once

#include <string>
#include <string_view>

namespace qtz::cli {

std::string version_text();

/// "0.1.0"
std::string_view version_number() noexcept;

}  // namespace qtz::cli
