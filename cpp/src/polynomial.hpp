// Economised polynomials of the exponential for the pulses (docs/theory.md, "Polynomial").
#pragma once

#include "abi.hpp"

namespace spinbound {

// Absolute, on the region of a step. A steady state amplifies it up to a thousandfold.
inline constexpr double polynomial_tolerance = 1e-12;
inline constexpr double max_left = 15.0;   // monomials about zero lose e^left of the unit roundoff of what decays
inline constexpr double max_height = 4.6;

// For matrices whose numerical range lies in [-left, right] x [-i height, i height]. The region is rounded up to a
// fixed grid, so that few polynomials exist; they are kept for the life of the process.
Polynomial exponential_polynomial(double left, double right, double height);

}  // namespace spinbound
