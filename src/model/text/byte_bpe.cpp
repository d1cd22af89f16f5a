// Byte-level byte pair encoding: a text is cut by the pre-tokenizer, and the bytes of each piece are merged
// by listed merges. Rules: `tokenizers`, models/bpe/; tiktoken for vocabularies of ranks.
#include "model/text/merge_table.h"
#include "model/text/piece_encoder.h"
#include "model/text/text_cuts.h"
#include "model/text/unicode.h"
#include "model/tokenizer/byte_alphabet.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

/// GPT-NeoX's vocabulary, which Pythia, OLMo, MPT, Mamba and others have as well, composes its texts. It cuts
/// as GPT-2's, under whose name it goes; this token at this place is in all its variants, and in no other.
bool is_neox_vocabulary(const TokenTable& tokens) {
  return tokens.size() > 1 && tokens.text(1) == "<|padding|>";
}

class ByteBpe final : public PieceEncoder {
 public:
  ByteBpe(std::unique_ptr<const TextCuts> cuts, const KvList& keys, const TokenTable& tokens)
      : tokens_(tokens),
        cuts_(std::move(cuts)),
        composes_(cuts_->composes() || is_neox_vocabulary(tokens)),
        lowers_(flag_key(keys, "tokenizer.ggml.normalizer.lowercase").value_or(false)),
        merges_(keys, tokens) {
    for (std::size_t byte = 0; byte < bytes_.size(); ++byte) {
      const char text = static_cast<char>(byte);
      bytes_[byte] = tokens.find(encode_byte_alphabet(std::string_view(&text, 1))).value_or(kNoToken);
    }
  }

  void encode(std::string_view text, EncodeMemory& memory, std::vector<std::uint32_t>& out) const override {
    std::string normalized;
    if (composes_) text = normalized = compose(text);
    if (lowers_) text = normalized = lower_case(text);
    cuts_->for_each_piece(text, memory.walks, [&](std::string_view piece) {
      memory.words.append(piece, out, [&](std::string_view fresh, std::vector<std::uint32_t>& ids) {
        merge(fresh, memory.merging, ids);
      });
    });
  }

  std::string bytes_of(std::uint32_t id) const override {
    return bytes_of_alphabet(tokens_.text(id)).value_or(tokens_.text(id));
  }

 private:
  void merge(std::string_view piece, Merging& merging, std::vector<std::uint32_t>& out) const {
    if (cuts_->takes_whole_tokens()) {
      if (const auto whole = tokens_.find(encode_byte_alphabet(piece))) {
        out.push_back(*whole);
        return;
      }
    }
    merging.clear();
    for (const char byte : piece) merging.add(1, bytes_[static_cast<unsigned char>(byte)]);
    merging.run([&](const MergeSymbol& left, const MergeSymbol& right) { return merges_.join(left, right); });
    merging.for_each([&](const MergeSymbol& symbol) {
      // As the library does, a byte that is no token leaves nothing.
      if (symbol.id != kNoToken) out.push_back(symbol.id);
    });
  }

  const TokenTable& tokens_;
  std::unique_ptr<const TextCuts> cuts_;
  bool composes_;
  bool lowers_;
  MergeTable merges_;
  std::array<std::uint32_t, 256> bytes_{};
};

}  // namespace

std::unique_ptr<PieceEncoder> make_bpe_encoder(const KvList& keys, const TokenTable& tokens) {
  const auto name = text_key(keys, "tokenizer.ggml.pre");
  if (!name) {
    throw Error(
        ErrorKind::input_invalid, "the model does not say how its texts are cut (tokenizer.ggml.pre)",
        "the file is older than the key: convert the model again, or --tokenizer-pre NAME for a folder");
  }
  auto cuts = std::make_unique<TextCuts>(*name);
  if (cuts->blocks_spaces()) return make_character_bpe_encoder(keys, tokens);
  if (!cuts->writes_bytes()) return make_cut_character_bpe_encoder(std::move(cuts), keys, tokens);
  return std::make_unique<ByteBpe>(std::move(cuts), keys, tokens);
}

}  // namespace qtz
