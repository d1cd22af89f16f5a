// An importance matrix of either form.
#include <cmath>

#include "fuzz/fuzz_input.h"
#include "qtz/formats/imatrix.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const qtz::fuzz::MemoryFile file(data, size);
  qtz::fuzz::attempt([&] {
    const qtz::ImportanceMatrix matrix(file.path());
    for (const std::string& name : matrix.names()) {
      for (const float value : matrix.find(name)) {
        if (!std::isfinite(value) || value < 0) std::abort();
      }
    }
  });
  return 0;
}
