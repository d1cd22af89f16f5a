// The kinds of vocabulary, each with its way to cut a text. A new kind is a file with an encoder and a line
// in text_encoder.cpp's table.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/text/merging.h"
#include "model/text/text_cuts.h"
#include "model/text/token_table.h"
#include "qtz/core/regex.h"
#include "qtz/formats/gguf_value.h"

namespace qtz {

/// The ids of words that a text had already. Bounded, and forgotten with the text.
class WordMemory {
 public:
  /// Appends the ids of `word` to `out`; `cut(word, out)` is asked for them once.
  template <typename Cut>
  void append(std::string_view word, std::vector<std::uint32_t>& out, Cut cut) {
    if (word.size() > kLongestWord) {
      cut(word, out);
      return;
    }
    if (const auto known = words_.find(word); known != words_.end()) {
      const auto first = ids_.begin() + static_cast<std::ptrdiff_t>(known->second.first);
      out.insert(out.end(), first, first + static_cast<std::ptrdiff_t>(known->second.count));
      return;
    }
    const std::size_t begin = out.size();
    cut(word, out);
    if (words_.size() == kMostWords) {
      words_.clear();
      ids_.clear();
    }
    words_.emplace(std::string(word), Ids{ids_.size(), out.size() - begin});
    ids_.insert(ids_.end(), out.begin() + static_cast<std::ptrdiff_t>(begin), out.end());
  }

 private:
  static constexpr std::size_t kLongestWord = 64;
  static constexpr std::size_t kMostWords = 1u << 17;

  struct Ids {
    std::size_t first;
    std::size_t count;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>()(text);
    }
  };

  std::unordered_map<std::string, Ids, Hash, std::equal_to<>> words_;
  std::vector<std::uint32_t> ids_;
};

/// What one call needs in memory, so that encoders are shared by threads.
struct EncodeMemory {
  WordMemory words = {};
  Merging merging = {};
  std::vector<TextPattern::Walk> walks = {};  ///< of the pre-tokenizer's patterns, made at first use
};

/// Cuts text in which special tokens have been found already.
class PieceEncoder {
 public:
  virtual ~PieceEncoder() = default;

  /// Appends the ids of `text`: well-formed UTF-8, not empty, below 2^31 bytes; what stands between two
  /// special tokens, or between one and an end of the whole text.
  virtual void encode(std::string_view text, EncodeMemory& memory, std::vector<std::uint32_t>& out) const = 0;

  /// The bytes that an ordinary token stands for.
  virtual std::string bytes_of(std::uint32_t id) const = 0;

  /// A space that encode() puts before a text and that decoding takes away again.
  virtual bool puts_space_first() const { return false; }
};

/// Each throws input_invalid for keys that are missing, malformed or say what is not known. `tokens` must
/// outlive the encoder.
using MakePieceEncoder = std::unique_ptr<PieceEncoder> (*)(const KvList& keys, const TokenTable& tokens);

std::unique_ptr<PieceEncoder> make_bpe_encoder(const KvList& keys, const TokenTable& tokens);
std::unique_ptr<PieceEncoder> make_character_bpe_encoder(const KvList& keys, const TokenTable& tokens);
/// For texts that are cut first, in which a space is a space.
std::unique_ptr<PieceEncoder> make_cut_character_bpe_encoder(std::unique_ptr<const TextCuts> cuts,
                                                             const KvList& keys, const TokenTable& tokens);
std::unique_ptr<PieceEncoder> make_sentencepiece_encoder(const KvList& keys, const TokenTable& tokens);
std::unique_ptr<PieceEncoder> make_unigram_encoder(const KvList& keys, const TokenTable& tokens);
std::unique_ptr<PieceEncoder> make_wordpiece_encoder(const KvList& keys, const TokenTable& tokens);
std::unique_ptr<PieceEncoder> make_rwkv_encoder(const KvList& keys, const TokenTable& tokens);

}  // namespace qtz
