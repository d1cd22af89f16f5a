// merges.txt, beside a vocab.json as tokenizers had it before tokenizer.json.
#include "fuzz/fuzz_input.h"
#include "qtz/model/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const qtz::fuzz::Folder folder;
  static const bool written = [] {
    folder.write("vocab.json", R"({"a": 0, "b": 1, "ab": 2, "aba": 3, "\u0120": 4, "\u0120a": 5})");
    return true;
  }();
  if (!written) return 0;
  folder.write("merges.txt", qtz::fuzz::text_of(data, size));
  qtz::fuzz::attempt([] {
    const qtz::JsonValue config(qtz::JsonObject{});
    qtz::read_tokenizer(folder.path(), config, 2048, qtz::llama_tokenizer(), "gpt-2");
  });
  return 0;
}
