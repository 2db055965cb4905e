// The kernel gives the Gram matrix H = S^H S of its nine streams S (signal, eight derivatives) for M0 = 1, or S itself
// in a basis. Columns of J are combinations of the streams, so J^H J = W^H H W with a few non-zero weights.
#include "bound/fisher.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bound/bound.hpp"
#include "voxels/batch.hpp"
#include "voxels/row_writer.hpp"

namespace spinbound {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

// J = S W diag(scale)/sigma, one column for each row of F. |M0| is left to the scale, so that its size is nothing to
// the inversion: bounds of tissue parameters go with (sigma/|M0|)^2, those of M0 with sigma^2.
struct Columns {
    Eigen::Matrix<Complex, n_streams, Eigen::Dynamic> weight;
    Eigen::VectorXd scale;
};

Columns columns_of_fisher(const FisherProblem& problem, std::size_t voxel) {
    const Complex M0 = problem.tissue.M0[voxel];
    const double size = std::abs(M0);
    const Complex phase = size > 0 ? M0 / size : 0;
    const Eigen::Index n = problem.size();
    Columns columns{decltype(Columns::weight)::Zero(n_streams, n), Eigen::VectorXd::Constant(n, size)};
    Eigen::Index k = 0;
    for (Parameter p : problem.wrt) {
        if (p == Parameter::M0) {
            columns.scale[k] = 1;
            columns.weight(0, k) = problem.form == FisherForm::real_M0 && size > 0 ? phase : 1;
            if (problem.splits(p)) {
                columns.scale[++k] = 1;
                columns.weight(0, k) = Complex(0, 1);
            }
        } else {
            const Column column = column_of(p, problem.tissue, voxel, problem.options.model.name);
            for (int i = 0; i < column.n; ++i) columns.weight(column.stream[i], k) = phase * column.weight[i];
        }
        ++k;
    }
    columns.scale /= problem.noise.sigma[voxel];
    return columns;
}

// Gram sums in the time domain, coefficients in a basis.
Output reduced_in(const Basis& basis) { return basis.rank ? Output::project : Output::gram; }

// Where a voxel's streams come from.
class Streams {
public:
    Streams(Batch::BlockRunner& runner, const Block& block, const FisherProblem& problem, int lanes,
            const std::atomic<bool>& stop)
        : runner_(runner),
          block_(block),
          noise_(problem.noise),
          in_basis_(problem.basis.rank > 0),
          n_samples_(static_cast<int>(problem.basis.n_samples(problem.experiment))),
          lanes_(lanes),
          stop_(stop),
          out_(runner.run(reduced_in(problem.basis), block, stop)) {}

    ComplexMatrix gram(int lane) const {
        if (!in_basis_) return rows(out_, n_streams, lane).selfadjointView<Eigen::Upper>();
        const ComplexMatrix S = samples_in_basis(lane);
        return S.adjoint() * S;
    }

    // As the kernel gives them, for all lanes.
    const double* pairs() const { return out_; }
    int lanes() const { return lanes_; }

    // The streams themselves, their noise whitened; in the time domain a second run of the block, for rare voxels.
    ComplexMatrix samples(int lane) {
        if (in_basis_) return samples_in_basis(lane);
        if (!is_series_) {
            out_ = runner_.run(Output::sensitivities, block_, stop_);
            is_series_ = true;
        }
        return rows(out_, n_samples_, lane);
    }

private:
    ComplexMatrix samples_in_basis(int lane) const {
        ComplexMatrix S = rows(out_, n_samples_, lane);
        noise_.whiten(S, block_.voxel[lane]);
        return S;
    }

    ComplexMatrix rows(const double* out, int n, int lane) const {
        ComplexMatrix S(n, n_streams);
        for (int t = 0; t < n; ++t)
            for (int k = 0; k < n_streams; ++k)
                S(t, k) = pair_of(out, static_cast<std::size_t>(t * n_streams + k), lanes_, lane);
        return S;
    }

    Batch::BlockRunner& runner_;
    const Block& block_;
    const NoiseView& noise_;
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

// diag(F^-1) of parameters that the data feel.
Bound bound_of_felt(const ComplexMatrix& F, FisherForm form, bool with_condition,
                    const std::function<ComplexMatrix()>& jacobian) {
    Bound bound;
    if (form == FisherForm::complex)
        return bound_from_fisher(F, with_condition, bound) ? bound : bound_from_jacobian(jacobian());
    return bound_from_fisher<RealMatrix>(F.real(), with_condition, bound) ? bound
                                                                          : bound_from_jacobian(stacked(jacobian()));
}

// diag(F^-1); parameters without any influence are common where a model does not have them all, and cost no more time.
Bound voxel_bound(const ComplexMatrix& F, FisherForm form, bool with_condition,
                  const std::function<ComplexMatrix()>& jacobian) {
    const Eigen::Index n = F.rows();
    if (!F.allFinite()) return {Eigen::VectorXd::Constant(n, nan), nan};
    std::vector<Eigen::Index> felt;
    for (Eigen::Index k = 0; k < n; ++k)
        if (F(k, k) != Complex(0)) felt.push_back(k);
    if (static_cast<Eigen::Index>(felt.size()) == n) return bound_of_felt(F, form, with_condition, jacobian);
    Bound bound{Eigen::VectorXd::Constant(n, inf), inf};
    if (felt.empty()) return bound;
    const auto columns = [&]() -> ComplexMatrix { return jacobian()(Eigen::all, felt); };
    bound.variance(felt) = bound_of_felt(F(felt, felt), form, false, columns).variance;
    return bound;
}

// compute(voxel, lane, streams, H) for every valid voxel, H = S^H S its Gram matrix; invalidate(voxel) for the others.
template <class Compute>
void for_each_voxel(const FisherProblem& problem, Compute&& compute, const Batch::Invalidate& invalidate) {
    const Batch batch(problem.experiment, problem.tissue, problem.basis, problem.options);
    const auto consume = [&](Batch::BlockRunner& runner, const Block& block, const std::atomic<bool>& stop) {
        Streams streams(runner, block, problem, batch.lanes(), stop);
        std::vector<ComplexMatrix> gram;
        for (int lane = 0; lane < block.n_voxels; ++lane) gram.push_back(streams.gram(lane));
        for (int lane = 0; lane < block.n_voxels && !stop; ++lane)
            compute(block.voxel[lane], lane, streams, gram[static_cast<std::size_t>(lane)]);
    };
    batch.for_each_block({reduced_in(problem.basis), streams_in(problem.basis)}, consume, invalidate);
}

// One voxel's F, for M0 and sigma as they are. The upper triangle is mirrored: F is symmetric to the last bit.
ComplexMatrix fisher_matrix(const Columns& columns, const ComplexMatrix& gram) {
    const auto scale = columns.scale.asDiagonal();
    ComplexMatrix F = scale * (columns.weight.adjoint() * gram * columns.weight) * scale;
    for (Eigen::Index i = 0; i < F.rows(); ++i) {
        F(i, i) = F(i, i).real();
        for (Eigen::Index j = 0; j < i; ++j) F(i, j) = std::conj(F(j, i));
    }
    return F;
}

// F of every voxel, real or complex as the form says.
class FisherWriter {
public:
    FisherWriter(const FisherProblem& problem, void* F)
        : problem_(problem),
          n_entries_(static_cast<std::size_t>(problem.size()) * static_cast<std::size_t>(problem.size())),
          real_(problem.form == FisherForm::complex ? nullptr : static_cast<double*>(F)),
          complex_(problem.form == FisherForm::complex ? static_cast<Complex*>(F) : nullptr) {}

    void write(std::size_t voxel, const ComplexMatrix& gram) const {
        const ComplexMatrix matrix = fisher_matrix(columns_of_fisher(problem_, voxel), gram);
        std::size_t k = voxel * n_entries_;
        for (Eigen::Index i = 0; i < matrix.rows(); ++i)
            for (Eigen::Index j = 0; j < matrix.cols(); ++j, ++k) {
                if (complex_)
                    complex_[k] = matrix(i, j);
                else
                    real_[k] = matrix(i, j).real();
            }
    }

    void invalidate(std::size_t voxel) const {
        if (complex_)
            std::fill_n(complex_ + voxel * n_entries_, n_entries_, Complex(nan, nan));
        else
            std::fill_n(real_ + voxel * n_entries_, n_entries_, nan);
    }

private:
    const FisherProblem& problem_;
    std::size_t n_entries_;
    double* real_;
    Complex* complex_;
};

// The bounds of every voxel, a row for each parameter.
class BoundWriter {
public:
    BoundWriter(const FisherProblem& problem, const BoundResults& results, const double* prior = nullptr)
        : problem_(problem), results_(results) {
        using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
        if (prior) prior_ = Eigen::Map<const RowMajor>(prior, problem.size(), problem.size());
    }

    void write(std::size_t voxel, int lane, Streams& streams, const ComplexMatrix& gram) const {
        const Columns columns = columns_of_fisher(problem_, voxel);
        const Bound bound = bound_of(columns, gram, [&] { return streams.samples(lane); });
        const auto variance = [&](Eigen::Index k) {
            return prior_.size() ? bound.variance[k] : bound.variance[k] / columns.scale[k] / columns.scale[k];
        };
        if (results_.condition) results_.condition[voxel] = bound.condition;
        Eigen::Index k = 0;
        for (std::size_t p = 0; p < problem_.wrt.size(); ++p, ++k) {
            at(p, voxel) = variance(k);
            if (problem_.splits(problem_.wrt[p])) at(p, voxel) += variance(++k);
        }
    }

    void invalidate(std::size_t voxel) const {
        for (std::size_t p = 0; p < problem_.wrt.size(); ++p) at(p, voxel) = nan;
        if (results_.condition) results_.condition[voxel] = nan;
    }

private:
    // A prior adds P^-1 to F and rows to the Jacobian, which both have the scale of the parameters then.
    template <class Samples>
    Bound bound_of(const Columns& columns, const ComplexMatrix& gram, Samples&& samples) const {
        const bool with_condition = results_.condition != nullptr;
        if (!prior_.size()) {
            const ComplexMatrix F = columns.weight.adjoint() * gram * columns.weight;
            const auto jacobian = [&]() -> ComplexMatrix { return samples() * columns.weight; };
            return voxel_bound(F, problem_.form, with_condition, jacobian);
        }
        const ComplexMatrix F = fisher_matrix(columns, gram) + prior_.transpose() * prior_;
        const auto jacobian = [&]() -> ComplexMatrix {
            const ComplexMatrix S = samples();
            ComplexMatrix J(S.rows() + F.rows(), F.cols());
            J << S * columns.weight * columns.scale.asDiagonal(), prior_.cast<Complex>();
            return J;
        };
        return voxel_bound(F, problem_.form, with_condition, jacobian);
    }

    double& at(std::size_t p, std::size_t voxel) const { return results_.crb[p * problem_.tissue.n_voxels + voxel]; }

    const FisherProblem& problem_;
    const BoundResults results_;
    RealMatrix prior_;  // rows R, R^T R = P^-1; empty: no prior
};

// Signals in a basis, and their sensitivities if there is a place for them.
class SampleWriter {
public:
    SampleWriter(const FisherProblem& problem, Complex* s, Complex* J) : problem_(problem), s_(s), J_(J) {
        if (J) wrt_ = problem.wrt;
    }

    void write(std::size_t voxel, int lane, const Streams& streams) const {
        const RowWriter writer(wrt_, problem_.tissue, problem_.options.model.name, voxel, streams.lanes(), lane);
        writer.write(streams.pairs(), rank(), s_ + voxel * rank(), J_ + voxel * rank() * wrt_.size());
    }

    void invalidate(std::size_t voxel) const {
        const std::size_t n_entries = rank() * wrt_.size();
        std::fill_n(s_ + voxel * rank(), rank(), Complex(nan, nan));
        std::fill_n(J_ + voxel * n_entries, n_entries, Complex(nan, nan));
    }

private:
    std::size_t rank() const { return static_cast<std::size_t>(problem_.basis.rank); }

    const FisherProblem& problem_;
    std::vector<Parameter> wrt_;
    Complex *s_, *J_;
};

}  // namespace

int FisherProblem::size() const {
    return static_cast<int>(wrt.size()) +
           static_cast<int>(std::count_if(wrt.begin(), wrt.end(), [&](Parameter p) { return splits(p); }));
}

void fisher(const FisherProblem& problem, void* F) {
    const FisherWriter writer(problem, F);
    const auto write = [&](std::size_t voxel, int, Streams&, const ComplexMatrix& gram) { writer.write(voxel, gram); };
    for_each_voxel(problem, write, [&](std::size_t voxel) { writer.invalidate(voxel); });
}

void crb(const FisherProblem& problem, const double* prior, const BoundResults& results) {
    const BoundWriter writer(problem, results, prior);
    const auto write = [&](std::size_t voxel, int lane, Streams& streams, const ComplexMatrix& gram) {
        writer.write(voxel, lane, streams, gram);
    };
    for_each_voxel(problem, write, [&](std::size_t voxel) { writer.invalidate(voxel); });
}

void in_one_run(const FisherProblem& problem, const FisherResults& results) {
    const FisherWriter matrices(problem, results.F);
    const BoundWriter bounds(problem, {results.crb, nullptr});
    const SampleWriter samples(problem, results.signal, results.jacobian);
    const auto write = [&](std::size_t voxel, int lane, Streams& streams, const ComplexMatrix& gram) {
        samples.write(voxel, lane, streams);
        if (results.F) matrices.write(voxel, gram);
        if (results.crb) bounds.write(voxel, lane, streams, gram);
    };
    const auto invalidate = [&](std::size_t voxel) {
        samples.invalidate(voxel);
        if (results.F) matrices.invalidate(voxel);
        if (results.crb) bounds.invalidate(voxel);
    };
    for_each_voxel(problem, write, invalidate);
}

}  // namespace spinbound
