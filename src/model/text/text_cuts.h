// How a text is cut before merging, by the name of tokenizer.ggml.pre: the steps of pre_tokenizers.def,
// carried out. Steps and their meaning: `tokenizers`, pre_tokenizers/ and normalizers/.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/core/regex.h"

namespace qtz {

class TextCuts {
 public:
  /// Throws input_invalid for a name that is not known, or whose steps are not.
  explicit TextCuts(const std::string& name);
  ~TextCuts();

  /// The text is brought into normal form C first, as the family's own library does.
  bool composes() const noexcept { return composes_; }
  /// A piece that is a token is taken whole, whatever merges would make of it.
  bool takes_whole_tokens() const noexcept { return takes_whole_tokens_; }
  /// Pieces are bytes; otherwise they are characters.
  bool writes_bytes() const noexcept { return writes_bytes_; }
  /// A space is written as U+2581 before all else.
  bool blocks_spaces() const noexcept { return blocks_spaces_; }

  /// Calls visit(piece) for the pieces of `text`, well-formed UTF-8, in order. Every byte is in one of them,
  /// but for the spaces that "whitespace" leaves out.
  /// `walks` is memory of the caller's thread, empty at first, and for this object only.
  using Visit = std::function<void(std::string_view piece)>;
  void for_each_piece(std::string_view text, std::vector<TextPattern::Walk>& walks, const Visit& visit) const;

  /// One step; see text_cuts.cpp.
  class Step;

 private:
  void cut(std::size_t step, std::string_view text, std::vector<TextPattern::Walk>& walks,
           const Visit& visit) const;

  bool composes_ = false;
  bool takes_whole_tokens_ = false;
  bool writes_bytes_ = false;
  bool blocks_spaces_ = false;
  std::vector<std::unique_ptr<const Step>> steps_;
  std::size_t patterns_ = 0;
};

}  // namespace qtz
