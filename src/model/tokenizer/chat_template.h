// The chat template of a hub folder: in tokenizer_config.json, in chat_template.jinja (with more of them in
// additional_chat_templates/) or in chat_template.json. Templates are copied as bytes, never interpreted.
#pragma once

#include <string>
#include <vector>

#include "model/tokenizer/hub_folder.h"
#include "qtz/formats/gguf_value.h"

namespace qtz {

/// Largest template that is taken; the largest in use has a twentieth of it.
inline constexpr std::uint64_t kMaxTemplateBytes = 4u << 20;

/// Most templates that are taken; the largest list in use has a dozen. Each becomes a key, and lists of keys
/// are searched from end to end.
inline constexpr std::size_t kMaxTemplates = 256;

/// Sets tokenizer.chat_template, and for a list of templates tokenizer.chat_template.<name> and
/// tokenizer.chat_templates. With `file_first` chat_template.jinja wins over tokenizer_config.json. Returns
/// true if there is a default template. Throws input_invalid for templates that are too large, too many or
/// not UTF-8.
bool write_chat_template(const HubTokenizer& hub, bool file_first, KvList& keys,
                         std::vector<std::string>& warnings);

}  // namespace qtz
