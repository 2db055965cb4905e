// One element of a pulse: the state u = (xf yf zf zs) by collocation at m Gauss nodes (theory, section 12).
// With the increments K_i = h u'(t + c_i h) and the stage values u_i = u + sum_j a_ij K_j,
//     K_i = h (A u_i + b) - h e_zs [sum_j E_ij K_j^zs + g_i zs + Q_i] ,      u(t + h) = u + sum_j b_j K_j .
// [E | g] is what zs within the element does to zs, the memory or the rate of saturation; Q what came before.
// So K, the stage values of zs and u(t + h) are linear in the inputs (u, 1, Q).
#pragma once

#include <Eigen/LU>
#include <array>

#include "models/generator.hpp"
#include "plan/gauss.hpp"

namespace spinbound::models {

// c, b, a, and the polynomials b_j(x) = int_0^x L_j, L_j those of Lagrange.
template <int m>
struct GaussMethod {
    using Vector = Eigen::Matrix<double, m, 1>;
    using Matrix = Eigen::Matrix<double, m, m>;
    Vector c, b;
    Matrix a;
    std::array<Matrix, m> inner;  // inner[i](q, j) = b_j(c_i c_q)

    GaussMethod() {
        const auto rule = gauss_legendre<m>();
        for (int i = 0; i < m; ++i) {
            c[i] = (1 - rule.node[static_cast<std::size_t>(i)]) / 2;
            b[i] = rule.weight[static_cast<std::size_t>(i)] / 2;
        }
        for (int i = 0; i < m; ++i) {
            a.row(i) = integrals(c[i]);
            for (int q = 0; q < m; ++q) inner[static_cast<std::size_t>(i)].row(q) = integrals(c[i] * c[q]);
        }
    }

    static const GaussMethod& get() {
        static const GaussMethod method;
        return method;
    }

private:
    Eigen::Matrix<double, 1, m> integrals(double x) const {
        Eigen::Matrix<double, 1, m> result = Eigen::Matrix<double, 1, m>::Zero();
        for (int q = 0; q < m; ++q)
            for (int j = 0; j < m; ++j) {
                double L = 1;
                for (int k = 0; k < m; ++k)
                    if (k != j) L *= (x * c[q] - c[k]) / (c[j] - c[k]);
                result[j] += x * b[q] * L;
            }
        return result;
    }
};

// [E | g] and its derivative with respect to T2s; both are proportional to the square of B1.
template <int m>
struct LocalMemory {
    Eigen::Matrix<double, m, m + 1> value, dT2s;
};

// Rows: zs at the nodes, u at the end. Columns: u, 1, Q.
template <int m, bool has_history, int n_derivatives>
class Element {
public:
    static constexpr int n_inputs = n_columns + (has_history ? m : 0);
    using Map = Eigen::Matrix<double, m + n_state, n_inputs>;

    Map map;
    std::array<Map, n_derivatives> slope;

    // The generator's own rate W of saturation is zero.
    Element(const Affine<n_derivatives>& generator, const LocalMemory<m>& memory, double h, double B1) {
        const Eigen::PartialPivLU<System> solver(system(generator.value, memory.value, h));
        const Increments K = solver.solve(sources(generator.value, memory.value, h));
        map = outputs(K);
        for (int r = 0; r < n_state; ++r) map.col(r)[m + r] += 1;
        map.col(zs).template head<m>().array() += 1;
        if constexpr (n_derivatives > 0) {
            const Increments u = stage_values(K);
            for (std::size_t p = 0; p < n_derivatives; ++p) {
                Increments source = driven(generator.derivative[p], u, h);
                if (p == index(Parameter::T2s)) remember(source, memory.dT2s, K, h);
                if (p == index(Parameter::B1)) remember(source, (2 / B1) * memory.value, K, h);
                slope[p] = outputs(solver.solve(source));
            }
        }
    }

private:
    static constexpr int size = n_state * m;  // component by component, m stages each
    using System = Eigen::Matrix<double, size, size>;
    using Increments = Eigen::Matrix<double, size, n_inputs>;
    using Memory = Eigen::Matrix<double, m, m + 1>;

    static const GaussMethod<m>& method() { return GaussMethod<m>::get(); }

    static auto rows(Increments& matrix, int component) { return matrix.template middleRows<m>(component * m); }
    static auto rows(const Increments& matrix, int component) { return matrix.template middleRows<m>(component * m); }

    static System system(const AffineMatrix& A, const Memory& memory, double h) {
        System result = System::Identity();
        for (int r = 0; r < n_state; ++r)
            for (int c = 0; c < n_state; ++c)
                if (A(r, c) != 0) result.template block<m, m>(r * m, c * m) -= h * A(r, c) * method().a;
        result.template bottomRightCorner<m, m>() += h * memory.template leftCols<m>();
        return result;
    }

    static Increments sources(const AffineMatrix& A, const Memory& memory, double h) {
        Increments result = Increments::Zero();
        for (int r = 0; r < n_state; ++r)
            for (int c = 0; c < n_columns; ++c) rows(result, r).col(c).setConstant(h * A(r, c));
        rows(result, zs).col(zs) -= h * memory.col(m);
        if constexpr (has_history) rows(result, zs).template rightCols<m>().diagonal().setConstant(-h);
        return result;
    }

    static Increments stage_values(const Increments& K) {
        Increments u;
        for (int r = 0; r < n_state; ++r) {
            rows(u, r).noalias() = method().a * rows(K, r);
            rows(u, r).col(r).array() += 1;
        }
        return u;
    }

    // h (dA u_i + db)
    static Increments driven(const AffineMatrix& dA, const Increments& u, double h) {
        Increments result = Increments::Zero();
        for (int r = 0; r < n_state; ++r) {
            for (int c = 0; c < n_state; ++c)
                if (dA(r, c) != 0) rows(result, r) += h * dA(r, c) * rows(u, c);
            rows(result, r).col(one).array() += h * dA(r, one);
        }
        return result;
    }

    // -h e_zs (dE K + dg zs)
    static void remember(Increments& source, const Memory& memory, const Increments& K, double h) {
        rows(source, zs).noalias() -= h * memory.template leftCols<m>() * rows(K, zs);
        rows(source, zs).col(zs) -= h * memory.col(m);
    }

    static Map outputs(const Increments& K) {
        Map result;
        result.template topRows<m>().noalias() = method().a * rows(K, zs);
        for (int r = 0; r < n_state; ++r) result.row(m + r).noalias() = method().b.transpose() * rows(K, r);
        return result;
    }
};

}  // namespace spinbound::models
