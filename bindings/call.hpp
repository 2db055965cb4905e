// What all batch calls share: the tissue, the options, and the way back to Python while the core works.
#pragma once

#include <optional>
#include <tuple>

#include "arrays.hpp"
#include "records/call.hpp"
#include "records/tissue.hpp"

namespace spinbound::bindings {

// The arrays stay alive as long as the call.
struct Voxels {
    Array<double> tissue;                // (8, n_voxels)
    Array<std::complex<double>> M0;      // (n_voxels,)
    Array<bool> valid;                   // (n_voxels,)

    py::ssize_t size() const { return M0.size(); }
    TissueView view() const;
};

using ModelCodes = std::tuple<int, int, double>;  // name, lineshape, rtol

struct Options {
    ModelCodes model;
    int threads;
    py::object progress;
    bool single = false;  // precision

    // Polls for Ctrl-C on the main thread, reports to `progress` on any; exceptions of either cancel the call.
    RunOptions run(const Voxels& voxels) const;
};

using OptionalBasis = std::optional<Array<std::complex<double>>>;  // (n_echoes, rank)

Basis basis_of(const OptionalBasis& basis, const Experiment& experiment);

// The GIL, released while the core works. A thread that still computes when the interpreter ends never gets it back:
// it would be killed on its way through C++, so it sleeps until the process is gone.
class WithoutGil {
public:
    WithoutGil();
    ~WithoutGil();
    WithoutGil(const WithoutGil&) = delete;
    WithoutGil& operator=(const WithoutGil&) = delete;

private:
    bool on_main_thread_;
    PyThreadState* state_;
};

// To be called before the interpreter ends: threads that are still computing then report no more, and don't return.
void end_reports();

std::vector<Parameter> parameters_of(const std::vector<int>& codes);

}  // namespace spinbound::bindings
