// How help looks: -h is usage and one line per flag, --help has the examples first and every flag in full.
// Both are made from the flag table, so a flag cannot be missing from them.
#pragma once

#include <memory>

namespace CLI {
class FormatterBase;
}  // namespace CLI

namespace qtz::cli {

/// For App::formatter(). An app's footer holds its examples; a flag's text up to the first line break is its
/// short help.
std::shared_ptr<CLI::FormatterBase> make_help_formatter();

}  // namespace qtz::cli
