// The tabulated response of the semi-solid pool to one pulse, evaluated in the lanes with its exact derivatives.
//     balanced, spoilers   R2sl = rho(ln tau, theta^2)/T2s
//     crusher              z(ln tau, theta^2)
// tau = TRF/T2s, theta = B1 alpha; f = sum_ij c_ij T_i(X) T_j(U) (records/patch.hpp).
#pragma once

#include "kernel/voxel.hpp"

namespace spinbound {
namespace {

struct Response {
    Lane value, d_T2s, d_ln_B1;
};

struct Chebyshev {
    Lane value[max_patch_order], slope[max_patch_order];
};

// T_k = 2 x T_(k-1) - T_(k-2) and its derivative
template <bool sloped>
inline void chebyshev(Lane x, int n, Chebyshev& T) noexcept {
    T.value[0] = broadcast(1.0);
    T.slope[0] = Lane{};
    T.value[1] = x;
    T.slope[1] = broadcast(1.0);
    const Lane two_x = x + x;
    for (int k = 2; k < n; ++k) {
        T.value[k] = two_x * T.value[k - 1] - T.value[k - 2];
        if constexpr (sloped) T.slope[k] = two_x * T.slope[k - 1] + (2.0 * T.value[k - 1] - T.slope[k - 2]);
    }
}

// The slopes are zero unless asked for.
template <bool sloped>
inline Response tabulated_response(const Voxel& v, const PulsePlan& pulse) noexcept {
    const Patch& patch = *pulse.response;
    const Real x_scale = patch.x_scale, u_scale = patch.u_scale;
    const Lane flip = Real(pulse.alpha) * v.B1, flip_sq = flip * flip;
    Chebyshev X, U;
    chebyshev<sloped>(x_scale * (Real(pulse.log_TRF) - v.log_T2s) + Real(patch.x_shift), patch.n_x, X);
    chebyshev<sloped>(u_scale * flip_sq + Real(patch.u_shift), patch.n_u, U);
    Lane f{}, f_x{}, f_u{};
    constexpr int rows = patch_rows;
    for (int i = 0; i < patch.n_x; i += rows) {
        const double* c = patch.coefficient + i * patch.n_u;
        Lane row[rows]{}, row_u[rows]{};
        for (int j = 0; j < patch.n_u; ++j)
            for (int k = 0; k < rows; ++k) {
                const Real coefficient = c[k * patch.n_u + j];
                row[k] += coefficient * U.value[j];
                if constexpr (sloped) row_u[k] += coefficient * U.slope[j];
            }
        for (int k = 0; k < rows; ++k) {
            f += X.value[i + k] * row[k];
            if constexpr (sloped) {
                f_x += X.slope[i + k] * row[k];
                f_u += X.value[i + k] * row_u[k];
            }
        }
    }
    // dx/dT2s = -1/T2s, du/dlnB1 = 2 theta^2
    return {f, -x_scale * f_x / v.T2s, 2 * u_scale * flip_sq * f_u};
}

template <bool sloped>
inline Response saturation(const Voxel& v, const PulsePlan& pulse) noexcept {
    const Response r = tabulated_response<sloped>(v, pulse);
    if (pulse.gradient_moment == GradientMoment::crusher) return r;
    return {r.value / v.T2s, (r.d_T2s - r.value / v.T2s) / v.T2s, r.d_ln_B1 / v.T2s};
}

}  // namespace
}  // namespace spinbound
