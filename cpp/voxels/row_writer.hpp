// A voxel's signal and sensitivities, written from what the kernel gives.
#pragma once

#include <complex>
#include <vector>

#include "voxels/column.hpp"
#include "voxels/runner.hpp"

namespace spinbound {

// In real numbers, since the product of C++ looks for NaN first.
inline Complex product(Complex a, Complex b) {
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// One voxel's signal and rows of J from its streams, for which a kernel takes M0 = 1.
class RowWriter {
public:
    RowWriter(const std::vector<Parameter>& wrt, const TissueView& tissue, ModelName model, std::size_t voxel,
              int lanes, int lane)
        : M0_(tissue.M0[voxel]), lanes_(static_cast<std::size_t>(lanes)), lane_(static_cast<std::size_t>(lane)) {
        for (std::size_t k = 0; k < wrt.size(); ++k) {
            const Column column = column_of(wrt[k], tissue, voxel, model);
            first_.push_back(term(column, 0, k));
            if (column.n == 2) second_.push_back(term(column, 1, k));
        }
    }

    // n samples, each with its streams side by side, to s (n) and J (n, P)
    void write(const double* streams, std::size_t n, Complex* s, Complex* J) const {
        for (std::size_t t = 0; t < n; ++t, streams += 2 * lanes_ * n_streams, J += first_.size()) {
            s[t] = product(M0_, pair(streams + lane_));
            Complex* value = J;
            for (const Term& term : first_) *value++ = product(term.factor, pair(streams + term.re));
            for (const Term& term : second_) J[term.column] += product(term.factor, pair(streams + term.re));
        }
    }

private:
    // J(column) = sum of factor times stream, whose real part is at `re`; stream 0 is s itself, ds/dM0
    struct Term {
        std::size_t column, re;
        Complex factor;
    };

    Term term(const Column& column, int i, std::size_t k) const {
        const auto stream = static_cast<std::size_t>(column.stream[i]);
        return {k, 2 * stream * lanes_ + lane_, column.weight[i] * (stream == 0 ? Complex(1) : M0_)};
    }

    Complex pair(const double* re) const { return {re[0], re[lanes_]}; }

    Complex M0_;
    std::size_t lanes_, lane_;
    std::vector<Term> first_, second_;
};

}  // namespace spinbound
