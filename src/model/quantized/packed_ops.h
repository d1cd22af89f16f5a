// Expressions that decode: from packed codes and their scales to F32. Each works row by row and column range
// by column range, so that the layouts that are transposed stream too. Shapes that do not fit are QTZ_CHECKs:
// who builds these has compared them and named the tensors.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/tensor_ops.h"
#include "qtz/model/tensor_expr.h"

namespace qtz {

/// How codes lie in a row of 32-bit words or of bytes.
struct CodeLayout {
  unsigned bits = 4;  ///< of one code, 1 to 8
  /// 0: a dense stream, lowest bits first. Else this many codes in each 32-bit word, the rest is unused.
  unsigned per_word = 0;
  /// Eight 4-bit codes of a word: which of them, counted from the lowest bits, is the first, the second ...
  std::optional<std::array<std::uint8_t, 8>> order = {};
  std::uint32_t word_add = 0;   ///< added to each 32-bit word, carries included,
  std::uint32_t word_kept = 0;  ///< except to words that are this one already; 0: no exception
  unsigned code_add = 0;        ///< added to each code, modulo 2^bits
};

/// Codes as U8, from words in I32, U32, I8 or U8: [..., words] becomes [..., cols].
TensorExprPtr packed_codes(TensorExprPtr words, std::uint64_t cols, const CodeLayout& layout);

/// table[code] in F32.
TensorExprPtr looked_up(TensorExprPtr codes, std::vector<float> table);

/// Block (row / rows, column / cols) of each matrix in `values` times or divided by its scale, in F32.
/// `values` holds plain numbers, F8 and I8 included; `scales` too, as [matrices * row blocks, column blocks].
struct ScaleBlocks {
  std::uint64_t matrix_rows;  ///< rows of one matrix: blocks start anew in the next
  std::uint64_t rows, cols;   ///< of a block
  bool divide = false;
};
TensorExprPtr scaled(TensorExprPtr values, TensorExprPtr scales, const ScaleBlocks& blocks);

/// scale * (code - zero), in F32. Column c is of group c / group_size, or groups[c] where these are given.
/// `codes` are U8 [rows, cols], `scales` plain numbers [rows, groups], `zeros` U8 of that shape, or null for
/// the one zero in `zero`.
struct CodeGroups {
  std::uint64_t group_size = 0;
  std::vector<std::uint32_t> groups = {};
  unsigned zero = 0;
};
TensorExprPtr dequantized(TensorExprPtr codes, TensorExprPtr scales, TensorExprPtr zeros, CodeGroups groups);

/// table[code] * absmax[i / block] over all elements in order. `bytes` holds two codes a byte, the first in
/// the high bits; `absmax` is F32 of one element a row.
TensorExprPtr blockwise(TensorExprPtr bytes, TensorExprPtr absmax, Shape shape, std::vector<float> table,
                        std::uint64_t block);

/// Rows r + i * (packed rows) lie in bits 2i and 2i + 1 of packed row r, as value + 1. F32, times or divided
/// by the one number in `scale`.
TensorExprPtr ternary_rows(TensorExprPtr packed, TensorExprPtr scale, std::uint64_t rows, bool divide);

/// Plain numbers rounded to -s, 0 and s, in F32. s is their mean magnitude, at least 1e-5, in the type they
/// are stored in: transformers' WeightQuant. The first reading reads all of them; if one is NaN, all become
/// it.
TensorExprPtr absmean_ternary(TensorExprPtr weights);

/// MXFP4 as GGUF has it, from U8 [..., blocks, 16] with two codes a byte, the first in the low bits, and U8
/// [..., blocks] exponents: no code changes.
TensorExprPtr mxfp4_blocks(TensorExprPtr codes, TensorExprPtr exponents);

/// NVFP4 as GGUF has it, from bytes [..., cols / 2] with two codes each, the first in the low bits, and
/// F8_E4M3
/// [..., cols / 16]: no value changes, and what is multiplied with all of them is not in it. Reading throws
/// numeric for a scale that is NaN.
TensorExprPtr nvfp4_blocks(TensorExprPtr codes, TensorExprPtr scales);

/// Values of E2M1, a sign and three bits.
std::vector<float> e2m1_values();

/// Plain numbers of any width to floats: what widen_to_f32 takes, and F8, I8, U8, I16, I32.
bool is_plain(DType type);
void widen_plain(DType type, std::span<const std::byte> bytes, std::span<float> out);

}  // namespace qtz
