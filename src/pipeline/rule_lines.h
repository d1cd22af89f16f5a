// Files of rules, one in a line, as people and `qtz plan` write them.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

namespace qtz {

/// The text without the blanks around it.
std::string_view trimmed(std::string_view text);

/// Calls fn with every line that says something: blank lines are left out, and so is everything from a '#'
/// that starts the line or follows a blank (names and patterns may hold a '#' of their own). What fn throws
/// gets file and line as context. Throws as read_text_file_or_pipe() does.
void for_rule_lines(const std::filesystem::path& path, const std::function<void(std::string_view line)>& fn);

}  // namespace qtz
