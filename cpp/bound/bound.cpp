#include "bound/bound.hpp"

#include <limits>

namespace spinbound {

template <class Matrix>
bool bound_from_fisher(const Matrix& F, Eigen::VectorXd& bound) {
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
    bound = variance.array() * scale.array().square();
    return true;
}

template <class Matrix>
Matrix covariance_from_jacobian(Matrix J) {
    const Eigen::Index n = J.cols();
    const Eigen::VectorXd norm = J.colwise().norm();
    for (Eigen::Index k = 0; k < n; ++k)
        if (norm[k] > 0) J.col(k) /= norm[k];
    const Eigen::HouseholderQR<Matrix> qr(J);
    const Matrix R = qr.matrixQR().topRows(std::min(J.rows(), n)).template triangularView<Eigen::Upper>();
    const Eigen::JacobiSVD<Matrix> svd(R, Eigen::ComputeFullV);
    const Eigen::VectorXd& singular = svd.singularValues();
    const double largest = singular.size() ? singular[0] : 0;
    Matrix covariance = Matrix::Zero(n, n);
    Eigen::Array<bool, Eigen::Dynamic, 1> is_lost = Eigen::Array<bool, Eigen::Dynamic, 1>::Constant(n, false);
    for (Eigen::Index j = 0; j < n; ++j) {
        const auto direction = svd.matrixV().col(j);
        const double value = j < singular.size() ? singular[j] : 0;
        const bool is_null = !(value > null_singular_value * largest);
        const bool is_resolved = value > resolved_singular_value * largest;
        const double allowed = is_resolved ? null_component : unresolved_component;
        if (is_null) is_lost = is_lost || direction.array().abs() > allowed;
        if (is_resolved) covariance += direction * direction.adjoint() / (value * value);
    }
    const Eigen::VectorXd scale = norm.cwiseInverse();
    covariance = scale.asDiagonal() * covariance * scale.asDiagonal();
    for (Eigen::Index k = 0; k < n; ++k) {
        if (!is_lost[k]) continue;
        covariance.row(k).setConstant(std::numeric_limits<double>::quiet_NaN());
        covariance.col(k).setConstant(std::numeric_limits<double>::quiet_NaN());
        covariance(k, k) = std::numeric_limits<double>::infinity();
    }
    return covariance;
}

template <class Matrix>
Eigen::VectorXd bound_from_jacobian(const Matrix& J) {
    return covariance_from_jacobian(J).diagonal().real();
}

template bool bound_from_fisher(const RealMatrix&, Eigen::VectorXd&);
template bool bound_from_fisher(const ComplexMatrix&, Eigen::VectorXd&);
template RealMatrix covariance_from_jacobian(RealMatrix);
template Eigen::VectorXd bound_from_jacobian(const RealMatrix&);
template Eigen::VectorXd bound_from_jacobian(const ComplexMatrix&);

}  // namespace spinbound
