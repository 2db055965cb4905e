// What calls over many voxels are given: the call itself, the noise of the data, and the unknown parameters.
#pragma once

#include <memory>
#include <optional>

#include "arrays.hpp"
#include "bound/fisher.hpp"
#include "records/call.hpp"
#include "records/tissue.hpp"
#include "tuples.hpp"
#include "without_gil.hpp"

namespace spinbound::bindings {

// Voxels, what simulates them, and how it runs. Its arrays are the caller's, kept alive as long as the call.
class Call {
public:
    Call(std::shared_ptr<Experiment> experiment, Array<double> tissue, Array<Complex> M0, Array<bool> valid,
         const ModelTuple& model, std::optional<Array<Complex>> basis, bool single, int threads, py::object progress);

    const Experiment& experiment() const { return *experiment_; }
    const TissueView& tissue() const { return view_; }
    const Basis& basis() const { return basis_; }
    py::ssize_t n_voxels() const { return M0_.size(); }
    py::ssize_t n_echoes() const { return static_cast<py::ssize_t>(experiment_->n_echoes()); }
    py::ssize_t n_samples() const { return static_cast<py::ssize_t>(basis_.n_samples(*experiment_)); }

    // For a run on this thread, with the GIL held.
    RunOptions options() const;

private:
    std::shared_ptr<Experiment> experiment_;
    Array<double> tissue_;                  // (8, n_voxels)
    Array<Complex> M0_;                     // (n_voxels,)
    Array<bool> valid_;                     // (n_voxels,)
    std::optional<Array<Complex>> vectors_;  // (n_echoes, rank)
    py::object progress_;                   // called with (done, total), or None
    TissueView view_;
    Basis basis_;
    RunOptions options_;
};

struct Noise {
    Array<double> sigma;                      // (n_voxels,)
    std::optional<Array<Complex>> whitening;  // (1 or n_voxels, rank, rank)

    NoiseView of(const Call& call) const {
        const bool is_common = whitening && whitening->shape(0) == 1;
        const py::ssize_t rank = call.basis().rank, n = is_common ? 1 : call.n_voxels();
        return {as_input(sigma, {call.n_voxels()}, "sigma"), as_input(whitening, {n, rank, rank}, "whitening"),
                is_common};
    }
};

struct Unknowns {
    std::vector<Parameter> parameters;
    FisherForm form;

    py::ssize_t size() const { return static_cast<py::ssize_t>(parameters.size()); }
};

}  // namespace spinbound::bindings
