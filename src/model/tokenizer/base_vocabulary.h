// What both tokenizer.json readers check of a vocabulary before they trust it.
#pragma once

#include <string_view>
#include <vector>

#include "model/tokenizer/added_vocabulary.h"
#include "model/tokenizer/token_index.h"
#include "model/tokenizer/vocabulary.h"

namespace qtz {

/// An index of the entries, which must stay where they are. Throws input_invalid naming `where` for an empty
/// vocabulary, a text or an id that appears twice.
TokenIndex check_base_vocabulary(const std::vector<VocabEntry>& entries, std::string_view where);

/// How many tokens the output has: as many as the vocabulary and the added tokens need, or as the embedding
/// has rows. Sets out.token_count. Throws and warns as drop_beyond_rows does.
std::uint64_t settle_size(TokenizerInput& input, const std::vector<VocabEntry>& entries,
                          const AddedVocabulary& added, std::string_view where, Vocabulary& out);

/// For a vocabulary that is larger than the embedding: throws input_invalid when a token of the vocabulary
/// itself has no row, warns for added tokens.
void drop_beyond_rows(TokenizerInput& input, const std::vector<VocabEntry>& entries,
                      const AddedVocabulary& added, std::string_view where);

}  // namespace qtz
