// One rectangular pulse of the linearised generalized Bloch model (theory, section 2). In deviations from
// equilibrium, with w1 = B1 alpha/TRF, xs = 0 at entry and dropped at exit, everything shifted by +R2f:
//     y'  =  omega0 x
//     x'  = -omega0 y + w1 (z + m0f e)
//     z'  = -w1 x + (R2f - rz) z + kfs s
//     s'  =  ksf z + (R2f - rs) s - w1 xs
//     xs' =  w1 (s + m0s e) + (R2f - R2sl) xs
//     e'  =  R2f e,  e = 1 at entry: the constant that drives the affine stream
// (the factor exp(-R2f t) that undoes the shift follows every step, so that nothing grows).
// exp(T S) acts on each stream through a polynomial sum_j c_j (T S)^j, in Horner form
//     v <- m + c_j/c_(j-1) T S v,  j = degree ... 1,
// whose tangent is dv <- dm + c_j/c_(j-1) T (S dv + dS v). This divides it by c_0, which is 1 within its error: a pulse
// of no angle and no time changes nothing. The shift and the c_j are held fixed in the tangents: the exponential does
// not depend on them. All five components stay: no case is special, critical damping and zero of any rate included.
#pragma once

#include "kernel/contact.hpp"

namespace spinbound {
namespace {

// One level of Horner: T c_j/c_(j-1) times the entries of S.
struct Level {
    Lane omega0, omega1, z, kfs, ksf, s, xs;
};

inline Level scaled(const Level& a, Lane c) noexcept {
    return {c * a.omega0, c * a.omega1, c * a.z, c * a.kfs, c * a.ksf, c * a.s, c * a.xs};
}

// T c_j/c_(j-1) dS/dp v for all tissue parameters p, v the affine stream at that level. It is the same vector for
// several of them but for a sign.
struct LevelSources {
    Lane y, x, z, s;  // R2f, omega0, R1f, R1s
    Lane exchanged, driven;  // m0s
    Lane flow;  // Rex
    Lane T2s;
    Lane turned_z, turned_x, turned_xs, turned_s;  // ln B1
};

// m + T c_j/c_(j-1) S v
inline State advance(const Level& a, const State& m, const State& v) noexcept {
    State next;
    next.y = m.y + a.omega0 * v.x;
    next.x = m.x - a.omega0 * v.y + a.omega1 * v.z;
    next.z = m.z - a.omega1 * v.x + a.z * v.z + a.kfs * v.s;
    next.s = m.s + a.ksf * v.z + a.s * v.s - a.omega1 * v.xs;
    next.xs = m.xs + a.omega1 * v.s + a.xs * v.xs;
    return next;
}

// m with the source of the k-th tangent. Added before S v, it is no part of the chain from level to level.
template <int k>
inline State with_source(State m, const LevelSources& source) noexcept {
    if constexpr (k == d_m0s) {
        m.x -= source.driven;
        m.z -= source.exchanged;
        m.s += source.exchanged;
        m.xs += source.driven;
    } else if constexpr (k == d_R1f) {
        m.z -= source.z;
    } else if constexpr (k == d_R2f) {
        m.y -= source.y;
        m.x -= source.x;
    } else if constexpr (k == d_Rex) {
        m.z -= source.flow;
        m.s += source.flow;
    } else if constexpr (k == d_R1s) {
        m.s -= source.s;
    } else if constexpr (k == d_T2s) {
        m.xs -= source.T2s;
    } else if constexpr (k == d_omega0) {
        m.y += source.x;
        m.x -= source.y;
    } else {
        m.x += source.turned_z;
        m.z -= source.turned_x;
        m.s -= source.turned_xs;
        m.xs += source.turned_s;
    }
    return m;
}

// Linear streams go through Horner in pairs: as many as the registers hold.
template <bool sourced, int first>
inline void linear_pair(State* stream, const Level* level, const LevelSources* source, int degree,
                        Lane factor) noexcept {
    const State m = stream[first], n = stream[first + 1];
    State u = m, v = n;
    for (int j = degree - 1; j >= 0; --j) {
        if constexpr (sourced) {
            u = advance(level[j], with_source<first>(m, source[j]), u);
            v = advance(level[j], with_source<first + 1>(n, source[j]), v);
        } else {
            u = advance(level[j], m, u);
            v = advance(level[j], n, v);
        }
    }
    stream[first] = scaled(u, factor);
    stream[first + 1] = scaled(v, factor);
}

template <bool sourced, int n, int first = 0>
inline void linear_streams(State* stream, const Level* level, const LevelSources* source, int degree,
                           Lane factor) noexcept {
    static_assert(n % 2 == 0);
    if constexpr (first < n) {
        linear_pair<sourced, first>(stream, level, source, degree, factor);
        linear_streams<sourced, n, first + 2>(stream, level, source, degree, factor);
    }
}

// One pulse, or one of its equal parts, for the voxels of a block.
struct Excitation {
    const Voxel& v;
    const Polynomial& polynomial;
    const PulseResponse& response;
    Real dt;
    Level rates;  // the entries of S

    Lane coefficient(int j) const noexcept {
        const Coefficients& c = polynomial.coefficient[j];
        return Real(c.p) + response.contact.g0 * Real(c.q) + response.contact.g1 * Real(c.xq);
    }

    // The affine stream, which leaves its levels behind for the others.
    template <bool sourced>
    void affine_stream(State& m, Level* levels, LevelSources* sources) const noexcept {
        State u = m;
        Lane e = broadcast(1.0), upper = coefficient(polynomial.degree);
        for (int j = polynomial.degree - 1; j >= 0; --j) {
            const Lane lower = coefficient(j), c = dt * upper / lower;
            const Level a = levels[j] = scaled(rates, c);
            const Lane turned_z = a.omega1 * (u.z + v.m0f * e), turned_x = a.omega1 * u.x;
            const Lane turned_s = a.omega1 * (u.s + v.m0s * e), turned_xs = a.omega1 * u.xs;
            if constexpr (sourced) {
                LevelSources& d = sources[j];
                d.y = c * u.y;
                d.x = c * u.x;
                d.z = c * u.z;
                d.s = c * u.s;
                d.exchanged = v.Rex * (d.z + d.s);
                d.driven = a.omega1 * e;
                d.flow = v.m0s * d.z - v.m0f * d.s;
                const Lane xs = c * u.xs;
                d.T2s = response.pool.d_T2s * xs;
                d.turned_z = turned_z;
                d.turned_x = turned_x;
                d.turned_xs = turned_xs;
                d.turned_s = turned_s - response.pool.d_ln_B1 * xs;
            }
            u = {m.y + a.omega0 * u.x, m.x - a.omega0 * u.y + turned_z, m.z + a.z * u.z + a.kfs * u.s - turned_x,
                 m.s + a.ksf * u.z + a.s * u.s - turned_xs, m.xs + a.xs * u.xs + turned_s};
            e = 1.0 + (c * v.R2f) * e;
            upper = lower;
        }
        m = u;
    }
};

inline Excitation excitation(const Voxel& v, const PulsePlan& pulse, const PulseResponse& response) noexcept {
    const Real omega1_B1 = Real(pulse.alpha / pulse.TRF);
    const Level rates{v.omega0,     omega1_B1 * v.B1,           v.R2f - v.rz, v.kfs, v.ksf,
                      v.R2f - v.rs, v.R2f - response.pool.value};
    return {v, pulse.polynomial, response, Real(pulse.TRF / pulse.n_steps), rates};
}

template <class S>
inline void excite(S& m, const Voxel& v, const PulsePlan& pulse, const PulseResponse& response,
                   const std::atomic<bool>& stop) noexcept {
    const Excitation part = excitation(v, pulse, response);
    const Lane decay = exp(-part.dt * v.R2f);
    Level level[max_degree];
    LevelSources source[S::sourced ? max_degree : 1];
    for (int step = 0; step < pulse.n_steps && !stop.load(std::memory_order_relaxed); ++step) {
        part.template affine_stream<S::sourced>(m.affine, level, source);
        m.affine = scaled(m.affine, decay);
        linear_streams<S::sourced, S::n_linear>(m.linear, level, source, pulse.polynomial.degree, decay);
    }
}

}  // namespace
}  // namespace spinbound
