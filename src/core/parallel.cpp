#include "qtz/core/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace qtz {

unsigned resolve_threads(unsigned requested) noexcept {
  if (requested > 0) return requested;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    return static_cast<unsigned>(std::max(1, CPU_COUNT(&allowed)));
  }
  return std::max(1u, std::thread::hardware_concurrency());
}

void parallel_for(std::uint64_t count, unsigned threads, const CancelToken& cancel,
                  const std::function<void(unsigned worker, std::uint64_t item)>& fn) {
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::exception_ptr failure;

  const auto work = [&](unsigned worker) noexcept {
    try {
      while (!stop.load(std::memory_order_relaxed)) {
        cancel.poll();
        const std::uint64_t item = next.fetch_add(1, std::memory_order_relaxed);
        if (item >= count) return;
        fn(worker, item);
      }
    } catch (...) {
      stop.store(true, std::memory_order_relaxed);
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };

  const auto wanted = static_cast<unsigned>(
      std::min<std::uint64_t>(std::max(1u, threads), std::max<std::uint64_t>(1, count)));
  std::vector<std::thread> workers;
  workers.reserve(wanted);
  for (unsigned worker = 1; worker < wanted; ++worker) {
    try {
      workers.emplace_back(work, worker);
    } catch (const std::exception&) {
      break;  // the system has no more threads for us, or no memory: go on with those we have
    }
  }
  work(0);
  for (std::thread& thread : workers) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace qtz
