// spinbound._core.reference: the oracle of the tests, one voxel per call.
#include "arrays.hpp"
#include "reference/reference.hpp"

namespace spinbound::bindings {
namespace {

using Complex = std::complex<double>;

py::tuple simulate(const Sequence& sequence, const Array<double>& tissue, const Array<double>& R2sl, bool extended) {
    const py::ssize_t n = sequence.n_pulses();
    Array<double> magnetization(Shape{n, 5}), jacobian(Shape{n, 5, 8});
    reference::simulate(sequence, as_input(tissue, {8}, "tissue"), as_input(R2sl, {n, 3}, "R2sl"),
                        magnetization.mutable_data(), jacobian.mutable_data(), extended);
    return py::make_tuple(magnetization, jacobian);
}

Array<Complex> simulate_complex(const Sequence& sequence, const Array<Complex>& tissue, const Array<Complex>& R2sl) {
    const py::ssize_t n = sequence.n_pulses();
    Array<Complex> magnetization(Shape{n, 5});
    reference::simulate(sequence, as_input(tissue, {8}, "tissue"), as_input(R2sl, {n, 3}, "R2sl"),
                        magnetization.mutable_data());
    return magnetization;
}

Array<double> pulse(double alpha, double TRF, const Array<double>& tissue, const Array<double>& R2sl,
                    const Array<double>& magnetization) {
    Array<double> after(Shape{5});
    reference::pulse(alpha, TRF, as_input(tissue, {8}, "tissue"), as_input(R2sl, {3}, "R2sl"),
                     as_input(magnetization, {5}, "magnetization"), after.mutable_data());
    return after;
}

py::tuple exponential(const Array<double>& a, const Array<double>& directions) {
    Array<double> value(Shape{6, 6}), derivatives(Shape{8, 6, 6});
    reference::exponential(as_input(a, {6, 6}, "a"), as_input(directions, {8, 6, 6}, "directions"),
                           value.mutable_data(), derivatives.mutable_data());
    return py::make_tuple(value, derivatives);
}

}  // namespace

void bind_reference(py::module_& m) {
    py::module_ reference = m.def_submodule("reference", "The model by matrix exponentials: the tests' oracle.");
    reference.def("simulate", &simulate, "sequence"_a, "tissue"_a, "R2sl"_a, "extended"_a = true,
                  "Magnetization (n, 5) at the echoes and its derivatives (n, 5, 8); tissue (8,), R2sl (n, 3). "
                  "Extended: in long double, else in double.");
    reference.def("simulate_complex", &simulate_complex, "sequence"_a, "tissue"_a, "R2sl"_a,
                  "Magnetization (n, 5) of a complex tissue (8,) and R2sl (n, 3), for complex-step derivatives.");
    reference.def("pulse", &pulse, "alpha"_a, "TRF"_a, "tissue"_a, "R2sl"_a, "magnetization"_a,
                  "Magnetization (5,) after one rectangular pulse; xs is kept.");
    reference.def("exponential", &exponential, "a"_a, "directions"_a,
                  "exp(a), a (6, 6), and its Frechet derivatives (8, 6, 6) in the directions (8, 6, 6).");
}

}  // namespace spinbound::bindings
