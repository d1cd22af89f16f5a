// A unigram model: spiece.model, or a tokenizer.json with a list of pieces and a table of characters.
#include "fuzz/fuzz_input.h"
#include "qtz/model/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const qtz::fuzz::Folder with_model;
  static const qtz::fuzz::Folder with_json;
  if (size == 0) return 0;
  const bool json = data[0] == '{';
  const qtz::fuzz::Folder& folder = json ? with_json : with_model;
  folder.write(json ? "tokenizer.json" : "spiece.model", qtz::fuzz::text_of(data, size));
  for (const auto& policy : {qtz::t5_tokenizer(), qtz::xlm_roberta_tokenizer()}) {
    qtz::fuzz::attempt([&] {
      const qtz::JsonValue config(qtz::JsonObject{});
      qtz::read_tokenizer(folder.path(), config, 2048, policy, std::nullopt);
    });
  }
  return 0;
}
