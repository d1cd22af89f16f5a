// The header of a safetensors file.
#include "formats/safetensors_header.h"
#include "fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const qtz::fuzz::MemoryFile file(data, size);
  qtz::fuzz::attempt([&] { qtz::read_safetensors_header(qtz::InputFile(file.path()), 0); });
  return 0;
}
