// Regular expressions of users and tokenizers, by PCRE2 with match limits: no pattern can hang the tool.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
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

/// A pattern that cuts long texts, compiled to machine code where the library can: classes and case are
/// Unicode's, and `$` stands before every line break too. Thread-safe; each thread walks with a Walk of its
/// own.
class TextPattern {
 public:
  /// Throws usage with the position of the mistake.
  explicit TextPattern(std::string pattern);
  ~TextPattern();
  TextPattern(TextPattern&&) noexcept;
  TextPattern& operator=(TextPattern&&) noexcept;

  const std::string& pattern() const noexcept { return pattern_; }

  /// Bytes [begin, end) of the text.
  struct Match {
    std::size_t begin;
    std::size_t end;
  };

  /// What matching needs in memory, for one thread. The pattern must outlive it.
  class Walk {
   public:
    explicit Walk(const TextPattern& pattern);
    ~Walk();
    Walk(Walk&&) noexcept;
    Walk& operator=(Walk&&) noexcept;

    /// The first match that begins at `from` or later. `text` must be well-formed UTF-8 (see is_utf8) and
    /// `from` must not be inside a character: neither is looked at again, so that many matches in one text
    /// take no more time than one pass. Throws resource when a match needs more steps or memory than is
    /// sane.
    std::optional<Match> next(std::string_view text, std::size_t from);

   private:
    struct Memory;
    std::unique_ptr<Memory> memory_;
  };

 private:
  struct Code;
  std::string pattern_;
  std::unique_ptr<Code> code_;
};

}  // namespace qtz
