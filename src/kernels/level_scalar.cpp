// One problem at a time, in plain C++: runs anywhere, and is what the other levels are compared with.
#include "quants/lane.h"

#define QTZ_LEVEL scalar
#define QTZ_LEVEL_LANE qtz::quants::ScalarLane
#include "kernels/instantiate.inl"
