#include "qtz/pipeline/estimate.h"

#include <gtest/gtest.h>

#include "memory_models.h"
#include "planned_models.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

using namespace qtz::test;

class BrokenExpr final : public TensorExpr {
 public:
  BrokenExpr() : TensorExpr({64, 256}, DType::bf16) {}
  void read_rows(std::uint64_t, std::uint64_t, std::span<std::byte>) const override {
    throw Error(ErrorKind::input_missing, "cannot read");
  }
  std::uint64_t staging_bytes(std::uint64_t) const override { return 0; }
  void collect_inputs(std::vector<const TensorInfo*>&) const override {}
};

TEST(Estimate, IsThereForEveryType) {
  for (const FileType& type : list_file_types()) {
    if (wants_importance(type)) continue;
    const QuantPlan plan = make_plan(
        model_of({in_memory("blk.0.attn_k.weight", {64, 256}, DType::f32, weights(64 * 256, 1))}), type, {});
    EXPECT_GT(estimate_seconds({&plan, 1}, scalar(), CancelToken()), 0) << type.name;
  }
}

TEST(Estimate, IsNoneForAnInputThatCannotBeRead) {
  const QuantPlan plan =
      make_plan(model_of({ModelTensor{"blk.0.attn_k.weight", std::make_shared<BrokenExpr>(), DType::bf16}}),
                find_file_type("Q8_0"), {});
  EXPECT_EQ(estimate_seconds({&plan, 1}, scalar(), CancelToken()), 0);
}

TEST(Estimate, CanBeInterrupted) {
  const QuantPlan plan =
      make_plan(model_of({in_memory("blk.0.attn_k.weight", {64, 256}, DType::f32, weights(64 * 256, 1))}),
                find_file_type("Q8_0"), {});
  CancelToken cancel;
  cancel.cancel();
  EXPECT_THROW(estimate_seconds({&plan, 1}, scalar(), cancel), Error);
}

}  // namespace
}  // namespace qtz
