// tokenizer.json read as a stream into compact arrays: a vocabulary of 262,144 tokens and half a million
// merges cost their own text and little more. What is small (normalizer, pre_tokenizer, post_processor,
// decoder) is kept as JSON.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/core/json.h"

namespace qtz {

/// Largest vocabulary that is believed; four times the largest in use.
inline constexpr std::uint64_t kMaxVocabulary = 1u << 22;

struct VocabEntry {
  std::uint32_t id;
  std::string text;
};

/// An entry of a unigram vocabulary; its place in the list is its id.
struct ScoredPiece {
  std::string text;
  float score = 0;
};

/// An entry of "added_tokens" or of tokenizer_config.json's "added_tokens_decoder".
struct AddedToken {
  std::uint64_t id = 0;
  std::string content;
  bool special = false;
  bool normalized = true;
};

struct TokenizerJson {
  std::string model_type;             ///< "BPE", "Unigram", "WordPiece", "WordLevel"
  std::optional<bool> byte_fallback;  ///< as stored
  bool ignore_merges = false;
  std::vector<VocabEntry> vocab;            ///< in file order; empty unless the vocabulary is an object
  std::vector<ScoredPiece> pieces;          ///< of a unigram model, whose vocabulary is a list
  std::optional<std::uint64_t> unknown_id;  ///< of a unigram model
  std::vector<std::string> merges;          ///< "left right"; a space inside a part is written as U+0120
  std::vector<AddedToken> added_tokens;
  JsonValue normalizer;
  JsonValue pre_tokenizer;
  JsonValue post_processor;
  JsonValue decoder;
};

/// Throws input_missing or input_invalid naming the file: ids that are negative, not integers or beyond
/// kMaxVocabulary, merges of another form, pieces that are not a text and a finite score, a document that is
/// not a tokenizer.
TokenizerJson read_tokenizer_json(const std::filesystem::path& path);

/// A vocabulary file of the older form: {"token": id, ...}.
std::vector<VocabEntry> read_vocab_json(const std::filesystem::path& path);

/// A merges.txt: a '#' line is skipped at the start, then "left right" a line. Lines of another form are left
/// out and counted in `malformed`.
std::vector<std::string> read_merges_text(const std::filesystem::path& path, std::uint64_t& malformed);

/// The members of an added-token object. Throws input_invalid naming `where` when it has no text.
AddedToken parse_added_token(const JsonValue& object, std::uint64_t id, std::string_view where);

}  // namespace qtz
