// A few voxels side by side in one SIMD register, and what the compiler's vectors lack.
#pragma once

#ifndef SPINBOUND_LANES
#error "compile kernels with SPINBOUND_LANES, the number of doubles in a register"
#endif

namespace spinbound {
namespace {

constexpr int lanes = SPINBOUND_LANES;

using Real = double;
using Integer = long long;
typedef Real Lane __attribute__((vector_size(SPINBOUND_LANES * sizeof(Real))));
typedef Integer Mask __attribute__((vector_size(SPINBOUND_LANES * sizeof(Integer))));  // all ones where true

inline Lane broadcast(Real value) noexcept { return value - Lane{}; }

inline Lane load(const double* p) noexcept {
    Lane v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

inline void store(double* p, Lane v) noexcept { __builtin_memcpy(p, &v, sizeof v); }

inline Lane select(Mask where, Lane yes, Lane no) noexcept { return where ? yes : no; }

inline Mask as_integer(Lane v) noexcept { return reinterpret_cast<Mask>(v); }

inline Lane as_real(Mask v) noexcept { return reinterpret_cast<Lane>(v); }

inline Lane absolute(Lane v) noexcept { return v < 0 ? -v : v; }

}  // namespace
}  // namespace spinbound
