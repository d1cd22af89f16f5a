// Where an output lies before it has its name, and how errors about outputs are said.
#pragma once

#include <filesystem>
#include <string>

namespace qtz {

/// A path as messages show it.
std::string shown(const std::filesystem::path& path);

/// Throws output, or resource when too many files are open: "DOING PATH: what the system says".
[[noreturn]] void fail_output(const std::string& doing, const std::filesystem::path& path, int error);

/// The folder that holds `path`, "." for a bare name.
std::filesystem::path folder_of(const std::filesystem::path& path);

/// ".NAME.qtz-", cut so that whole temporary names fit in 255 bytes: what all temporary names of an output
/// begin with. They end in ".tmp".
std::string temporary_prefix(const std::filesystem::path& path);

/// A temporary name in the folder of `path` that this process has not used yet.
std::filesystem::path temporary_path(const std::filesystem::path& path);

}  // namespace qtz
