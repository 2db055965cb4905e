#include "bind_call.hpp"

#include <pybind11/stl.h>

namespace spinbound::bindings {
namespace {

Unknowns make_unknowns(const std::vector<int>& codes, int form) {
    Unknowns unknowns{{}, static_cast<FisherForm>(form)};
    for (int code : codes) {
        if (code < 0 || code >= n_parameters) throw InvalidArgument("codes has an unknown parameter");
        unknowns.parameters.push_back(static_cast<Parameter>(code));
    }
    return unknowns;
}

}  // namespace

Call::Call(std::shared_ptr<Experiment> experiment, Array<double> tissue, Array<Complex> M0, Array<bool> valid,
           const ModelTuple& model, std::optional<Array<Complex>> basis, bool single, int threads, py::object progress)
    : experiment_(std::move(experiment)),
      tissue_(std::move(tissue)),
      M0_(std::move(M0)),
      valid_(std::move(valid)),
      vectors_(std::move(basis)),
      progress_(std::move(progress)) {
    view_.n_voxels = static_cast<std::size_t>(n_voxels());
    view_.M0 = as_input(M0_, {n_voxels()}, "M0");
    const double* const row = as_input(tissue_, {n_tissue_parameters, n_voxels()}, "tissue");
    for (std::size_t p = 0; p < n_tissue_parameters; ++p) view_.value[p] = row + p * view_.n_voxels;
    if (vectors_) {
        const py::ssize_t rank = vectors_->ndim() == 2 && vectors_->shape(1) > 0 ? vectors_->shape(1) : 1;
        basis_ = {as_input(vectors_, {n_echoes(), rank}, "basis"), static_cast<int>(rank)};
    }
    options_.precision = single ? Precision::single : Precision::full;
    options_.model = as_model(model);
    options_.valid = as_input(valid_, {n_voxels()}, "valid");
    options_.threads = threads;
}

RunOptions Call::options() const {
    RunOptions options = options_;
    options.monitor = monitor_of(progress_);
    return options;
}

void bind_call(py::module_& m) {
    py::class_<Call>(m, "Call",
                     "Voxels, what simulates them, and how it runs: tissue (8, n), M0 (n,), valid (n,), the codes of "
                     "model and lineshape and rtol, basis (n_echoes, rank), threads (0: all), progress(done, total).")
        .def(py::init<std::shared_ptr<Experiment>, Array<double>, Array<Complex>, Array<bool>, ModelTuple,
                      std::optional<Array<Complex>>, bool, int, py::object>(),
             py::kw_only(), "experiment"_a.none(false), "tissue"_a, "M0"_a, "valid"_a, "model"_a,
             "basis"_a = py::none(), "single"_a = false, "threads"_a = 0, "progress"_a = py::none())
        .def_property_readonly("n_voxels", &Call::n_voxels);
    py::class_<Noise>(m, "Noise",
                      "sigma (n,): standard deviation in the real and in the imaginary part each; whitening (1 or n, "
                      "rank, rank): W with W C W^H = 1 for the covariance C of coefficients.")
        .def(py::init<Array<double>, std::optional<Array<Complex>>>(), "sigma"_a, "whitening"_a = py::none());
    py::class_<Unknowns>(m, "Unknowns", "Codes of parameters, and that of their Fisher matrix: real, complex, real-M0.")
        .def(py::init(&make_unknowns), "codes"_a, "form"_a = 0)
        .def_property_readonly("size", &Unknowns::size);
}

}  // namespace spinbound::bindings
