// What a line of quant_types.def must bring along.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "reference/reference_list.h"
#include "unit/kernels/golden_data.h"

namespace qtz::testing_kernels {
namespace {

TEST(EveryType, HasGoldenBytes) {
  const GoldenSet& set = own_golden();
  ASSERT_TRUE(set.present());
  for (const DType type : encodable_types()) {
    // Of types that need importance, ggml makes some without, but not all.
    for (const bool weighted : {false, true}) {
      const auto bytes = set.expected(type, weighted);
      if (!bytes && !weighted && traits(type).needs_importance) continue;
      ASSERT_TRUE(bytes.has_value()) << "tests/golden has no " << name_of(type)
                                     << (weighted ? ".importance.bin" : ".plain.bin");
      EXPECT_EQ(bytes->size(), set.rows * row_bytes(type, set.cols)) << name_of(type);
    }
  }
}

TEST(EveryType, HasAReferenceEncoderThatIsRightAboutTheGoldenBytes) {
  const GoldenSet& set = own_golden();
  for (const DType type : encodable_types()) {
    for (const bool weighted : {false, true}) {
      const auto want = set.expected(type, weighted);
      if (!want && !weighted && traits(type).needs_importance) continue;
      ASSERT_TRUE(want.has_value()) << name_of(type);
      std::vector<std::byte> got(want->size());
      reference::codec(type).encode(set.x.data(), weighted ? set.importance.data() : nullptr, set.rows,
                                    set.cols, got.data());
      EXPECT_TRUE(got == *want) << name_of(type) << ": " << first_difference(set, type, got, *want);
    }
  }
}

TEST(EveryType, HasKernelsInEverySupportedBackend) {
  for (const Backend& backend : list_backends()) {
    if (!backend.supported) continue;
    for (const DType type : encodable_types()) {
      EXPECT_NE(backend.table->encode[static_cast<std::size_t>(type)], nullptr)
          << backend.name << " " << name_of(type);
      EXPECT_TRUE(backend.can_decode(type)) << backend.name << " " << name_of(type);
    }
    EXPECT_TRUE(backend.can_decode(DType::f64)) << backend.name;
    EXPECT_FALSE(backend.can_decode(DType::i32)) << backend.name;
  }
}

TEST(EveryType, CanBeDecodedByAllBackendsOrByNone) {
  const Backend& scalar = select_backend("scalar");
  for (const Backend& backend : list_backends()) {
    if (!backend.supported) continue;
    for (const DTypeTraits& type : all_dtypes()) {
      EXPECT_EQ(backend.can_decode(type.type), scalar.can_decode(type.type))
          << backend.name << " " << type.name;
    }
  }
}

TEST(EveryType, HasAFallbackChainThatEndsAtAPlainNumberType) {
  for (const DType type : encodable_types()) {
    std::set<DType> seen;
    DType at = type;
    while (traits(at).block_elems > 1) {
      ASSERT_TRUE(seen.insert(at).second) << name_of(type) << " falls back in circles";
      at = traits(at).fallback;
    }
    EXPECT_EQ(traits(at).block_elems, 1u) << name_of(type);
  }
}

}  // namespace
}  // namespace qtz::testing_kernels
