// What the post-processor of tokenizer.json says about special tokens: which one stands before and after a
// text, and whether they are added. Only templates of the usual shape are understood, as in llama.cpp's
// converter.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/core/json.h"

namespace qtz {

struct SpecialTokens;

/// The "<name>_token" members of tokenizer_config.json, which a post-processor may add to.
class SpecialTexts {
 public:
  explicit SpecialTexts(const JsonValue& tokenizer_config) : config_(tokenizer_config) {}

  const JsonValue& get(const std::string& name) const;
  void set(const std::string& name, JsonValue value) { changed_[name] = std::move(value); }

 private:
  const JsonValue& config_;
  std::map<std::string, JsonValue> changed_;
};

/// How a text is framed by special tokens.
enum class Framing {
  none,     ///< nothing before it
  leading,  ///< a template puts a special token before it
  roberta,  ///< RobertaProcessing: one before, one after, two between a pair
};
Framing framing_of(const JsonValue& post_processor);

/// Fills out.add; `texts` gets the tokens that only the post-processor names; `names` gets "eot" or "eom"
/// when the template ends with another token than eos. `has_config`: there is a tokenizer_config.json.
void apply_post_processor(const JsonValue& post_processor, bool has_config, SpecialTexts& texts,
                          std::vector<std::string>& names, SpecialTokens& out);

}  // namespace qtz
