#include "least_squares.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace spinbound {
namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr double inf = std::numeric_limits<double>::infinity();

// The step that this damping leaves is called undamped: singular values below 1e-8, as in bound.hpp, are no direction.
constexpr double least_damping = 1e-16;
// The first radius, in units of |D x|.
constexpr double first_radius = 1;
// The step may be longer than the radius by this factor, which saves the exact damping.
constexpr double slack = 1.1;
constexpr int max_newton_steps = 10;
// Of the promised reduction, what an accepted step must keep.
constexpr double least_gain = 1e-4;
// Relative changes of the cost below this one may be rounding of the model.
constexpr double unresolved_change = 1e-11;
// Where the model has no value, the radius shrinks faster; after this many refusals in a row it is 1e10 times smaller.
constexpr double refused_shrink = 0.1;
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
      cost_(inf) {}

bool LeastSquares::take(const Eigen::Ref<const Eigen::MatrixXd>& J, const Eigen::Ref<const Eigen::VectorXd>& r) {
    const double cost = r.squaredNorm() + prior_cost(trial_);
    if (!std::isfinite(cost) || !std::isfinite(J.squaredNorm())) {
        refuse();
        return false;
    }
    ++evaluations_;
    refusals_ = 0;
    const bool is_first = evaluations_ == 1;
    const double gain = is_first ? 1 : (cost_ - cost) / expected_;
    const bool may_be_better = gain > least_gain || cost <= (1 + unresolved_change) * cost_;
    const Triangle triangle = may_be_better ? triangle_of(J, r) : Triangle();
    const bool accepted = gain > least_gain || (may_be_better && is_flatter(cost, triangle));
    if (!is_first) resize(gain);
    if (accepted)
        accept(cost, triangle);
    else
        reject();
    return accepted;
}

void LeastSquares::refuse() {
    ++evaluations_;
    ++refusals_;
    if (evaluations_ == 1 || refusals_ > max_refusals) {
        outcome_ = Outcome::failed;
        return;
    }
    radius_ = refused_shrink * std::min(length(trial_ - estimate_), radius_);
    reject();
}

double LeastSquares::prior_cost(const Unknowns& x) const {
    return weight_.size() ? (weight_.array() * (x - mean_).array()).matrix().squaredNorm() : 0;
}

Triangle LeastSquares::triangle_of(const Eigen::Ref<const Eigen::MatrixXd>& J,
                                   const Eigen::Ref<const Eigen::VectorXd>& r) const {
    Triangle triangle(trial_.size());
    triangle.add(J, r);
    if (weight_.size()) triangle.add(weight_.asDiagonal().toDenseMatrix(), weight_.cwiseProduct(trial_ - mean_));
    return triangle;
}

// Where rounding hides what a step does to the cost, the residual within reach tells: near a minimum it must shrink.
bool LeastSquares::is_flatter(double cost, const Triangle& triangle) const {
    return expected_ <= unresolved_change * cost_ && cost <= (1 + unresolved_change) * cost_ &&
           triangle.rotated().norm() < 0.5 * triangle_.rotated().norm();
}

void LeastSquares::accept(double cost, const Triangle& triangle) {
    const bool is_first = cost_ == inf;
    estimate_ = trial_;
    cost_ = cost;
    triangle_ = triangle;
    scale_ = scale_.cwiseMax(Unknowns(triangle_.factor().colwise().norm()));
    held_ = held();
    if (is_first) radius_ = first_radius * (length(estimate_) > 0 ? length(estimate_) : std::sqrt(cost_));
    outcome_ = verdict();
    if (outcome_ == Outcome::running) propose();
}

void LeastSquares::reject() {
    if (expected_ <= epsilon * cost_)
        outcome_ = Outcome::cost;
    else
        propose();
}

// The radius follows the length of the steps that the linearised cost has foretold.
void LeastSquares::resize(double gain) {
    const double length = this->length(trial_ - estimate_);
    if (gain > 0.75)
        radius_ = 2 * length;
    else if (!(gain > 0.25))
        radius_ = std::min(length, radius_) / 2;
}

void LeastSquares::propose() {
    move(step(damping()));
    if (trial_ == estimate_)
        outcome_ = Outcome::step;
    else if (iterations() >= rules_.max_iterations)
        outcome_ = Outcome::max_iterations;
}

Outcome LeastSquares::verdict() const {
    if (largest_cosine() <= rules_.gradient) return Outcome::gradient;
    const Step undamped = step(least_damping);
    if (undamped.reduction <= rules_.cost * cost_) return Outcome::cost;
    if (length(undamped.p) <= rules_.step * length(estimate_)) return Outcome::step;
    return Outcome::running;
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
    double largest = 0;
    for (Eigen::Index k = 0; k < held_.size(); ++k)
        if (!held_[k] && gradient[k] != 0) largest = std::max(largest, std::abs(gradient[k]) / norm[k]);
    return largest > 0 ? largest / std::sqrt(cost_) : 0;
}

// argmin |Q^T r + R p|^2 + damping |D p|^2 over the unknowns that have not stopped: least squares with the rows
// sqrt(damping) D below R, in units u of D.
LeastSquares::FaceMinimum LeastSquares::face_minimum(const Step& from, double damping) const {
    const Eigen::Index n = estimate_.size();
    Unknowns p = from.p;
    Eigen::Array<Eigen::Index, Eigen::Dynamic, 1, 0, max_unknowns, 1> free(n);
    Eigen::Index n_free = 0;
    for (Eigen::Index k = 0; k < n; ++k)
        if (!from.stopped[k]) {
            p[k] = 0;
            free[n_free++] = k;
        }
    using Rows =
        Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor, 2 * max_unknowns, max_unknowns + 1>;
    Rows rows = Rows::Zero(n + n_free, n_free + 1);
    for (Eigen::Index j = 0; j < n_free; ++j) {
        rows.col(j).head(n) = triangle_.factor().col(free[j]) / scale_[free[j]];
        rows(n + j, j) = std::sqrt(damping);
    }
    rows.col(n_free).head(n) = -triangle_.rotated() - triangle_.factor() * p;
    const Eigen::HouseholderQR<Rows> qr(rows);
    const auto S = qr.matrixQR().topLeftCorner(n_free, n_free).template triangularView<Eigen::Upper>();
    const Unknowns u = S.solve(Unknowns(qr.matrixQR().col(n_free).head(n_free)));
    for (Eigen::Index j = 0; j < n_free; ++j) p[free[j]] = u[j] / scale_[free[j]];
    return {p, u.norm(), S.transpose().solve(u).squaredNorm() / u.squaredNorm()};
}

// The least damping that keeps the step within the radius: Newton's method for 1/length = 1/radius, which comes
// monotonically from below.
double LeastSquares::damping() const {
    double damping = least_damping;
    const Step start{Unknowns::Zero(estimate_.size()), held_, 0};
    for (int k = 0; k < max_newton_steps; ++k) {
        const FaceMinimum minimum = face_minimum(start, damping);
        if (!(minimum.length > slack * radius_)) break;
        damping += (minimum.length / radius_ - 1) / minimum.decline;
    }
    return damping;
}

// From face to face of the box: to the first bound on the way to the minimum over the free unknowns, where one more
// stops, until that minimum lies in the box. The linearised cost falls along every piece.
LeastSquares::Step LeastSquares::step(double damping) const {
    const Eigen::Index n = estimate_.size();
    Step step{Unknowns::Zero(n), held_, 0};
    for (Eigen::Index hit = 0; hit >= 0 && !step.stopped.all();) {
        const Unknowns way = face_minimum(step, damping).p - step.p;
        double fraction = 1, room_of_hit = 0;
        hit = -1;
        for (Eigen::Index k = 0; k < n; ++k) {
            if (step.stopped[k] || way[k] == 0) continue;
            const double room = (way[k] < 0 ? low_[k] : high_[k]) - (estimate_[k] + step.p[k]);
            if (room / way[k] < fraction) {
                fraction = std::max(room / way[k], 0.);
                room_of_hit = room;
                hit = k;
            }
        }
        const double end = hit < 0 ? 0 : step.p[hit] + room_of_hit;
        step.p += fraction * way;
        if (hit >= 0) {
            step.p[hit] = end;
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
