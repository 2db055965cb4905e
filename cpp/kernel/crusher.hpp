// Gradients around a pulse. The crusher pair keeps the refocused path of the pulse, without relaxation meanwhile:
//     x *= sin^2(beta/2), y *= -sin^2(beta/2), zf *= cos(beta), zs *= z(tau, beta),  beta = B1 alpha
// (physics of an inversion played 90 degrees off the others; theory, section 7).
#pragma once

#include "kernel/lanes_math.hpp"
#include "kernel/response.hpp"

namespace spinbound {
namespace {

struct CrusherFactors {
    Lane xy, z, s;
};

inline State scale(const State& m, const CrusherFactors& f) noexcept {
    return {-f.xy * m.y, f.xy * m.x, f.z * m.z, f.s * m.s, Lane{}};
}

template <class S>
inline void crush(S& m, const Voxel& v, const PulsePlan& pulse, const Response& response) noexcept {
    const Lane flip = Real(pulse.alpha) * v.B1;
    const SinCos half = sincos(Real(0.5) * flip);
    const Lane refocused = half.sin * half.sin,
               inverted = refocused + refocused;  // no cancellation where flip is small
    const CrusherFactors f{refocused, 1.0 - inverted, response.value};
    for (int k = 0; k < S::n_linear; ++k) m.linear[k] = scale(m.linear[k], f);
    if constexpr (S::sourced) {
        const Lane zf = m.affine.z + v.m0f, zs = m.affine.s + v.m0s, slope = flip * (2.0 * half.sin * half.cos);
        m.linear[d_m0s].z += inverted;
        m.linear[d_m0s].s -= 1.0 - f.s;
        m.linear[d_T2s].s += response.d_T2s * zs;
        m.linear[d_ln_B1].y -= 0.5 * slope * m.affine.y;
        m.linear[d_ln_B1].x += 0.5 * slope * m.affine.x;
        m.linear[d_ln_B1].z -= slope * zf;
        m.linear[d_ln_B1].s += response.d_ln_B1 * zs;
    }
    m.affine = scale(m.affine, f);
    m.affine.z -= inverted * v.m0f;
    m.affine.s -= (1.0 - f.s) * v.m0s;
}

template <class S>
inline void spoil(S& m) noexcept {
    m.affine.x = m.affine.y = Lane{};
    for (int k = 0; k < S::n_linear; ++k) m.linear[k].x = m.linear[k].y = Lane{};
}

}  // namespace
}  // namespace spinbound
