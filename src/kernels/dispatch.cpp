#include <array>
#include <cstdlib>
#include <iterator>
#include <string>

#include "qtz/core/error.h"
#include "qtz/kernels/backend.h"

// The one symbol of each sealed level object.
extern "C" {
void qtz_fill_scalar(qtz::KernelTable& table) noexcept;
#if defined(QTZ_X86_LEVELS)
void qtz_fill_sse2(qtz::KernelTable& table) noexcept;
void qtz_fill_avx2(qtz::KernelTable& table) noexcept;
void qtz_fill_avx512(qtz::KernelTable& table) noexcept;
#endif
}

namespace qtz {
namespace {

struct Level {
  std::string_view name;
  std::string_view description;
  bool (*supported)();
  void (*fill)(KernelTable&) noexcept;
};

// __builtin_cpu_supports also asks the operating system whether it saves the wide registers.
constexpr Level kLevels[] = {
#if defined(QTZ_X86_LEVELS)
    {"avx512", "AVX-512 (F, CD, DQ, BW, VL), 16 lanes",
     [] {
       return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512vl");
     },
     &qtz_fill_avx512},
    {"avx2", "AVX2, 8 lanes", [] { return __builtin_cpu_supports("avx2") != 0; }, &qtz_fill_avx2},
    {"sse2", "SSE2, 4 lanes", [] { return true; }, &qtz_fill_sse2},
#endif
    {"scalar", "plain C++, 1 lane", [] { return true; }, &qtz_fill_scalar},
};
constexpr std::size_t kLevelCount = std::size(kLevels);

struct Backends {
  std::array<KernelTable, kLevelCount> tables;
  std::array<Backend, kLevelCount> list;

  Backends() {
    for (std::size_t i = 0; i < kLevelCount; ++i) {
      const Level& level = kLevels[i];
      const bool supported = level.supported();
      if (supported) level.fill(tables[i]);
      list[i] = Backend{level.name, level.description, supported, supported ? &tables[i] : nullptr};
    }
  }
};

const Backends& backends() {
  static const Backends instance;
  return instance;
}

std::string supported_names() {
  std::string names;
  for (const Backend& backend : list_backends()) {
    if (!backend.supported) continue;
    if (!names.empty()) names += ", ";
    names += backend.name;
  }
  return names;
}

}  // namespace

void Backend::encode(DType type, const float* x, const float* importance, std::uint64_t rows,
                     std::uint64_t cols, std::byte* out) const noexcept {
  const auto index = static_cast<std::size_t>(type);
  QTZ_CHECK(table != nullptr && index < kEncodableCount && cols % traits(type).block_elems == 0);
  table->encode[index](x, importance, rows, cols, out);
}

bool Backend::can_decode(DType type) const noexcept {
  return table != nullptr && table->decode[static_cast<std::size_t>(type)] != nullptr;
}

void Backend::decode(DType type, const std::byte* in, float* x, std::uint64_t elems) const noexcept {
  QTZ_CHECK(can_decode(type) && elems % traits(type).block_elems == 0);
  table->decode[static_cast<std::size_t>(type)](in, x, elems);
}

std::uint64_t Backend::find_nonfinite(const float* x, std::uint64_t elems) const noexcept {
  QTZ_CHECK(table != nullptr);
  return table->find_nonfinite(x, elems);
}

void Backend::group_quantize(const GroupQuantizeJob& job) const noexcept {
  QTZ_CHECK(table != nullptr);
  table->group_quantize(job);
}

std::span<const Backend> list_backends() {
  return backends().list;
}

const Backend& select_backend(std::string_view name) {
  std::string_view wanted = name;
  std::string_view asked_by = "--backend";
  if (wanted.empty()) {
    const char* variable = std::getenv("QTZ_BACKEND");
    if (variable != nullptr) wanted = variable;
    asked_by = "QTZ_BACKEND";
  }
  for (const Backend& backend : list_backends()) {
    if (wanted.empty() ? backend.supported : backend.name == wanted) {
      if (backend.supported) return backend;
      throw Error{ErrorKind::usage,
                  "backend '" + std::string(wanted) + "' (" + std::string(asked_by) +
                      ") is not supported by this processor or operating system",
                  "supported here: " + supported_names()};
    }
  }
  throw Error{ErrorKind::usage, "unknown backend '" + printable(wanted) + "' (" + std::string(asked_by) + ")",
              "supported here: " + supported_names()};
}

}  // namespace qtz
