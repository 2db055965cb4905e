// Elementary functions of lanes. Coefficients: scripts/lanes_math_coefficients.py.
//   exp      any argument, clamped to [-708, 709]; 1.5 ulp
//   sincos   |x| <= 1e6, absolute error 2e-16
//   sqrt     correctly rounded
// NaN passes through all of them. (tests/test_lanes_math.py)
#pragma once

#include "lanes.hpp"

namespace spinbound {
namespace {

constexpr Real round_magic = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer in the low bits

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
    constexpr Real ln2_high = 0x1.62e42fef00000p-1, ln2_low = 0x1.473de6af278edp-34;
    x = select(x < -708.0, broadcast(-708.0), x);
    x = select(x > 709.0, broadcast(709.0), x);
    const Lane shifted = x * 1.4426950408889634 + round_magic;
    const Lane k = shifted - round_magic;
    const Lane r = (x - k * ln2_high) - k * ln2_low;
    const Lane scale = as_real((as_integer(shifted) + 1023) << 52);
    return (1.0 + (r + r * r * horner(c, r))) * scale;
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
    constexpr Real half_pi_1 = 0x1.921fb54400000p+0, half_pi_2 = 0x1.0b4611a600000p-34,
                   half_pi_3 = 0x1.3198a2e037073p-69;
    const Lane shifted = x * 0.63661977236758134 + round_magic;
    const Lane q = shifted - round_magic;
    const Lane r = ((x - q * half_pi_1) - q * half_pi_2) - q * half_pi_3;
    const Lane u = r * r;
    const Lane sine = r + r * u * horner(s, u);
    const Lane cosine = 1.0 - 0.5 * u + u * u * horner(c, u);
    const Mask quadrant = as_integer(shifted);
    const Mask odd = (quadrant & 1) != 0;
    const Mask sin_sign = (quadrant & 2) << 62, cos_sign = ((quadrant + 1) & 2) << 62;
    return {as_real(as_integer(select(odd, cosine, sine)) ^ sin_sign),
            as_real(as_integer(select(odd, sine, cosine)) ^ cos_sign)};
}

inline Lane sqrt(Lane x) noexcept {
    for (int i = 0; i < lanes; ++i) x[i] = __builtin_sqrt(x[i]);
    return x;
}

}  // namespace
}  // namespace spinbound
