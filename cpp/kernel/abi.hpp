// What crosses the border between the core and the kernels: plain numbers and pointers, the same for every
// instruction set. All arrays of lanes hold `lanes` doubles side by side, one per voxel of the block.
#pragma once

#include <atomic>
#include <cstddef>

#include "spinbound/lineshape.hpp"
#include "spinbound/parameter.hpp"
#include "spinbound/sequence.hpp"

namespace spinbound {

inline constexpr int max_lanes = 8;
inline constexpr int max_degree = 48;
inline constexpr int n_streams = 1 + n_tissue_parameters;  // the signal and its derivatives

// exp(X) = 1 + r_1 X (1 + r_2 X (1 + ...)): the ratios r_1 ... r_degree
struct Polynomial {
    const double* ratio;
    int degree;
};

struct PulsePlan {
    double alpha, TRF, log_TRF;
    GradientMoment gradient_moment;
    int interval;  // index of its free precession among the distinct ones
    int n_steps;   // equal parts of the pulse, each one application of the polynomial
    Polynomial polynomial;
    const Patch* response;  // rho of the pulse, z of a crusher
};

struct TrainPlan {
    const PulsePlan* pulse;
    int n_pulses;
    const double* half_time;  // the distinct free precessions, (TR - TRF)/2
    int n_intervals;
    double cos_increment, sin_increment;
    Start start;
    double initial[5];
};

// One block of voxels, in the order of Parameter from m0s to B1; and ln T2s.
struct VoxelBlock {
    double value[n_tissue_parameters][max_lanes];
    double log_T2s[max_lanes];
};

// Basis vectors, row-major: n_pulses rows of rank complex numbers.
struct BasisView {
    const double* vectors;
    int rank;
};

struct KernelCall {
    const TrainPlan* train;
    const VoxelBlock* voxels;
    BasisView basis;
    double* workspace;              // workspace_size(...) doubles, aligned to 64 bytes
    double* out;
    const std::atomic<bool>* stop;  // polled between steps of the train; the output is meaningless after a stop
};

struct KernelTable {
    const char* name;
    int lanes;
    std::size_t (*workspace_size)(const TrainPlan& train);
    void (*magnetization)(const KernelCall& call);  // out: n_pulses x (xf yf zf zs)
    void (*sensitivities)(const KernelCall& call);  // out: n_pulses x n_streams x (re im)
    void (*project)(const KernelCall& call);        // out: rank x n_streams x (re im)
    void (*gram)(const KernelCall& call);           // out: n_streams x n_streams x (re im), sum_t conj(s_i) s_j
};

extern const KernelTable kernel_baseline;
extern const KernelTable kernel_avx2;
extern const KernelTable kernel_avx512;

}  // namespace spinbound
