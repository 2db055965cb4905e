#include <numbers>

#include "models/greens_table.hpp"
#include "models/saturation.hpp"
#include "plan/require.hpp"

namespace spinbound::models {
namespace {

// (1/TRF) int_0^TRF W dt = T2s^2/TRF sum_(j, k) Re(conj(omega1_j) omega1_k) D_|j - k|, half of it for j = k, where
// D_d = I((d + 1) x) - 2 I(d x) + I((d - 1) x), I(-x) = I(x), x = sample/T2s.
Rate spectral_rate(const Pulse& pulse, const Tissue& tissue) {
    const GreensTable& table = GreensTable::get(pulse.model.lineshape);
    const int n = pulse.n_samples();
    const double x = pulse.sample_duration() / tissue.T2s;
    Rate rate{0, 0};
    for (int d = 0; d < n; ++d) {
        double correlation = 0;
        for (int k = d; k < n; ++k)
            correlation += std::real(std::conj(pulse.omega1(k, tissue.B1)) * pulse.omega1(k - d, tissue.B1));
        const double weights[] = {1, d > 0 ? -2.0 : 0.0, d > 0 ? 1.0 : 0.0};
        for (int side = 0; side < 3; ++side) {
            if (weights[side] == 0) continue;
            const double kappa = (d + 1 - side) * x, I = table.second_integral(kappa);
            const double factor = weights[side] * correlation * tissue.T2s / pulse.TRF;
            rate.value += factor * tissue.T2s * I;
            rate.dT2s += factor * (2 * I - kappa * table.integral(kappa));
        }
    }
    return rate;
}

Rate resonant_rate(const Pulse& pulse, const Tissue& tissue) {
    if (pulse.model.lineshape == Lineshape::superlorentzian)
        throw InvalidArgument("the super-Lorentzian is infinite on resonance: graham-single-frequency has no rate");
    const double area = pulse.model.lineshape == Lineshape::gaussian ? std::sqrt(std::numbers::pi / 2) : 1;
    double mean_square = 0;
    for (int k = 0; k < pulse.n_samples(); ++k)
        mean_square += std::norm(pulse.omega1(k, tissue.B1)) / pulse.n_samples();
    return {mean_square * area * tissue.T2s, mean_square * area};
}

}  // namespace

Rate average_rate(const Pulse& pulse, const Tissue& tissue) {
    return pulse.model.name == ModelName::graham ? spectral_rate(pulse, tissue) : resonant_rate(pulse, tissue);
}

template <int n_derivatives>
Affine<n_derivatives> graham_propagator(const Pulse& pulse, const Tissue& tissue) {
    const Rate rate = average_rate(pulse, tissue);
    Affine<n_derivatives> result = identity<n_derivatives>(), sample;
    for (int k = 0; k < pulse.n_samples(); ++k) {
        pulse.poll();
        if (!pulse.continues(k))
            sample = exponential(generator<n_derivatives>(tissue, pulse.omega1(k, tissue.B1), rate),
                                 pulse.sample_duration());
        result = sample * result;
    }
    return result;
}

template Affine<0> graham_propagator(const Pulse&, const Tissue&);
template Affine<n_tissue_parameters> graham_propagator(const Pulse&, const Tissue&);

}  // namespace spinbound::models
