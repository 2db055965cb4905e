#include "least_squares.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace spinbound {
namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr double inf = std::numeric_limits<double>::infinity();

// In units of the squared norms of the columns.
constexpr double first_damping = 1e-4;
// The step that this damping leaves is called undamped: singular values below 1e-8, as in bound.hpp, are no direction.
constexpr double least_damping = 1e-16;
// Of the promised reduction, what an accepted step must keep.
constexpr double least_gain = 1e-4;
constexpr int max_refusals = 10;

}  // namespace

Triangle::Triangle(Eigen::Index n_unknowns) : n_(n_unknowns), R_(decltype(R_)::Zero(n_ + 1, n_ + 1)) {}

void Triangle::add(const Eigen::Ref<const Eigen::MatrixXd>& J, const Eigen::Ref<const Eigen::VectorXd>& r) {
    for (Eigen::Index first = 0; first < J.rows(); first += chunk) {
        const Eigen::Index n = std::min<Eigen::Index>(chunk, J.rows() - first);
        add_chunk(J.middleRows(first, n), r.segment(first, n));
    }
}

// Householder's method leaves in every column an error relative to that column: it needs no scaling.
void Triangle::add_chunk(const Eigen::Ref<const Eigen::MatrixXd>& J, const Eigen::Ref<const Eigen::VectorXd>& r) {
    Rows rows(n_rows_ + J.rows(), n_ + 1);
    rows.topRows(n_rows_) = R_.topRows(n_rows_);
    rows.bottomLeftCorner(J.rows(), n_) = J;
    rows.col(n_).tail(J.rows()) = r;
    const Eigen::HouseholderQR<Rows> qr(rows);
    n_rows_ = std::min(rows.rows(), n_ + 1);
    R_.topRows(n_rows_) = qr.matrixQR().topRows(n_rows_).template triangularView<Eigen::Upper>();
}

LeastSquares::LeastSquares(const Eigen::VectorXd& start, const Box& box, const GaussianPrior& prior,
                           const StoppingRules& rules)
    : low_(box.low),
      high_(box.high),
      mean_(prior.mean),
      weight_(prior.weight),
      rules_(rules),
      trial_(start.cwiseMax(box.low).cwiseMin(box.high)),
      estimate_(trial_),
      scale_(Unknowns::Zero(start.size())),
      triangle_(start.size()),
      cost_(inf),
      damping_(first_damping),
      growth_(2) {}

bool LeastSquares::take(const Eigen::Ref<const Eigen::MatrixXd>& J, const Eigen::Ref<const Eigen::VectorXd>& r) {
    const double cost = r.squaredNorm() + prior_cost(trial_);
    if (!std::isfinite(cost) || !std::isfinite(J.squaredNorm())) {
        refuse();
        return false;
    }
    ++evaluations_;
    refusals_ = 0;
    const bool accepted = is_better(cost);
    if (accepted)
        accept(J, r, cost);
    else
        reject();
    return accepted;
}

void LeastSquares::refuse() {
    ++evaluations_;
    ++refusals_;
    if (evaluations_ == 1 || refusals_ > max_refusals)
        outcome_ = Outcome::failed;
    else
        reject();
}

double LeastSquares::prior_cost(const Unknowns& x) const {
    return weight_.size() ? (weight_.array() * (x - mean_).array()).matrix().squaredNorm() : 0;
}

void LeastSquares::add_prior(Triangle& triangle, const Unknowns& x) const {
    if (weight_.size()) triangle.add(weight_.asDiagonal().toDenseMatrix(), weight_.cwiseProduct(x - mean_));
}

bool LeastSquares::is_better(double cost) const { return cost_ == inf || cost_ - cost > least_gain * expected_; }

// Nielsen's rule: the damping falls threefold where the linearised cost is right, and rises smoothly as it is not.
void LeastSquares::accept(const Eigen::Ref<const Eigen::MatrixXd>& J, const Eigen::Ref<const Eigen::VectorXd>& r,
                          double cost) {
    if (cost_ < inf) {
        const double gain = (cost_ - cost) / expected_;
        damping_ = std::max(damping_ * std::max(1. / 3, 1 - std::pow(2 * gain - 1, 3)), least_damping);
        growth_ = 2;
    }
    estimate_ = trial_;
    cost_ = cost;
    triangle_ = Triangle(estimate_.size());
    triangle_.add(J, r);
    add_prior(triangle_, estimate_);
    scale_ = scale_.cwiseMax(Unknowns(triangle_.factor().colwise().norm()));
    if (has_converged()) return;
    propose();
}

// Each rejection in a row doubles the growth of the damping.
void LeastSquares::reject() {
    damping_ *= growth_;
    growth_ *= 2;
    propose();
}

void LeastSquares::propose() {
    move(step(damping_));
    if (expected_ <= epsilon * cost_)
        outcome_ = Outcome::cost;
    else if (trial_ == estimate_)
        outcome_ = Outcome::step;
    else if (iterations() >= rules_.max_iterations)
        outcome_ = Outcome::max_iterations;
}

bool LeastSquares::has_converged() {
    const Step undamped = step(least_damping);
    if (largest_cosine() <= rules_.gradient)
        outcome_ = Outcome::gradient;
    else if (undamped.reduction <= rules_.cost * cost_)
        outcome_ = Outcome::cost;
    else if (scale_.cwiseProduct(undamped.p).norm() <= rules_.step * scale_.cwiseProduct(estimate_).norm())
        outcome_ = Outcome::step;
    return outcome_ != Outcome::running;
}

// Unknowns that leave the step: at a bound with a gradient that points outward, or without any influence.
LeastSquares::Mask LeastSquares::held() const {
    const Unknowns gradient = triangle_.factor().transpose() * triangle_.rotated();
    Mask held(estimate_.size());
    for (Eigen::Index k = 0; k < held.size(); ++k)
        held[k] = scale_[k] == 0 || (at_low(k) && gradient[k] >= 0) || (at_high(k) && gradient[k] <= 0);
    return held;
}

double LeastSquares::largest_cosine() const {
    const Unknowns gradient = triangle_.factor().transpose() * triangle_.rotated();
    const Unknowns norm = triangle_.factor().colwise().norm();
    const Mask held = this->held();
    double largest = 0;
    for (Eigen::Index k = 0; k < held.size(); ++k)
        if (!held[k] && gradient[k] != 0) largest = std::max(largest, std::abs(gradient[k]) / norm[k]);
    return largest > 0 ? largest / std::sqrt(cost_) : 0;
}

// argmin |Q^T r + R p|^2 + damping |D p|^2 over the unknowns that have not stopped: least squares with the rows
// sqrt(damping) D below R, in units of D.
Unknowns LeastSquares::face_minimum(const Step& from, double damping) const {
    const Eigen::Index n = estimate_.size();
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor, 2 * max_unknowns, max_unknowns + 1> rows =
        decltype(rows)::Zero(2 * n, n + 1);
    Unknowns p = from.p;
    Eigen::Index n_free = 0;
    Eigen::Array<Eigen::Index, Eigen::Dynamic, 1, 0, max_unknowns, 1> free(n);
    for (Eigen::Index k = 0; k < n; ++k)
        if (!from.stopped[k]) {
            p[k] = 0;
            rows.col(n_free).head(n) = triangle_.factor().col(k) / scale_[k];
            rows(n + n_free, n_free) = std::sqrt(damping);
            free[n_free++] = k;
        }
    rows.col(n_free).head(n) = -triangle_.rotated() - triangle_.factor() * p;
    rows.conservativeResize(n + n_free, n_free + 1);
    const Eigen::HouseholderQR<decltype(rows)> qr(rows);
    Unknowns u = qr.matrixQR().col(n_free).head(n_free);
    qr.matrixQR().topLeftCorner(n_free, n_free).template triangularView<Eigen::Upper>().solveInPlace(u);
    for (Eigen::Index j = 0; j < n_free; ++j) p[free[j]] = u[j] / scale_[free[j]];
    return p;
}

// From face to face of the box: to the first bound on the way to the minimum over the free unknowns, where one more
// stops, until that minimum lies in the box. The linearised cost falls along every piece.
LeastSquares::Step LeastSquares::step(double damping) const {
    const Eigen::Index n = estimate_.size();
    Step step{Unknowns::Zero(n), held(), 0};
    for (Eigen::Index hit = 0; hit >= 0 && !step.stopped.all();) {
        const Unknowns target = face_minimum(step, damping);
        double fraction = 1;
        hit = -1;
        for (Eigen::Index k = 0; k < n; ++k) {
            if (step.stopped[k]) continue;
            const double room = (target[k] < step.p[k] ? low_[k] : high_[k]) - estimate_[k] - step.p[k];
            const double way = target[k] - step.p[k];
            if (std::abs(way) > std::abs(room) * (1 / fraction)) {
                fraction = std::abs(room / way);
                hit = k;
            }
        }
        step.p += fraction * (target - step.p);
        if (hit >= 0) {
            step.p[hit] = (target[hit] < step.p[hit] ? low_[hit] : high_[hit]) - estimate_[hit];
            step.stopped[hit] = true;
        }
    }
    step.reduction = reduction(step.p);
    return step;
}

// |Q^T r|^2 - |Q^T r + R p|^2
double LeastSquares::reduction(const Unknowns& p) const {
    const Unknowns change = triangle_.factor() * p;
    return -change.dot(2 * triangle_.rotated() + change);
}

void LeastSquares::move(const Step& step) {
    expected_ = step.reduction;
    trial_ = (estimate_ + step.p).cwiseMax(low_).cwiseMin(high_);
    for (Eigen::Index k = 0; k < trial_.size(); ++k)
        if (step.stopped[k] && step.p[k] != 0) trial_[k] = step.p[k] < 0 ? low_[k] : high_[k];
}

}  // namespace spinbound
