#include <pybind11/stl.h>

#include "bind_call.hpp"
#include "fit/fit.hpp"

namespace spinbound::bindings {
namespace {

// What a fit is asked beside its call; one entry per unknown, unless said otherwise.
struct FitProblem {
    Array<Complex> data;  // (n_voxels, n_samples)
    M0Treatment M0;
    std::vector<double> low, high;
    std::optional<Array<double>> prior_mean;  // (unknowns, n_voxels)
    std::vector<double> prior_std;
    Depth depth;
    std::vector<double> reach;  // of a look; empty else
    StoppingRules stopping;
};

struct FitResults {
    Array<double> estimates;
    Array<Complex> M0;
    Array<double> covariance, sigma, residual, misfit;
    Array<std::int8_t> status;
    Array<std::int32_t> iterations;
    Array<std::uint16_t> at_bound;
};

FitProblem make_problem(Array<Complex> data, int M0, std::vector<double> low, std::vector<double> high,
                        std::optional<Array<double>> prior_mean, std::vector<double> prior_std,
                        const StoppingTuple& stopping, int depth, std::vector<double> reach) {
    return {std::move(data),
            static_cast<M0Treatment>(M0),
            std::move(low),
            std::move(high),
            std::move(prior_mean),
            std::move(prior_std),
            static_cast<Depth>(depth),
            std::move(reach),
            as_stopping_rules(stopping)};
}

spinbound::FitProblem as_asked(const FitProblem& problem, const Call& call, const std::optional<Noise>& noise,
                               const Unknowns& unknowns) {
    for (const auto* list : {&problem.low, &problem.high, &problem.prior_std})
        if (list->size() != unknowns.parameters.size())
            throw InvalidArgument("low, high and prior_std need one entry for each unknown");
    if (problem.depth == Depth::look &&
        (problem.reach.size() != unknowns.parameters.size() || problem.M0 == M0Treatment::fitted))
        throw InvalidArgument("a look needs a reach for each unknown, and no M0 among them");
    const py::ssize_t n = call.n_voxels();
    return {call.experiment(),
            call.tissue(),
            as_input(problem.data, {n, call.n_samples()}, "data"),
            noise ? noise->of(call) : NoiseView{},
            unknowns.parameters,
            problem.M0,
            problem.low,
            problem.high,
            as_input(problem.prior_mean, {unknowns.size(), n}, "prior_mean"),
            problem.prior_std,
            problem.depth,
            problem.reach,
            problem.stopping,
            call.basis(),
            call.options()};
}

spinbound::FitResults as_outputs(FitResults& results, py::ssize_t n_unknowns, py::ssize_t size, py::ssize_t n) {
    return {as_output(results.estimates, {n_unknowns, n}, "estimates"),
            as_output(results.M0, {n}, "M0"),
            as_output(results.covariance, {n, size, size}, "covariance"),
            as_output(results.sigma, {n}, "sigma"),
            as_output(results.residual, {n}, "residual"),
            as_output(results.misfit, {n}, "misfit"),
            as_output(results.status, {n}, "status"),
            as_output(results.iterations, {n}, "iterations"),
            as_output(results.at_bound, {n}, "at_bound")};
}

void py_fit(const Call& call, const std::optional<Noise>& noise, const Unknowns& unknowns, const FitProblem& problem,
            FitResults& results) {
    const spinbound::FitProblem asked = as_asked(problem, call, noise, unknowns);
    const auto size = static_cast<py::ssize_t>(asked.size());
    const spinbound::FitResults outputs = as_outputs(results, unknowns.size(), size, call.n_voxels());
    const WithoutGil nogil;
    fit(asked, outputs);
}

py::tuple statuses() {
    py::list table;
    for (const StatusInfo& status : status_table) table.append(py::make_tuple(status.name, status.sentence));
    return table;
}

}  // namespace

void bind_fit(py::module_& m) {
    m.attr("statuses") = statuses();
    py::class_<FitProblem>(
        m, "FitProblem",
        "data (n, n_samples); the treatment of M0: known, eliminated, fitted; low and high of every "
        "unknown; prior_mean (unknowns, n) or None; prior_std of every unknown, inf: no prior; "
        "stopping (gradient, step, cost, max_iterations); the depth: look, rough, full; the reach of "
        "every unknown, for a look.")
        .def(py::init(&make_problem), "data"_a, py::kw_only(), "M0"_a, "low"_a, "high"_a, "prior_mean"_a, "prior_std"_a,
             "stopping"_a, "depth"_a = static_cast<int>(Depth::full), "reach"_a = std::vector<double>());
    py::class_<FitResults>(m, "FitResults",
                           "Arrays to fill: estimates (unknowns, n), covariance (n, size, size) of the unknowns and of "
                           "Re M0 and Im M0 unless it is known, at_bound with bit k for unknown k; the others (n,).")
        .def(py::init<Array<double>, Array<Complex>, Array<double>, Array<double>, Array<double>, Array<double>,
                      Array<std::int8_t>, Array<std::int32_t>, Array<std::uint16_t>>(),
             py::kw_only(), "estimates"_a.noconvert(), "M0"_a.noconvert(), "covariance"_a.noconvert(),
             "sigma"_a.noconvert(), "residual"_a.noconvert(), "misfit"_a.noconvert(), "status"_a.noconvert(),
             "iterations"_a.noconvert(), "at_bound"_a.noconvert());
    m.def("fit", &py_fit, "call"_a, "noise"_a, "unknowns"_a, "problem"_a, "results"_a,
          "Least squares from the tissue and M0 of the call; without noise sigma is estimated.");
}

}  // namespace spinbound::bindings
