// A vocabulary as GGUF wants it, and the readers that make one from the files of a hub folder. A new kind of
// tokenizer is a reader and a line in tokenizer.cpp's table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/tokenizer/hub_folder.h"
#include "model/tokenizer/sentencepiece_model.h"
#include "model/tokenizer/tokenizer_json.h"
#include "qtz/core/json.h"
#include "qtz/model/tokenizer.h"

namespace qtz {

/// Values of tokenizer.ggml.token_type.
enum class TokenType : std::int32_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

/// What a reader is given.
struct TokenizerInput {
  HubTokenizer hub;
  const JsonValue& config;
  std::uint64_t vocab_size;  ///< 0 when unknown
  const TokenizerPolicy& policy;
  const std::optional<std::string>& pre_override;
  std::optional<TokenizerJson> json = {};  ///< tokenizer.json, if there is one
  std::vector<std::string> warnings = {};
};

struct Vocabulary {
  std::string model;  ///< tokenizer.ggml.model
  std::string pre;    ///< tokenizer.ggml.pre
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;
  std::vector<float> scores;                                            ///< empty when the kind has none
  std::vector<std::string> merges;                                      ///< as the files have them
  std::uint64_t token_count = 0;                                        ///< before padding
  std::optional<bool> add_dummy_prefix;                                 ///< of a SentencePiece model
  std::vector<std::pair<std::string, std::uint32_t>> added;             ///< added tokens by text
  std::vector<std::pair<std::string, std::uint32_t>> special_ids = {};  ///< that win over the configurations'
  std::string chat_template;  ///< that the kind implies, for folders without one
  KvList keys;                ///< what only this kind has, written behind the arrays

  /// Grows to `size` tokens "[PAD<i>]" of type UNUSED, with `score` if the kind has scores.
  void pad_to(std::uint64_t size, std::optional<float> score);
  void put(std::size_t id, std::string text, TokenType type);
  std::optional<std::uint32_t> find_added(std::string_view text) const noexcept;
};

/// tokenizer.model, added_tokens.json and the added tokens of the configurations.
Vocabulary read_sentencepiece_vocabulary(TokenizerInput& input);
/// tokenizer.json with byte fallback. Takes the arrays of input.json.
Vocabulary read_sentencepiece_json_vocabulary(TokenizerInput& input);
/// tokenizer.json, or vocab.json and merges.txt. Takes the arrays of input.json.
Vocabulary read_byte_bpe_vocabulary(TokenizerInput& input);

/// tokenizer.json of WordPiece, or vocab.txt. Takes the arrays of input.json.
Vocabulary read_wordpiece_vocabulary(TokenizerInput& input);
/// A unigram model in a SentencePiece file.
Vocabulary read_unigram_vocabulary(TokenizerInput& input);
/// A unigram model in tokenizer.json. Takes the arrays of input.json.
Vocabulary read_unigram_json_vocabulary(TokenizerInput& input);

/// tokenizer.ggml.token_type_count: type_vocab_size of config.json, 1 when it does not say.
void write_token_types(const TokenizerInput& input, KvList& keys);

/// tekken.json.
Vocabulary read_tekken_vocabulary(TokenizerInput& input);
/// The policy's tiktoken file.
Vocabulary read_tiktoken_vocabulary(TokenizerInput& input);
/// rwkv_vocab_v20230424.txt.
Vocabulary read_rwkv_vocabulary(TokenizerInput& input);

/// The first of the policy's unigram files that the folder has; empty when there is none.
std::string find_unigram_file(const TokenizerInput& input);

/// The type of a piece as llama.cpp's converter has it: user-defined pieces are ordinary ones.
TokenType type_of(SentencePieceModel::PieceType type) noexcept;

/// True for texts that some publishers forgot to mark special: "<|...|>", "<pad>", "<unused7>" ...
bool looks_special(std::string_view text) noexcept;

/// True for "<0x00>" to "<0xFF>", which stand for bytes.
bool is_byte_token(std::string_view text) noexcept;

/// Throws input_invalid for a text that two tokens share, naming both: llama.cpp stops the program on it.
/// Empty texts may repeat, because it gives each a name of its own.
void check_distinct_tokens(const std::vector<std::string>& tokens, std::string_view where);

/// Throws input_invalid for a size beyond kMaxVocabulary.
void check_vocabulary_size(std::uint64_t size, std::string_view where);

}  // namespace qtz
