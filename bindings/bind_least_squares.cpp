// The minimiser of fits, for tests with models of their own.
#include <pybind11/eigen.h>
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "fit/least_squares.hpp"
#include "tuples.hpp"

namespace spinbound::bindings {
namespace {

using Vector = Eigen::VectorXd;
using Prior = std::pair<Vector, Vector>;  // mean, weight

LeastSquares make(const Vector& start, const Vector& low, const Vector& high, const std::optional<Prior>& prior,
                  const StoppingTuple& stopping) {
    if (start.size() > max_unknowns) throw InvalidArgument("start has too many unknowns");
    for (const Vector* bound : {&low, &high})
        if (bound->size() != start.size()) throw InvalidArgument("low and high must be as long as start");
    const auto [mean, weight] = prior.value_or(Prior{});
    if (prior && (mean.size() != start.size() || weight.size() != start.size()))
        throw InvalidArgument("prior has a wrong length");
    return {start, {low, high}, {mean, weight}, as_stopping_rules(stopping)};
}

bool take(LeastSquares& fit, const Eigen::MatrixXd& J, const Vector& r) {
    if (J.rows() != r.size() || J.cols() != fit.trial().size()) throw InvalidArgument("J has a wrong shape");
    return fit.take(J, r);
}

constexpr const char* outcomes[] = {"running", "gradient", "step", "cost", "max_iterations", "failed"};

Vector copy(const spinbound::Unknowns& x) { return x; }

}  // namespace

void bind_least_squares(py::module_& m) {
    py::class_<LeastSquares>(m, "LeastSquares")
        .def(py::init(&make), "start"_a, "low"_a, "high"_a, py::kw_only(), "prior"_a = py::none(), "stopping"_a)
        .def("take", &take, "J"_a, "r"_a)
        .def("refuse", &LeastSquares::refuse)
        .def_property_readonly("trial", [](const LeastSquares& fit) { return copy(fit.trial()); })
        .def_property_readonly("estimate", [](const LeastSquares& fit) { return copy(fit.estimate()); })
        .def_property_readonly("outcome",
                               [](const LeastSquares& fit) { return outcomes[static_cast<int>(fit.outcome())]; })
        .def_property_readonly("cost", &LeastSquares::cost)
        .def_property_readonly("iterations", &LeastSquares::iterations)
        .def_property_readonly("factor", &LeastSquares::factor);
}

}  // namespace spinbound::bindings
