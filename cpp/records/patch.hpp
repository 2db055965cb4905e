// A piece of the tabulated response of the semi-solid pool: the plan chooses it, the kernels evaluate it.
#pragma once

namespace spinbound {

// f(x, u) = sum_ij c_ij T_i(x_scale x + x_shift) T_j(u_scale u + u_shift), x = ln tau, u = theta^2.
inline constexpr int max_patch_order = 64;  // coefficients along either variable
inline constexpr int patch_rows = 3;        // the kernel sums so many side by side

struct Patch {
    const double* coefficient = nullptr;  // n_x rows of n_u, n_x a multiple of patch_rows
    int n_x = 0, n_u = 0;
    double x_scale = 0, x_shift = 0, u_scale = 0, u_shift = 0;
};

}  // namespace spinbound
