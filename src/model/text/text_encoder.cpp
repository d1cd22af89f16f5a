#include "qtz/model/text_encoder.h"

#include <algorithm>

#include "model/text/marked_tokens.h"
#include "model/text/piece_encoder.h"
#include "model/text/token_table.h"
#include "model/tokenizer/utf8.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

/// Every kind of tokenizer.ggml.model: how it cuts, and what it adds where no key says otherwise. Source of
/// those: llama.cpp, llama-vocab.cpp.
struct Kind {
  std::string_view name;
  MakePieceEncoder make;
  bool add_bos;
  bool add_eos;
};

constexpr Kind kKinds[] = {
    {"gpt2", make_bpe_encoder, false, false},
    {"llama", make_sentencepiece_encoder, true, false},
    {"gemma4", make_character_bpe_encoder, true, false},
    {"bert", make_wordpiece_encoder, true, true},
    {"t5", make_unigram_encoder, false, true},
    {"rwkv", make_rwkv_encoder, false, false},
};

/// Pre-tokenizers whose models have a token before a text where no key says otherwise.
constexpr std::string_view kBosByName[] = {"llama-bpe", "llama3", "llama-v3", "falcon3",      "falcon-h1",
                                           "pixtral",   "lfm2",   "tekken",   "jina-v5-nano", "midm-2.0"};

const Kind& kind_of(const KvList& keys) {
  const auto name = text_key(keys, "tokenizer.ggml.model");
  if (!name || *name == "none") {
    throw Error(ErrorKind::input_invalid, "the model has no vocabulary (tokenizer.ggml.model)",
                "a model folder needs its tokenizer files");
  }
  const auto* kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                  [&](const Kind& known) { return known.name == *name; });
  if (kind == std::end(kKinds)) {
    std::string known;
    for (const Kind& each : kKinds) known += (known.empty() ? "" : ", ") + std::string(each.name);
    throw Error(ErrorKind::input_invalid,
                "how a vocabulary of kind '" + printable(*name) + "' cuts a text is not known",
                "known kinds of tokenizer.ggml.model: " + known);
  }
  return *kind;
}

bool adds_bos(const KvList& keys, const Kind& kind) {
  if (const auto flag = flag_key(keys, "tokenizer.ggml.add_bos_token")) return *flag;
  const auto pre = text_key(keys, "tokenizer.ggml.pre");
  const bool by_name = kind.name == "gpt2" && pre &&
                       std::find(std::begin(kBosByName), std::end(kBosByName), *pre) != std::end(kBosByName);
  return kind.add_bos || by_name;
}

void check_utf8(std::string_view text) {
  constexpr std::size_t kMostBytes = 1U << 31;
  if (text.size() >= kMostBytes) {
    throw Error(ErrorKind::resource, "a text of " + std::to_string(text.size()) + " bytes is too long",
                "give it in parts");
  }
  if (is_utf8(text)) return;
  std::string_view rest = text;
  while (take_code_point(rest)) continue;
  throw Error(ErrorKind::input_invalid,
              "the text is not UTF-8: byte " + std::to_string(text.size() - rest.size()) +
                  " (counted from 0) is wrong",
              "convert it, as with 'iconv -f LATIN1 -t UTF-8', or leave what is no text out");
}

}  // namespace

struct TextEncoder::Parts {
  explicit Parts(const KvList& keys)
      : kind(kind_of(keys)),
        name(kind.name),
        tokens(keys),
        marked(keys, tokens),
        pieces(kind.make(keys, tokens)),
        bos(id(keys, "bos")),
        eos(id(keys, "eos")),
        adds_bos(qtz::adds_bos(keys, kind)),
        adds_eos(flag_key(keys, "tokenizer.ggml.add_eos_token").value_or(kind.add_eos)) {
    if (kind.name == "bert") frame_as_bert(keys);
    if (kind.name == "t5") frame_as_unigram(keys);
    if (kind.name == "llama" && !bos) bos = tokens.find("<s>");
  }

  std::optional<std::uint32_t> id(const KvList& keys, const std::string& of) const {
    return token_key(keys, "tokenizer.ggml." + of + "_token_id", tokens.size());
  }

  /// BERT's names for what stands before and after a text; sic, as the key is spelled.
  void frame_as_bert(const KvList& keys) {
    if (const auto first = id(keys, "cls")) bos = first;
    if (const auto last = id(keys, "seperator")) eos = last;
    if (!bos) bos = tokens.find("[CLS]");
    if (!eos) eos = tokens.find("[SEP]");
    adds_eos = adds_eos || flag_key(keys, "tokenizer.ggml.add_sep_token").value_or(false);
  }

  /// T5 has no token before a text. Who has a name for one, like XLM-RoBERTa, puts it there.
  void frame_as_unigram(const KvList& keys) {
    if (!eos) eos = tokens.find("</s>");
    adds_bos = flag_key(keys, "tokenizer.ggml.add_bos_token").value_or(bos.has_value());
  }

  const Kind& kind;
  std::string name;
  TokenTable tokens;
  MarkedTokens marked;
  std::unique_ptr<const PieceEncoder> pieces;
  std::optional<std::uint32_t> bos;
  std::optional<std::uint32_t> eos;
  bool adds_bos;
  bool adds_eos;
};

TextEncoder TextEncoder::from_metadata(const KvList& metadata) {
  return TextEncoder(std::make_shared<const Parts>(metadata));
}

std::vector<std::uint32_t> TextEncoder::encode(std::string_view utf8, const EncodeOptions& options) const {
  check_utf8(utf8);
  std::vector<std::uint32_t> out;
  EncodeMemory memory;
  if (options.add_special && add_bos()) out.push_back(*bos());
  parts_->marked.for_each_part(
      utf8, options.parse_special, [&](std::string_view text) { parts_->pieces->encode(text, memory, out); },
      [&](std::uint32_t token) { out.push_back(token); });
  if (options.add_special && add_eos()) out.push_back(*eos());
  return out;
}

std::string TextEncoder::text_of(std::uint32_t token) const {
  if (token >= vocabulary_size()) {
    throw Error(ErrorKind::usage, std::to_string(token) + " is no token: the vocabulary has " +
                                      std::to_string(vocabulary_size()));
  }
  const TokenType type = parts_->tokens.type(token);
  const bool as_it_stands = parts_->marked.is_special(token) || type == TokenType::user_defined;
  return as_it_stands ? parts_->tokens.text(token) : parts_->pieces->bytes_of(token);
}

std::string TextEncoder::decode(std::span<const std::uint32_t> tokens) const {
  std::string out;
  bool first = true;
  for (const std::uint32_t token : tokens) {
    std::string text = text_of(token);
    if (parts_->marked.is_special(token)) continue;
    if (first && parts_->pieces->puts_space_first() && text.starts_with(' ')) text.erase(0, 1);
    first = false;
    out += text;
  }
  return out;
}

std::uint32_t TextEncoder::vocabulary_size() const noexcept {
  return parts_->tokens.size();
}

const std::string& TextEncoder::kind() const noexcept {
  return parts_->name;
}

std::optional<std::uint32_t> TextEncoder::bos() const noexcept {
  return parts_->bos;
}

std::optional<std::uint32_t> TextEncoder::eos() const noexcept {
  return parts_->eos;
}

bool TextEncoder::add_bos() const noexcept {
  return parts_->adds_bos && parts_->bos.has_value();
}

bool TextEncoder::add_eos() const noexcept {
  return parts_->adds_eos && parts_->eos.has_value();
}

}  // namespace qtz
