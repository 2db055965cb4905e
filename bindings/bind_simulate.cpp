#include <pybind11/stl.h>

#include "call.hpp"
#include "voxels/simulate.hpp"

namespace spinbound::bindings {
namespace {

using Signal = Array<Complex>;

void py_simulate(const Experiment& experiment, Array<double> tissue, Signal M0, Array<bool> valid, ModelCodes model,
                 bool single, const OptionalBasis& basis, int threads, py::object progress, Signal out) {
    const Voxels voxels{std::move(tissue), std::move(M0), std::move(valid)};
    const Options options{model, threads, std::move(progress), single};
    const Basis vectors = basis_of(basis, experiment);
    require_shape(out, {voxels.size(), static_cast<py::ssize_t>(vectors.n_samples(experiment))}, "out");
    const TissueView view = voxels.view();
    const RunOptions run = options.run(voxels);
    Complex* s = out.mutable_data();
    const WithoutGil nogil;
    simulate(experiment, view, vectors, run, s);
}

void py_magnetization(const Experiment& experiment, Array<double> tissue, Signal M0, Array<bool> valid,
                      ModelCodes model, bool single, int threads, py::object progress, Signal out) {
    const Voxels voxels{std::move(tissue), std::move(M0), std::move(valid)};
    const Options options{model, threads, std::move(progress), single};
    require_shape(out, {voxels.size(), static_cast<py::ssize_t>(experiment.n_echoes()), 5}, "out");
    const TissueView view = voxels.view();
    const RunOptions run = options.run(voxels);
    Complex* m = out.mutable_data();
    const WithoutGil nogil;
    simulate_magnetization(experiment, view, run, m);
}

void py_sensitivities(const Experiment& experiment, Array<double> tissue, Signal M0, Array<bool> valid,
                      ModelCodes model, bool single, const std::vector<int>& wrt, const OptionalBasis& basis,
                      int threads, py::object progress, Signal out_s, Signal out_J) {
    const Voxels voxels{std::move(tissue), std::move(M0), std::move(valid)};
    const Options options{model, threads, std::move(progress), single};
    const Basis vectors = basis_of(basis, experiment);
    const std::vector<Parameter> parameters = parameters_of(wrt);
    const auto n_samples = static_cast<py::ssize_t>(vectors.n_samples(experiment));
    require_shape(out_s, {voxels.size(), n_samples}, "out_s");
    require_shape(out_J, {voxels.size(), n_samples, static_cast<py::ssize_t>(wrt.size())}, "out_J");
    const TissueView view = voxels.view();
    const RunOptions run = options.run(voxels);
    Complex* s = out_s.mutable_data();
    Complex* J = out_J.mutable_data();
    const WithoutGil nogil;
    sensitivities(experiment, view, parameters, vectors, run, s, J);
}

// (n_pulses, 3): R2sl, dR2sl/dT2s, dR2sl/dB1; for a crusher z, dz/dT2s, dz/dB1
Array<double> py_R2sl(const Sequence& sequence, int lineshape, double T2s, double B1) {
    Array<double> out({static_cast<py::ssize_t>(sequence.n_pulses()), py::ssize_t{3}});
    tabulated_R2sl(sequence, static_cast<Lineshape>(lineshape), T2s, B1, out.mutable_data());
    return out;
}

}  // namespace

void bind_simulate(py::module_& m) {
    m.def("simulate", &py_simulate, py::arg("experiment"), py::arg("tissue"), py::arg("M0"), py::arg("valid"),
          py::arg("physics"), py::arg("single"), py::arg("basis"), py::arg("threads"), py::arg("progress"),
          py::arg("out").noconvert());
    m.def("magnetization", &py_magnetization, py::arg("experiment"), py::arg("tissue"), py::arg("M0"), py::arg("valid"),
          py::arg("physics"), py::arg("single"), py::arg("threads"), py::arg("progress"), py::arg("out").noconvert());
    m.def("sensitivities", &py_sensitivities, py::arg("experiment"), py::arg("tissue"), py::arg("M0"), py::arg("valid"),
          py::arg("physics"), py::arg("single"), py::arg("wrt"), py::arg("basis"), py::arg("threads"),
          py::arg("progress"), py::arg("out_s").noconvert(), py::arg("out_J").noconvert());
    m.def("R2sl", &py_R2sl, py::arg("sequence"), py::arg("lineshape"), py::arg("T2s"), py::arg("B1"));
}

}  // namespace spinbound::bindings
