// The minimiser of fits, for tests with models of their own.
#include <pybind11/eigen.h>

#include "arrays.hpp"
#include "fit/least_squares.hpp"

namespace spinbound::bindings {
namespace {

using Vector = Eigen::VectorXd;

LeastSquares make(const Vector& start, const Vector& low, const Vector& high, const Vector& prior_mean,
                  const Vector& prior_weight, double gradient, double step, double cost, int max_iterations) {
    if (start.size() > max_unknowns) throw InvalidArgument("start has too many unknowns");
    for (const Vector* bound : {&low, &high})
        if (bound->size() != start.size()) throw InvalidArgument("low and high must be as long as start");
    for (const Vector* prior : {&prior_mean, &prior_weight})
        if (prior->size() != 0 && prior->size() != start.size()) throw InvalidArgument("prior has a wrong length");
    return {start, {low, high}, {prior_mean, prior_weight}, {gradient, step, cost, max_iterations}};
}

bool take(LeastSquares& fit, const Eigen::MatrixXd& J, const Vector& r) {
    if (J.rows() != r.size() || J.cols() != fit.trial().size()) throw InvalidArgument("J has a wrong shape");
    return fit.take(J, r);
}

const char* name_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::running:
            return "running";
        case Outcome::gradient:
            return "gradient";
        case Outcome::step:
            return "step";
        case Outcome::cost:
            return "cost";
        case Outcome::max_iterations:
            return "max_iterations";
        case Outcome::failed:
            return "failed";
    }
    return "";
}

Vector copy(const Unknowns& x) { return x; }

}  // namespace

void bind_least_squares(py::module_& m) {
    py::class_<LeastSquares>(m, "LeastSquares")
        .def(py::init(&make), py::arg("start"), py::arg("low"), py::arg("high"), py::arg("prior_mean"),
             py::arg("prior_weight"), py::arg("gradient"), py::arg("step"), py::arg("cost"), py::arg("max_iterations"))
        .def("take", &take, py::arg("J"), py::arg("r"))
        .def("refuse", &LeastSquares::refuse)
        .def_property_readonly("trial", [](const LeastSquares& fit) { return copy(fit.trial()); })
        .def_property_readonly("estimate", [](const LeastSquares& fit) { return copy(fit.estimate()); })
        .def_property_readonly("outcome", [](const LeastSquares& fit) { return name_of(fit.outcome()); })
        .def_property_readonly("cost", &LeastSquares::cost)
        .def_property_readonly("iterations", &LeastSquares::iterations)
        .def_property_readonly("factor", &LeastSquares::factor);
}

}  // namespace spinbound::bindings
