// What the commands that run models share: a person's texts as tokens, and how many are run at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qtz/model/text_encoder.h"

namespace CLI {
class App;
}  // namespace CLI

namespace qtz::cli {

/// --batch, the same for every command that runs models.
void add_batch(CLI::App& app, std::string& value);
/// Tokens that are run at a time, DecoderOptions::batch. Throws usage.
std::uint64_t parse_batch(const std::string& text);

/// A text file, or standard input ("-"), as a whole. Throws input_missing; input_invalid for more than 1 GiB.
std::string read_text(const std::string& path);

/// The tokens of a text file, of standard input ("-"), or of the texts in field `field` (empty: "text") of
/// the objects in a .jsonl file, each as a text of its own. Throws input_missing; input_invalid for what is
/// no UTF-8 or no such object, with its line.
std::vector<std::uint32_t> read_tokens(const std::string& path, const std::string& field,
                                       const TextEncoder& encoder);

}  // namespace qtz::cli
