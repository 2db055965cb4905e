// Economised polynomials of the exponential for the pulses (theory, section 3).
#pragma once

#include "kernel/abi.hpp"

namespace spinbound {

inline constexpr double max_left = 15.0;  // monomials about zero lose e^left of the unit roundoff of what decays
inline constexpr double max_height = 4.6;

// [-left, right] x [-i height, i height]
struct Region {
    double left, right, height;
};

// For matrices whose numerical range lies in `whole`, or of the lower degree: if all of it but one real eigenvalue far
// to the left lies in `slow`, and the kernel makes the polynomial touch the exponential there. The error is below the
// tolerance times exp(right). Regions are rounded up to a fixed grid, so that few polynomials exist; they are kept for
// the life of the process.
Polynomial exponential_polynomial(const Region& whole, double tolerance);
Polynomial exponential_polynomial(const Region& whole, const Region& slow, double tolerance);

}  // namespace spinbound
