// The YAML block at the start of a model card (README.md), as far as model cards use YAML: mappings, lists,
// quoted, folded and plain texts. Anything else (anchors, tags, flow mappings) is left out with a warning.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/core/json.h"

namespace qtz {

/// Reads the wanted top-level keys of the front matter of `text`; others are not looked at. Scalars stay
/// texts
/// ("1.0", "no"), nulls become null. Without front matter the object is empty.
JsonValue read_front_matter(std::string_view text, std::span<const std::string_view> wanted,
                            std::vector<std::string>& warnings);

}  // namespace qtz
