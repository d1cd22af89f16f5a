#include "qtz/core/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "qtz/core/error.h"

namespace qtz {

struct Regex::Code {
  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
  ~Code() {
    pcre2_match_context_free(context);
    pcre2_code_free(code);
  }
};

namespace {

/// Enough for any honest pattern on a tensor name; a runaway one stops within milliseconds.
constexpr std::uint32_t kMatchLimit = 1'000'000;
constexpr std::size_t kMaxPatternBytes = 64u << 10;
/// For a piece of text of megabytes, of which a step each is honest.
constexpr std::uint32_t kWalkLimit = 1'000'000'000;
constexpr std::size_t kFirstStackBytes = 32u << 10;
constexpr std::size_t kMaxStackBytes = 64u << 20;

std::string message_of(int error) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(error, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

pcre2_code* compile(const std::string& pattern, std::uint32_t options) {
  if (pattern.size() > kMaxPatternBytes) {
    throw Error(ErrorKind::usage,
                "regular expression of " + std::to_string(pattern.size()) + " bytes is too long");
  }
  int error = 0;
  PCRE2_SIZE position = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options,
                                   &error, &position, nullptr);
  if (code != nullptr) return code;
  if (error == PCRE2_ERROR_HEAP_FAILED) throw std::bad_alloc();
  throw Error(ErrorKind::usage, "regular expression '" + printable(pattern) + "': " + message_of(error) +
                                    " (at character " + std::to_string(position + 1) + ")");
}

}  // namespace

Regex::Regex(std::string pattern) : pattern_(std::move(pattern)), code_(std::make_unique<Code>()) {
  code_->code = compile(pattern_, PCRE2_UTF | PCRE2_MATCH_INVALID_UTF);
  code_->context = pcre2_match_context_create(nullptr);
  if (code_->context == nullptr) throw std::bad_alloc();
  pcre2_set_match_limit(code_->context, kMatchLimit);
  pcre2_set_depth_limit(code_->context, kMatchLimit);
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

bool Regex::search(std::string_view text) const {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create_from_pattern(code_->code, nullptr), &pcre2_match_data_free);
  if (!data) throw std::bad_alloc();
  const int result = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0,
                                 data.get(), code_->context);
  if (result >= 0) return true;
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result == PCRE2_ERROR_NOMEMORY) throw std::bad_alloc();
  throw Error(ErrorKind::usage, "regular expression '" + printable(pattern_) + "' on '" + printable(text) +
                                    "': " + message_of(result));
}

struct TextPattern::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

TextPattern::TextPattern(std::string pattern)
    : pattern_(std::move(pattern)), code_(std::make_unique<Code>()) {
  code_->code = compile(pattern_, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE);
  // Where no machine code can be made, pcre2_match() interprets.
  pcre2_jit_compile(code_->code, PCRE2_JIT_COMPLETE);
}

TextPattern::~TextPattern() = default;
TextPattern::TextPattern(TextPattern&&) noexcept = default;
TextPattern& TextPattern::operator=(TextPattern&&) noexcept = default;

struct TextPattern::Walk::Memory {
  const TextPattern* pattern = nullptr;
  pcre2_match_data* data = nullptr;
  pcre2_match_context* context = nullptr;
  pcre2_jit_stack* stack = nullptr;
  ~Memory() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
};

TextPattern::Walk::Walk(const TextPattern& pattern) : memory_(std::make_unique<Memory>()) {
  memory_->pattern = &pattern;
  memory_->data = pcre2_match_data_create_from_pattern(pattern.code_->code, nullptr);
  memory_->context = pcre2_match_context_create(nullptr);
  if (memory_->data == nullptr || memory_->context == nullptr) throw std::bad_alloc();
  pcre2_set_match_limit(memory_->context, kWalkLimit);
  pcre2_set_depth_limit(memory_->context, kWalkLimit);
  // Without one (no machine code, no memory) the library uses a small one of its own.
  memory_->stack = pcre2_jit_stack_create(kFirstStackBytes, kMaxStackBytes, nullptr);
  if (memory_->stack != nullptr) pcre2_jit_stack_assign(memory_->context, nullptr, memory_->stack);
}

TextPattern::Walk::~Walk() = default;
TextPattern::Walk::Walk(Walk&&) noexcept = default;
TextPattern::Walk& TextPattern::Walk::operator=(Walk&&) noexcept = default;

std::optional<TextPattern::Match> TextPattern::Walk::next(std::string_view text, std::size_t from) {
  const TextPattern& pattern = *memory_->pattern;
  const int result = pcre2_match(pattern.code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                 from, PCRE2_NO_UTF_CHECK, memory_->data, memory_->context);
  if (result >= 0) {
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(memory_->data);
    return Match{ends[0], ends[1]};
  }
  if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (result == PCRE2_ERROR_NOMEMORY) throw std::bad_alloc();
  throw Error(ErrorKind::resource, "regular expression '" + printable(pattern.pattern_) + "' on a text of " +
                                       std::to_string(text.size()) + " bytes: " + message_of(result));
}

}  // namespace qtz
