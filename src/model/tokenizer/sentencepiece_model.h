// A SentencePiece model (tokenizer.model, spiece.model): pieces, and the few settings a GGUF carries.
// Format: sentencepiece_model.proto of github.com/google/sentencepiece.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace qtz {

struct SentencePieceModel {
  enum class Algorithm { unigram = 1, bpe = 2, word = 3, character = 4 };
  /// The file's numbers, which are also those of tokenizer.ggml.token_type.
  enum class PieceType { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

  struct Piece {
    std::string text;
    float score = 0;
    PieceType type = PieceType::normal;
  };

  std::vector<Piece> pieces;
  Algorithm algorithm = Algorithm::unigram;
  bool byte_fallback = false;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  std::string precompiled_charsmap;
};

/// Throws input_missing or input_invalid naming the file: malformed data, no pieces, a piece that is not
/// UTF-8 or larger than 1 MiB, a score that is not a number, an unknown type.
SentencePieceModel read_sentencepiece_model(const std::filesystem::path& path);

/// True if the file begins like a SentencePiece model, false if it begins like a list of base64 texts, for
/// which Llama 3 and others use the name tokenizer.model too. Throws input_invalid for anything else (a Git
/// LFS pointer, a web page, an archive): nobody meant such a file to be passed over.
bool looks_like_sentencepiece(const std::filesystem::path& path);

}  // namespace qtz
