#include <pybind11/stl.h>

#include "bind_call.hpp"

namespace spinbound::bindings {
namespace {

FisherProblem problem_of(const Call& call, const Noise& noise, const Unknowns& unknowns) {
    return {call.experiment(), call.tissue(), noise.of(call), unknowns.parameters,
            unknowns.form,     call.basis(),  call.options()};
}

template <class T>
void* as_matrices(const py::array& out, const Shape& shape) {
    if (!Array<T>::check_(out)) throw InvalidArgument("F has a wrong type");
    auto F = py::reinterpret_borrow<Array<T>>(out);
    return as_output(F, shape, "F");
}

// Of complex numbers in the complex form, else of real ones.
void* fisher_output(const py::array& out, const FisherProblem& problem) {
    const Shape shape{static_cast<py::ssize_t>(problem.tissue.n_voxels), problem.size(), problem.size()};
    return problem.form == FisherForm::complex ? as_matrices<Complex>(out, shape) : as_matrices<double>(out, shape);
}

void py_fisher(const Call& call, const Noise& noise, const Unknowns& unknowns, const py::array& out) {
    const FisherProblem problem = problem_of(call, noise, unknowns);
    void* const F = fisher_output(out, problem);
    const WithoutGil nogil;
    fisher(problem, F);
}

void py_crb(const Call& call, const Noise& noise, const Unknowns& unknowns, Array<double> out,
            const std::optional<Array<double>>& prior, std::optional<Array<double>> condition) {
    const FisherProblem problem = problem_of(call, noise, unknowns);
    const double* const rows = as_input(prior, {problem.size(), problem.size()}, "prior");
    const BoundResults results{as_output(out, {unknowns.size(), call.n_voxels()}, "bounds"),
                               as_output(condition, {call.n_voxels()}, "condition")};
    const WithoutGil nogil;
    crb(problem, rows, results);
}

void py_in_one_run(const Call& call, const Noise& noise, const Unknowns& unknowns, Array<Complex> signals,
                   std::optional<Array<Complex>> J, const std::optional<py::array>& F,
                   std::optional<Array<double>> bounds) {
    if (call.basis().rank == 0) throw InvalidArgument("basis is missing");
    const FisherProblem problem = problem_of(call, noise, unknowns);
    const FisherResults results{as_output(signals, {call.n_voxels(), call.n_samples()}, "signals"),
                                as_output(J, {call.n_voxels(), call.n_samples(), unknowns.size()}, "sensitivities"),
                                F ? fisher_output(*F, problem) : nullptr,
                                as_output(bounds, {unknowns.size(), call.n_voxels()}, "crb")};
    const WithoutGil nogil;
    in_one_run(problem, results);
}

}  // namespace

void bind_fisher(py::module_& m) {
    m.def("fisher", &py_fisher, "call"_a, "noise"_a, "unknowns"_a, "F"_a.noconvert(),
          "Fisher matrices (n, size, size), complex in the complex form; M0 has two rows in the real one.");
    m.def("crb", &py_crb, "call"_a, "noise"_a, "unknowns"_a, "bounds"_a.noconvert(), py::kw_only(),
          "prior"_a.noconvert() = py::none(), "condition"_a.noconvert() = py::none(),
          "Bounds (unknowns, n): Cramer-Rao, or diag((F + P^-1)^-1) of a prior with rows R (size, size), R^T R = P^-1; "
          "and the condition (n,) of the column-scaled Jacobian.");
    m.def("in_one_run", &py_in_one_run, "call"_a, "noise"_a, "unknowns"_a, "signals"_a.noconvert(), py::kw_only(),
          "sensitivities"_a.noconvert() = py::none(), "fisher"_a.noconvert() = py::none(),
          "crb"_a.noconvert() = py::none(),
          "Signals (n, rank) in a basis, and of the others those that are wanted, as the functions of these names.");
}

}  // namespace spinbound::bindings
