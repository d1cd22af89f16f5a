// Errors of the world: a bad file, a wrong flag, a full disk. Thrown anywhere below the command line, caught
// once in main(), which maps the kind to an exit code. Bugs of ours are not Errors: they are QTZ_CHECK
// failures and abort.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace qtz {

/// What is wrong with the world. Each kind has one documented exit code (see cli/exit_codes.h).
enum class ErrorKind {
  usage,          ///< flags or arguments make no sense
  input_missing,  ///< an input does not exist or cannot be read
  input_invalid,  ///< an input was read and is malformed or not supported
  output,         ///< the output exists, cannot be written, or the disk is full
  numeric,        ///< NaN or infinite weights, a singular matrix
  verification,   ///< an artifact does not hold what it should
  resource,       ///< a memory or other limit would be exceeded
  interrupted,    ///< stopped by a signal
};

/// An error with everything a person needs: what happened (with file, tensor, value) and what to do next.
class Error : public std::exception {
 public:
  /// `what` is one sentence without a trailing period; `hint`, if any, says the next thing to try.
  explicit Error(ErrorKind kind, std::string what, std::string hint = {});

  ErrorKind kind() const noexcept { return kind_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& hint() const noexcept { return hint_; }
  const char* what() const noexcept override { return message_.c_str(); }

  /// Prefixes the message with "context: "; floors add the file, then the tensor, on the way up.
  void add_context(std::string_view context);

 private:
  ErrorKind kind_;
  std::string message_;
  std::string hint_;
};

/// An input_invalid Error about a file that is sound for all that is known, but another one than is wanted:
/// another format, a part of a model, no file at all. Whoever judges a file (verify) has no verdict on it.
class WrongFile final : public Error {
 public:
  explicit WrongFile(std::string what, std::string hint = {})
      : Error(ErrorKind::input_invalid, std::move(what), std::move(hint)) {}
};

/// Whether the text is well-formed UTF-8 throughout.
bool is_utf8(std::string_view text) noexcept;

/// Text from untrusted files made safe to print: control and non-UTF-8 bytes escaped, at most 200 bytes
/// shown.
std::string printable(std::string_view text);

/// The same for a whole message, which may have gone through printable() in parts: escaped but never cut.
std::string without_controls(std::string_view text);

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace qtz

/// An invariant of our own. Always on, aborts, and must never be reachable from input.
#define QTZ_CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::qtz::check_failed(#expression, __FILE__, __LINE__))
