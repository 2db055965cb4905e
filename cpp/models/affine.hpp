// Affine maps of the state (xf yf zf zs) that carry their derivatives with respect to the tissue parameters.
//
// value = (L | t) stands for m -> L m + t, that is for the 5x5 matrix [[L, t], [0, 1]]; as a generator it stands for
// m' = L m + t, [[L, t], [0, 0]]. Each derivative is [[dL, dt], [0, 0]].
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "records/parameter.hpp"

namespace spinbound::models {

enum Component : int { xf, yf, zf, zs, one };
inline constexpr int n_state = 4;
inline constexpr int n_columns = 5;

using AffineMatrix = Eigen::Matrix<double, n_state, n_columns>;

// Its place among the derivatives.
constexpr std::size_t index(Parameter parameter) {
    return static_cast<std::size_t>(parameter) - static_cast<std::size_t>(Parameter::m0s);
}

// n_derivatives is n_tissue_parameters, or zero where none are asked for.
template <int n_derivatives>
struct Affine {
    AffineMatrix value = AffineMatrix::Zero();
    std::array<AffineMatrix, n_derivatives> derivative;

    Affine() {
        for (AffineMatrix& each : derivative) each.setZero();
    }
    AffineMatrix& d(Parameter parameter) { return derivative[index(parameter)]; }

    // f(matrix) for the value and every derivative
    template <class Function>
    void each(const Function& f) {
        f(value);
        for (AffineMatrix& matrix : derivative) f(matrix);
    }
};

template <int n_derivatives>
Affine<n_derivatives> identity() {
    Affine<n_derivatives> result;
    result.value.template leftCols<n_state>().setIdentity();
    return result;
}

// The upper four rows of the product of the 5x5 matrices whose last rows are (0 0 0 0 c) and (0 0 0 0 1).
inline AffineMatrix product(const AffineMatrix& a, const AffineMatrix& b) {
    AffineMatrix c;
    c.noalias() = a.leftCols<n_state>().lazyProduct(b);
    c.col(one) += a.col(one);
    return c;
}

// First b, then a; or a generator times a map: d(a b) = da b + a db.
template <int n_derivatives>
Affine<n_derivatives> operator*(const Affine<n_derivatives>& a, const Affine<n_derivatives>& b) {
    Affine<n_derivatives> c;
    c.value = product(a.value, b.value);
    for (std::size_t p = 0; p < n_derivatives; ++p) {
        c.derivative[p] = product(a.derivative[p], b.value);
        c.derivative[p].noalias() += a.value.template leftCols<n_state>().lazyProduct(b.derivative[p]);
    }
    return c;
}

// exp(x t) = exp(y)^(2^k), y = x t/2^k with |y|_1 < 1/2, by Taylor's series: 1 + y (1 + y/2 (1 + y/3 (...))). The first
// term left out is below 1/2^15/15! = 2e-17, in the derivative 1/2^14/14! = 7e-16.
template <int n_derivatives>
Affine<n_derivatives> exponential(Affine<n_derivatives> x, double t) {
    constexpr int degree = 14;
    const double norm = t * x.value.cwiseAbs().colwise().sum().maxCoeff();
    const int squarings = std::isfinite(norm) ? std::max(0, std::ilogb(norm) + 2) : 0;
    x.each([scale = std::ldexp(t, -squarings)](AffineMatrix& matrix) { matrix *= scale; });
    Affine<n_derivatives> result = identity<n_derivatives>();
    for (int k = degree; k >= 1; --k) {
        result = x * result;
        result.each([k](AffineMatrix& matrix) { matrix /= k; });
        result.value.template leftCols<n_state>() += Eigen::Matrix<double, n_state, n_state>::Identity();
    }
    for (int k = 0; k < squarings; ++k) result = result * result;
    return result;
}

}  // namespace spinbound::models
