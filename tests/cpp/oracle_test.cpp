// The kernel against matrix exponentials with the same R2sl, and the information against the sensitivities.
#include <algorithm>
#include <cmath>

#include "bound/fisher.hpp"
#include "check.hpp"
#include "machine/dispatch.hpp"
#include "problem.hpp"
#include "reference/reference.hpp"
#include "voxels/simulate.hpp"

namespace spinbound::test {
namespace {

constexpr std::size_t n_echo = 5;  // components at an echo

// One voxel by the oracle, for M0 = 1.
struct Exact {
    std::vector<Complex> signal, jacobian;  // (n,), (n, 8)
};

Exact exact(const Problem& problem, std::size_t voxel) {
    const auto n = problem.experiment.n_echoes();
    double tissue[n_tissue_parameters];
    for (std::size_t p = 0; p < n_tissue_parameters; ++p) tissue[p] = problem.values[p][voxel];
    std::vector<double> R2sl(3 * n), m(n_echo * n), J(n_echo * n * n_tissue_parameters);
    tabulated_R2sl(problem.train(), Lineshape::superlorentzian, tissue[5], tissue[7], R2sl.data());
    reference::simulate(problem.train(), tissue, R2sl.data(), m.data(), J.data(), false);
    Exact result;
    for (std::size_t t = 0; t < n; ++t) {
        const double *x = &J[n_echo * t * n_tissue_parameters], *y = x + n_tissue_parameters;
        result.signal.emplace_back(m[n_echo * t], m[n_echo * t + 1]);
        for (std::size_t p = 0; p < n_tissue_parameters; ++p) result.jacobian.emplace_back(x[p], y[p]);
    }
    return result;
}

const std::vector<Parameter> wrt{Parameter::m0s, Parameter::R1f, Parameter::R2f,    Parameter::Rex,
                                 Parameter::R1s, Parameter::T2s, Parameter::omega0, Parameter::B1};

// |a - M0 b| relative to |b|, both of one column: every stride-th from the first on
double column_error(const Complex* a, const std::vector<Complex>& b, Complex M0, std::size_t first,
                    std::size_t stride) {
    double error = 0, largest = 0;
    for (std::size_t k = first; k < b.size(); k += stride) {
        error = std::max(error, std::abs(a[k] - M0 * b[k]));
        largest = std::max(largest, std::abs(M0 * b[k]));
    }
    return error / std::max(largest, 1e-290);
}

TEST(kernel_agrees_with_oracle, "Signals and sensitivities agree with matrix exponentials on every instruction set") {
    for (const std::string& isa : available_isas())
        for (Start start : {Start::periodic, Start::thermal, Start::given}) {
            const UseIsa use(isa);
            const Problem problem(7, 20, start, 5);
            const std::size_t n = problem.experiment.n_echoes();
            std::vector<Complex> s(problem.size() * n), J(s.size() * wrt.size());
            sensitivities(problem.experiment, problem.tissue(), wrt, {}, on_threads(2), s.data(), J.data());
            for (std::size_t v = 0; v < problem.size(); ++v) {
                const Exact expected = exact(problem, v);
                CHECK(column_error(&s[v * n], expected.signal, problem.M0[v], 0, 1) <= 1e-8);
                for (std::size_t p = 0; p < wrt.size(); ++p)
                    CHECK(column_error(&J[v * n * wrt.size()], expected.jacobian, problem.M0[v], p, wrt.size()) <=
                          1e-6);
            }
        }
}

// sum_t conj(a_t) b_t of two columns of a voxel's Jacobian
Complex product(const Complex* J, std::size_t n_samples, std::size_t P, std::size_t a, std::size_t b) {
    Complex sum = 0;
    for (std::size_t t = 0; t < n_samples; ++t) sum += std::conj(J[t * P + a]) * J[t * P + b];
    return sum;
}

TEST(information_is_that_of_the_sensitivities, "The complex Fisher matrix is J^H J / sigma^2") {
    const Problem problem(3, 30, Start::periodic, 6);
    const std::size_t P = wrt.size();
    for (int rank : {0, Problem::max_rank}) {
        const Basis basis = problem.basis(rank);
        const std::size_t n = basis.n_samples(problem.experiment);
        std::vector<Complex> s(problem.size() * n), J(s.size() * P), F(problem.size() * P * P);
        sensitivities(problem.experiment, problem.tissue(), wrt, basis, on_threads(1), s.data(), J.data());
        fisher({problem.experiment,
                problem.tissue(),
                {problem.sigma.data()},
                wrt,
                FisherForm::complex,
                basis,
                on_threads(1)},
               F.data());
        for (std::size_t v = 0; v < problem.size(); ++v)
            for (std::size_t i = 0; i < P; ++i)
                for (std::size_t j = 0; j < P; ++j) {
                    const auto expected = [&](std::size_t a, std::size_t b) {
                        return product(&J[v * n * P], n, P, a, b) / problem.sigma[v] / problem.sigma[v];
                    };
                    const double scale = std::sqrt(std::abs(expected(i, i)) * std::abs(expected(j, j)));
                    CHECK(std::abs(F[(v * P + i) * P + j] - expected(i, j)) <= 1e-10 * scale);
                }
    }
}

}  // namespace
}  // namespace spinbound::test
