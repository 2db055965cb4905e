// The fit of one voxel: between its data, the streams of the kernel and the Levenberg-Marquardt steps.
//
// Data are scaled by a power of two to the order of one, so that their size is nothing to the fit. An eliminated M0 is
// s^H y/|s|^2 for every x, and the columns of the Jacobian lose their part along s (Kaufman's variable projection).
//
// A fit that begins in single precision, at half the cost, goes on in double precision from where rounding would be seen.
#pragma once

#include <array>
#include <optional>

#include "bound/bound.hpp"
#include "fit/least_squares.hpp"
#include "records/fit_problem.hpp"

namespace spinbound {

// What the fits of one thread share.
struct FitScratch {
    Eigen::VectorXcd column;  // M0 ds/dx
    RealMatrix jacobian;  // of the signal, real parts above imaginary ones
    Eigen::VectorXd residual;  // M0 s - y, likewise
};

class VoxelFit {
public:
    using Tissue = std::array<double, n_tissue_parameters>;

    // Beginning in this precision.
    VoxelFit(const FitProblem& problem, std::size_t voxel, Precision precision);

    bool finished() const { return is_seen_ || solver_.outcome() != Outcome::running; }

    // Where the model is wanted next, m0s ... B1.
    const Tissue& trial() const { return tissue_; }

    // How exactly.
    Precision precision() const { return precision_; }

    // Whether the estimate is so near to data without noise that the errors of the model show.
    bool is_exact() const;

    // The streams (n_samples, n_streams) at the trial, for M0 = 1.
    void take(ComplexMatrix& streams, FitScratch& scratch);  // whitens them in place

    // The model has no value there.
    void refuse();

    void write(const FitResults& results) const;

private:
    // What belongs to the estimate beside the unknowns of the solver.
    struct Amplitude {
        Complex M0 = 0;
        double energy = 0;  // |s|^2
        Eigen::VectorXcd overlap;  // s^H J/|s|^2 of the columns before they lost their part along s
        double residual = 0;  // |y - M0 s|
    };

    void proceed();
    void write_rough(const FitResults& results) const;
    LeastSquares::Promise found() const;  // short of a full fit
    double misfit(double cost) const;
    Complex M0_at(const ComplexMatrix& streams, double energy) const;
    Amplitude linearise(const ComplexMatrix& streams, FitScratch& scratch) const;
    RealMatrix factor() const;
    double noise() const;
    std::uint16_t at_bound() const;
    bool has_estimate(Eigen::Index k, const RealMatrix& covariance) const;
    Status status(const RealMatrix& covariance) const;
    void write_estimates(const FitResults& results, const RealMatrix& covariance) const;

    const FitProblem& problem_;
    std::size_t voxel_;
    int exponent_;  // data are scaled by 2^-exponent
    Eigen::VectorXcd data_;
    Tissue tissue_;
    Precision precision_;
    bool is_seen_ = false;  // of a look: its evaluation is done
    LeastSquares solver_;
    Amplitude at_estimate_;
};

// Why the data of a voxel cannot be fitted, if they cannot.
std::optional<Status> refused_data(const FitProblem& problem, std::size_t voxel);

// A voxel without results.
void write_refused(const FitProblem& problem, std::size_t voxel, Status status, const FitResults& results);

}  // namespace spinbound
