// tekken.json: Mistral's vocabularies.
#include "fuzz/fuzz_input.h"
#include "qtz/model/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const qtz::fuzz::Folder folder;
  folder.write("tekken.json", qtz::fuzz::text_of(data, size));
  qtz::fuzz::attempt([] {
    const qtz::JsonValue config(qtz::JsonObject{});
    qtz::read_tokenizer(folder.path(), config, 2048, qtz::llama_tokenizer(), std::nullopt);
  });
  return 0;
}
