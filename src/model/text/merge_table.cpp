#include "model/text/merge_table.h"

#include "qtz/core/error.h"

namespace qtz {

MergeTable::MergeTable(const KvList& keys, const TokenTable& tokens) {
  const std::vector<std::string>* merges = texts_key(keys, "tokenizer.ggml.merges");
  if (merges == nullptr || merges->empty()) {
    throw Error(ErrorKind::input_invalid, "the model has a vocabulary to be merged, but no merges",
                "the file lacks tokenizer.ggml.merges: convert the model again");
  }
  std::string joined;
  for (std::size_t order = 0; order < merges->size(); ++order) {
    const std::string& merge = (*merges)[order];
    // The left text may itself be a space, in vocabularies that do not write bytes as letters.
    const std::size_t gap = merge.find(' ', 1);
    if (merge.empty() || gap == std::string::npos) {
      throw Error(ErrorKind::input_invalid, "merge " + std::to_string(order) + ", '" + printable(merge) +
                                                "', is not two texts with a space between");
    }
    const std::string_view whole = merge;
    joined.assign(whole.substr(0, gap)).append(whole.substr(gap + 1));
    const auto left = tokens.find(whole.substr(0, gap));
    const auto right = tokens.find(whole.substr(gap + 1));
    const auto made = tokens.find(joined);
    if (!left || !right || !made) continue;
    table_.find_or_add(std::uint64_t{*left} << 32 | *right, std::uint64_t{order} << 32 | *made);
  }
}

}  // namespace qtz
