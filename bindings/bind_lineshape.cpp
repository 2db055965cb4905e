// Lineshapes, the exact response of the isolated semi-solid pool, and its tables, one value at a time: for tests.
#include <array>
#include <cmath>
#include <optional>
#include <string>

#include <pybind11/stl.h>

#include "arrays.hpp"
#include "plan/lineshape.hpp"

namespace spinbound::bindings {
namespace {

Lineshape lineshape_of(int code) {
    if (code < 0 || code > 2) throw py::value_error("lineshape must be 0, 1 or 2; it is " + std::to_string(code));
    return static_cast<Lineshape>(code);
}

double py_greens_function(int lineshape, double kappa) { return greens_function(lineshape_of(lineshape), kappa); }

double py_greens_slope(int lineshape, double kappa) { return greens_slope(lineshape_of(lineshape), kappa); }

using Scalar = double (PoolResponse::*)(double, double) const;

bool inside(const Patch& patch, double x, double u) {
    constexpr double edge = 1 + 1e-9;  // rounding of x and u
    return std::abs(patch.x_scale * x + patch.x_shift) <= edge && std::abs(patch.u_scale * u + patch.u_shift) <= edge;
}

// f f_x f_u f_xx f_xu f_uu at x = ln tau, u = theta^2, in the patch of voxels with ln tau from x_low on and angles up
// to theta_max.
Array<double> py_response_table(int lineshape, double tau_max, double tau, double theta, const std::string& which,
                                std::optional<double> x_low, std::optional<double> theta_max) {
    const auto table = ResponseTable::get(lineshape_of(lineshape), tau_max);
    const double x = std::log(tau), low = x_low.value_or(x), angle = theta_max.value_or(theta);
    if (which != "rho" && which != "z") throw py::value_error("which must be 'rho' or 'z'; it is '" + which + "'");
    const Patch& patch = which == "rho" ? table->rho(low, angle) : table->z(low, angle);
    if (!inside(patch, x, theta * theta))
        throw py::value_error("tau = " + std::to_string(tau) + ", theta = " + std::to_string(theta) +
                              " lies outside the patch of these x_low and theta_max");
    const auto v = evaluate(patch, x, theta * theta);
    const std::array values{v.f, v.f_x, v.f_u, v.f_xx, v.f_xu, v.f_uu};
    return Array<double>(values.size(), values.data());
}

}  // namespace

void bind_lineshape(py::module_& m) {
    m.def("greens_function", py::vectorize(py_greens_function), "lineshape"_a, "kappa"_a,
          "G(kappa), kappa = (t - s)/T2s >= 0; lineshape: superlorentzian 0, gaussian 1, lorentzian 2.");
    m.def("greens_slope", py::vectorize(py_greens_slope), "lineshape"_a, "kappa"_a, "dG/dkappa of the same.");
    py::class_<PoolResponse>(m, "PoolResponse",
                             "Exact response of the isolated semi-solid pool to a rectangular pulse, tau = TRF/T2s.")
        .def(py::init([](int lineshape, double tau_max) { return PoolResponse(lineshape_of(lineshape), tau_max); }),
             "lineshape"_a, "tau_max"_a)
        .def_property_readonly("tau_max", &PoolResponse::tau_max)
        .def("z", py::vectorize(static_cast<Scalar>(&PoolResponse::z)), "tau"_a, "theta"_a,
             "zs at the end of a pulse of flip angle theta (rad), from zs = 1.")
        .def("rho", py::vectorize(static_cast<Scalar>(&PoolResponse::rho)), "tau"_a, "theta"_a,
             "R2sl T2s, the rate of the linear model that ends the pulse with the same zs.");
    m.def("response_table", &py_response_table, "lineshape"_a, "tau_max"_a, "tau"_a, "theta"_a, "which"_a,
          py::kw_only(), "x_low"_a = py::none(), "theta_max"_a = py::none(),
          "Value and partials f f_x f_u f_xx f_xu f_uu of the table of 'rho' or 'z', x = ln tau, u = theta^2, in the "
          "patch that holds [x_low, x_low + ln 1.5] (x_low: ln tau unless given) and [0, theta_max] (theta).");
}

}  // namespace spinbound::bindings
