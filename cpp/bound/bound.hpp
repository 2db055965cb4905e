// Variance bounds of one voxel: from its Fisher matrix where that is well conditioned, else from its Jacobian.
#pragma once

#include <Eigen/Dense>

namespace spinbound {

using RealMatrix = Eigen::MatrixXd;
using ComplexMatrix = Eigen::MatrixXcd;

// Above this condition of F scaled to unit diagonal its inverse has lost half of its digits.
inline constexpr double max_condition = 1e8;
// Singular values of the column-scaled Jacobian below this fraction of the largest are null: double precision does not
// tell them from zero.
inline constexpr double null_singular_value = 1e-13;
// A parameter is unidentifiable whose component in a null direction exceeds this fraction of its standard deviation from
// the other directions: rounding errors of J turn components by about that times the roundoff.
inline constexpr double null_component = 1e-12;

// The singular values and right singular vectors of a Jacobian J whose columns are scaled to unit length.
template <class Matrix>
struct Directions {
    Eigen::VectorXd norm;      // of the columns
    Eigen::VectorXd singular;  // the largest first
    Matrix vectors;            // as columns

    explicit Directions(Matrix J);

    bool is_null(Eigen::Index j) const { return !(singular[j] > null_singular_value * singular[0]); }
    // Largest over least singular value; inf where that is null.
    double condition() const;
    // (J^H J)^-1; the variance of what is unidentifiable is inf, its covariances are NaN.
    Matrix covariance() const;
};

// diag(F^-1) of the real or complex unknowns of a voxel, and the condition of the column-scaled Jacobian.
struct Bound {
    Eigen::VectorXd variance;
    double condition;
};

// By Cholesky of F scaled to unit diagonal; false where F is not positive definite or too ill-conditioned. The
// condition is found on demand.
template <class Matrix>
bool bound_from_fisher(const Matrix& F, bool with_condition, Bound& bound);

// No real part is taken: stack real and imaginary part for real parameters. NaN where J is not finite.
template <class Matrix>
Bound bound_from_jacobian(const Matrix& J);

// (J^H J)^-1 as `Directions` has it; NaN where J is not finite.
RealMatrix covariance_from_jacobian(const RealMatrix& J);

}  // namespace spinbound
