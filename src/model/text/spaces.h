// What SentencePiece does to the spaces of a text before it cuts it: one before the text, runs made one, each
// written as U+2581.
#pragma once

#include <string>
#include <string_view>

#include "qtz/formats/gguf_value.h"

namespace qtz {

class Spaces {
 public:
  /// From tokenizer.ggml.add_space_prefix and .remove_extra_whitespaces, which are `puts_first` and `removes`
  /// where the model does not say.
  Spaces(const KvList& keys, bool puts_first, bool removes);

  bool puts_first() const noexcept { return puts_first_; }
  bool removes() const noexcept { return removes_; }

  /// Empty for a text of which nothing is left.
  std::string escape(std::string_view text) const;

 private:
  bool puts_first_;
  bool removes_;
};

}  // namespace qtz
