// A few voxels side by side in one SIMD register, and what the compiler's vectors lack.
#pragma once

#include <type_traits>

#ifndef SPINBOUND_LANES
#error "compile kernels with SPINBOUND_LANES, the number of reals in a register"
#endif
#ifndef SPINBOUND_REAL
#error "compile kernels with SPINBOUND_REAL, double or float"
#endif

namespace spinbound {
namespace {

constexpr int lanes = SPINBOUND_LANES;

using Real = SPINBOUND_REAL;
using Integer = std::conditional_t<sizeof(Real) == 8, long long, int>;
typedef Real Lane __attribute__((vector_size(SPINBOUND_LANES * sizeof(Real))));
typedef Integer Mask __attribute__((vector_size(SPINBOUND_LANES * sizeof(Integer))));  // all ones where true
typedef double Doubles __attribute__((vector_size(SPINBOUND_LANES * sizeof(double))));

inline Lane broadcast(double value) noexcept { return Real(value) - Lane{}; }

// Doubles in memory, whatever the kernel computes in.
inline Lane load(const double* p) noexcept {
    Doubles v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, Lane);
}

inline void store(double* p, Lane v) noexcept {
    const Doubles wide = __builtin_convertvector(v, Doubles);
    __builtin_memcpy(p, &wide, sizeof wide);
}

inline Lane select(Mask where, Lane yes, Lane no) noexcept { return where ? yes : no; }

inline Mask as_integer(Lane v) noexcept { return reinterpret_cast<Mask>(v); }

inline Lane as_real(Mask v) noexcept { return reinterpret_cast<Lane>(v); }

inline bool all(Mask where) noexcept {
    Integer every = -1;
    for (int i = 0; i < lanes; ++i) every &= where[i];
    return every != 0;
}

inline Lane absolute(Lane v) noexcept { return v < 0 ? -v : v; }

}  // namespace
}  // namespace spinbound
