// The semi-solid pool under a rectangular pulse: Green's functions, the exact response z of the isolated pool, the
// dimensionless rate rho = R2sl T2s that reproduces it in the linear model, and their smooth tables.
//
// With tau = TRF/T2s and theta = B1 alpha (so Omega = omega1 T2s = theta/tau), generalized Bloch, MRM 2022, eq. (9):
//     z'(t) = -Omega^2 int_0^t G(t - s) z(s) ds,  z(0) = 1,  t in units of T2s.
// Integrated twice this is z = sum_k (-Omega^2)^k h_k(t) with h_0 = 1 and
//     h_k(t) = int_0^t H(t - s) h_(k-1)(s) ds,  H(t) = int_0^t G:
// one sequence of functions of time alone gives z for every pulse (theory, section 4).
#pragma once

#include <memory>
#include <vector>

#include "records/model.hpp"
#include "records/patch.hpp"

namespace spinbound {

// G(kappa), kappa = (t - s)/T2s >= 0; dimensionless, G(0) = 1.
double greens_function(Lineshape lineshape, double kappa);

// dG/dkappa
double greens_slope(Lineshape lineshape, double kappa);

// The exact response, to 1e-11, for 0 < tau <= tau_max and 0 <= theta <= 2 pi.
class PoolResponse {
public:
    static constexpr double tau_limit = 1e9;  // of tau_max

    PoolResponse(Lineshape lineshape, double tau_max);
    ~PoolResponse();
    PoolResponse(PoolResponse&&) noexcept;
    PoolResponse& operator=(PoolResponse&&) noexcept;

    double tau_max() const;
    double z(double tau, double theta) const;
    double rho(double tau, double theta) const;  // theta <= max_flip, tau >= min_tau
    // The same for many theta at one tau, where most of the work is shared.
    std::vector<double> z(double tau, const std::vector<double>& theta) const;
    std::vector<double> rho(double tau, const std::vector<double>& theta) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

struct PatchValue {
    double f, f_x, f_u, f_xx, f_xu, f_uu;
};

PatchValue evaluate(const Patch& patch, double x, double u);
double value(const Patch& patch, double x, double u);  // f alone

// Tables of rho and z over ln tau: patches of width 2 ln(patch_ratio), one every ln(patch_ratio), so that any interval
// of width ln(patch_ratio) lies in one of them; over theta they are nested, [0, edge].
class ResponseTable {
public:
    static constexpr double patch_ratio = 1.5;

    // The table for tau up to at least tau_max; built once per process and lineshape, then shared.
    static std::shared_ptr<const ResponseTable> get(Lineshape lineshape, double tau_max);

    // The smallest patch that holds min_tau <= tau, x_low <= ln tau <= x_low + ln(patch_ratio), theta <= theta_max.
    const Patch& rho(double x_low, double theta_max) const;  // theta_max <= max_flip
    const Patch& z(double x_low, double theta_max) const;    // theta_max <= max_crusher_flip

    explicit ResponseTable(const PoolResponse& response);
    ~ResponseTable();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace spinbound
