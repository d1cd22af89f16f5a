// A GGUF as input: header, metadata, and the model made of them.
#include "fuzz/fuzz_input.h"
#include "model/model_parts.h"
#include "qtz/formats/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const qtz::fuzz::MemoryFile file(data, size);
  qtz::fuzz::attempt([&] {
    qtz::open_gguf_model(std::make_shared<const qtz::GgufSource>(file.path()), qtz::ModelOptions{});
  });
  return 0;
}
