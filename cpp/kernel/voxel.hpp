// The tissue of a block of voxels and the rates of its exchanging pools.
//     z' = -rz z + kfs s,  s' = ksf z - rs s   in z = zf - m0f, s = zs - m0s
#pragma once

#include "kernel/abi.hpp"
#include "kernel/lanes.hpp"

namespace spinbound {
namespace {

struct Voxel {
    Lane m0s, R1f, R2f, Rex, R1s, T2s, omega0, B1;
    Lane m0f, rz, rs, kfs, ksf, log_T2s;
};

inline Voxel load_voxel(const VoxelBlock& block) noexcept {
    Voxel v;
    Lane* const value[n_tissue_parameters] = {&v.m0s, &v.R1f, &v.R2f, &v.Rex, &v.R1s, &v.T2s, &v.omega0, &v.B1};
    for (int k = 0; k < n_tissue_parameters; ++k) *value[k] = load(block.value[k]);
    v.m0f = 1.0 - v.m0s;
    v.kfs = v.Rex * v.m0f;
    v.ksf = v.Rex * v.m0s;
    v.rz = v.R1f + v.ksf;
    v.rs = v.R1s + v.kfs;
    v.log_T2s = load(block.log_T2s);
    return v;
}

// Tangents in the order of Parameter from m0s on; that of B1 is with respect to its logarithm.
enum Tangent { d_m0s, d_R1f, d_R2f, d_Rex, d_R1s, d_T2s, d_omega0, d_ln_B1, n_tangents };

// Deviation from equilibrium. A pulse leaves some xs behind, which the precession that follows drops.
struct State {
    Lane y, x, z, s, xs;
};

inline State scaled(const State& m, Lane factor) noexcept {
    return {factor * m.y, factor * m.x, factor * m.z, factor * m.s, factor * m.xs};
}

// The streams that pass through the train side by side: an affine one, which feels the equilibrium, and linear ones:
// either unit columns of the propagator or, if `sourced`, the tangents of the affine one.
template <int n, bool is_sourced>
struct Streams {
    static constexpr int n_linear = n;
    static constexpr bool sourced = is_sourced;
    State affine;
    State linear[n > 0 ? n : 1];
};

}  // namespace
}  // namespace spinbound
