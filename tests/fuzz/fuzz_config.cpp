// config.json beside the weights and the tokenizer of the demo model: keys, tensor rules, shapes.
#include "fuzz/fuzz_input.h"
#include "qtz/model/gguf_model.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const qtz::fuzz::Folder folder;
  static const bool linked = [] {
    for (const char* name : {"model.safetensors", "tokenizer.json", "tokenizer_config.json"}) {
      folder.link_demo(name);
    }
    return true;
  }();
  static_cast<void>(linked);
  folder.write("config.json", qtz::fuzz::text_of(data, size));
  qtz::fuzz::attempt([] { qtz::open_model(folder.path(), qtz::ModelOptions{}); });
  return 0;
}
