#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "unit/kernels/golden_data.h"

namespace qtz::testing_kernels {
namespace {

class FindNonfinite : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!backend().supported)
      GTEST_SKIP() << "backend " << backend().name << " is not supported by this machine";
  }
  const Backend& backend() const { return backend_named(GetParam()); }
};

TEST_P(FindNonfinite, SeesEveryKindAtEveryPosition) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float bad[] = {infinity, -infinity, std::nanf(""), -std::nanf(""),
                       std::numeric_limits<float>::signaling_NaN()};
  std::vector<float> x(300, std::numeric_limits<float>::max());
  for (std::size_t at = 0; at < x.size(); ++at) {
    const float kept = x[at];
    x[at] = bad[at % std::size(bad)];
    EXPECT_EQ(backend().find_nonfinite(x.data(), x.size()), at);
    x[at] = kept;
  }
}

TEST_P(FindNonfinite, ReportsTheFirstOfSeveral) {
  std::vector<float> x(513, 0.0f);
  x[200] = x[201] = x[512] = std::nanf("");
  EXPECT_EQ(backend().find_nonfinite(x.data(), x.size()), 200u);
}

TEST_P(FindNonfinite, AcceptsAllFiniteAndNothingAtAll) {
  const std::vector<float> x = {0.0f,
                                -0.0f,
                                0x1p-149f,
                                -0x1p-149f,
                                std::numeric_limits<float>::max(),
                                std::numeric_limits<float>::lowest()};
  for (std::size_t count = 0; count <= x.size(); ++count) {
    EXPECT_EQ(backend().find_nonfinite(x.data(), count), count);
  }
}

TEST_P(FindNonfinite, LooksNoFurtherThanItShould) {
  std::vector<float> x(100, 1.0f);
  x[70] = std::nanf("");
  EXPECT_EQ(backend().find_nonfinite(x.data(), 70), 70u);
}

INSTANTIATE_TEST_SUITE_P(AllBackends, FindNonfinite, testing::ValuesIn(backend_names()), only_backend);

}  // namespace
}  // namespace qtz::testing_kernels
