// A lane for the decoders that forgets every scale and offset and keeps the whole number that was unpacked
// from the block: what a decoder stores is then the element's code. So codes need no text of their own.
#pragma once

#include <cstdint>

#include "quants/lane.h"

namespace qtz::quants {

struct CodeLane : ScalarLane {
  struct F {
    /// A scale or an offset: no code.
    explicit F(float) {}
    F(std::int32_t the_code, bool) : code(the_code), known(true) {}

    std::int32_t code = 0;
    bool known = false;

    friend F operator*(F a, F b) { return a.known ? a : b; }
    friend F operator+(F a, F b) { return a.known ? a : b; }
    friend F operator-(F a, F b) { return a.known ? a : b; }
  };

  QTZ_LANE_OP F to_float(I a) { return {a, true}; }
  QTZ_LANE_OP F gather(const float*, I index) { return {index, true}; }
  QTZ_LANE_OP void store(float* at, F v) { *at = static_cast<float>(v.code); }
};

}  // namespace qtz::quants
