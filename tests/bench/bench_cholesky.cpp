// Times factor_inverse of every backend beside LAPACK's dpotrf and dtrtri, which together do the same, from
// the OpenBLAS of the machine. Rounds take turns, so that what else the machine does meets all alike; the
// best of each counts.
//
// Usage: bench_cholesky [-t THREADS] [-r ROUNDS] [N ...]     default: 2 threads, 5 rounds, 1024 2048 4096

#include <dlfcn.h>
#include <getopt.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "qtz/core/parallel.h"
#include "qtz/linalg/cholesky.h"

namespace qtz {
namespace {

/// The routines of a library with 32-bit sizes.
struct Lapack {
  void (*potrf)(const char* part, const int* n, double* a, const int* stride, int* info);
  void (*trtri)(const char* part, const char* diagonal, const int* n, double* a, const int* stride,
                int* info);
};

template <class Function>
bool find(void* library, const char* name, Function& out) {
  out = reinterpret_cast<Function>(dlsym(library, name));
  return out != nullptr;
}

/// False where there is none. The threads are set before it is loaded, as it reads them then.
bool load_lapack(unsigned threads, Lapack& out) {
  constexpr int kReplace = 1;
  constexpr int kKeepOthers = 0;
  setenv("OPENBLAS_NUM_THREADS", std::to_string(threads).c_str(), kReplace);
  // Releases in distributions take processors newer than they are for the oldest (see blas_library.cpp).
  if (__builtin_cpu_supports("avx512f")) setenv("OPENBLAS_CORETYPE", "SkylakeX", kKeepOthers);
  void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  return library != nullptr && find(library, "dpotrf_", out.potrf) && find(library, "dtrtri_", out.trtri);
}

/// A symmetric matrix with a dominant diagonal.
std::vector<double> make_matrix(std::uint64_t n) {
  std::vector<double> matrix(n * n);
  for (std::uint64_t row = 0; row < n; ++row) {
    for (std::uint64_t col = 0; col < n; ++col) {
      const std::uint64_t low = std::min(row, col);
      const std::uint64_t high = std::max(row, col);
      matrix[row * n + col] = row == col ? 2.0 + static_cast<double>(n)
                                         : static_cast<double>((low * 37 + high * 101) % 1009) / 505.0 - 1.0;
    }
  }
  return matrix;
}

template <class Work>
double seconds(Work work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void print(const std::string& name, std::uint64_t n, double best, double lapack) {
  const double size = static_cast<double>(n);
  std::printf("%6llu  %-8s %10.2f ms %8.1f GFLOP/s", static_cast<unsigned long long>(n), name.c_str(),
              best * 1e3, 2.0 / 3.0 * size * size * size / best * 1e-9);
  if (std::isfinite(lapack)) std::printf("  %5.2f x LAPACK's time", best / lapack);
  std::printf("\n");
}

bool measure(std::uint64_t n, unsigned threads, int rounds, const Lapack* lapack) {
  const std::vector<double> matrix = make_matrix(n);
  std::vector<double> work;
  const CancelToken cancel;
  bool ok = true;
  double lapack_best = std::numeric_limits<double>::infinity();
  std::vector<double> best(list_backends().size(), lapack_best);
  for (int round = 0; round < rounds; ++round) {
    if (lapack != nullptr) {
      work = matrix;
      const int size = static_cast<int>(n);
      int info = 0;
      lapack_best = std::min(lapack_best, seconds([&] {
                               lapack->potrf("U", &size, work.data(), &size, &info);
                               if (info == 0) lapack->trtri("U", "N", &size, work.data(), &size, &info);
                             }));
      ok = ok && info == 0;
    }
    for (std::size_t i = 0; i < best.size(); ++i) {
      const Backend& backend = list_backends()[i];
      if (!backend.supported || backend.name == "scalar") continue;
      work = matrix;
      best[i] =
          std::min(best[i], seconds([&] { ok = !factor_inverse(work, n, backend, threads, cancel) && ok; }));
    }
  }
  if (lapack != nullptr) print("LAPACK", n, lapack_best, lapack_best);
  for (std::size_t i = 0; i < best.size(); ++i) {
    if (std::isfinite(best[i])) print(std::string(list_backends()[i].name), n, best[i], lapack_best);
  }
  return ok;
}

int run(int argc, char** argv) {
  unsigned threads = 2;
  int rounds = 5;
  for (int option = 0; (option = getopt(argc, argv, "t:r:")) != -1;) {
    if (option == 't') threads = resolve_threads(static_cast<unsigned>(std::strtoul(optarg, nullptr, 10)));
    if (option == 'r') rounds = static_cast<int>(std::strtol(optarg, nullptr, 10));
    if (option == '?') return 2;
  }
  std::vector<std::uint64_t> sizes;
  for (int i = optind; i < argc; ++i) sizes.push_back(std::strtoull(argv[i], nullptr, 10));
  if (sizes.empty()) sizes = {1024, 2048, 4096};
  Lapack lapack{};
  const bool found = load_lapack(threads, lapack);
  if (!found) std::fprintf(stderr, "no libopenblas.so.0 with LAPACK: no comparison\n");
  bool ok = true;
  for (const std::uint64_t n : sizes) ok = measure(n, threads, rounds, found ? &lapack : nullptr) && ok;
  if (!ok) std::fprintf(stderr, "a factorization failed\n");
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace qtz

int main(int argc, char** argv) {
  return qtz::run(argc, argv);
}
