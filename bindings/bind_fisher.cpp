#include <pybind11/stl.h>

#include "bound/fisher.hpp"
#include "call.hpp"

namespace spinbound::bindings {
namespace {

// The arguments that fisher and crb share, alive as long as the call.
struct Call {
    Voxels voxels;
    Array<double> sigma;
    Options options;
    FisherProblem problem;

    Call(const Experiment& experiment, const Array<double>& tissue, const Array<Complex>& M0,
         const Array<double>& noise, const Array<bool>& valid, const ModelCodes& model, const std::vector<int>& wrt,
         int form, const OptionalBasis& basis, int threads, const py::object& progress)
        : voxels{tissue, M0, valid},
          sigma(noise),
          options{model, threads, progress},
          problem{experiment,
                  voxels.view(),
                  sigma.data(),
                  parameters_of(wrt),
                  static_cast<FisherForm>(form),
                  basis_of(basis, experiment),
                  options.run(voxels)} {
        require_shape(sigma, {voxels.size()}, "sigma");
    }
};

void* fisher_output(py::array& out, const Call& call) {
    const py::ssize_t n = call.problem.size();
    const auto pointer = [&](auto array) -> void* {
        require_shape(array, {call.voxels.size(), n, n}, "out");
        return array.mutable_data();
    };
    const bool is_complex = call.problem.form == FisherForm::complex;
    if (is_complex && Array<Complex>::check_(out)) return pointer(out.cast<Array<Complex>>());
    if (!is_complex && Array<double>::check_(out)) return pointer(out.cast<Array<double>>());
    throw InvalidArgument("out has the wrong type");
}

void py_fisher(const Experiment& experiment, const Array<double>& tissue, const Array<Complex>& M0,
               const Array<double>& sigma, const Array<bool>& valid, const ModelCodes& model,
               const std::vector<int>& wrt, int form, const OptionalBasis& basis, int threads,
               const py::object& progress, py::array out) {
    const Call call(experiment, tissue, M0, sigma, valid, model, wrt, form, basis, threads, progress);
    void* const F = fisher_output(out, call);
    const WithoutGil nogil;
    fisher(call.problem, F);
}

void py_crb(const Experiment& experiment, const Array<double>& tissue, const Array<Complex>& M0,
            const Array<double>& sigma, const Array<bool>& valid, const ModelCodes& model, const std::vector<int>& wrt,
            int form, const OptionalBasis& basis, int threads, const py::object& progress, Array<double> out) {
    const Call call(experiment, tissue, M0, sigma, valid, model, wrt, form, basis, threads, progress);
    require_shape(out, {static_cast<py::ssize_t>(wrt.size()), call.voxels.size()}, "out");
    double* const bounds = out.mutable_data();
    const WithoutGil nogil;
    crb(call.problem, bounds);
}

// Arrays that are None are left out.
void py_in_one_run(const Experiment& experiment, const Array<double>& tissue, const Array<Complex>& M0,
                   const Array<double>& sigma, const Array<bool>& valid, const ModelCodes& model,
                   const std::vector<int>& wrt, int form, const Array<Complex>& basis, int threads,
                   const py::object& progress, Array<Complex> signal, std::optional<Array<Complex>> jacobian,
                   std::optional<py::array> F, std::optional<Array<double>> bounds) {
    const Call call(experiment, tissue, M0, sigma, valid, model, wrt, form, basis, threads, progress);
    const py::ssize_t n = call.voxels.size(), rank = basis.shape(1), P = static_cast<py::ssize_t>(wrt.size());
    require_shape(signal, {n, rank}, "signal");
    if (jacobian) require_shape(*jacobian, {n, rank, P}, "jacobian");
    if (bounds) require_shape(*bounds, {P, n}, "bounds");
    const FisherResults results{signal.mutable_data(), jacobian ? jacobian->mutable_data() : nullptr,
                                F ? fisher_output(*F, call) : nullptr, bounds ? bounds->mutable_data() : nullptr};
    const WithoutGil nogil;
    in_one_run(call.problem, results);
}

}  // namespace

void bind_fisher(py::module_& m) {
    m.def("fisher", &py_fisher, py::arg("experiment"), py::arg("tissue"), py::arg("M0"), py::arg("sigma"),
          py::arg("valid"), py::arg("physics"), py::arg("wrt"), py::arg("form"), py::arg("basis"), py::arg("threads"),
          py::arg("progress"), py::arg("out"));
    m.def("crb", &py_crb, py::arg("experiment"), py::arg("tissue"), py::arg("M0"), py::arg("sigma"), py::arg("valid"),
          py::arg("physics"), py::arg("wrt"), py::arg("form"), py::arg("basis"), py::arg("threads"),
          py::arg("progress"), py::arg("out").noconvert());
    m.def("in_one_run", &py_in_one_run, py::arg("experiment"), py::arg("tissue"), py::arg("M0"), py::arg("sigma"),
          py::arg("valid"), py::arg("physics"), py::arg("wrt"), py::arg("form"), py::arg("basis"), py::arg("threads"),
          py::arg("progress"), py::arg("signal").noconvert(), py::arg("jacobian").noconvert(), py::arg("F").noconvert(),
          py::arg("bounds").noconvert());
}

}  // namespace spinbound::bindings
