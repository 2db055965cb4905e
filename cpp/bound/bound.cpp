#include "bound/bound.hpp"

#include <limits>

namespace spinbound {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

// R of J D P = Q R has its large rows on top, so that Jacobi's rotations of R^H find also the small singular values to
// a small relative error.
template <class Matrix>
Directions<Matrix>::Directions(Matrix J) : norm(J.colwise().norm()) {
    const Eigen::Index n = J.cols();
    for (Eigen::Index k = 0; k < n; ++k)
        if (norm[k] > 0) J.col(k) /= norm[k];
    const Eigen::ColPivHouseholderQR<Matrix> qr(J);
    Matrix R = Matrix::Zero(n, n);
    const Eigen::Index rank = std::min(J.rows(), n);
    R.topRows(rank) = qr.matrixQR().topRows(rank).template triangularView<Eigen::Upper>();
    const Eigen::JacobiSVD<Matrix, Eigen::NoQRPreconditioner> svd(R.adjoint(), Eigen::ComputeFullU);
    singular = svd.singularValues();
    vectors = qr.colsPermutation() * svd.matrixU();
}

template <class Matrix>
double Directions<Matrix>::condition() const {
    const Eigen::Index last = singular.size() - 1;
    return is_null(last) ? inf : singular[0] / singular[last];
}

template <class Matrix>
Matrix Directions<Matrix>::covariance() const {
    const Eigen::Index n = norm.size();
    Eigen::Index n_resolved = 0;
    while (n_resolved < n && !is_null(n_resolved)) ++n_resolved;
    const Matrix root = vectors.leftCols(n_resolved) * singular.head(n_resolved).cwiseInverse().asDiagonal();
    const Eigen::VectorXd std = root.rowwise().norm(), component = vectors.rightCols(n - n_resolved).rowwise().norm();
    const Eigen::VectorXd scale = norm.cwiseInverse();
    Matrix covariance = scale.asDiagonal() * (root * root.adjoint()) * scale.asDiagonal();
    for (Eigen::Index k = 0; k < n; ++k) {
        if (!(component[k] > null_component * std[k])) continue;
        covariance.row(k).setConstant(nan);
        covariance.col(k).setConstant(nan);
        covariance(k, k) = inf;
    }
    return covariance;
}

template <class Matrix>
bool bound_from_fisher(const Matrix& F, bool with_condition, Bound& bound) {
    const Eigen::VectorXd diagonal = F.diagonal().real();
    if (!(diagonal.minCoeff() > 0)) return false;
    const Eigen::VectorXd scale = diagonal.array().rsqrt();
    const Matrix scaled = scale.asDiagonal() * F * scale.asDiagonal();
    const Eigen::LLT<Matrix> factor(scaled);
    if (factor.info() != Eigen::Success) return false;
    Matrix inverse = Matrix::Identity(F.rows(), F.cols());
    factor.matrixL().solveInPlace(inverse);
    const Eigen::VectorXd variance = inverse.colwise().squaredNorm();
    // trace(F) trace(F^-1) is no less than the condition, and at most P^2 times it
    if (!(static_cast<double>(F.rows()) * variance.sum() <= max_condition)) return false;
    bound.variance = variance.array() * scale.array().square();
    if (with_condition) bound.condition = Directions<Matrix>(factor.matrixU()).condition();
    return true;
}

template <class Matrix>
Bound bound_from_jacobian(const Matrix& J) {
    if (!J.allFinite()) return {Eigen::VectorXd::Constant(J.cols(), nan), nan};
    const Directions<Matrix> directions(J);
    return {directions.covariance().diagonal().real(), directions.condition()};
}

RealMatrix covariance_from_jacobian(const RealMatrix& J) {
    if (!J.allFinite()) return RealMatrix::Constant(J.cols(), J.cols(), nan);
    return Directions<RealMatrix>(J).covariance();
}

template struct Directions<RealMatrix>;
template struct Directions<ComplexMatrix>;
template bool bound_from_fisher(const RealMatrix&, bool, Bound&);
template bool bound_from_fisher(const ComplexMatrix&, bool, Bound&);
template Bound bound_from_jacobian(const RealMatrix&);
template Bound bound_from_jacobian(const ComplexMatrix&);

}  // namespace spinbound
