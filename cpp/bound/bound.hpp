// Variance bounds of one voxel: from its Fisher matrix where that is well conditioned, else from its Jacobian.
#pragma once

#include <Eigen/Dense>

namespace spinbound {

using RealMatrix = Eigen::MatrixXd;
using ComplexMatrix = Eigen::MatrixXcd;

// Above this condition of F scaled to unit diagonal its inverse has lost half of its digits.
inline constexpr double max_condition = 1e8;
// Singular values of the column-scaled Jacobian below this fraction of the largest are null.
inline constexpr double null_singular_value = 1e-6;
// Below this one they are lost in the error of the Jacobian itself.
inline constexpr double resolved_singular_value = 1e-8;
// A parameter with a larger component in a null direction is unidentifiable; a smaller one adds its variance.
inline constexpr double null_component = 1e-6;
// In an unresolved direction the variance is unknown; what the errors of the Jacobian leave there counts as none.
inline constexpr double unresolved_component = 1e-8;

// diag(F^-1) by Cholesky of F scaled to unit diagonal; false where F is not positive definite or too ill-conditioned.
template <class Matrix>
bool bound_from_fisher(const Matrix& F, Eigen::VectorXd& bound);

// (J^H J)^-1 by QR of the column-scaled J and the singular values of R; the variance of what is unidentifiable is inf,
// its covariances NaN. No real part is taken: stack real and imaginary part for real parameters.
template <class Matrix>
Matrix covariance_from_jacobian(Matrix J);

// Its diagonal.
template <class Matrix>
Eigen::VectorXd bound_from_jacobian(const Matrix& J);

}  // namespace spinbound
