// A recipe; each rule is searched in a tensor's name.
#include "fuzz/fuzz_input.h"
#include "qtz/pipeline/recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const qtz::fuzz::MemoryFile file(data, size);
  qtz::fuzz::attempt([&] {
    for (const qtz::TypeRule& rule : qtz::read_recipe(file.path())) {
      qtz::fuzz::attempt([&] { static_cast<void>(rule.pattern.search("blk.0.attn_q.weight")); });
    }
  });
  return 0;
}
