// Signals and sensitivities of many voxels.
#pragma once

#include <complex>
#include <vector>

#include "machine/parallel.hpp"
#include "records/model.hpp"
#include "records/precision.hpp"
#include "records/sequence.hpp"
#include "records/tissue.hpp"

namespace spinbound {

using Complex = std::complex<double>;

struct RunOptions {
    Precision precision = Precision::full;
    Physics physics;
    const bool* valid = nullptr;  // one per voxel; the others are not computed and their results are NaN
    int threads = 0;              // 0: all that the process may use
    Monitor monitor;
};

// rank vectors of n_echoes entries, row-major (n_echoes, rank); rank = 0: the time domain
struct Basis {
    const Complex* vectors = nullptr;
    int rank = 0;

    std::size_t n_samples(const Experiment& experiment) const {
        return rank ? static_cast<std::size_t>(rank) : experiment.n_echoes();
    }
};

// s: (n_voxels, n_samples)
void simulate(const Experiment& experiment, const TissueView& tissue, const Basis& basis, const RunOptions& options,
              Complex* s);

// m: (n_voxels, n_echoes, 5), xf yf zf xs zs at the echo, times M0
void simulate_magnetization(const Experiment& experiment, const TissueView& tissue, const RunOptions& options,
                            Complex* m);

// s: (n_voxels, n_samples); J: (n_voxels, n_samples, wrt.size()), derivatives in the order of wrt, M0's with respect to
// the complex M0
void sensitivities(const Experiment& experiment, const TissueView& tissue, const std::vector<Parameter>& wrt,
                   const Basis& basis, const RunOptions& options, Complex* s, Complex* J);

// (n_pulses, 3): R2sl and its derivatives with respect to T2s and B1 as the kernel's tables have them; for a crusher
// the response z and its derivatives
void tabulated_R2sl(const Sequence& sequence, Lineshape lineshape, double T2s, double B1, double* out);

}  // namespace spinbound
