// Chebyshev polynomials of the first kind on [-1, 1], sampled at their zeros.
#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

namespace spinbound::chebyshev {

// The i-th of n zeros of T_n, descending.
inline double node(std::size_t i, std::size_t n) {
    return std::cos(std::numbers::pi * (static_cast<double>(i) + 0.5) / static_cast<double>(n));
}

// The n x n matrix, by rows, from values at the nodes to coefficients: c_j = (2 - [j = 0])/n sum_i T_j(node_i) f_i.
inline std::vector<double> analysis_matrix(std::size_t n) {
    std::vector<double> matrix(n * n);
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t i = 0; i < n; ++i) {
            const double angle = std::numbers::pi * static_cast<double>(j * (2 * i + 1) % (4 * n)) /
                                 static_cast<double>(2 * n);  // the integer keeps the argument small
            matrix[j * n + i] = (j == 0 ? 1.0 : 2.0) / static_cast<double>(n) * std::cos(angle);
        }
    return matrix;
}

// T_0(y) ... T_(n-1)(y), n >= 2: T_j = 2 y T_(j-1) - T_(j-2).
inline void polynomials(double y, std::size_t n, double* T) {
    T[0] = 1;
    T[1] = y;
    for (std::size_t j = 2; j < n; ++j) T[j] = 2 * y * T[j - 1] - T[j - 2];
}

}  // namespace spinbound::chebyshev
