// One rectangular pulse of the linearised generalized Bloch model (docs/theory.md, "Pulse"). In deviations from
// equilibrium, with w1 = B1 alpha/TRF, xs = 0 at entry and dropped at exit, everything shifted by +R2f:
//     y'  =  omega0 x
//     x'  = -omega0 y + w1 (z + m0f e)
//     z'  = -w1 x + (R2f - rz) z + kfs s
//     s'  =  ksf z + (R2f - rs) s - w1 xs
//     xs' =  w1 (s + m0s e) + (R2f - R2sl) xs
//     e'  =  R2f e,  e = 1 at entry: the constant that drives the affine stream
// (the factor exp(-R2f t) that undoes the shift follows every step, so that nothing grows).
// exp(T S) acts on each stream through the polynomial of its class, in Horner form
//     v <- m + r_j T S v,  j = degree ... 1,
// whose tangent is dv <- dm + r_j T (S dv + dS v). The shift is held fixed in the tangents: the exponential does not
// depend on it. All five components stay: no case is special, critical damping and zero of any rate included.
#pragma once

#include "lanes_math.hpp"
#include "response.hpp"

namespace spinbound {
namespace {

struct PulseState {
    Lane y, x, z, s, xs;
};

// One level of Horner: T r_j times the entries of S, and the affine vector that they act on.
struct Level {
    Lane omega0, omega1, z, kfs, ksf, s, xs;
    PulseState v;
    Lane e;
};

// What the tangents need beside the levels.
struct PulseSources {
    Lane Rex, m0s, m0f, xs_T2s, xs_B1;
    Real omega1_B1;
};

inline PulseState enter(const State& m) noexcept { return {m.y, m.x, m.z, m.s, Lane{}}; }

inline State leave(const PulseState& v) noexcept { return {v.y, v.x, v.z, v.s}; }

inline void scale(PulseState& v, Lane factor) noexcept {
    v = {factor * v.y, factor * v.x, factor * v.z, factor * v.s, factor * v.xs};
}

inline Level scaled_rates(const Voxel& v, Lane omega1, Lane R2sl, Real c) noexcept {
    Level level;
    level.omega0 = c * v.omega0;
    level.omega1 = c * omega1;
    level.z = c * (v.R2f - v.rz);
    level.kfs = c * v.kfs;
    level.ksf = c * v.ksf;
    level.s = c * (v.R2f - v.rs);
    level.xs = c * (v.R2f - R2sl);
    return level;
}

// m + T r_j S v
inline PulseState advance(const Level& a, const PulseState& m, const PulseState& v) noexcept {
    PulseState next;
    next.y = m.y + a.omega0 * v.x;
    next.x = m.x - a.omega0 * v.y + a.omega1 * v.z;
    next.z = m.z - a.omega1 * v.x + a.z * v.z + a.kfs * v.s;
    next.s = m.s + a.ksf * v.z + a.s * v.s - a.omega1 * v.xs;
    next.xs = m.xs + a.omega1 * v.s + a.xs * v.xs;
    return next;
}

// c dS/dp v for the k-th tissue parameter, c = T r_j
template <int k>
inline void add_pulse_source(PulseState& d, const PulseSources& q, const Level& a, Real c) noexcept {
    const PulseState& v = a.v;
    if constexpr (k == d_m0s) {
        const Lane exchanged = c * q.Rex * (v.z + v.s), driven = a.omega1 * a.e;
        d.z -= exchanged;
        d.s += exchanged;
        d.x -= driven;
        d.xs += driven;
    } else if constexpr (k == d_R1f) {
        d.z -= c * v.z;
    } else if constexpr (k == d_R2f) {
        d.y -= c * v.y;
        d.x -= c * v.x;
    } else if constexpr (k == d_Rex) {
        const Lane exchanged = c * (q.m0s * v.z - q.m0f * v.s);
        d.z -= exchanged;
        d.s += exchanged;
    } else if constexpr (k == d_R1s) {
        d.s -= c * v.s;
    } else if constexpr (k == d_T2s) {
        d.xs -= c * q.xs_T2s * v.xs;
    } else if constexpr (k == d_omega0) {
        d.y += c * v.x;
        d.x -= c * v.y;
    } else {
        const Real w = c * q.omega1_B1;
        d.x += w * (v.z + q.m0f * a.e);
        d.z -= w * v.x;
        d.s -= w * v.xs;
        d.xs += w * (v.s + q.m0s * a.e) - c * q.xs_B1 * v.xs;
    }
}

// Linear streams go through Horner a few at a time, as many as the registers hold.
constexpr int group = lanes >= 8 ? 4 : 2;

template <bool sourced, int first>
inline void linear_group(PulseState* stream, const Level* level, const Polynomial& p, Real dt,
                         const PulseSources& q) noexcept {
    PulseState m[group], v[group];
    for (int i = 0; i < group; ++i) v[i] = m[i] = stream[first + i];
    for (int j = p.degree - 1; j >= 0; --j) {
        for (int i = 0; i < group; ++i) v[i] = advance(level[j], m[i], v[i]);
        if constexpr (sourced) {
            const Real c = p.ratio[j] * dt;
            add_pulse_source<first>(v[0], q, level[j], c);
            add_pulse_source<first + 1>(v[1], q, level[j], c);
            if constexpr (group == 4) {
                add_pulse_source<first + 2>(v[2], q, level[j], c);
                add_pulse_source<first + 3>(v[3], q, level[j], c);
            }
        }
    }
    for (int i = 0; i < group; ++i) stream[first + i] = v[i];
}

template <bool sourced, int n, int first = 0>
inline void linear_streams(PulseState* stream, const Level* level, const Polynomial& p, Real dt,
                           const PulseSources& q) noexcept {
    if constexpr (first < n) {
        linear_group<sourced, first>(stream, level, p, dt, q);
        linear_streams<sourced, n, first + group>(stream, level, p, dt, q);
    }
}

// The affine stream, which leaves its levels behind for the others.
inline void affine_stream(PulseState& m, Level* level, const Voxel& v, Lane omega1, Lane R2sl, const Polynomial& p,
                          Real dt) noexcept {
    PulseState sum = m;
    Lane constant = broadcast(1.0);
    for (int j = p.degree - 1; j >= 0; --j) {
        const Real c = p.ratio[j] * dt;
        Level& a = level[j];
        a = scaled_rates(v, omega1, R2sl, c);
        a.v = sum;
        a.e = constant;
        sum = advance(a, m, sum);
        sum.x += a.omega1 * (v.m0f * constant);
        sum.xs += a.omega1 * (v.m0s * constant);
        constant = 1.0 + c * v.R2f * constant;
    }
    m = sum;
}

template <class S>
inline void excite(S& m, const Voxel& v, const PulsePlan& pulse, const Response& R2sl,
                   const std::atomic<bool>& stop) noexcept {
    const Real omega1_B1 = pulse.alpha / pulse.TRF, dt = pulse.TRF / pulse.n_steps;
    const Lane omega1 = omega1_B1 * v.B1;
    const PulseSources sources{v.Rex, v.m0s, v.m0f, R2sl.d_T2s, R2sl.d_B1, omega1_B1};
    Level level[max_degree];
    PulseState affine = enter(m.affine), linear[S::n_linear > 0 ? S::n_linear : 1];
    for (int k = 0; k < S::n_linear; ++k) linear[k] = enter(m.linear[k]);
    const Lane decay = exp(-dt * v.R2f);
    for (int step = 0; step < pulse.n_steps && !stop.load(std::memory_order_relaxed); ++step) {
        affine_stream(affine, level, v, omega1, R2sl.value, pulse.polynomial, dt);
        linear_streams<S::sourced, S::n_linear>(linear, level, pulse.polynomial, dt, sources);
        scale(affine, decay);
        for (int k = 0; k < S::n_linear; ++k) scale(linear[k], decay);
    }
    m.affine = leave(affine);
    for (int k = 0; k < S::n_linear; ++k) m.linear[k] = leave(linear[k]);
}

}  // namespace
}  // namespace spinbound
