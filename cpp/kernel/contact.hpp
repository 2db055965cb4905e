// Where the semi-solid pool is overdamped, one real eigenvalue -mu of the pulse lies far to the left of all others. A
// polynomial of the region of the others only, of low degree, becomes that of the pulse if it touches the exponential
// there (theory, section 3):
//     f(x) = p(x) + (g0 + g1 x) q(x),  f(X) = f'(X) = exp(X),  X = (R2f - mu) T,
// with q small where p holds. An error of mu counts with its square.
#pragma once

#include "kernel/lanes_math.hpp"
#include "kernel/response.hpp"

namespace spinbound {
namespace {

struct Contact {
    Lane g0, g1;
};

// mu of the pair (s, xs), and the exchange of s with the rotating free pool to first order.
inline Lane fast_rate(const Voxel& v, Lane omega1, Lane R2sl) noexcept {
    const Lane b = R2sl - v.rs, omega1_sq = omega1 * omega1;
    const Lane D = 0.5 * (b + sqrt(b * b - 4.0 * omega1_sq));
    const Lane mu = D + v.rs;
    const Lane off_resonance = mu * mu + v.omega0 * v.omega0;
    const Lane exchange = v.kfs * v.ksf * off_resonance / ((mu - v.rz) * off_resonance + omega1_sq * mu);
    return mu - omega1_sq / (D * D - omega1_sq) * exchange;
}

// All that a pulse asks of a voxel beside its rates.
struct PulseResponse {
    Response pool;
    Contact contact;
};

inline Contact contact(const Voxel& v, const PulsePlan& pulse, Lane R2sl) noexcept {
    if (!pulse.polynomial.touches) return {Lane{}, Lane{}};
    const Real omega1_B1 = Real(pulse.alpha / pulse.TRF), dt = Real(pulse.TRF / pulse.n_steps);
    const Lane X = dt * (v.R2f - fast_rate(v, omega1_B1 * v.B1, R2sl));
    Lane p{}, q{}, dp{}, dq{};
    for (int j = pulse.polynomial.degree; j >= 0; --j) {
        const Coefficients& c = pulse.polynomial.coefficient[j];
        dp = dp * X + p;
        p = p * X + Real(c.p);
        dq = dq * X + q;
        q = q * X + Real(c.q);
    }
    const Lane target = exp(X), inverse_q = 1.0 / q;
    const Lane value = (target - p) * inverse_q, slope = (target - dp - value * dq) * inverse_q;
    return {value - X * slope, slope};
}

template <bool sloped>
inline PulseResponse pulse_response(const Voxel& v, const PulsePlan& pulse) noexcept {
    const Response pool = saturation<sloped>(v, pulse);
    return {pool, contact(v, pulse, pool.value)};
}

}  // namespace
}  // namespace spinbound
