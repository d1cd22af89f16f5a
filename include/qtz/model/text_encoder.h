// Texts to tokens and back, by the tokenizer.ggml.* metadata of a model: of a GGUF, or of a hub folder, from
// which open_model() makes the same keys. The ids are those of the family's own library (`tokenizers`,
// sentencepiece, tiktoken), as far as the metadata tells what that does.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/formats/gguf_value.h"

namespace qtz {

struct EncodeOptions {
  bool add_special = true;     ///< the special tokens that the model wants before and after a text
  bool parse_special = false;  ///< special tokens that are written in the text are taken for such
};

/// Immutable and safe to use from many threads; copies share what is inside.
class TextEncoder {
 public:
  /// Throws input_invalid naming what is missing, malformed or unknown: a kind of vocabulary, a
  /// pre-tokenizer.
  static TextEncoder from_metadata(const KvList& metadata);

  /// Time and memory are linear in the text, but for a single word of n bytes, which takes n log n. Throws
  /// input_invalid for a text that is not UTF-8, with the offset of the first wrong byte; resource for one of
  /// 2^31 bytes or more.
  std::vector<std::uint32_t> encode(std::string_view utf8, const EncodeOptions& options = {}) const;

  /// The bytes that `token` stands for, which need not be UTF-8 alone; the name of a special token. Throws
  /// usage for a number that is no token.
  std::string text_of(std::uint32_t token) const;

  /// The bytes of many, without special tokens and without the space that encode() puts before a text.
  std::string decode(std::span<const std::uint32_t> tokens) const;

  std::uint32_t vocabulary_size() const noexcept;
  /// tokenizer.ggml.model: "gpt2", "llama", "t5", "bert", "rwkv", "gemma4".
  const std::string& kind() const noexcept;

  std::optional<std::uint32_t> bos() const noexcept;
  std::optional<std::uint32_t> eos() const noexcept;
  /// Whether encode() puts a token before, or behind, a text.
  bool add_bos() const noexcept;
  bool add_eos() const noexcept;

 private:
  struct Parts;
  explicit TextEncoder(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}

  std::shared_ptr<const Parts> parts_;
};

}  // namespace qtz
