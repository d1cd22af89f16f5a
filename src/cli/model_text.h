// Texts of a person as tokens of a model, for the commands that run models.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qtz/model/text_encoder.h"

namespace qtz::cli {

/// A text file, or standard input ("-"), as a whole. Throws input_missing; input_invalid for more than 1 GiB.
std::string read_text(const std::string& path);

/// The tokens of a text file, of standard input ("-"), or of the texts in field `field` (empty: "text") of
/// the objects in a .jsonl file, each as a text of its own. Throws input_missing; input_invalid for what is
/// no UTF-8 or no such object, with its line.
std::vector<std::uint32_t> read_tokens(const std::string& path, const std::string& field,
                                       const TextEncoder& encoder);

}  // namespace qtz::cli
