// vocab.json and added_tokens.json, which look alike, beside a merges.txt.
#include "fuzz/fuzz_input.h"
#include "qtz/model/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const qtz::fuzz::Folder folder;
  if (size == 0) return 0;
  const bool added = data[0] == '+';  // as no JSON begins
  const std::string text(qtz::fuzz::text_of(data + (added ? 1 : 0), size - (added ? 1 : 0)));
  folder.write("merges.txt", "#version: 0.2\na b\n");
  folder.write("vocab.json", added ? R"({"a": 0, "b": 1, "ab": 2})" : text);
  folder.write("added_tokens.json", added ? text : "{}");
  qtz::fuzz::attempt([] {
    const qtz::JsonValue config(qtz::JsonObject{});
    qtz::read_tokenizer(folder.path(), config, 2048, qtz::llama_tokenizer(), "gpt-2");
  });
  return 0;
}
