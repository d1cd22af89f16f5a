#include "qtz/core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

#include "qtz/core/error.h"

namespace qtz {
namespace {

TEST(ParallelFor, VisitsEveryItemOnce) {
  for (const unsigned threads : {1u, 2u, 7u, 64u}) {
    std::vector<std::atomic<int>> visits(1000);
    std::atomic<bool> worker_in_range = true;
    parallel_for(1000, threads, CancelToken(), [&](unsigned worker, std::uint64_t item) {
      if (worker >= threads) worker_in_range = false;
      ++visits[item];
    });
    for (const auto& count : visits) ASSERT_EQ(count, 1);
    EXPECT_TRUE(worker_in_range);
  }
}

TEST(ParallelFor, HandsItemsOutInOrder) {
  std::vector<std::uint64_t> order;
  parallel_for(100, 1, CancelToken(), [&](unsigned, std::uint64_t item) { order.push_back(item); });
  for (std::uint64_t i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(ParallelFor, NeverRunsOneWorkerTwiceAtATime) {
  std::vector<std::atomic<bool>> busy(8);
  std::atomic<bool> clash = false;
  parallel_for(2000, 8, CancelToken(), [&](unsigned worker, std::uint64_t) {
    if (busy[worker].exchange(true)) clash = true;
    busy[worker] = false;
  });
  EXPECT_FALSE(clash);
}

TEST(ParallelFor, WithoutItemsOrThreadsStillWorks) {
  int calls = 0;
  parallel_for(0, 4, CancelToken(), [&](unsigned, std::uint64_t) { ++calls; });
  EXPECT_EQ(calls, 0);
  parallel_for(3, 0, CancelToken(), [&](unsigned worker, std::uint64_t) {
    EXPECT_EQ(worker, 0u);
    ++calls;
  });
  EXPECT_EQ(calls, 3);
}

TEST(ParallelFor, RethrowsAndStopsEarly) {
  for (const unsigned threads : {1u, 4u}) {
    std::atomic<std::uint64_t> calls = 0;
    const auto run = [&] {
      parallel_for(1'000'000, threads, CancelToken(), [&](unsigned, std::uint64_t item) {
        ++calls;
        if (item == 10) throw Error(ErrorKind::numeric, "item 10");
      });
    };
    EXPECT_THROW(run(), Error);
    EXPECT_LT(calls, 1'000'000u);
  }
}

TEST(ParallelFor, PassesExceptionsOfAnyType) {
  EXPECT_THROW(parallel_for(1, 1, CancelToken(), [](unsigned, std::uint64_t) { throw std::bad_alloc(); }),
               std::bad_alloc);
}

TEST(ParallelFor, StopsWhenCancelled) {
  for (const unsigned threads : {1u, 4u}) {
    CancelToken cancel;
    std::atomic<std::uint64_t> calls = 0;
    try {
      parallel_for(1'000'000, threads, cancel, [&](unsigned, std::uint64_t) {
        if (++calls == 20) cancel.cancel();
      });
      FAIL() << "not interrupted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::interrupted);
    }
    EXPECT_LT(calls, 1000u);
  }
}

TEST(ResolveThreads, IsAtLeastOne) {
  EXPECT_GE(resolve_threads(0), 1u);
  EXPECT_EQ(resolve_threads(5), 5u);
}

}  // namespace
}  // namespace qtz
