#include <pybind11/stl.h>

#include "call.hpp"
#include "fit/fit.hpp"

namespace spinbound::bindings {
namespace {

template <class T>
T* data_or_null(std::optional<Array<T>>& array, const std::vector<py::ssize_t>& shape, const char* name) {
    if (!array) return nullptr;
    require_shape(*array, shape, name);
    return array->mutable_data();
}

template <class T>
T* output(Array<T>& array, const std::vector<py::ssize_t>& shape, const char* name) {
    require_shape(array, shape, name);
    return array.mutable_data();
}

using Stopping = std::tuple<double, double, double, int>;  // gradient, step, cost, max_iterations

void py_fit(const Experiment& experiment, Array<Complex> data, Array<double> tissue, Array<Complex> M0,
            Array<bool> valid, std::optional<Array<double>> sigma, ModelCodes model, const std::vector<int>& unknowns,
            int M0_treatment, const std::vector<double>& low, const std::vector<double>& high,
            std::optional<Array<double>> prior_mean, const std::vector<double>& prior_std, Stopping stopping,
            const OptionalBasis& basis, int threads, py::object progress, Array<double> estimates,
            Array<Complex> estimated_M0, Array<double> covariance, Array<double> estimated_sigma,
            Array<double> residual, Array<std::int8_t> status, Array<std::int32_t> iterations,
            Array<std::uint16_t> at_bound) {
    const Voxels voxels{std::move(tissue), std::move(M0), std::move(valid)};
    const Options options{model, threads, std::move(progress)};
    const py::ssize_t n = voxels.size(), n_unknowns = static_cast<py::ssize_t>(unknowns.size());
    const auto [gradient, step, cost, max_iterations] = stopping;
    const FitProblem problem{experiment,
                             voxels.view(),
                             data.data(),
                             data_or_null(sigma, {n}, "sigma"),
                             parameters_of(unknowns),
                             static_cast<M0Treatment>(M0_treatment),
                             low,
                             high,
                             data_or_null(prior_mean, {n_unknowns, n}, "prior_mean"),
                             prior_std,
                             {gradient, step, cost, max_iterations},
                             basis_of(basis, experiment),
                             options.run(voxels)};
    require_shape(data, {n, static_cast<py::ssize_t>(problem.basis.n_samples(experiment))}, "data");
    for (const std::size_t size : {low.size(), high.size(), prior_std.size()})
        if (size != unknowns.size()) throw InvalidArgument("low, high and prior_std need one entry for each unknown");
    const auto size = static_cast<py::ssize_t>(problem.size());
    const FitResults results{output(estimates, {n_unknowns, n}, "estimates"),
                             output(estimated_M0, {n}, "estimated_M0"),
                             output(covariance, {n, size, size}, "covariance"),
                             output(estimated_sigma, {n}, "estimated_sigma"),
                             output(residual, {n}, "residual"),
                             output(status, {n}, "status"),
                             output(iterations, {n}, "iterations"),
                             output(at_bound, {n}, "at_bound")};
    const WithoutGil nogil;
    fit(problem, results);
}

py::list statuses() {
    py::list table;
    for (const StatusInfo& status : status_table) table.append(py::make_tuple(status.name, status.sentence));
    return table;
}

}  // namespace

void bind_fit(py::module_& m) {
    m.attr("statuses") = py::tuple(statuses());
    m.def("fit", &py_fit, py::arg("experiment"), py::arg("data"), py::arg("tissue"), py::arg("M0"), py::arg("valid"),
          py::arg("sigma"), py::arg("physics"), py::arg("unknowns"), py::arg("M0_treatment"), py::arg("low"),
          py::arg("high"), py::arg("prior_mean"), py::arg("prior_std"), py::arg("stopping"), py::arg("basis"),
          py::arg("threads"), py::arg("progress"), py::arg("estimates").noconvert(),
          py::arg("estimated_M0").noconvert(), py::arg("covariance").noconvert(),
          py::arg("estimated_sigma").noconvert(), py::arg("residual").noconvert(), py::arg("status").noconvert(),
          py::arg("iterations").noconvert(), py::arg("at_bound").noconvert());
}

}  // namespace spinbound::bindings
