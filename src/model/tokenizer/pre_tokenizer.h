// tokenizer.ggml.pre, the name under which llama.cpp knows how a text is cut before merging. It is found by
// what tokenizer.json says it does, brought into one canonical text, and not by what it makes of a sample
// text: so a fine-tune with other tokens is still recognized. The names are in pre_tokenizers.def.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/post_processor.h"
#include "qtz/core/json.h"

namespace qtz {

/// What decides the name.
struct PreTokenizerFacts {
  /// Steps joined by " > ": "split(<regex>)" cuts out every match, "bytes" maps to the byte alphabet; other
  /// steps carry the type and settings they have in tokenizer.json. Spellings that do the same are one text.
  std::string steps;
  bool ignore_merges = false;           ///< a piece that is a token is taken whole
  Framing framing = Framing::none;      ///< special tokens around a text
  std::optional<bool> clean_up_spaces;  ///< clean_up_tokenization_spaces, as far as stated
};

/// The canonical steps of "normalizer" and "pre_tokenizer". Unicode normalization and lower-casing are left
/// out: they have keys of their own or none, and do not decide the name.
std::string canonical_steps(const JsonValue& normalizer, const JsonValue& pre_tokenizer);

/// The name for these facts; empty when no line of the table fits.
std::optional<std::string_view> find_pre_tokenizer(const PreTokenizerFacts& facts);

/// The same; throws input_invalid with the canonical form when nothing fits. `where` is the file to blame.
std::string need_pre_tokenizer(const PreTokenizerFacts& facts, std::string_view where);

/// Throws usage, with the nearest known name, for one that llama.cpp does not know.
void check_pre_tokenizer_name(const std::string& name);

/// One line of the table, for tests.
struct PreTokenizerLine {
  std::string_view name;
  std::string_view steps;               ///< empty: those of same_as
  std::optional<bool> ignore_merges;    ///< empty: either
  std::optional<Framing> framing;       ///< empty: any
  std::optional<bool> clean_up_spaces;  ///< empty: either
  std::string_view same_as;             ///< another name for the same steps, which is written
};
const std::vector<PreTokenizerLine>& pre_tokenizer_table();

}  // namespace qtz
