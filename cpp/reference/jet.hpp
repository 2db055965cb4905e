// 6x6 matrices and state vectors that carry their derivatives with respect to the tissue parameters.
//
// A Jet is a + sum_p eps_p da_p with eps_p eps_q = 0. That is the algebra of the 12x12 block matrices
// [[a, da_p], [0, a]]: any polynomial of a Jet, its exponential by Taylor series included, carries the exact Frechet
// derivatives that stand in the upper right block.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "records/parameter.hpp"

namespace spinbound::reference {

enum State : int { xf, yf, zf, xs, zs, one };
constexpr int n_magnetization = 5;
constexpr int n_state = 6;

// Five blocks of four powers leave (1/2)^20/20! = 4e-25 for |x| < 1/2, and (1/2)^19/19! = 2e-23 in the derivative:
// below half a unit of a 64 bit mantissa, 5e-20.
constexpr int taylor_blocks = 5;

template <class T>
using RealOf = typename Eigen::NumTraits<T>::Real;

template <class T>
using Square = Eigen::Matrix<T, n_state, n_state>;

// n_derivatives is n_tissue_parameters, or zero where none are asked for.
template <class T, int columns, int n_derivatives>
struct Jet {
    using Matrix = Eigen::Matrix<T, n_state, columns>;
    using Real = RealOf<T>;
    Matrix value = Matrix::Zero();
    std::array<Matrix, n_derivatives> derivative;

    Jet() {
        for (Matrix& each : derivative) each.setZero();
    }
    Matrix& d(Parameter parameter) {
        return derivative[static_cast<int>(parameter) - static_cast<int>(Parameter::m0s)];
    }
    void scale(Real factor) {
        value *= T(factor);
        for (Matrix& each : derivative) each *= T(factor);
    }
    void add(Real factor, const Jet& other) {
        value += T(factor) * other.value;
        for (std::size_t p = 0; p < derivative.size(); ++p) derivative[p] += T(factor) * other.derivative[p];
    }
};

template <class T, int n_derivatives>
using Propagator = Jet<T, n_state, n_derivatives>;

template <class T, int n_derivatives>
Propagator<T, n_derivatives> identity() {
    Propagator<T, n_derivatives> result;
    result.value.setIdentity();
    return result;
}

// d(a b) = da b + a db
template <class T, int columns, int n_derivatives>
Jet<T, columns, n_derivatives> operator*(const Propagator<T, n_derivatives>& a,
                                         const Jet<T, columns, n_derivatives>& b) {
    Jet<T, columns, n_derivatives> product;
    product.value.noalias() = a.value * b.value;
    for (int p = 0; p < n_derivatives; ++p) {
        product.derivative[p].noalias() = a.derivative[p] * b.value;
        product.derivative[p].noalias() += a.value * b.derivative[p];
    }
    return product;
}

// The same for a factor that does not depend on the tissue.
template <class T, int columns, int n_derivatives>
Jet<T, columns, n_derivatives> operator*(const Square<T>& a, const Jet<T, columns, n_derivatives>& b) {
    Jet<T, columns, n_derivatives> product;
    product.value.noalias() = a * b.value;
    for (int p = 0; p < n_derivatives; ++p) product.derivative[p].noalias() = a * b.derivative[p];
    return product;
}

// exp(a) = exp(x)^(2^k), x = a/2^k with |x|_1 < 1/2, and by Taylor series in blocks of four powers
//     exp(x) = B_0 + x^4 (B_1 + x^4 (B_2 + ...)),  B_j = sum_(i < 4) x^i/(4j + i)!
template <class T, int n_derivatives>
Propagator<T, n_derivatives> exponential(Propagator<T, n_derivatives> x) {
    using Real = RealOf<T>;
    const Real norm = x.value.cwiseAbs().colwise().sum().maxCoeff();
    const int squarings = std::isfinite(norm) ? std::max(0, std::ilogb(norm) + 2) : 0;
    x.scale(std::ldexp(Real(1), -squarings));
    const auto x2 = x * x;
    const std::array powers{identity<T, n_derivatives>(), x, x2, x2 * x};
    const auto x4 = x2 * x2;
    Propagator<T, n_derivatives> result;
    for (int block = taylor_blocks - 1; block >= 0; --block) {
        result = x4 * result;
        for (int i = 0; i < 4; ++i) result.add(1 / std::tgamma(Real(4 * block + i + 1)), powers[i]);
    }
    for (int k = 0; k < squarings; ++k) result = result * result;
    return result;
}

}  // namespace spinbound::reference
