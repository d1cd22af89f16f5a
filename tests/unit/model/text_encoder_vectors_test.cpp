// Real vocabularies on llama.cpp's own texts, which the families' libraries cut alike. Needs the large test
// data; skipped without it.
#include <gtest/gtest.h>

#include <sstream>

#include "model/tokenizer/utf8.h"
#include "qtz/formats/gguf.h"
#include "qtz/model/text_encoder.h"
#include "qtz/model/tokenizer.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

const fs::path kShared = fs::path(QTZ_SHARED_DIR) / "data";
const fs::path kVectors = kShared / "ggml-vocab";

using Ids = std::vector<std::uint32_t>;

std::vector<std::string> texts_of(const fs::path& file) {
  constexpr std::string_view kBetween = "\n__ggml_vocab_test__\n";
  const std::string whole = test::read_file(file);
  std::vector<std::string> out;
  for (std::string_view rest = whole; !rest.empty();) {
    const auto end = std::min(rest.find(kBetween), rest.size());
    out.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + kBetween.size(), rest.size()));
  }
  return out;
}

std::vector<Ids> ids_of(const fs::path& file) {
  std::vector<Ids> out;
  std::istringstream lines(test::read_file(file));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    Ids& ids = out.emplace_back();
    for (std::uint32_t id = 0; words >> id;) ids.push_back(id);
  }
  return out;
}

/// Cuts the texts of ggml-vocab-NAME.gguf.inp, with special tokens parsed and none added, as they were made.
void expect_vectors(const std::string& name, const KvList& keys) {
  SCOPED_TRACE(name);
  const auto texts = texts_of(kVectors / ("ggml-vocab-" + name + ".gguf.inp"));
  const auto wanted = ids_of(kVectors / ("ggml-vocab-" + name + ".gguf.out"));
  ASSERT_EQ(texts.size(), wanted.size());
  ASSERT_GT(texts.size(), 40U);
  const TextEncoder encoder = TextEncoder::from_metadata(keys);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(encoder.encode(texts[i], {.add_special = false, .parse_special = true}), wanted[i]) << texts[i];
  }
}

TEST(TextEncoderVectors, are_met_by_every_vocabulary_that_is_there) {
  if (!fs::exists(kVectors)) GTEST_SKIP() << "no " << kVectors;
  std::size_t checked = 0;
  for (const auto& entry : fs::directory_iterator(kVectors)) {
    const std::string file = entry.path().filename();
    if (entry.path().extension() != ".gguf" || !fs::exists(entry.path().native() + ".inp")) continue;
    const std::string name = file.substr(11, file.size() - 16);  // ggml-vocab-NAME.gguf
    expect_vectors(name, GgufSource(entry.path()).metadata());
    ++checked;
  }
  EXPECT_GE(checked, 10U);
}

/// The keys that a folder with copies of these files gets. `files`: name in the folder, name there.
KvList keys_of(const std::vector<std::pair<std::string, std::string>>& files, const TokenizerPolicy& policy,
               const std::optional<std::string>& pre = std::nullopt) {
  const test::ScratchFolder folder;
  for (const auto& [name, from] : files) folder.add(name, test::read_file(kShared / "tokenizers" / from));
  return read_tokenizer(folder.path(), JsonValue(JsonObject{}), 0, policy, pre).keys;
}

TEST(TextEncoderVectors, are_met_by_the_tokenizers_of_folders) {
  if (!fs::exists(kShared / "tokenizers")) GTEST_SKIP() << "no " << kShared / "tokenizers";
  expect_vectors("qwen2", keys_of({{"tokenizer.json", "qwen2/tokenizer.derived.json"}}, bpe_tokenizer()));
  expect_vectors("roberta-bpe",
                 keys_of({{"tokenizer.json", "roberta-gpt2bpe/tokenizer.json"}}, roberta_tokenizer()));
  expect_vectors("falcon", keys_of({{"tokenizer.json", "falcon/tokenizer.json"}}, bpe_tokenizer()));
  expect_vectors("llama-spm", keys_of({{"tokenizer.model", "llama2/tokenizer.model"}}, llama_tokenizer()));
  expect_vectors("gpt-2", keys_of({{"vocab.json", "gpt2/vocab.json"}, {"merges.txt", "gpt2/merges.txt"}},
                                  bpe_tokenizer(), "gpt-2"));
  expect_vectors("llama-bpe",
                 keys_of({{"vocab.json", "llama3/encoder.json"}, {"merges.txt", "llama3/vocab.bpe"}},
                         bpe_tokenizer(), "llama-bpe"));
}

}  // namespace
}  // namespace qtz
