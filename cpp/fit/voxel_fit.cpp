#include "fit/voxel_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "voxels/column.hpp"

namespace spinbound {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

TissueView view_of(const VoxelFit::Tissue& tissue) {
    TissueView view;
    view.n_voxels = 1;
    for (std::size_t p = 0; p < n_tissue_parameters; ++p) view.value[p] = &tissue[p];
    return view;
}

// The base parameters that a parameter stands for.
template <class Use>
void for_each_base(Parameter parameter, VoxelFit::Tissue& tissue, Use&& use) {
    const Column column = column_of(parameter, view_of(tissue), 0, ModelName::gbloch);
    for (int i = 0; i < column.n; ++i) use(tissue[static_cast<std::size_t>(column.stream[i]) - 1]);
}

double value_of(Parameter parameter, VoxelFit::Tissue tissue) {
    double value = 0;
    for_each_base(parameter, tissue, [&](double base) { value = is_reciprocal(parameter) ? 1 / base : base; });
    return value;
}

void set_value(Parameter parameter, double value, VoxelFit::Tissue& tissue) {
    for_each_base(parameter, tissue, [&](double& base) { base = is_reciprocal(parameter) ? 1 / value : value; });
}

std::size_t n_samples(const FitProblem& problem) { return problem.basis.n_samples(problem.experiment); }

const Complex* data_of(const FitProblem& problem, std::size_t voxel) {
    return problem.data + voxel * n_samples(problem);
}

// The exponent of the largest part of a voxel's data.
int exponent_of(const FitProblem& problem, std::size_t voxel) {
    const Complex* data = data_of(problem, voxel);
    double largest = 0;
    for (std::size_t k = 0; k < n_samples(problem); ++k)
        largest = std::max({largest, std::abs(data[k].real()), std::abs(data[k].imag())});
    int exponent;
    std::frexp(largest, &exponent);
    return exponent;
}

Complex scaled(Complex value, int exponent) {
    return {std::ldexp(value.real(), exponent), std::ldexp(value.imag(), exponent)};
}

Eigen::VectorXcd scaled_data(const FitProblem& problem, std::size_t voxel, int exponent) {
    const Complex* data = data_of(problem, voxel);
    Eigen::VectorXcd copy(static_cast<Eigen::Index>(n_samples(problem)));
    for (Eigen::Index k = 0; k < copy.size(); ++k) copy[k] = scaled(data[k], -exponent);
    return copy;
}

VoxelFit::Tissue tissue_of(const FitProblem& problem, std::size_t voxel) {
    VoxelFit::Tissue tissue;
    for (std::size_t p = 0; p < n_tissue_parameters; ++p) tissue[p] = problem.tissue.value[p][voxel];
    return tissue;
}

// The unknowns of the solver are those of the tissue, then Re M0 and Im M0 if they are fitted.
LeastSquares solver_of(const FitProblem& problem, std::size_t voxel, const VoxelFit::Tissue& tissue, int exponent,
                       const StoppingRules& rules) {
    const auto n = static_cast<Eigen::Index>(problem.unknowns.size());
    const Eigen::Index size = n + (problem.M0 == M0Treatment::fitted ? 2 : 0);
    Eigen::VectorXd start(size);
    Box box{Eigen::VectorXd::Constant(size, -inf), Eigen::VectorXd::Constant(size, inf)};
    GaussianPrior prior;
    for (Eigen::Index k = 0; k < n; ++k) {
        const auto p = static_cast<std::size_t>(k);
        start[k] = value_of(problem.unknowns[p], tissue);
        box.low[k] = problem.low[p];
        box.high[k] = problem.high[p];
    }
    if (size > n) {
        const Complex M0 = scaled(problem.tissue.M0[voxel], -exponent);
        start.tail(2) << M0.real(), M0.imag();
    }
    if (problem.prior_mean) {
        prior = {Eigen::VectorXd::Zero(size), Eigen::VectorXd::Zero(size)};
        for (Eigen::Index k = 0; k < n; ++k) {
            const auto p = static_cast<std::size_t>(k);
            prior.mean[k] = problem.prior_mean[p * problem.tissue.n_voxels + voxel];
            prior.weight[k] = std::ldexp(problem.noise.sigma[voxel], -exponent) / problem.prior_std[p];
        }
    }
    return {start, box, prior, rules};
}

// Of signals in single precision: their error, relative to the data, is a tenth of it.
constexpr double single_resolution = 1e-4;
// Of a column, what rounding leaves of it where it is along s.
constexpr double single_rounding = 5e-5, full_rounding = 1e-12;
// In single precision a fit comes to within a tenth of a standard error.
constexpr double single_cost = 1e-3;
// Of the residual, relative to the data: noise of this size hides the errors of a plan by five orders of magnitude.
constexpr double exact_residual = 1e-4;

StoppingRules rules_of(const FitProblem& problem, const Eigen::VectorXcd& data, Precision precision) {
    StoppingRules rules = problem.stopping;
    if (precision == Precision::single || problem.depth != Depth::full) {
        rules.cost = std::max(rules.cost, single_cost);
        rules.resolution = single_resolution * single_resolution * data.squaredNorm();
    }
    return rules;
}

// Real parts above imaginary ones.
template <class Stacked>
void stack(const Eigen::VectorXcd& column, Stacked&& stacked) {
    stacked.head(column.size()) = column.real();
    stacked.tail(column.size()) = column.imag();
}

}  // namespace

VoxelFit::VoxelFit(const FitProblem& problem, std::size_t voxel, Precision precision)
    : problem_(problem),
      voxel_(voxel),
      exponent_(exponent_of(problem, voxel)),
      data_(scaled_data(problem, voxel, exponent_)),
      tissue_(tissue_of(problem, voxel)),
      precision_(precision),
      solver_(solver_of(problem, voxel, tissue_, exponent_, rules_of(problem, data_, precision_))) {
    proceed();
}

bool VoxelFit::is_exact() const {
    return precision_ == Precision::full && solver_.cost() < exact_residual * exact_residual * data_.squaredNorm();
}

void VoxelFit::proceed() {
    if (precision_ == Precision::single && problem_.depth == Depth::full && finished()) {
        precision_ = Precision::full;
        solver_.refine(rules_of(problem_, data_, precision_));
    }
    for (std::size_t k = 0; k < problem_.unknowns.size(); ++k)
        set_value(problem_.unknowns[k], solver_.trial()[static_cast<Eigen::Index>(k)], tissue_);
}

void VoxelFit::take(ComplexMatrix& streams, FitScratch& scratch) {
    problem_.noise.whiten(streams, voxel_);
    Amplitude amplitude = linearise(streams, scratch);
    if (solver_.take(scratch.jacobian, scratch.residual)) at_estimate_ = std::move(amplitude);
    is_seen_ = problem_.depth == Depth::look && solver_.outcome() != Outcome::failed;
    proceed();
}

void VoxelFit::refuse() {
    solver_.refuse();
    proceed();
}

Complex VoxelFit::M0_at(const ComplexMatrix& streams, double energy) const {
    switch (problem_.M0) {
        case M0Treatment::known:
            return scaled(problem_.tissue.M0[voxel_], -exponent_);
        case M0Treatment::eliminated:
            return streams.col(0).dot(data_) / energy;
        case M0Treatment::fitted:
            break;
    }
    const Eigen::Vector2d parts = solver_.trial().tail(2);
    return {parts[0], parts[1]};
}

// The residual and the Jacobian of the solver's unknowns, into the scratch.
VoxelFit::Amplitude VoxelFit::linearise(const ComplexMatrix& streams, FitScratch& scratch) const {
    const auto s = streams.col(0);
    const auto n = static_cast<Eigen::Index>(problem_.unknowns.size());
    const bool eliminated = problem_.M0 == M0Treatment::eliminated, fitted = problem_.M0 == M0Treatment::fitted;
    Amplitude amplitude;
    amplitude.energy = s.squaredNorm();
    amplitude.M0 = M0_at(streams, amplitude.energy);
    amplitude.overlap.setZero(eliminated ? n : 0);
    const double rounding = precision_ == Precision::single ? single_rounding : full_rounding;
    scratch.jacobian.resize(2 * s.size(), n + (fitted ? 2 : 0));
    for (Eigen::Index k = 0; k < n; ++k) {
        const Parameter p = problem_.unknowns[static_cast<std::size_t>(k)];
        const Column column = column_of(p, view_of(tissue_), 0, problem_.options.model.name);
        scratch.column = amplitude.M0 * column.weight[0] * streams.col(column.stream[0]);
        if (column.n == 2) scratch.column += amplitude.M0 * column.weight[1] * streams.col(column.stream[1]);
        if (eliminated) {
            const double whole = scratch.column.norm();
            amplitude.overlap[k] = s.dot(scratch.column) / amplitude.energy;
            scratch.column -= amplitude.overlap[k] * s;
            if (scratch.column.norm() <= rounding * whole) scratch.column.setZero();
        }
        stack(scratch.column, scratch.jacobian.col(k));
    }
    if (fitted) {
        stack(s, scratch.jacobian.col(n));
        stack(Complex(0, 1) * s, scratch.jacobian.col(n + 1));
    }
    scratch.column = amplitude.M0 * s - data_;
    scratch.residual.resize(2 * s.size());
    stack(scratch.column, scratch.residual);
    amplitude.residual = scratch.column.norm();
    return amplitude;
}

// R with R^T R = J^T J for the unknowns of the tissue, Re M0 and Im M0: that of the solver, and above it the part along
// s that an eliminated M0 has taken.
RealMatrix VoxelFit::factor() const {
    if (problem_.M0 != M0Treatment::eliminated) return solver_.factor();
    const auto n = static_cast<Eigen::Index>(problem_.unknowns.size());
    const double norm = std::sqrt(at_estimate_.energy);
    RealMatrix R = RealMatrix::Zero(n + 2, n + 2);
    R.topLeftCorner(n, n) = solver_.factor();
    R.row(n).head(n) = norm * at_estimate_.overlap.real();
    R.row(n + 1).head(n) = norm * at_estimate_.overlap.imag();
    R(n, n) = R(n + 1, n + 1) = norm;
    return R;
}

// Standard deviation of the noise, of the scaled data: given, or |y - M0 s|^2 over the degrees of freedom of so many
// complex numbers.
double VoxelFit::noise() const {
    if (problem_.noise.sigma) return std::ldexp(problem_.noise.sigma[voxel_], -exponent_);
    const double freedom = 2.0 * static_cast<double>(data_.size()) - static_cast<double>(problem_.size());
    return freedom > 0 ? at_estimate_.residual / std::sqrt(freedom) : nan;
}

std::uint16_t VoxelFit::at_bound() const {
    unsigned bits = 0;
    for (std::size_t k = 0; k < problem_.unknowns.size(); ++k)
        if (const auto i = static_cast<Eigen::Index>(k); solver_.at_low(i) || solver_.at_high(i)) bits |= 1u << k;
    return static_cast<std::uint16_t>(bits);
}

Status VoxelFit::status(const RealMatrix& covariance) const {
    switch (solver_.outcome()) {
        case Outcome::max_iterations:
            return Status::max_iterations;
        case Outcome::gradient:
        case Outcome::step:
        case Outcome::cost:
            break;
        default:
            return Status::failed;
    }
    for (Eigen::Index k = 0; k < covariance.rows(); ++k)
        if (!has_estimate(k, covariance)) return Status::singular;
    if (at_bound()) return Status::at_bound;
    if (solver_.outcome() == Outcome::gradient) return Status::gradient;
    return solver_.outcome() == Outcome::step ? Status::step : Status::cost;
}

void VoxelFit::write(const FitResults& results) const {
    if (solver_.outcome() == Outcome::failed) return write_refused(problem_, voxel_, Status::failed, results);
    if (problem_.depth != Depth::full) return write_rough(results);
    results.misfit[voxel_] = misfit(solver_.cost());
    const RealMatrix covariance = covariance_from_jacobian(factor());
    results.status[voxel_] = static_cast<std::int8_t>(status(covariance));
    results.iterations[voxel_] = solver_.iterations();
    results.at_bound[voxel_] = at_bound();
    results.sigma[voxel_] = std::ldexp(noise(), exponent_);
    results.residual[voxel_] = at_estimate_.residual / data_.norm();
    write_estimates(results, covariance);
}

LeastSquares::Promise VoxelFit::found() const {
    if (problem_.depth != Depth::look) return {solver_.estimate(), solver_.cost()};
    const auto n = static_cast<Eigen::Index>(problem_.reach.size());
    return solver_.promise(Eigen::Map<const Eigen::VectorXd>(problem_.reach.data(), n));
}

// The root of a cost, relative to the data.
double VoxelFit::misfit(double cost) const { return std::sqrt(std::max(cost, 0.)) / data_.norm(); }

// Without what needs the covariance.
void VoxelFit::write_rough(const FitResults& results) const {
    const LeastSquares::Promise found = this->found();
    write_refused(problem_, voxel_, Status::cost, results);
    for (std::size_t k = 0; k < problem_.unknowns.size(); ++k)
        results.estimates[k * problem_.tissue.n_voxels + voxel_] = found.x[static_cast<Eigen::Index>(k)];
    results.misfit[voxel_] = misfit(found.cost);
    results.iterations[voxel_] = solver_.iterations();
}

// An unknown that the data do not determine has no estimate, unless it is at a bound.
bool VoxelFit::has_estimate(Eigen::Index k, const RealMatrix& covariance) const {
    return std::isfinite(covariance(k, k)) || at_bound() >> k & 1u;
}

// M0 carries the scale of the data.
void VoxelFit::write_estimates(const FitResults& results, const RealMatrix& covariance) const {
    const std::size_t n = problem_.unknowns.size(), size = problem_.size();
    const auto is_known = [&](Eigen::Index k) { return has_estimate(k, covariance); };
    for (std::size_t k = 0; k < n; ++k) {
        const auto i = static_cast<Eigen::Index>(k);
        results.estimates[k * problem_.tissue.n_voxels + voxel_] = is_known(i) ? solver_.estimate()[i] : nan;
    }
    if (size > n) {
        const bool known = is_known(static_cast<Eigen::Index>(n)) && is_known(static_cast<Eigen::Index>(n) + 1);
        results.M0[voxel_] = known ? scaled(at_estimate_.M0, exponent_) : Complex(nan, nan);
    }
    double* out = results.covariance + voxel_ * size * size;
    const double variance = noise() * noise();
    for (std::size_t i = 0; i < size; ++i)
        for (std::size_t j = 0; j < size; ++j) {
            const double entry = variance * covariance(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j));
            *out++ = std::ldexp(entry, exponent_ * ((i >= n) + (j >= n)));
        }
}

std::optional<Status> refused_data(const FitProblem& problem, std::size_t voxel) {
    const Complex* data = data_of(problem, voxel);
    bool is_zero = true;
    for (std::size_t k = 0; k < n_samples(problem); ++k) {
        if (!std::isfinite(data[k].real()) || !std::isfinite(data[k].imag())) return Status::not_finite;
        is_zero = is_zero && data[k] == Complex(0);
    }
    if (is_zero) return Status::no_data;
    return std::nullopt;
}

void write_refused(const FitProblem& problem, std::size_t voxel, Status status, const FitResults& results) {
    const std::size_t n = problem.unknowns.size(), size = problem.size();
    for (std::size_t k = 0; k < n; ++k) results.estimates[k * problem.tissue.n_voxels + voxel] = nan;
    if (size > n) results.M0[voxel] = {nan, nan};
    std::fill_n(results.covariance + voxel * size * size, size * size, nan);
    results.sigma[voxel] = results.residual[voxel] = results.misfit[voxel] = nan;
    results.status[voxel] = static_cast<std::int8_t>(status);
    results.iterations[voxel] = 0;
    results.at_bound[voxel] = 0;
}

}  // namespace spinbound
