// The values of flags: --override-kv and --tensor-type.
#include "cli/kv_override.h"
#include "fuzz/fuzz_input.h"
#include "qtz/pipeline/recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = qtz::fuzz::text_of(data, size);
  qtz::fuzz::attempt([&] { qtz::cli::parse_kv_override(text); });
  qtz::fuzz::attempt([&] { qtz::parse_type_rule(text); });
  return 0;
}
