// A manifest.
#include "fuzz/fuzz_input.h"
#include "qtz/pipeline/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const qtz::fuzz::MemoryFile file(data, size);
  qtz::fuzz::attempt([&] { qtz::read_manifest(file.path()); });
  return 0;
}
