#include "model/text/text_cuts.h"

#include <algorithm>
#include <optional>

#include "model/text/digit_groups.h"
#include "model/text/pattern_dialect.h"
#include "model/text/unicode.h"
#include "model/tokenizer/byte_alphabet.h"
#include "model/tokenizer/pre_tokenizer.h"
#include "model/tokenizer/split_patterns.h"
#include "model/tokenizer/utf8.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"
#include "qtz/model/tokenizer.h"

namespace qtz {

/// One step: cuts a piece into smaller ones.
class TextCuts::Step {
 public:
  virtual ~Step() = default;
  /// Calls visit(begin, end) for the parts of `text`, in order and without gaps. `walk` is for pattern().
  virtual void cut(std::string_view text, TextPattern::Walk* walk, const VisitPart& visit) const = 0;
  virtual const TextPattern* pattern() const { return nullptr; }

  std::size_t place_of_walk = 0;
};

namespace {

using Step = TextCuts::Step;

/// Names whose family composes its texts: a normalizer NFC in the models' tokenizer.json, or in their code.
/// Sources: transformers' classes for Qwen 2 (R1's distillates of it are read by that, too), Qwen 3.5,
/// GPT-NeoX and Cohere; the code beside the weights of StableLM 2 (Arcade100k) and Hunyuan. Of Megrez nothing
/// but its likeness to Qwen is known.
constexpr std::string_view kComposing[] = {
    "qwen2",   "qwen35", "stablelm2", "megrez",      "deepseek-r1-qwen", "hunyuan",
    "f2llmv2", "olmo",   "mpt",       "modern-bert", "command-r",
};

/// Names whose family takes a piece that is a token as it is: "ignore_merges" in tokenizer.json, or tiktoken.
constexpr std::string_view kWholeTokens[] = {"llama-bpe", "glm4",  "smaug-bpe", "minicpm5",
                                             "tekken",    "youtu", "kimi-k2",   "granite-embed-multi-97m"};

template <std::size_t N>
bool is_among(std::string_view name, const std::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

/// Cuts out what a pattern matches.
class PatternStep : public Step {
 public:
  explicit PatternStep(std::string_view pattern) : pattern_(pcre_dialect(pattern)) {}

  void cut(std::string_view text, TextPattern::Walk* walk, const VisitPart& visit) const override {
    std::size_t done = 0;
    std::size_t from = 0;
    while (from < text.size()) {
      const auto match = walk->next(text, from);
      if (!match) break;
      QTZ_CHECK(match->end > match->begin);  // no pattern here matches nothing
      if (match->begin > done) visit(done, match->begin);
      visit(match->begin, match->end);
      done = from = match->end;
    }
    if (done < text.size()) visit(done, text.size());
  }

  const TextPattern* pattern() const override { return &pattern_; }

 private:
  TextPattern pattern_;
};

/// Cuts before what a pattern matches: a match goes with what follows it, unless that is a match too.
class NextPatternStep final : public PatternStep {
 public:
  using PatternStep::PatternStep;

  void cut(std::string_view text, TextPattern::Walk* walk, const VisitPart& visit) const override {
    std::optional<TextPattern::Match> waiting;
    std::size_t done = 0;
    const auto flush_to = [&](std::size_t end) {
      if (end > done) visit(done, end);
      done = end;
    };
    for (auto match = walk->next(text, 0); match; match = walk->next(text, match->end)) {
      // Behind the match before this one there is something, or there is not.
      if (waiting && waiting->end == match->begin) flush_to(waiting->end);
      flush_to(match->begin);
      waiting = match;
      if (match->end == text.size()) break;
    }
    flush_to(text.size());
  }
};

/// The same on the letters by which bytes are written, where some of them are numbers ("\xB2" is U+00B2).
class LetterPatternStep final : public PatternStep {
 public:
  using PatternStep::PatternStep;

  void cut(std::string_view text, TextPattern::Walk* walk, const VisitPart& visit) const override {
    const std::string letters = encode_byte_alphabet(text);
    std::size_t bytes = 0;
    PatternStep::cut(letters, walk, [&](std::size_t begin, std::size_t end) {
      const auto first = letters.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto last = letters.begin() + static_cast<std::ptrdiff_t>(end);
      const auto count = static_cast<std::size_t>(std::count_if(
          first, last, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
      visit(bytes, bytes + count);
      bytes += count;
    });
  }
};

/// Cuts out punctuation, each character or each run.
class PunctuationStep final : public Step {
 public:
  explicit PunctuationStep(bool runs) : runs_(runs) {}

  void cut(std::string_view text, TextPattern::Walk*, const VisitPart& visit) const override {
    std::size_t begin = 0;
    bool before = false;
    std::string_view rest = text;
    while (true) {
      const std::size_t here = text.size() - rest.size();
      const auto point = take_code_point(rest);
      if (!point) break;
      const bool is_mark = is_punctuation(*point);
      if (here > begin && (is_mark != before || (is_mark && !runs_))) {
        visit(begin, here);
        begin = here;
      }
      before = is_mark;
    }
    if (begin < text.size()) visit(begin, text.size());
  }

 private:
  bool runs_;
};

/// \w+|[^\w\s]+, with the spaces between left out.
void take_words(std::string_view text, const VisitPart& visit) {
  enum class Kind { space, word, mark };
  const auto kind_of = [](std::uint32_t point) {
    return is_white_space(point) ? Kind::space : is_word_character(point) ? Kind::word : Kind::mark;
  };
  std::size_t begin = 0;
  Kind before = Kind::space;
  std::string_view rest = text;
  while (true) {
    const std::size_t here = text.size() - rest.size();
    const auto point = take_code_point(rest);
    const Kind kind = point ? kind_of(*point) : Kind::space;
    if (kind != before || !point) {
      if (before != Kind::space) visit(begin, here);
      begin = here;
    }
    if (!point) return;
    before = kind;
  }
}

class FunctionStep final : public Step {
 public:
  using Function = void (*)(std::string_view, const VisitPart&);
  explicit FunctionStep(Function function) : function_(function) {}
  void cut(std::string_view text, TextPattern::Walk*, const VisitPart& visit) const override {
    function_(text, visit);
  }

 private:
  Function function_;
};

/// What stands between `before` and a last character; empty when the step is another one.
std::optional<std::string_view> argument(std::string_view step, std::string_view before) {
  if (!step.starts_with(before)) return std::nullopt;
  step.remove_prefix(before.size());
  step.remove_suffix(1);
  return step;
}

std::unique_ptr<Step> make_split(std::string_view pattern, bool of_letters) {
  if (of_letters) return std::make_unique<LetterPatternStep>(pattern);
  if (pattern == QTZ_SPLIT_DIGITS_FROM_RIGHT) return std::make_unique<FunctionStep>(cut_digit_groups);
  if (pattern == QTZ_SPLIT_DIGITS_BY_PLACE) return std::make_unique<FunctionStep>(cut_number_groups);
  if (pattern == QTZ_SPLIT_THOUSANDS) return std::make_unique<FunctionStep>(cut_thousands);
  return std::make_unique<PatternStep>(pattern);
}

/// Null when a step of this form is not known.
std::unique_ptr<Step> make_step(std::string_view step, bool of_letters) {
  if (const auto pattern = argument(step, "split(")) return make_split(*pattern, of_letters);
  if (of_letters) return nullptr;
  if (const auto pattern = argument(step, "split-merged-with-next(")) {
    return std::make_unique<NextPatternStep>(*pattern);
  }
  if (step == "Whitespace") return std::make_unique<FunctionStep>(take_words);
  if (step == R"(Punctuation{"behavior":"Contiguous"})") return std::make_unique<PunctuationStep>(true);
  if (step == R"(Punctuation{"behavior":"Isolated"})") return std::make_unique<PunctuationStep>(false);
  return nullptr;
}

[[noreturn]] void refuse_name(const std::string& name) {
  const std::vector<std::string_view> known = list_pre_tokenizers();
  const auto near = nearest(name, known);
  const bool listed = near && *near == name;
  throw Error(ErrorKind::input_invalid,
              "how the pre-tokenizer '" + printable(name) + "' cuts a text is not known (tokenizer.ggml.pre)",
              near && !listed ? "did the file mean " + std::string(*near) + "?" : "");
}

const PreTokenizerLine& line_of(const std::string& name) {
  const std::vector<PreTokenizerLine>& table = pre_tokenizer_table();
  const auto find = [&](std::string_view text) {
    return std::find_if(table.begin(), table.end(), [&](const auto& line) { return line.name == text; });
  };
  auto line = find(name);
  if (line != table.end() && !line->same_as.empty()) line = find(line->same_as);
  if (line == table.end() || line->steps.empty()) refuse_name(name);
  return *line;
}

constexpr std::string_view kArrow = " > ";

}  // namespace

TextCuts::TextCuts(const std::string& name) {
  const PreTokenizerLine& line = line_of(name);
  composes_ = is_among(name, kComposing);
  takes_whole_tokens_ = is_among(name, kWholeTokens) || is_among(line.name, kWholeTokens);
  for (std::string_view rest = line.steps; !rest.empty();) {
    const auto end = std::min(rest.find(kArrow), rest.size());
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + kArrow.size(), rest.size()));
    if (text == "bytes") {
      writes_bytes_ = true;
      continue;
    }
    if (text.starts_with("Replace{")) {
      blocks_spaces_ = true;
      continue;
    }
    // With U+2581 for every space, what cuts at spaces cuts nothing.
    if (blocks_spaces_ && text.starts_with("split-merged-with-previous")) continue;
    auto step = make_step(text, writes_bytes_);
    if (!step) refuse_name(name);
    if (step->pattern() != nullptr) step->place_of_walk = patterns_++;
    steps_.push_back(std::move(step));
  }
}

TextCuts::~TextCuts() = default;

void TextCuts::for_each_piece(std::string_view text, std::vector<TextPattern::Walk>& walks,
                              const Visit& visit) const {
  if (walks.empty()) {
    for (const auto& step : steps_) {
      if (step->pattern() != nullptr) walks.emplace_back(*step->pattern());
    }
  }
  if (!text.empty()) cut(0, text, walks, visit);
}

void TextCuts::cut(std::size_t step, std::string_view text, std::vector<TextPattern::Walk>& walks,
                   const Visit& visit) const {
  if (step == steps_.size()) {
    visit(text);
    return;
  }
  const Step& how = *steps_[step];
  TextPattern::Walk* walk = how.pattern() != nullptr ? &walks[how.place_of_walk] : nullptr;
  how.cut(text, walk, [&](std::size_t begin, std::size_t end) {
    cut(step + 1, text.substr(begin, end - begin), walks, visit);
  });
}

}  // namespace qtz
