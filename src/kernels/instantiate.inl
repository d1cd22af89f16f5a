// The body of a level file: instantiates every type of quant_types.def for QTZ_LEVEL_LANE and puts it into a
// kernel table. The level file defines QTZ_LEVEL (scalar, avx2 ...) and QTZ_LEVEL_LANE (the lane policy) and
// is compiled once per QTZ_KERNEL_FAMILY; only qtz_fill_<level> leaves the sealed level object
// (tools/cmake/isa.cmake).

#include "qtz/kernels/backend.h"
#include "quant_texts.h"  // generated: quants/<id>.h for every listed type
#include "quants/f64.h"
#include "quants/find_nonfinite.h"
#include "quants/integer_groups.h"
#include "quants/tile_product.h"

#define QTZ_JOIN_EXPANDED(a, b) a##b
#define QTZ_JOIN(a, b) QTZ_JOIN_EXPANDED(a, b)

// clang-format cannot settle on the closing comment of a namespace whose name is a macro.
// clang-format off
namespace qtz::QTZ_JOIN(level_, QTZ_LEVEL) {

  /// Which compilation of the level file holds a type: plain numbers, small blocks, super-blocks.
  constexpr int family_of(int block_elems) {
    return block_elems == 1 ? 0 : block_elems < 256 ? 1 : 2;
  }

  template <int Family>
  void fill_family(KernelTable & table) noexcept;

  template <int Family, class L>
  void fill_types(KernelTable & table) noexcept {
#define QTZ_TYPE(id, name, gguf, elems, ...)                                    \
  if constexpr (family_of(elems) == Family) {                                   \
    table.encode[static_cast<std::size_t>(DType::id)] = &quants::id::encode<L>; \
    table.decode[static_cast<std::size_t>(DType::id)] = &quants::id::decode<L>; \
  }
#include "qtz/core/quant_types.def"
#undef QTZ_TYPE
  }

  template <>
  void fill_family<QTZ_KERNEL_FAMILY>(KernelTable & table) noexcept {
    fill_types<QTZ_KERNEL_FAMILY, QTZ_LEVEL_LANE>(table);
  }

}

#if QTZ_KERNEL_FAMILY == 0

namespace qtz::QTZ_JOIN(level_, QTZ_LEVEL) {
template <> void fill_family<1>(KernelTable&) noexcept;
template <> void fill_family<2>(KernelTable&) noexcept;
}

extern "C" void QTZ_JOIN(qtz_fill_, QTZ_LEVEL)(qtz::KernelTable& table) noexcept {
  namespace level = qtz::QTZ_JOIN(level_, QTZ_LEVEL);
  level::fill_family<0>(table);
  level::fill_family<1>(table);
  level::fill_family<2>(table);
  table.decode[static_cast<std::size_t>(qtz::DType::f64)] = &qtz::quants::f64::decode<QTZ_LEVEL_LANE>;
  table.group_quantize = &qtz::quants::group_quantize<QTZ_LEVEL_LANE>;
  table.find_nonfinite = &qtz::quants::find_nonfinite<QTZ_LEVEL_LANE>;
  table.subtract_product = &qtz::quants::subtract_product<QTZ_LEVEL_LANE_F64, qtz::kTileRows, qtz::kTileCols>;
  table.solve_triangle = &qtz::quants::solve_triangle<QTZ_LEVEL_LANE_F64, qtz::kTileRows, qtz::kTileCols>;
}

#endif
// clang-format on
