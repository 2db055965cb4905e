// What all batch calls share: the tissue, the options, and the way back to Python while the core works.
#pragma once

#include <optional>

#include "arrays.hpp"
#include "spinbound/simulate.hpp"

namespace spinbound::bindings {

// The arrays stay alive as long as the call.
struct Voxels {
    Array<double> tissue;                // (8, n_voxels)
    Array<std::complex<double>> M0;      // (n_voxels,)
    Array<bool> valid;                   // (n_voxels,)

    py::ssize_t size() const { return M0.size(); }
    TissueView view() const;
};

struct Options {
    int lineshape, threads;
    py::object progress;
    bool single = false;  // precision

    // Polls for Ctrl-C on the main thread, reports to `progress` on any; exceptions of either cancel the call.
    RunOptions run(const Voxels& voxels) const;
};

using OptionalBasis = std::optional<Array<std::complex<double>>>;  // (n_pulses, rank)

Basis basis_of(const OptionalBasis& basis, const Sequence& sequence);

// To be called before the interpreter ends: threads that are still computing then report no more.
void end_reports();

std::vector<Parameter> parameters_of(const std::vector<int>& codes);

}  // namespace spinbound::bindings
