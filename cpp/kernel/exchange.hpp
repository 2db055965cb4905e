// Two pools that exchange and relax over a time t (theory, section 6):
//     z' = -rz z + kfs s,  s' = ksf z - rs s
//     exp(D t) = exp(tau t) (C + S M),  M = [[h, kfs], [ksf, -h]],  M^2 = q,
//     tau = -(rz + rs)/2, h = (rs - rz)/2, C = cosh(sqrt(q) t), S = sinh(sqrt(q) t)/sqrt(q)
// and its derivatives through dC/dq = t S/2, dS/dq = (t C - S)/(2 q).
#pragma once

#include "kernel/lanes_math.hpp"

namespace spinbound {
namespace {

struct Exchange {
    Lane tau, h, q, kfs, ksf;
};

inline Exchange exchange(Lane rz, Lane rs, Lane kfs, Lane ksf) noexcept {
    const Lane h = 0.5 * (rs - rz);
    return {-0.5 * (rs + rz), h, h * h + kfs * ksf, kfs, ksf};
}

// C, S and dS/dq, each times exp(tau t).
struct Mixing {
    Lane C, S, S_q;
};

// Power series in q t^2, for sqrt(q) t <= 1/2: the ninth term is below 1e-17.
inline Mixing hyperbolic_series(Lane q, Real t) noexcept {
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
inline Mixing hyperbolic_closed(Lane q, Lane tau, Real t) noexcept {
    const Lane root = sqrt(q);
    const Lane up = exp((tau + root) * t), down = exp((tau - root) * t);
    const Lane C = 0.5 * (up + down), S = 0.5 * (up - down) / root;
    return {C, S, 0.5 * (t * C - S) / q};
}

inline Mixing mixing(const Exchange& e, Real t) noexcept {
    const Lane recovery = exp(t * e.tau);
    const Mixing series = hyperbolic_series(e.q, t);
    const Mixing near{series.C * recovery, series.S * recovery, series.S_q * recovery};
    const Mask is_near = e.q * (t * t) < 0.25;
    if (all(is_near)) return near;
    const Mixing far = hyperbolic_closed(e.q, e.tau, t);
    return {select(is_near, near.C, far.C), select(is_near, near.S, far.S), select(is_near, near.S_q, far.S_q)};
}

struct Longitudinal {
    Lane z, s;
};

// The derivatives of exp(D t) (z, s) with respect to the rates are convolutions of its entries, from
//     S * S = dS/dq,  S * C = t S/2,  C * C = (t C + S)/2    (each with exp(tau t)).
// In this form a pool that is empty, or that does not exchange, has derivatives that are zero to the last bit.
struct RateSources {
    Longitudinal rz, rs, kfs, ksf;
};

inline RateSources rate_sources(const Exchange& e, const Mixing& m, Real t, Lane z, Lane s) noexcept {
    const Lane SC = (t / 2) * m.S, CC = 0.5 * (t * m.C + m.S), hSC = 2.0 * e.h * SC, hSS = e.h * m.S_q;
    const Lane zz_zz = CC + hSC + e.h * hSS, ss_ss = CC - hSC + e.h * hSS, zz_ss = CC - e.h * hSS;
    const Lane plus = SC + hSS, minus = SC - hSS;  // S * (C + h S), S * (C - h S)
    const Lane kk_q = e.kfs * e.ksf * m.S_q, kfs_s = e.kfs * s, ksf_z = e.ksf * z;
    return {{-zz_zz * z - plus * kfs_s, -plus * ksf_z - kk_q * s},
            {-kk_q * z - minus * kfs_s, -minus * ksf_z - ss_ss * s},
            {plus * ksf_z + zz_ss * s, e.ksf * (m.S_q * ksf_z + minus * s)},
            {e.kfs * (plus * z + m.S_q * kfs_s), zz_ss * z + minus * kfs_s}};
}

}  // namespace
}  // namespace spinbound
