// The noise of a call's data.
#pragma once

#include <Eigen/Dense>
#include <complex>
#include <cstddef>

namespace spinbound {

// White, with a standard deviation for each voxel; or that of coefficients in a basis after whitening them.
struct NoiseView {
    using Matrix = Eigen::Matrix<std::complex<double>, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

    const double* sigma = nullptr;                     // one per voxel: in the real and in the imaginary part
    const std::complex<double>* whitening = nullptr;  // (1 or n_voxels, rank, rank), W C W^H = 1; null: white already
    bool is_common = true;  // one matrix for all voxels

    // A voxel's coefficients, one row each, with white noise of its sigma.
    void whiten(Eigen::MatrixXcd& rows, std::size_t voxel) const {
        if (!whitening) return;
        const Eigen::Index rank = rows.rows();
        const std::size_t start = is_common ? 0 : voxel * static_cast<std::size_t>(rank * rank);
        rows = Eigen::Map<const Matrix>(whitening + start, rank, rank) * rows;
    }
};

}  // namespace spinbound
