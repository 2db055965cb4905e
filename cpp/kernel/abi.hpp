// What crosses the border between the core and the kernels: plain numbers and pointers, the same for every
// instruction set and precision. All arrays of lanes hold `lanes` doubles side by side, one per voxel of the block.
#pragma once

#include <atomic>
#include <complex>
#include <cstddef>

#include "records/model.hpp"
#include "records/parameter.hpp"
#include "records/patch.hpp"
#include "records/sequence.hpp"

namespace spinbound {

inline constexpr int max_lanes = 16;
inline constexpr int max_degree = 48;
inline constexpr int n_streams = 1 + n_tissue_parameters;  // the signal and its derivatives

// exp(x) = sum_j c_j x^j,  c_j = p_j + g0 q_j + g1 q_(j-1): with g0 = g1 = 0, or with those that every voxel has for
// each pulse if the polynomial `touches` the exponential at its fast mode (contact.hpp).
struct Coefficients {
    double p, q, xq;  // p_j, q_j, q_(j-1)
};

struct Polynomial {
    const Coefficients* coefficient;  // lowest first
    int degree;
    bool touches;
};

struct PulsePlan {
    double alpha, TRF, log_TRF;
    GradientMoment gradient_moment;
    int interval;  // index of its free precession among the distinct ones
    double cos_increment, sin_increment;  // RF phase, from the pulse before
    int echo;      // index of its echo among those that are recorded, or -1
    int n_steps;   // equal parts of the pulse, each one application of the polynomial
    Polynomial polynomial;
    const Patch* response;  // rho of the pulse; z of a crusher, and of every pulse of the hybrid model
};

// Hard-edged samples of equal duration; none: rectangular.
struct Waveform {
    const std::complex<double>* sample;
    int n;
};

struct TrainPlan {
    const PulsePlan* pulse;
    int n_pulses, n_echoes;
    const double* half_time;  // the distinct free precessions, (TR - TRF)/2; TR/2 of crushers and the hybrid model
    int n_intervals;
    Model model;
    Waveform shape;
    Start start;
    double initial[5];
};

// One block of voxels, in the order of Parameter from m0s to B1; and ln T2s.
struct VoxelBlock {
    double value[n_tissue_parameters][max_lanes];
    double log_T2s[max_lanes];
};

// Basis vectors, row-major: n_echoes rows of rank complex numbers.
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
    void (*signal)(const KernelCall& call);         // out = n_echoes x (re im)
    void (*magnetization)(const KernelCall& call);  // out = n_echoes x (xf yf zf zs)
    void (*sensitivities)(const KernelCall& call);  // out = n_echoes x n_streams x (re im)
    void (*project)(const KernelCall& call);        // out += rank x n_streams x (re im)
    void (*gram)(const KernelCall& call);  // out += n_streams x n_streams x (re im), sum_t conj(s_i) s_j, i <= j
};

// The linearised generalized Bloch model, and the hybrid-state model.
extern const KernelTable kernel_baseline_double, kernel_baseline_float, hybrid_baseline_double, hybrid_baseline_float;
extern const KernelTable kernel_avx2_double, kernel_avx2_float, hybrid_avx2_double, hybrid_avx2_float;
extern const KernelTable kernel_avx512_double, kernel_avx512_float, hybrid_avx512_double, hybrid_avx512_float;

// One voxel at a time: the models whose pulses are integrated (cpp/models).
extern const KernelTable scalar_models;

}  // namespace spinbound
