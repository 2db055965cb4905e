// Free precession over a time t (theory, section 6):
//     transverse    (x + i y) exp((i omega0 - R2f) t)
//     longitudinal  exchange.hpp, in deviations from equilibrium
#pragma once

#include "kernel/exchange.hpp"
#include "kernel/voxel.hpp"

namespace spinbound {
namespace {

// What one interval of the train needs: the rotation with its decay, and the mixing of the pools.
struct Precession {
    Lane cos, sin;
    Mixing mixing;
};

inline Precession precession(const Voxel& v, const Exchange& e, Real t) noexcept {
    const Lane relaxation = exp(-t * v.R2f);
    const SinCos angle = sincos(t * v.omega0);
    return {relaxation * angle.cos, relaxation * angle.sin, mixing(e, t)};
}

// The same, followed by the RF phase increment: the frame of the next pulse is turned by it.
inline Precession with_increment(Precession p, Real cosine, Real sine) noexcept {
    const Lane c = p.cos * cosine + p.sin * sine;
    p.sin = p.sin * cosine - p.cos * sine;
    p.cos = c;
    return p;
}

struct Propagator {
    Lane cos, sin, zz, zs, sz, ss;
};

inline State apply(const Propagator& p, const State& m) noexcept {
    return {p.cos * m.y + p.sin * m.x, p.cos * m.x - p.sin * m.y, p.zz * m.z + p.zs * m.s, p.sz * m.z + p.ss * m.s,
            Lane{}};
}

inline void add_longitudinal_sources(State (&d)[n_tangents], const Voxel& v, const RateSources& by) noexcept {
    d[d_R1f].z += by.rz.z;
    d[d_R1f].s += by.rz.s;
    d[d_R1s].z += by.rs.z;
    d[d_R1s].s += by.rs.s;
    d[d_m0s].z += v.Rex * ((by.rz.z + by.ksf.z) - (by.rs.z + by.kfs.z));
    d[d_m0s].s += v.Rex * ((by.rz.s + by.ksf.s) - (by.rs.s + by.kfs.s));
    d[d_Rex].z += v.m0s * (by.rz.z + by.ksf.z) + v.m0f * (by.rs.z + by.kfs.z);
    d[d_Rex].s += v.m0s * (by.rz.s + by.ksf.s) + v.m0f * (by.rs.s + by.kfs.s);
}

inline void add_transverse_sources(State (&d)[n_tangents], Real t, const State& after) noexcept {
    d[d_R2f].y -= t * after.y;
    d[d_R2f].x -= t * after.x;
    d[d_omega0].y += t * after.x;
    d[d_omega0].x -= t * after.y;
}

template <class S>
inline void precess(S& m, const Voxel& v, const Exchange& e, const Precession& p, Real t) noexcept {
    const Lane C = p.mixing.C, S_h = p.mixing.S * e.h;
    const Propagator propagator{p.cos, p.sin, C + S_h, p.mixing.S * e.kfs, p.mixing.S * e.ksf, C - S_h};
    const State before = m.affine;
    m.affine = apply(propagator, before);
    for (int k = 0; k < S::n_linear; ++k) m.linear[k] = apply(propagator, m.linear[k]);
    if constexpr (S::sourced) {
        add_longitudinal_sources(m.linear, v, rate_sources(e, p.mixing, t, before.z, before.s));
        add_transverse_sources(m.linear, t, m.affine);
    }
}

}  // namespace
}  // namespace spinbound
