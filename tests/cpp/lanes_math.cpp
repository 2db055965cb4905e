// Plain arrays through the lane functions, for tests/core/test_lanes_math.py. n is a multiple of the lanes.
#include "kernel/lanes_math.hpp"

using namespace spinbound;

extern "C" int lane_count() { return lanes; }

extern "C" void lane_exp(const double* x, double* y, int n) {
    for (int i = 0; i < n; i += lanes) store(y + i, exp(load(x + i)));
}

extern "C" void lane_sincos(const double* x, double* sine, double* cosine, int n) {
    for (int i = 0; i < n; i += lanes) {
        const SinCos value = sincos(load(x + i));
        store(sine + i, value.sin);
        store(cosine + i, value.cos);
    }
}

extern "C" void lane_sqrt(const double* x, double* y, int n) {
    for (int i = 0; i < n; i += lanes) store(y + i, sqrt(load(x + i)));
}
