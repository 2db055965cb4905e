// Elementary functions of lanes. Coefficients: tools/lanes_math_coefficients.py.
//   exp      any argument, clamped to [-708, 709] ([-87, 88] in single precision); 1.5 ulp
//   sincos   |x| <= 1e6, absolute error 2e-16 (|x| <= 1e3, 1.2e-7 in single precision)
//   sqrt     correctly rounded
// NaN passes through all of them. (tests/core/test_lanes_math.py)
#pragma once

#include "kernel/lanes.hpp"

namespace spinbound {
namespace {

// ln 2 and pi/2 in parts, the leading ones short enough that their products with the integers that occur are exact.
template <class Number>
struct Format;

template <>
struct Format<double> {
    static constexpr int mantissa_bits = 52, exponent_bias = 1023;
    static constexpr double round_magic = 0x1.8p52;  // adding it rounds to an integer in the low bits
    static constexpr double lowest_exp = -708, highest_exp = 709;
    static constexpr double ln2[] = {0x1.62e42fef00000p-1, 0x1.473de6af278edp-34};
    static constexpr double half_pi[] = {0x1.921fb54400000p+0, 0x1.0b4611a600000p-34, 0x1.3198a2e037073p-69};
};

template <>
struct Format<float> {
    static constexpr int mantissa_bits = 23, exponent_bias = 127;
    static constexpr float round_magic = 0x1.8p23f;
    static constexpr float lowest_exp = -87, highest_exp = 88;
    static constexpr float ln2[] = {0x1.62e4p-1f, 0x1.7f7d1cp-20f};
    static constexpr float half_pi[] = {0x1.922p+0f, -0x1.2aep-18f, -0x1.de973ep-31f};
};

constexpr Format<Real> format;

template <int n>
inline Lane horner(const Real (&c)[n], Lane x) noexcept {
    Lane sum = broadcast(c[n - 1]);
    for (int k = n - 2; k >= 0; --k) sum = sum * x + c[k];
    return sum;
}

// exp(x) = 2^k exp(r), x = k ln 2 + r, |r| <= ln(2)/2
inline Lane exp(Lane x) noexcept {
    constexpr Real c[] = {0.50000000000000011,    0.16666666666666669,    0.041666666666624164,
                          0.008333333333330065,   0.0013888888917196719,  0.00019841269863040545,
                          2.4801521322368692e-05, 2.7557268480310024e-06, 2.7620075879983367e-07,
                          2.5100375832561234e-08};
    x = select(x < format.lowest_exp, broadcast(format.lowest_exp), x);
    x = select(x > format.highest_exp, broadcast(format.highest_exp), x);
    const Lane shifted = x * Real(1.4426950408889634) + format.round_magic;
    const Lane k = shifted - format.round_magic;
    const Lane r = (x - k * format.ln2[0]) - k * format.ln2[1];
    const Lane scale = as_real((as_integer(shifted) + format.exponent_bias) << format.mantissa_bits);
    return (1 + (r + r * r * horner(c, r))) * scale;
}

struct SinCos {
    Lane sin, cos;
};

// x = q pi/2 + r, |r| <= pi/4; the quadrant q swaps and flips
inline SinCos sincos(Lane x) noexcept {
    constexpr Real s[] = {-0.16666666666666666,   0.008333333333330948,    -0.00019841269836758574,
                          2.7557316102552439e-06, -2.5051131845003624e-08, 1.5918129294866608e-10};
    constexpr Real c[] = {0.041666666666666664,    -0.0013888888888887398, 2.4801587298765689e-05,
                          -2.7557317271729793e-07, 2.0876146268403199e-09, -1.1382632425521717e-11};
    const Lane shifted = x * Real(0.63661977236758134) + format.round_magic;
    const Lane q = shifted - format.round_magic;
    const Lane r = ((x - q * format.half_pi[0]) - q * format.half_pi[1]) - q * format.half_pi[2];
    const Lane u = r * r;
    const Lane sine = r + r * u * horner(s, u);
    const Lane cosine = 1 - Real(0.5) * u + u * u * horner(c, u);
    const Mask quadrant = as_integer(shifted);
    const Mask odd = (quadrant & 1) != 0;
    constexpr int to_sign = 8 * sizeof(Real) - 2;
    const Mask sin_sign = (quadrant & 2) << to_sign, cos_sign = ((quadrant + 1) & 2) << to_sign;
    return {as_real(as_integer(select(odd, cosine, sine)) ^ sin_sign),
            as_real(as_integer(select(odd, sine, cosine)) ^ cos_sign)};
}

inline double sqrt(double x) noexcept { return __builtin_sqrt(x); }
inline float sqrt(float x) noexcept { return __builtin_sqrtf(x); }

inline Lane sqrt(Lane x) noexcept {
    for (int i = 0; i < lanes; ++i) x[i] = sqrt(Real(x[i]));
    return x;
}

}  // namespace
}  // namespace spinbound
