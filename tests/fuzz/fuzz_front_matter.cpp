// The front matter of a model card.
#include "fuzz/fuzz_input.h"
#include "model/front_matter.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::string_view kWanted[] = {"license",  "base_model", "tags",
                                                 "datasets", "language",   "name"};
  std::vector<std::string> warnings;
  qtz::fuzz::attempt([&] { qtz::read_front_matter(qtz::fuzz::text_of(data, size), kWanted, warnings); });
  return 0;
}
