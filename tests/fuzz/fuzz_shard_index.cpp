// model.safetensors.index.json.
#include "formats/safetensors_index.h"
#include "fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const qtz::fuzz::MemoryFile file(data, size);
  qtz::fuzz::attempt([&] { qtz::read_safetensors_index(qtz::InputFile(file.path())); });
  return 0;
}
