// Gauss-Legendre quadrature.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>

namespace spinbound {

template <std::size_t n>
struct GaussRule {
    std::array<double, n> node, weight;
};

// On [-1, 1], nodes descending: zeros of P_n by Newton's method, weights 2/((1 - x^2) P_n'(x)^2).
template <std::size_t n>
GaussRule<n> gauss_legendre() {
    GaussRule<n> rule{};
    constexpr double degree = n;
    for (std::size_t i = 0; i < n; ++i) {
        double x = std::cos(std::numbers::pi * (static_cast<double>(i) + 0.75) / (degree + 0.5)), slope = 1;
        for (int iteration = 0; iteration < 8; ++iteration) {
            double P = 1, P_before = 0;
            for (std::size_t k = 1; k <= n; ++k) {
                const double order = static_cast<double>(k);
                P_before = std::exchange(P, ((2 * order - 1) * x * P - (order - 1) * P_before) / order);
            }
            slope = degree * (P_before - x * P) / (1 - x * x);
            x -= P / slope;
        }
        rule.node[i] = x;
        rule.weight[i] = 2 / ((1 - x * x) * slope * slope);
    }
    return rule;
}

}  // namespace spinbound
