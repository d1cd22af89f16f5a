// The scale searches that the block types share, in their plainest form: try every candidate, keep the best.
// Authority: ggml's reference quantization (make_qx_quants, make_qkx2_quants / make_qkx3_quants,
// make_qp_quants, make_q3_quants). Every sum runs over the elements in ascending order, in FP32, without
// fused multiply-add.
#pragma once

namespace qtz::reference {

/// Levels q in [-levels, levels) and a scale such that x ~ scale * q, minimizing the weighted squared error
/// over 19 candidates around the full range. Returns the scale; `q` receives levels offset by +levels, or all
/// 0 (no offset) for a block that is all but zero. `weight` null means x squared.
float search_signed_scale(int n, int levels, const float* x, const float* weight, int* q);

struct AffineFit {
  float scale;
  float offset;  ///< x ~ scale * q - offset
};

/// The candidates tried by search_affine(): levels + first + step * k for k in 0..last, over the range of x.
struct AffineGrid {
  int levels;
  float first;
  float step;
  int last;
  bool absolute_error;  ///< weigh |error| instead of its square
};

/// Levels q in [0, levels] with a scale and an offset, each candidate refined by weighted linear regression.
AffineFit search_affine(int n, const AffineGrid& grid, const float* x, const float* weight, int* q);

/// Quantizes non-negative numbers (the sub-blocks' scales) to [0, levels]: 9 candidates, then up to five
/// rounds of coordinate descent. Returns the scale.
float search_positive_scale(int n, int levels, const float* x, const float* weight, int* q);

/// Levels in [-levels, levels), offset by +levels in `q`, by coordinate descent from the full range, weights
/// x squared. Returns the scale; a block that is all but zero gives q = 0 without offset.
float descend_signed_scale(int n, int levels, const float* x, int* q);

}  // namespace qtz::reference
