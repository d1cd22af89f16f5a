// Regular expressions of users and tokenizers, by PCRE2 with match limits: no pattern can hang the tool.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace qtz {

class Regex {
 public:
  /// Compiles a UTF-8 pattern. Throws usage with the position of the mistake.
  explicit Regex(std::string pattern);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  const std::string& pattern() const noexcept { return pattern_; }

  /// True if the pattern matches anywhere in `text` (searched, not anchored; case preserved).
  /// Throws usage when the match limit is reached (catastrophic backtracking).
  bool search(std::string_view text) const;

 private:
  struct Code;
  std::string pattern_;
  std::unique_ptr<Code> code_;
};

}  // namespace qtz
