#include "linalg/blas_library.h"

#include <dlfcn.h>

#include <cstdlib>

#include "qtz/core/error.h"

namespace qtz {

namespace {

/// What OpenBLAS should take this processor for. The releases in distributions do not know newer processors
/// and fall back to SSE3 for them, which is ten times as slow.
const char* core_type() noexcept {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    return "SkylakeX";
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return nullptr;
}

Sgemm load() {
  // Read by the library when it is loaded. Threads are ours, so that every product is one thread's and its
  // result does not depend on how many there are.
  constexpr int kKeepOthers = 0;
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  if (const char* type = core_type()) setenv("OPENBLAS_CORETYPE", type, kKeepOthers);
  void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) library = dlopen("libopenblas.so", RTLD_NOW | RTLD_LOCAL);
  void* symbol = library == nullptr ? nullptr : dlsym(library, "cblas_sgemm");
  if (symbol == nullptr) {
    throw Error(ErrorKind::resource, "the forward pass needs OpenBLAS, which cannot be loaded",
                "install it: apt-get install libopenblas0-pthread");
  }
  return reinterpret_cast<Sgemm>(symbol);
}

}  // namespace

Sgemm load_sgemm() {
  static const Sgemm sgemm = load();
  return sgemm;
}

}  // namespace qtz
