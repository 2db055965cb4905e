// Free precession over a time t (docs/theory.md, "Free precession"):
//     transverse    (x + i y) exp((i omega0 - R2f) t)
//     longitudinal  exp(D t) = exp(tau t) (C + S M),  M = [[h, kfs], [ksf, -h]],  M^2 = q,
//                   tau = -(rz + rs)/2, h = (rs - rz)/2, C = cosh(sqrt(q) t), S = sinh(sqrt(q) t)/sqrt(q)
// and its derivatives through dC/dq = t S/2, dS/dq = (t C - S)/(2 q).
#pragma once

#include "lanes_math.hpp"
#include "voxel.hpp"

namespace spinbound {
namespace {

struct Exchange {
    Lane tau, h, q;
};

inline Exchange exchange(const Voxel& v) noexcept {
    const Lane h = 0.5 * (v.rs - v.rz);
    return {-0.5 * (v.rs + v.rz), h, h * h + v.kfs * v.ksf};
}

// What one interval of the train needs: the rotation with its decay; C, S and dS/dq, each times exp(tau t).
struct Precession {
    Lane cos, sin, C, S, S_q;
};

struct Hyperbolic {
    Lane C, S, S_q;
};

// Power series in q t^2, for sqrt(q) t <= 1/2: the ninth term is below 1e-17.
inline Hyperbolic hyperbolic_series(Lane q, Real t) noexcept {
    constexpr Real c[] = {1.0,         1 / 2.0,       1 / 24.0,        1 / 720.0,
                          1 / 40320.0, 1 / 3628800.0, 1 / 479001600.0, 1 / 87178291200.0};
    constexpr Real s[] = {1.0,          1 / 6.0,        1 / 120.0,        1 / 5040.0,
                          1 / 362880.0, 1 / 39916800.0, 1 / 6227020800.0, 1 / 1307674368000.0};
    constexpr Real g[] = {1 / 6.0,        2 / 120.0,        3 / 5040.0,         4 / 362880.0,
                          5 / 39916800.0, 6 / 6227020800.0, 7 / 1307674368000.0};
    const Lane u = q * (t * t);
    return {horner(c, u), t * horner(s, u), (t * t * t) * horner(g, u)};
}

// Closed form times exp(tau t), elsewhere: no cancellation, and no overflow since sqrt(q) <= -tau.
inline Hyperbolic hyperbolic_closed(Lane q, Lane tau, Real t) noexcept {
    const Lane root = sqrt(q);
    const Lane up = exp((tau + root) * t), down = exp((tau - root) * t);
    const Lane C = 0.5 * (up + down), S = 0.5 * (up - down) / root;
    return {C, S, 0.5 * (t * C - S) / q};
}

inline Precession precession(const Voxel& v, const Exchange& e, Real t) noexcept {
    const Lane relaxation = exp(-t * v.R2f), recovery = exp(t * e.tau);
    const SinCos angle = sincos(t * v.omega0);
    const Hyperbolic near = hyperbolic_series(e.q, t), far = hyperbolic_closed(e.q, e.tau, t);
    const Mask is_near = e.q * (t * t) < 0.25;
    return {relaxation * angle.cos, relaxation * angle.sin, select(is_near, near.C * recovery, far.C),
            select(is_near, near.S * recovery, far.S), select(is_near, near.S_q * recovery, far.S_q)};
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

// The derivatives of exp(D t) with respect to rz, rs, kfs and ksf are convolutions of its entries, from
//     S * S = dS/dq,  S * C = t S/2,  C * C = (t C + S)/2    (each with exp(tau t)).
// In this form a pool that is empty, or that does not exchange, has derivatives that are zero to the last bit.
struct Convolutions {
    Lane zz_zz, ss_ss, zz_ss, p, m, q;  // p = S * (C + h S), m = S * (C - h S), q = S * S
};

inline Convolutions convolutions(const Exchange& e, const Precession& p, Real t) noexcept {
    const Lane SC = (t / 2) * p.S, CC = 0.5 * (t * p.C + p.S), hSC = 2.0 * e.h * SC, hSS = e.h * p.S_q;
    return {CC + hSC + e.h * hSS, CC - hSC + e.h * hSS, CC - e.h * hSS, SC + hSS, SC - hSS, p.S_q};
}

struct Longitudinal {
    Lane z, s;
};

inline void add_longitudinal_sources(State (&d)[n_tangents], const Voxel& v, const Convolutions& c, Lane z,
                                     Lane s) noexcept {
    const Lane kk_q = v.kfs * v.ksf * c.q, kfs_s = v.kfs * s, ksf_z = v.ksf * z;
    const Longitudinal d_rz{-c.zz_zz * z - c.p * kfs_s, -c.p * ksf_z - kk_q * s};
    const Longitudinal d_rs{-kk_q * z - c.m * kfs_s, -c.m * ksf_z - c.ss_ss * s};
    const Longitudinal d_kfs{c.p * ksf_z + c.zz_ss * s, v.ksf * (c.q * ksf_z + c.m * s)};
    const Longitudinal d_ksf{v.kfs * (c.p * z + c.q * kfs_s), c.zz_ss * z + c.m * kfs_s};
    d[d_R1f].z += d_rz.z;
    d[d_R1f].s += d_rz.s;
    d[d_R1s].z += d_rs.z;
    d[d_R1s].s += d_rs.s;
    d[d_m0s].z += v.Rex * ((d_rz.z + d_ksf.z) - (d_rs.z + d_kfs.z));
    d[d_m0s].s += v.Rex * ((d_rz.s + d_ksf.s) - (d_rs.s + d_kfs.s));
    d[d_Rex].z += v.m0s * (d_rz.z + d_ksf.z) + v.m0f * (d_rs.z + d_kfs.z);
    d[d_Rex].s += v.m0s * (d_rz.s + d_ksf.s) + v.m0f * (d_rs.s + d_kfs.s);
}

inline void add_transverse_sources(State (&d)[n_tangents], Real t, const State& after) noexcept {
    d[d_R2f].y -= t * after.y;
    d[d_R2f].x -= t * after.x;
    d[d_omega0].y += t * after.x;
    d[d_omega0].x -= t * after.y;
}

template <class S>
inline void precess(S& m, const Voxel& v, const Exchange& e, const Precession& p, Real t) noexcept {
    const Propagator propagator{p.cos, p.sin, p.C + p.S * e.h, p.S * v.kfs, p.S * v.ksf, p.C - p.S * e.h};
    const State before = m.affine;
    m.affine = apply(propagator, before);
    for (int k = 0; k < S::n_linear; ++k) m.linear[k] = apply(propagator, m.linear[k]);
    if constexpr (S::sourced) {
        add_longitudinal_sources(m.linear, v, convolutions(e, p, t), before.z, before.s);
        add_transverse_sources(m.linear, t, m.affine);
    }
}

}  // namespace
}  // namespace spinbound
