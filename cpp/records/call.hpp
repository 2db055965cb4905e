// What every call over many voxels takes beside the train and the tissues: how it runs, and in which basis.
#pragma once

#include <complex>
#include <cstddef>

#include "records/model.hpp"
#include "records/monitor.hpp"
#include "records/precision.hpp"
#include "records/sequence.hpp"

namespace spinbound {

using Complex = std::complex<double>;

struct RunOptions {
    Precision precision = Precision::full;
    Model model;
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

}  // namespace spinbound
