// tokenizer_config.json beside a small tokenizer.json: special tokens and chat templates.
#include "fuzz/fuzz_input.h"
#include "qtz/model/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const qtz::fuzz::Folder folder;
  static const bool written = [] {
    folder.write("tokenizer.json", R"({"decoder": {"type": "Sequence", "decoders": []}, "model": {
      "type": "BPE", "byte_fallback": true, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
    return true;
  }();
  static_cast<void>(written);
  folder.write("tokenizer_config.json", qtz::fuzz::text_of(data, size));
  qtz::fuzz::attempt([] {
    const qtz::JsonValue config(qtz::JsonObject{});
    qtz::read_tokenizer(folder.path(), config, 2048, qtz::llama_tokenizer(), std::nullopt);
  });
  return 0;
}
