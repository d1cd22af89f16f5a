#include "model/tokenizer/pre_tokenizer.h"
#include "model/tokenizer/split_patterns.h"

// The vocabulary of pre_tokenizers.def. Every step ends with " > "; the last one's is cut off below.
#define STEP_END " > "
#define BYTES "bytes" STEP_END
#define SPLIT(name) "split(" QTZ_SPLIT_##name ")" STEP_END
#define SPLIT_NEXT(name) "split-merged-with-next(" QTZ_SPLIT_##name ")" STEP_END
#define SPLIT_PREVIOUS(regex) "split-merged-with-previous(" regex ")" STEP_END
#define SPLIT_PREVIOUS_LITERAL(text) "split-merged-with-previous[" text "]" STEP_END
#define PUNCTUATION(behavior) R"(Punctuation{"behavior":")" behavior R"("})" STEP_END
#define SPACE_AS_BLOCK "Replace{\"content\":\"\xE2\x96\x81\",\"pattern\":{\"String\":\" \"}}" STEP_END
#define WORDS "Whitespace" STEP_END
#define ANY std::nullopt
#define IGNORED true
#define LEADING Framing::leading
#define ROBERTA Framing::roberta
#define CLEANED true
#define KEPT false

namespace qtz {
namespace {

std::string_view without_last_end(std::string_view steps) {
  const std::string_view end = STEP_END;
  return steps.ends_with(end) ? steps.substr(0, steps.size() - end.size()) : steps;
}

}  // namespace

const std::vector<PreTokenizerLine>& pre_tokenizer_table() {
  static const std::vector<PreTokenizerLine> kTable = {
#define QTZ_PRE(name, steps, merges, framing, clean_up) \
  {name, without_last_end(steps), merges, framing, clean_up, {}},
#define QTZ_PRE_SAME(name, written) {name, {}, std::nullopt, std::nullopt, std::nullopt, written},
#include "model/tokenizer/pre_tokenizers.def"
#undef QTZ_PRE
#undef QTZ_PRE_SAME
  };
  return kTable;
}

}  // namespace qtz
