#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "qtz/kernels/bench.h"

namespace qtz {
namespace {

using Operation = BenchResult::Operation;

TEST(KernelBench, TimesEveryKernelOfATypeNextToMemcpy) {
  BenchOptions options;
  options.weights = 8192;
  options.repetitions = 1;
  const std::vector<DType> types = {DType::f32, DType::q8_0, DType::f64};
  const auto results = run_kernel_bench(types, select_backend("scalar"), options);
  const auto has = [&](Operation operation, DType type) {
    return std::any_of(results.begin(), results.end(),
                       [&](const BenchResult& r) { return r.operation == operation && r.type == type; });
  };
  EXPECT_TRUE(has(Operation::copy, DType::f32));
  EXPECT_TRUE(has(Operation::find_nonfinite, DType::f32));
  EXPECT_TRUE(has(Operation::encode, DType::f32));
  EXPECT_FALSE(has(Operation::encode_importance, DType::f32));
  EXPECT_TRUE(has(Operation::encode, DType::q8_0));
  EXPECT_TRUE(has(Operation::encode_importance, DType::q8_0));
  EXPECT_TRUE(has(Operation::decode, DType::q8_0));
  EXPECT_TRUE(has(Operation::decode, DType::f64));
  EXPECT_FALSE(has(Operation::encode, DType::f64));
  for (const BenchResult& result : results) {
    EXPECT_GT(result.weights, 0u);
    EXPECT_GT(result.weights_per_second, 0.0);
    EXPECT_GT(result.input_gb_per_second, 0.0);
  }
}

}  // namespace
}  // namespace qtz
