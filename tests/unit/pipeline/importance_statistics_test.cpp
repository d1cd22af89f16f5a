#include "qtz/pipeline/importance_statistics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace qtz {
namespace {

TEST(ImportanceStatistics, OfEqualChannelsAreEven) {
  const StoredSums entry{std::vector<float>(200, 6.0f), {3}};
  const ImportanceStatistics found = importance_statistics(entry, ImatrixForm::gguf);
  EXPECT_EQ(found.values, 200U);
  EXPECT_EQ(found.active, 200U);
  EXPECT_DOUBLE_EQ(found.mean, 2.0);
  EXPECT_DOUBLE_EQ(found.lowest, found.highest);
  EXPECT_DOUBLE_EQ(found.top_share, 0.01);
  EXPECT_NEAR(found.entropy, 1.0, 1e-12);
}

TEST(ImportanceStatistics, OfOneChannelAreConcentrated) {
  StoredSums entry{std::vector<float>(200, 0.0f), {4}};
  entry.sums[17] = 8.0f;
  const ImportanceStatistics found = importance_statistics(entry, ImatrixForm::gguf);
  EXPECT_EQ(found.active, 1U);
  EXPECT_DOUBLE_EQ(found.highest, 2.0);
  EXPECT_DOUBLE_EQ(found.top_share, 1.0);
  EXPECT_DOUBLE_EQ(found.entropy, 0.0);
}

TEST(ImportanceStatistics, LeaveUnreachedExpertsOut) {
  const StoredSums entry{{1.0f, 3.0f, 0.0f, 0.0f, 4.0f, 8.0f}, {1, 0, 4}};
  const ImportanceStatistics found = importance_statistics(entry, ImatrixForm::gguf);
  EXPECT_EQ(found.experts, 3U);
  EXPECT_EQ(found.reached, 2U);
  EXPECT_EQ(found.active, 4U);
  EXPECT_EQ(found.fewest, 0U);
  EXPECT_EQ(found.most, 4U);
  EXPECT_DOUBLE_EQ(found.mean, 7.0 / 4);  // 1, 3, 1, 2
  EXPECT_DOUBLE_EQ(found.lowest, 1.0);
  double entropy = 0;
  for (const double mean : {1.0, 3.0, 1.0, 2.0}) entropy -= mean / 7 * std::log2(mean / 7);
  EXPECT_NEAR(found.entropy, entropy / 2, 1e-12);
}

TEST(ImportanceStatistics, OfNothingAreZero) {
  const ImportanceStatistics found = importance_statistics({{0.0f, 0.0f}, {0}}, ImatrixForm::gguf);
  EXPECT_EQ(found.reached, 0U);
  EXPECT_EQ(found.entropy, 0.0);
  const ImportanceStatistics legacy = importance_statistics({{2.0f, 2.0f}, {0}}, ImatrixForm::dat);
  EXPECT_EQ(legacy.mean, 2.0) << "without calls values are means";
}

}  // namespace
}  // namespace qtz
