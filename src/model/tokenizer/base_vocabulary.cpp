#include "model/tokenizer/base_vocabulary.h"

#include <algorithm>

#include "qtz/core/error.h"

namespace qtz {

TokenIndex check_base_vocabulary(const std::vector<VocabEntry>& entries, std::string_view where) {
  const auto refuse = [&](const std::string& problem) {
    throw Error(ErrorKind::input_invalid, std::string(where) + ": " + problem);
  };
  if (entries.empty()) refuse("the vocabulary is empty");
  std::vector<bool> taken;
  for (const VocabEntry& entry : entries) {
    if (entry.id >= taken.size()) taken.resize(entry.id + std::size_t{1});
    if (taken[entry.id])
      refuse("id " + std::to_string(entry.id) + " belongs to two tokens, one is '" + printable(entry.text) +
             "'");
    taken[entry.id] = true;
  }
  TokenIndex index(entries);
  if (const VocabEntry* twice = index.duplicate())
    refuse("token '" + printable(twice->text) + "' appears twice");
  return index;
}

std::uint64_t settle_size(TokenizerInput& input, const std::vector<VocabEntry>& entries,
                          const AddedVocabulary& added, std::string_view where, Vocabulary& out) {
  std::uint64_t size = 0;
  for (const VocabEntry& entry : entries) size = std::max<std::uint64_t>(size, entry.id + std::uint64_t{1});
  for (const AddedToken& token : added.tokens()) size = std::max(size, token.id + 1);
  out.token_count = size;
  if (input.vocab_size == 0) return size;
  if (size > input.vocab_size) drop_beyond_rows(input, entries, added, where);
  return input.vocab_size;
}

void drop_beyond_rows(TokenizerInput& input, const std::vector<VocabEntry>& entries,
                      const AddedVocabulary& added, std::string_view where) {
  const std::uint64_t rows = input.vocab_size;
  for (const VocabEntry& entry : entries) {
    if (entry.id < rows) continue;
    throw Error(ErrorKind::input_invalid,
                std::string(where) + ": token '" + printable(entry.text) + "' has id " +
                    std::to_string(entry.id) + ", but the model has " + std::to_string(rows) +
                    " embedding rows",
                "the tokenizer belongs to another model, or vocab_size in config.json is wrong");
  }
  std::uint64_t count = 0;
  const AddedToken* first = nullptr;
  for (const AddedToken& token : added.tokens()) {
    if (token.id < rows) continue;
    if (count++ == 0) first = &token;
  }
  if (count == 0) return;
  input.warnings.push_back(std::to_string(count) + " added tokens (first '" + printable(first->content) +
                           "') have ids beyond the " + std::to_string(rows) + " embedding rows: left out");
}

}  // namespace qtz
