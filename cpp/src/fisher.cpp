// The kernel gives the Gram matrix H = S^H S of its nine streams S (signal, eight derivatives) for M0 = 1, or S itself
// in a basis. Columns of J are combinations of M0-scaled streams, so J^H J = W^H H W with a few non-zero weights.
#include "spinbound/fisher.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "batch.hpp"
#include "bound.hpp"
#include "column.hpp"

namespace spinbound {
namespace {

// One column of J over the real or complex parameters: complex weights on the streams.
using Weights = Eigen::Matrix<Complex, n_streams, Eigen::Dynamic>;

bool splits_M0(Parameter p, FisherForm form) { return p == Parameter::M0 && form == FisherForm::real; }

Weights weights_of(const std::vector<Parameter>& wrt, FisherForm form, const TissueView& tissue, std::size_t voxel) {
    const Complex M0 = tissue.M0[voxel];
    Weights W = Weights::Zero(n_streams, fisher_size(wrt, form));
    Eigen::Index k = 0;
    for (Parameter p : wrt) {
        const Column column = column_of(p, tissue, voxel);
        for (int i = 0; i < column.n; ++i) W(column.stream[i], k) = column.stream[i] == 0 ? 1.0 : M0 * column.weight[i];
        if (p == Parameter::M0 && form == FisherForm::real_M0 && std::abs(M0) > 0) W(0, k) = M0 / std::abs(M0);
        if (splits_M0(p, form)) W(0, ++k) = Complex(0, 1);
        ++k;
    }
    return W;
}

// Where a voxel's streams come from: Gram sums in the time domain, coefficients in a basis.
class Streams {
public:
    Streams(Batch::Runner& runner, const Block& block, const Basis& basis, int n_samples, int lanes,
            const std::atomic<bool>& stop)
        : runner_(runner),
          block_(block),
          in_basis_(basis.rank > 0),
          n_samples_(n_samples),
          lanes_(lanes),
          stop_(stop),
          out_(runner.run(basis.rank ? &KernelTable::project : &KernelTable::gram, block, stop)) {}

    ComplexMatrix gram(int lane) const {
        if (!in_basis_) return rows(out_, n_streams, lane);
        const ComplexMatrix S = rows(out_, n_samples_, lane);
        return S.adjoint() * S;
    }

    // The streams themselves; in the time domain a second run of the block, for rare voxels.
    ComplexMatrix samples(int lane) {
        if (!in_basis_ && !is_series_) {
            out_ = runner_.run(&KernelTable::sensitivities, block_, stop_);
            is_series_ = true;
        }
        return rows(out_, n_samples_, lane);
    }

private:
    ComplexMatrix rows(const double* out, int n, int lane) const {
        ComplexMatrix S(n, n_streams);
        for (int t = 0; t < n; ++t)
            for (int k = 0; k < n_streams; ++k)
                S(t, k) = pair_of(out, static_cast<std::size_t>(t * n_streams + k), lanes_, lane);
        return S;
    }

    Batch::Runner& runner_;
    const Block& block_;
    bool in_basis_;
    int n_samples_, lanes_;
    const std::atomic<bool>& stop_;
    const double* out_;
    bool is_series_ = false;
};

RealMatrix stacked(const ComplexMatrix& J) {
    RealMatrix parts(2 * J.rows(), J.cols());
    parts << J.real(), J.imag();
    return parts;
}

// diag(F^-1) for sigma = 1
Eigen::VectorXd voxel_bound(const ComplexMatrix& F, FisherForm form, const std::function<ComplexMatrix()>& jacobian) {
    Eigen::VectorXd bound;
    if (form == FisherForm::complex) return bound_from_fisher(F, bound) ? bound : bound_from_jacobian(jacobian());
    return bound_from_fisher<RealMatrix>(F.real(), bound) ? bound : bound_from_jacobian(stacked(jacobian()));
}

// compute(voxel, lane, streams, W, W^H H W) for every voxel
template <class Compute>
void for_each_voxel(const Sequence& sequence, const TissueView& tissue, const std::vector<Parameter>& wrt,
                    FisherForm form, const Basis& basis, const RunOptions& options, Compute&& compute) {
    const Batch batch(sequence, tissue, options);
    const int n_samples = static_cast<int>(basis.n_samples(sequence));
    const std::size_t gram_size = n_streams * n_streams * 2 * static_cast<std::size_t>(batch.lanes());
    const std::size_t out_size = std::max(gram_size, stream_output_size(basis, sequence, batch.lanes()));
    batch.for_each_block(out_size, view(basis), [&](Batch::Runner& runner, const Block& block, const auto& stop) {
        Streams streams(runner, block, basis, n_samples, batch.lanes(), stop);
        std::vector<ComplexMatrix> gram;
        for (int lane = 0; lane < block.n_voxels; ++lane) gram.push_back(streams.gram(lane));
        for (int lane = 0; lane < block.n_voxels && !stop; ++lane) {
            const Weights W = weights_of(wrt, form, tissue, block.voxel[lane]);
            const ComplexMatrix F = W.adjoint() * gram[static_cast<std::size_t>(lane)] * W;
            compute(block.voxel[lane], lane, streams, W, F);
        }
    });
}

}  // namespace

int fisher_size(const std::vector<Parameter>& wrt, FisherForm form) {
    return static_cast<int>(wrt.size()) +
           static_cast<int>(std::count_if(wrt.begin(), wrt.end(), [&](Parameter p) { return splits_M0(p, form); }));
}

void fisher(const Sequence& sequence, const TissueView& tissue, const double* sigma, const std::vector<Parameter>& wrt,
            FisherForm form, const Basis& basis, const RunOptions& options, void* F) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    const Eigen::Index n = fisher_size(wrt, form);
    const auto size = static_cast<std::size_t>(n * n);
    double* const real = static_cast<double*>(F);
    Complex* const complex = static_cast<Complex*>(F);
    std::fill_n(real, tissue.n_voxels * size * (form == FisherForm::complex ? 2 : 1), nan);
    const auto write = [&](std::size_t voxel, int, Streams&, const Weights&, const ComplexMatrix& sum) {
        // the upper triangle is mirrored: F is symmetric to the last bit
        const ComplexMatrix value = sum / (sigma[voxel] * sigma[voxel]);
        for (Eigen::Index i = 0; i < n; ++i)
            for (Eigen::Index j = 0; j < n; ++j) {
                const Complex entry = i <= j ? value(i, j) : std::conj(value(j, i));
                const std::size_t k = voxel * size + static_cast<std::size_t>(i * n + j);
                if (form == FisherForm::complex)
                    complex[k] = i == j ? Complex(entry.real()) : entry;
                else
                    real[k] = entry.real();
            }
    };
    for_each_voxel(sequence, tissue, wrt, form, basis, options, write);
}

void crb(const Sequence& sequence, const TissueView& tissue, const double* sigma, const std::vector<Parameter>& wrt,
         FisherForm form, const Basis& basis, const RunOptions& options, double* crb) {
    std::fill_n(crb, tissue.n_voxels * wrt.size(), std::numeric_limits<double>::quiet_NaN());
    const auto write = [&](std::size_t voxel, int lane, Streams& streams, const Weights& W, const ComplexMatrix& F) {
        const auto jacobian = [&]() -> ComplexMatrix { return streams.samples(lane) * W; };
        const Eigen::VectorXd bound = voxel_bound(F, form, jacobian);
        Eigen::Index k = 0;
        for (std::size_t p = 0; p < wrt.size(); ++p, ++k) {
            double variance = bound[k];
            if (splits_M0(wrt[p], form)) variance += bound[++k];
            crb[p * tissue.n_voxels + voxel] = variance * sigma[voxel] * sigma[voxel];
        }
    };
    for_each_voxel(sequence, tissue, wrt, form, basis, options, write);
}

}  // namespace spinbound
