// The hybrid state (theory, section 13): where the controls vary slowly the free pool stays on the axis of
// the rotation that a whole repetition makes, at the polar angle theta, and only its length r relaxes:
//     r'  = -(c2 (R1f + Rex m0s) + (1 - c2) R2f) r + c Rex m0f zs + c m0f R1f
//     zs' = c Rex m0s r - (R1s + Rex m0f) zs + R1s m0s
// with c, c2 the means of cos(theta), cos^2(theta) over the repetition, turns under the pulse included; at its pulse
// zs *= z, the response of the isolated pool. Signal r sin(theta).
//   axis_of_pulse, mean_over_repetition   the angle, by the flip angle and omega0
//   leg, advance                          half a repetition
//   turn                                  what the pulse does
#pragma once

#include "kernel/dual.hpp"
#include "kernel/exchange.hpp"
#include "kernel/response.hpp"

namespace spinbound {
namespace {

template <class Number>
struct Axis {
    Number sin, cos;
};

// Means over half a repetition.
template <class Number>
struct Polar {
    Number cos, cos_sq;
};

template <class Number>
inline Axis<Number> longitudinal_axis() noexcept {
    return {constant<Number>(0), constant<Number>(1)};
}

template <class Number>
inline Polar<Number> held(const Axis<Number>& axis) noexcept {
    return {axis.cos, axis.cos * axis.cos};
}

// sin(h)/h and its derivative
template <class Number>
inline Number sinc(const Number& h, const SinCos& of_h) noexcept {
    constexpr Real f[] = {1.0, -1 / 6.0, 1 / 120.0, -1 / 5040.0, 1 / 362880.0, -1 / 39916800.0, 1 / 6227020800.0};
    constexpr Real g[] = {-1 / 3.0,       1 / 30.0,        -1 / 840.0,        1 / 45360.0,
                          -1 / 3991680.0, 1 / 518918400.0, -1 / 93405312000.0};
    const Lane x = value_of(h), u = x * x;
    const Mask is_small = u < 0.25;
    const Lane inverse = 1.0 / select(is_small, broadcast(1.0), x), ratio = of_h.sin * inverse;
    return chain(select(is_small, horner(f, u), ratio),
                 select(is_small, x * horner(g, u), (of_h.cos - ratio) * inverse), h);
}

// A pulse that turns by 2 h amid precession by psi/2 on either side: the axis is (sin h, cos(psi/2) cos h)/N.
template <class Number>
struct PulseAxis {
    Number sin_h, cos_h, height;  // height = cos(psi/2)/N
    Number inverse_N;
    Number h;

    Axis<Number> axis() const noexcept { return {sin_h * inverse_N, height * cos_h}; }
};

// h = half B1, given its sine and cosine; tilt = cos(psi/2)
template <class Number>
inline PulseAxis<Number> axis_of_pulse(const Voxel& v, Real half, const SinCos& of_h, const Number& tilt) noexcept {
    const Number h = number<Number>(half * v.B1, broadcast(half), Lane{});
    const Number sine = chain(of_h.sin, of_h.cos, h), cosine = chain(of_h.cos, -of_h.sin, h), z = tilt * cosine;
    const Number N_sq = sine * sine + z * z;
    // No axis at all, without a flip angle amid half turns: r then decays like a transverse one.
    const Mask is_undefined = value_of(N_sq) < Real(1e-30);
    const Lane inverse = 1.0 / select(is_undefined, broadcast(1.0), sqrt(value_of(N_sq)));
    const Number inverse_N = chain(inverse, Real(-0.5) * inverse * inverse * inverse, N_sq);
    return {sine, cosine, tilt * inverse_N, inverse_N, h};
}

// Of the sum of two angles.
inline SinCos sum(const SinCos& a, const SinCos& b) noexcept {
    return {a.sin * b.cos + a.cos * b.sin, a.cos * b.cos - a.sin * b.sin};
}

// A share `pulse` of the repetition goes into the pulse, in which cos(theta) follows height cos(x), x = -h ... h:
//     mean cos(x) = sinc(h),  mean cos^2(x) = (1 + sinc(h) cos(h))/2
template <class Number>
inline Polar<Number> mean_over_repetition(const PulseAxis<Number>& p, Real pulse) noexcept {
    const Number sinc_h = sinc(p.h, {value_of(p.sin_h), value_of(p.cos_h)});
    const Number mean = (1 - pulse) * p.cos_h + pulse * sinc_h;
    const Number mean_sq = (1 - pulse) * (p.cos_h * p.cos_h) + (pulse / 2) * (constant<Number>(1) + sinc_h * p.cos_h);
    return {p.height * mean, p.height * p.height * mean_sq};
}

struct HybridState {
    Lane r, s;
};

// The streams as in voxel.hpp; these are no deviations from an equilibrium, which turns with the axis.
template <int n, bool is_sourced>
struct HybridStreams {
    static constexpr int n_linear = n;
    static constexpr bool sourced = is_sourced;
    HybridState affine;
    HybridState linear[n > 0 ? n : 1];
};

// Half a repetition at one angle: rates, propagator and the state that it tends to.
template <class Number>
struct Leg {
    Polar<Number> polar;
    Exchange e;
    Mixing mixing;
    HybridState equilibrium;
    Lane inverse_det;  // of the matrix of rates
};

template <class Number>
inline Leg<Number> leg(const Voxel& v, const Polar<Number>& polar, Real t) noexcept {
    const Lane c = value_of(polar.cos), c2 = value_of(polar.cos_sq);
    const Lane relaxation = c2 * v.R1f + (1.0 - c2) * v.R2f, a = relaxation + c2 * v.ksf;
    const Exchange e = exchange(a, v.rs, c * v.kfs, c * v.ksf);
    // a rs - (c kfs) (c ksf) without cancellation: c^2 <= c2
    const Lane inverse_det = 1.0 / (relaxation * v.rs + v.ksf * (c2 * v.R1s + (c2 - c * c) * v.kfs));
    const Lane p = c * v.m0f * v.R1f, q = v.R1s * v.m0s;
    return {
        polar, e, mixing(e, t), {inverse_det * (v.rs * p + e.kfs * q), inverse_det * (e.ksf * p + a * q)}, inverse_det};
}

inline void add(HybridState& m, Lane factor, const Longitudinal& source) noexcept {
    m.r += factor * source.z;
    m.s += factor * source.s;
}

struct Matrix2 {
    Lane rr, rs, sr, ss;

    HybridState operator()(const HybridState& m) const noexcept { return {rr * m.r + rs * m.s, sr * m.r + ss * m.s}; }
};

// exp(A t), A = [[-a, kfs], [ksf, -rs]]
template <class Number>
inline Matrix2 propagator(const Leg<Number>& leg) noexcept {
    const Lane C = leg.mixing.C, S = leg.mixing.S, S_h = S * leg.e.h;
    return {C + S_h, S * leg.e.kfs, S * leg.e.ksf, C - S_h};
}

// d(end of the leg)/d(rate), rates a rs kfs ksf, and by the sources p of r and q of s: the deviation u from equilibrium
// by convolution, the equilibrium m by int exp(A t) = (I - exp(A t)) (-A)^-1.
struct LegSources {
    Longitudinal a, rs, kfs, ksf, p, q;
};

inline LegSources sources(const Leg<Dual>& leg, const Matrix2& E, const HybridState& u, Real t) noexcept {
    const RateSources by = rate_sources(leg.e, leg.mixing, t, u.r, u.s);
    const Lane rs = leg.e.h - leg.e.tau, a = -leg.e.h - leg.e.tau, d = leg.inverse_det;
    const Lane rr = 1.0 - E.rr, ss = 1.0 - E.ss;
    const Longitudinal p{d * (rr * rs - E.rs * leg.e.ksf), d * (ss * leg.e.ksf - E.sr * rs)};
    const Longitudinal q{d * (rr * leg.e.kfs - E.rs * a), d * (ss * a - E.sr * leg.e.kfs)};
    const HybridState& m = leg.equilibrium;
    return {{by.rz.z - m.r * p.z, by.rz.s - m.r * p.s},
            {by.rs.z - m.s * q.z, by.rs.s - m.s * q.s},
            {by.kfs.z + m.s * p.z, by.kfs.s + m.s * p.s},
            {by.ksf.z + m.r * q.z, by.ksf.s + m.r * q.s},
            p,
            q};
}

inline void add_sources(HybridState (&d)[n_tangents], const Voxel& v, const Leg<Dual>& leg,
                        const LegSources& by) noexcept {
    const Dual &c = leg.polar.cos, &c2 = leg.polar.cos_sq;
    add(d[d_m0s], c2.value * v.Rex, by.a);
    add(d[d_m0s], -v.Rex, by.rs);
    add(d[d_m0s], -c.value * v.Rex, by.kfs);
    add(d[d_m0s], c.value * v.Rex, by.ksf);
    add(d[d_m0s], -c.value * v.R1f, by.p);
    add(d[d_m0s], v.R1s, by.q);
    add(d[d_R1f], c2.value, by.a);
    add(d[d_R1f], c.value * v.m0f, by.p);
    add(d[d_R2f], 1.0 - c2.value, by.a);
    add(d[d_Rex], c2.value * v.m0s, by.a);
    add(d[d_Rex], v.m0f, by.rs);
    add(d[d_Rex], c.value * v.m0f, by.kfs);
    add(d[d_Rex], c.value * v.m0s, by.ksf);
    add(d[d_R1s], broadcast(1.0), by.rs);
    add(d[d_R1s], v.m0s, by.q);
    HybridState by_cos{}, by_cos_sq{};
    add(by_cos, v.kfs, by.kfs);
    add(by_cos, v.ksf, by.ksf);
    add(by_cos, v.m0f * v.R1f, by.p);
    add(by_cos_sq, v.R1f + v.ksf - v.R2f, by.a);
    d[d_omega0].r += c.omega0 * by_cos.r + c2.omega0 * by_cos_sq.r;
    d[d_omega0].s += c.omega0 * by_cos.s + c2.omega0 * by_cos_sq.s;
    d[d_ln_B1].r += v.B1 * (c.B1 * by_cos.r + c2.B1 * by_cos_sq.r);
    d[d_ln_B1].s += v.B1 * (c.B1 * by_cos.s + c2.B1 * by_cos_sq.s);
}

template <class S, class Number>
inline void advance(S& m, const Voxel& v, const Leg<Number>& leg, Real t) noexcept {
    const Matrix2 E = propagator(leg);
    for (int k = 0; k < S::n_linear; ++k) m.linear[k] = E(m.linear[k]);
    const HybridState deviation{m.affine.r - leg.equilibrium.r, m.affine.s - leg.equilibrium.s};
    if constexpr (S::sourced) add_sources(m.linear, v, leg, sources(leg, E, deviation, t));
    const HybridState left = E(deviation);
    m.affine = {leg.equilibrium.r + left.r, leg.equilibrium.s + left.s};
}

// r *= turn, zs *= pool
template <class S, class Number>
inline void pass_pulse(S& m, const Voxel& v, const Number& turn, const Response& pool) noexcept {
    for (int k = 0; k < S::n_linear; ++k) {
        m.linear[k].r *= value_of(turn);
        m.linear[k].s *= pool.value;
    }
    if constexpr (S::sourced) {
        m.linear[d_omega0].r += turn.omega0 * m.affine.r;
        m.linear[d_ln_B1].r += v.B1 * turn.B1 * m.affine.r;
        m.linear[d_ln_B1].s += pool.d_ln_B1 * m.affine.s;
        m.linear[d_T2s].s += pool.d_T2s * m.affine.s;
    }
    m.affine.r *= value_of(turn);
    m.affine.s *= pool.value;
}

}  // namespace
}  // namespace spinbound
