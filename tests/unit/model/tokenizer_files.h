// Small tokenizer folders for tests, and views of the keys that come of them.
#pragma once

#include <gtest/gtest.h>

#include <concepts>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "qtz/core/bytes.h"
#include "qtz/core/json.h"
#include "qtz/formats/gguf_value.h"
#include "qtz/model/tokenizer.h"
#include "support/scratch_folder.h"
#include "support/sha256_hex.h"

namespace qtz::test {

inline JsonValue json_of(std::string_view text) {
  return parse_json(text, JsonLimits{}, "test");
}

/// A byte-level BPE tokenizer.json of five tokens, cut as GPT-2 does.
inline JsonValue small_bpe() {
  return json_of(R"({
    "added_tokens": [],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    "post_processor": null,
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "ignore_merges": false, "byte_fallback": false,
              "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4}, "merges": [["a", "b"], ["ab", "c"]]}})");
}

/// An entry of "added_tokens".
inline JsonValue added_token(std::uint64_t id, std::string content, bool special, bool normalized = false) {
  return JsonObject{
      {"id", id},        {"content", std::move(content)}, {"special", special},      {"lstrip", false},
      {"rstrip", false}, {"single_word", false},          {"normalized", normalized}};
}

/// A copy of `object` with the member at `path` ("model", "vocab") replaced.
inline JsonValue with(JsonValue object, const std::vector<std::string>& path, JsonValue value) {
  if (path.size() > 1) {
    const JsonValue* inner = object.find(path.front());
    value = with(inner ? *inner : JsonValue(), {path.begin() + 1, path.end()}, std::move(value));
  }
  object.set(path.front(), std::move(value));
  return object;
}

/// A folder that is read with read_tokenizer.
class TokenizerFolder {
 public:
  TokenizerFolder& add(const std::string& name, const std::same_as<JsonValue> auto& document) {
    scratch_.add(name, to_json(document));
    return *this;
  }
  TokenizerFolder& add(const std::string& name, std::string_view bytes) {
    scratch_.add(name, bytes);
    return *this;
  }
  const std::filesystem::path& path() const { return scratch_.path(); }

  TokenizerResult read(const TokenizerPolicy& policy, std::uint64_t vocab_size = 0,
                       const JsonValue& config = JsonObject(),
                       const std::optional<std::string>& pre = std::nullopt) const {
    return read_tokenizer(scratch_.path(), config, vocab_size, policy, pre);
  }

 private:
  ScratchFolder scratch_;
};

template <typename T>
std::vector<T> elements(const TokenizerResult& result, const std::string& key) {
  const GgufValue* value = result.keys.find("tokenizer.ggml." + key);
  if (value == nullptr || value->as_array() == nullptr) return {};
  return std::get<std::vector<T>>(value->as_array()->elements);
}

inline std::vector<std::string> tokens_of(const TokenizerResult& result) {
  return elements<std::string>(result, "tokens");
}
inline std::vector<std::int32_t> types_of(const TokenizerResult& result) {
  return elements<std::int32_t>(result, "token_type");
}
inline std::string text_of(const TokenizerResult& result, const std::string& key) {
  const GgufValue* value = result.keys.find("tokenizer." + key);
  return value && value->as_string() ? *value->as_string() : "(none)";
}
inline std::optional<std::uint64_t> number_of(const TokenizerResult& result, const std::string& key) {
  const GgufValue* value = result.keys.find("tokenizer.ggml." + key);
  return value ? value->as_uint() : std::nullopt;
}
inline std::optional<bool> flag_of(const TokenizerResult& result, const std::string& key) {
  const GgufValue* value = result.keys.find("tokenizer.ggml." + key);
  return value ? value->as_bool() : std::nullopt;
}
inline bool warns_of(const TokenizerResult& result, std::string_view piece) {
  for (const std::string& warning : result.warnings) {
    if (warning.find(piece) != std::string::npos) return true;
  }
  return false;
}

/// sha256 of the elements as GGUF stores them.
inline std::string payload_sha256(const GgufArray& array) {
  ByteWriter out;
  std::visit(
      [&](const auto& elements_of_array) {
        for (const auto& element : elements_of_array) {
          if constexpr (std::is_same_v<std::decay_t<decltype(element)>, std::string>) {
            out.put(std::uint64_t{element.size()});
            out.put(std::string_view(element));
          } else {
            out.put(element);
          }
        }
      },
      array.elements);
  return sha256_hex(out.bytes());
}

/// Protocol-buffer fields, enough to write a SentencePiece model.
class Proto {
 public:
  Proto& varint(std::uint32_t field, std::uint64_t value) {
    number(field << 3);
    number(value);
    return *this;
  }
  Proto& bytes(std::uint32_t field, std::string_view value) {
    number(field << 3 | 2);
    number(value.size());
    text_ += value;
    return *this;
  }
  Proto& real(std::uint32_t field, float value) {
    number(field << 3 | 5);
    char raw[4];
    std::memcpy(raw, &value, 4);
    text_.append(raw, 4);
    return *this;
  }
  Proto& raw(std::string_view value) {
    text_ += value;
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) text_ += static_cast<char>(value | 0x80);
    text_ += static_cast<char>(value);
  }
  std::string text_;
};

/// One piece; type as in the file (1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte).
inline std::string piece(std::string_view text, float score, unsigned type = 1) {
  return Proto().bytes(1, text).real(2, score).varint(3, type).text();
}

/// <unk> <s> </s> and "a" "b", BPE.
inline Proto small_sentencepiece() {
  Proto model;
  model.bytes(1, piece("<unk>", 0, 2)).bytes(1, piece("<s>", 0, 3)).bytes(1, piece("</s>", 0, 3));
  model.bytes(1, piece("a", -1)).bytes(1, piece("b", -2));
  model.bytes(2, Proto().varint(3, 2).text());
  return model;
}

}  // namespace qtz::test
