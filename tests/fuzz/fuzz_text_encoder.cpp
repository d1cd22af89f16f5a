// Texts, cut by a small vocabulary of every kind and by every pre-tokenizer; tables of characters of unigram
// vocabularies. The first byte says which kind, the second which pre-tokenizer or how long the table is.
#include "fuzz/fuzz_input.h"
#include "model/tokenizer/byte_alphabet.h"
#include "model/tokenizer/pre_tokenizer.h"
#include "model/tokenizer/vocabulary.h"
#include "qtz/model/text_encoder.h"

namespace {

using namespace qtz;

constexpr const char* kKinds[] = {"gpt2", "llama", "gemma4", "bert", "t5", "rwkv"};

/// Names whose cuts are known, each kind of cut once.
std::vector<std::string> cutting_names() {
  std::vector<std::string> names;
  for (const PreTokenizerLine& line : pre_tokenizer_table()) {
    if (!line.steps.empty()) names.emplace_back(line.name);
  }
  return names;
}

KvList keys_of(const std::string& kind, const std::string& pre) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::vector<std::string> tokens{"<unk>", "<s>", "</s>", "tag", "un used"};
  std::vector<std::int32_t> types{2, 3, 3, 4, 5};
  const auto add = [&](std::string text, TokenType type) {
    tokens.push_back(std::move(text));
    types.push_back(static_cast<std::int32_t>(type));
  };
  for (unsigned byte = 0; byte < 256; ++byte) {
    add(std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">", TokenType::byte);
    if (kind == "gpt2") add(encode_byte_alphabet(std::string(1, static_cast<char>(byte))), TokenType::normal);
    if (kind == "rwkv")
      add(std::string("\\x") + "0123456789abcdef"[byte / 16] + "0123456789abcdef"[byte % 16],
          TokenType::normal);
  }
  const char* const kPieces[] = {"\xE2\x96\x81",     "a",        "b",   "ab", "aa",
                                 "\xE2\x96\x81\x61", "\xC3\xA9", "aab", "12"};
  if (kind != "rwkv") {
    for (const char* piece : kPieces) {
      if (kind != "gpt2" || std::string_view(piece).size() > 1) add(piece, TokenType::normal);
    }
  }
  std::vector<float> scores;
  for (std::size_t i = 0; i < tokens.size(); ++i) scores.push_back(-static_cast<float>(i % 7) - 1);
  KvList keys;
  keys.set("tokenizer.ggml.model", kind);
  keys.set("tokenizer.ggml.pre", pre);
  keys.set("tokenizer.ggml.tokens", std::move(tokens));
  keys.set("tokenizer.ggml.token_type", std::move(types));
  keys.set("tokenizer.ggml.scores", std::move(scores));
  keys.set("tokenizer.ggml.merges", std::vector<std::string>{"a b", "a a", "a ab", "1 2"});
  keys.set("tokenizer.ggml.unknown_token_id", std::uint32_t{0});
  return keys;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<std::string> names = cutting_names();
  if (size < 2) return 0;
  const std::string kind = kKinds[data[0] % std::size(kKinds)];
  KvList keys = keys_of(kind, names[data[1] % names.size()]);
  std::string_view text = fuzz::text_of(data + 2, size - 2);
  if (kind == "t5") {
    const std::size_t table = std::min<std::size_t>(text.size(), 4 * std::size_t{data[1]});
    std::vector<std::uint8_t> bytes(data + 2, data + 2 + table);
    if (!bytes.empty())
      keys.set("tokenizer.ggml.precompiled_charsmap", GgufArray{GgufType::u8, std::move(bytes)});
    text.remove_prefix(table);
  }
  fuzz::attempt([&] {
    const TextEncoder encoder = TextEncoder::from_metadata(keys);
    const auto ids = encoder.encode(text, {.add_special = false, .parse_special = false});
    // Nothing is lost of a text of these kinds, which have tokens for all bytes.
    if ((kind == "rwkv" || kind == "llama") && encoder.decode(ids) != text) {
      const bool marked = text.find("\xE2\x96\x81") != std::string_view::npos;
      if (kind == "rwkv" || !marked) std::abort();
    }
    encoder.encode(text, {.add_special = true, .parse_special = true});
  });
  return 0;
}
