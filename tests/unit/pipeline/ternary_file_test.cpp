// BitNet from its folder to the ternary types: each weight is minus one, zero or one times its tensor's
// scale, as that type stores a scale.
#include <gtest/gtest.h>

#include <cmath>

#include "planned_models.h"
#include "qtz/core/half.h"
#include "qtz/formats/gguf.h"
#include "qtz/pipeline/run.h"
#include "support/arch_checkpoint.h"
#include "support/scratch_folder.h"
#include "support/silent_progress.h"

namespace qtz {
namespace {

using namespace qtz::test;

std::vector<float> floats_of(DType type, const std::vector<std::byte>& bytes, std::uint64_t elements) {
  std::vector<float> values(elements);
  select_backend("scalar").decode(type, bytes.data(), values.data(), elements);
  return values;
}

class TernaryFile : public testing::TestWithParam<const char*> {};

TEST_P(TernaryFile, LosesNothingButTheScalesLastBits) {
  const ScratchFolder folder;
  const GgufModel model = open_model(write_checkpoint(arch_data_folder() / "bitnet", folder.path()), {});
  const QuantPlan plan = make_plan(model, find_file_type(GetParam()), {});
  const fs::path output = folder.path() / "out.gguf";
  execute({&plan, 1}, {&output, 1}, select_backend(""), {}, silent_progress(), CancelToken());
  const GgufSource file(output);
  std::size_t ternary = 0;
  for (const PlanEntry& entry : plan.entries) {
    if (name_of(entry.type) != GetParam()) continue;
    ++ternary;
    const std::uint64_t elements = entry.expr->shape().elements();
    std::vector<std::byte> source(elements * sizeof(float));
    ASSERT_EQ(entry.expr->dtype(), DType::f32);
    entry.expr->read_rows(0, entry.expr->shape().rows(), source);
    std::vector<std::byte> stored(entry.bytes);
    file.read(*file.find(entry.name), 0, stored);
    const std::vector<float> wanted = floats_of(DType::f32, source, elements);
    const std::vector<float> found = floats_of(entry.type, stored, elements);
    const float scale = std::fabs(*std::max_element(wanted.begin(), wanted.end()));
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < elements; ++i) {
      const bool is_ternary = wanted[i] == 0 || std::fabs(wanted[i]) == scale;
      wrong += is_ternary && found[i] == f16_to_f32(f32_to_f16(wanted[i])) ? 0U : 1U;
    }
    EXPECT_EQ(wrong, 0u) << entry.name;
  }
  EXPECT_EQ(ternary, 14u) << "all projections of two layers";
}

INSTANTIATE_TEST_SUITE_P(Types, TernaryFile, testing::Values("TQ1_0", "TQ2_0"));

}  // namespace
}  // namespace qtz
