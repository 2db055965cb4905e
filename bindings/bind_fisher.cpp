#include <pybind11/stl.h>

#include "call.hpp"
#include "spinbound/fisher.hpp"

namespace spinbound::bindings {
namespace {

struct BoundCall {
    Voxels voxels;
    Array<double> sigma;
    std::vector<Parameter> wrt;
    FisherForm form;

    const double* noise() const {
        require_shape(sigma, {voxels.size()}, "sigma");
        return sigma.data();
    }
};

void* fisher_output(py::array& out, const BoundCall& call) {
    const py::ssize_t n = fisher_size(call.wrt, call.form);
    const auto pointer = [&](auto array) -> void* {
        require_shape(array, {call.voxels.size(), n, n}, "out");
        return array.mutable_data();
    };
    if (call.form == FisherForm::complex && Array<Complex>::check_(out)) return pointer(out.cast<Array<Complex>>());
    if (call.form != FisherForm::complex && Array<double>::check_(out)) return pointer(out.cast<Array<double>>());
    throw InvalidArgument("out has the wrong type");
}

void py_fisher(const Sequence& sequence, Array<double> tissue, Array<Complex> M0, Array<double> sigma,
               Array<bool> valid, int lineshape, const std::vector<int>& wrt, int form, const OptionalBasis& basis,
               int threads, py::object progress, py::array out) {
    const BoundCall call{{std::move(tissue), std::move(M0), std::move(valid)},
                         std::move(sigma),
                         parameters_of(wrt),
                         static_cast<FisherForm>(form)};
    const Options options{lineshape, threads, std::move(progress)};
    const Basis vectors = basis_of(basis, sequence);
    void* const F = fisher_output(out, call);
    const TissueView view = call.voxels.view();
    const double* noise = call.noise();
    const RunOptions run = options.run(call.voxels);
    const py::gil_scoped_release nogil;
    fisher(sequence, view, noise, call.wrt, call.form, vectors, run, F);
}

void py_crb(const Sequence& sequence, Array<double> tissue, Array<Complex> M0, Array<double> sigma, Array<bool> valid,
            int lineshape, const std::vector<int>& wrt, int form, const OptionalBasis& basis, int threads,
            py::object progress, Array<double> out) {
    const BoundCall call{{std::move(tissue), std::move(M0), std::move(valid)},
                         std::move(sigma),
                         parameters_of(wrt),
                         static_cast<FisherForm>(form)};
    const Options options{lineshape, threads, std::move(progress)};
    const Basis vectors = basis_of(basis, sequence);
    require_shape(out, {static_cast<py::ssize_t>(wrt.size()), call.voxels.size()}, "out");
    const TissueView view = call.voxels.view();
    const double* noise = call.noise();
    const RunOptions run = options.run(call.voxels);
    double* bounds = out.mutable_data();
    const py::gil_scoped_release nogil;
    crb(sequence, view, noise, call.wrt, call.form, vectors, run, bounds);
}

}  // namespace

void bind_fisher(py::module_& m) {
    m.def("fisher", &py_fisher, py::arg("sequence"), py::arg("tissue"), py::arg("M0"), py::arg("sigma"),
          py::arg("valid"), py::arg("lineshape"), py::arg("wrt"), py::arg("form"), py::arg("basis"), py::arg("threads"),
          py::arg("progress"), py::arg("out"));
    m.def("crb", &py_crb, py::arg("sequence"), py::arg("tissue"), py::arg("M0"), py::arg("sigma"), py::arg("valid"),
          py::arg("lineshape"), py::arg("wrt"), py::arg("form"), py::arg("basis"), py::arg("threads"),
          py::arg("progress"), py::arg("out").noconvert());
}

}  // namespace spinbound::bindings
