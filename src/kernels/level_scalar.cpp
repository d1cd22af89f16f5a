// One problem at a time, in plain C++: runs anywhere, and is what the other levels are compared with.
#include "quants/lane.h"
#include "quants/lane_f64.h"

#define QTZ_LEVEL scalar
#define QTZ_LEVEL_LANE qtz::quants::ScalarLane
#define QTZ_LEVEL_LANE_F64 qtz::quants::ScalarLaneF64
#include "kernels/instantiate.inl"
