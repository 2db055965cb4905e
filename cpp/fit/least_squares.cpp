#include "fit/least_squares.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace spinbound {
namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr double inf = std::numeric_limits<double>::infinity();

// In units of the norm of its column; without it, dependent columns would leave the step to rounding. Singular values
// below this one, as in bound/bound.hpp, are no direction.
constexpr double least_diagonal = 1e-8;
// Of |D x|, or of the residual where x = 0. From here to 10 all problems of NIST are solved; fits of tissues take the
// fewest evaluations here.
constexpr double first_radius = 0.1;
// The step may be longer than the radius by this factor, which saves the exact damping.
constexpr double slack = 1.1;
constexpr int max_newton_steps = 10;
// Of the promised reduction, what an accepted step must keep.
constexpr double least_gain = 1e-4;
// Relative changes of the cost below this one may be rounding of the model.
constexpr double unresolved_change = 1e-11;
// Of the Cholesky factor of J^T J + S, columns of J scaled to one: below it rounding decides.
constexpr double least_pivot = 1e-5;
// In a row; the radius is then 1e10 times smaller.
constexpr int max_refusals = 10;
// Of the way to the other limit, off a start at which an unknown has no influence.
constexpr double first_move = 0.1;

}  // namespace

Triangle::Triangle(Eigen::Index n_unknowns) : n_(n_unknowns), R_(decltype(R_)::Zero(n_ + 1, n_ + 1)) {}

Triangle::Triangle(const Eigen::MatrixXd& factor, const Eigen::VectorXd& rotated) : Triangle(rotated.size()) {
    R_.topLeftCorner(n_, n_) = factor;
    R_.col(n_).head(n_) = rotated;
}

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
      triangle_(start.size()),
      curvature_(Curvature::Zero(start.size(), start.size())),
      scale_(Unknowns::Zero(start.size())),
      cost_(inf) {}

bool LeastSquares::take(const Eigen::Ref<const Eigen::MatrixXd>& J, const Eigen::Ref<const Eigen::VectorXd>& r) {
    const double cost = r.squaredNorm() + prior_cost(trial_);
    if (!std::isfinite(cost) || !std::isfinite(J.squaredNorm())) {
        refuse();
        return false;
    }
    ++evaluations_;
    refusals_ = 0;
    const bool is_first = cost_ == inf;
    if (evaluations_ == 1 && leaves_start(J)) return false;
    const double gain = is_first ? 1 : (cost_ - cost) / expected_;
    const bool may_be_better = gain > least_gain || cost <= (1 + unresolved_change) * cost_;
    const Triangle triangle = may_be_better ? triangle_of(J, r) : Triangle();
    const bool accepted = gain > least_gain || (may_be_better && is_flatter(cost, triangle));
    if (!is_first) resize(gain);
    if (accepted && !is_first) learn(cost, triangle);
    if (accepted)
        accept(cost, triangle);
    else
        reject();
    return accepted;
}

void LeastSquares::refuse() {
    ++evaluations_;
    ++refusals_;
    if (cost_ == inf || refusals_ > max_refusals) {
        outcome_ = Outcome::failed;
        return;
    }
    resize(-inf);
    reject();
}

void LeastSquares::refine(const StoppingRules& rules) {
    rules_ = rules;
    trial_ = estimate_;
    cost_ = inf;
    evaluations_ = std::max(evaluations_ - 1, 0);  // the same point again is no iteration
    refusals_ = 0;
    outcome_ = Outcome::running;
}

// No step moves an unknown without influence. Where one has none, the others are to blame that are at limits, such as an
// empty pool, and go off them; else it moves itself.
bool LeastSquares::leaves_start(const Eigen::Ref<const Eigen::MatrixXd>& J) {
    Mask lost(trial_.size()), at_limit(trial_.size());
    for (Eigen::Index k = 0; k < trial_.size(); ++k) {
        lost[k] = J.col(k).squaredNorm() == 0 && !(weight_.size() && weight_[k] > 0);
        at_limit[k] = trial_[k] == low_[k] || trial_[k] == high_[k];
    }
    if (!lost.any()) return false;
    const Mask moving = at_limit.any() ? at_limit : lost;
    for (Eigen::Index k = 0; k < trial_.size(); ++k)
        if (moving[k]) {
            const double end = trial_[k] - low_[k] > high_[k] - trial_[k] ? low_[k] : high_[k];
            if (std::isfinite(end)) trial_[k] += first_move * (end - trial_[k]);
        }
    return true;
}

LeastSquares::Promise LeastSquares::promise(const Unknowns& reach) const {
    LeastSquares damped = *this;
    damped.scale_ = reach.cwiseInverse();
    const Step step = damped.step(cost_);
    damped.move(step);
    return {damped.trial_, cost_ - step.reduction + cost_ * step.p.cwiseQuotient(reach).squaredNorm()};
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

// S p = what the change of the gradient has beyond J^T J p, with the least change of S in the metric of the secant (Dennis,
// Gay and Welsch), S shrunk before to what it should have been along p.
void LeastSquares::learn(double cost, const Triangle& next) {
    const Unknowns p = trial_ - estimate_, Sp = curvature_ * p;
    const double straight = 2 * -p.dot(gradient_) - (triangle_.factor() * p).squaredNorm(), bend = p.dot(Sp);
    const double reduced = cost_ - cost;
    curved_ = std::abs(reduced - straight + bend) < std::abs(reduced - straight);
    const Unknowns y = next.factor().transpose() * next.rotated() - gradient_;
    const Unknowns wanted = y - next.factor().transpose() * (next.factor() * p);
    const double py = p.dot(y);
    if (!(std::abs(py) > epsilon * p.norm() * y.stableNorm())) return;
    const double shrunk = bend == 0 ? 0 : std::min(1., std::abs(p.dot(wanted) / bend));
    const Unknowns missing = wanted - shrunk * Sp;
    curvature_ *= shrunk;
    const Unknowns along = y / py;  // first, so that squares of the cost do not overflow
    curvature_ +=
        missing * along.transpose() + along * missing.transpose() - p.dot(missing) * along * along.transpose();
}

// |Q^T r + R p|^2 of the linearised residual; or with the curvature S of the rest, R^T R = J^T J + S, if that is positive
// definite.
Triangle LeastSquares::model() const {
    if (!curved_) return triangle_;
    const Unknowns unit = (norm_.array() > 0).select(norm_, 1.);
    const Curvature H = triangle_.factor().transpose() * triangle_.factor() + curvature_;
    const Curvature scaled = unit.cwiseInverse().asDiagonal() * H * unit.cwiseInverse().asDiagonal();
    const Eigen::LLT<Curvature> factor(scaled);
    if (factor.info() != Eigen::Success || !(factor.matrixLLT().diagonal().minCoeff() > least_pivot)) return triangle_;
    const Unknowns rotated = factor.matrixL().solve(Unknowns(gradient_.cwiseQuotient(unit)));
    return {Eigen::MatrixXd(factor.matrixU()) * unit.asDiagonal(), rotated};
}

void LeastSquares::accept(double cost, const Triangle& triangle) {
    estimate_ = trial_;
    cost_ = cost;
    triangle_ = triangle;
    gradient_ = triangle_.factor().transpose() * triangle_.rotated();
    norm_ = triangle_.factor().colwise().norm();
    scale_ = scale_.cwiseMax(norm_);
    held_ = held();
    model_ = model();
    const double size = length(estimate_);
    if (radius_ == 0) radius_ = first_radius * (size > 0 ? size : std::sqrt(cost_));
    outcome_ = verdict();
    if (outcome_ == Outcome::running) propose();
}

void LeastSquares::reject() {
    if (expected_ <= epsilon * cost_ + rules_.resolution)
        outcome_ = Outcome::cost;
    else
        propose();
}

// The radius follows the length of the steps that the linearised cost foretells. Where it does not, the parabola through
// both costs with the slope of the linearised one has its minimum at 1/(2 - gain) of an undamped step.
void LeastSquares::resize(double gain) {
    const double length = this->length(trial_ - estimate_);
    if (gain > 0.75)
        radius_ = 2 * length;
    else if (gain < 0.25)
        radius_ = std::clamp(1 / (2 - gain), 0.1, 0.33) * std::min(length, radius_);
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
    const Step undamped = step(0);
    if (undamped.reduction <= rules_.cost * cost_ + rules_.resolution) return Outcome::cost;
    if (length(undamped.p) <= rules_.step * length(estimate_)) return Outcome::step;
    return Outcome::running;
}

// Unknowns that leave the step: at a bound with a gradient that points outward, or without any influence.
LeastSquares::Mask LeastSquares::held() const {
    Mask held(estimate_.size());
    for (Eigen::Index k = 0; k < held.size(); ++k)
        held[k] = norm_[k] == 0 || (at_low(k) && gradient_[k] >= 0) || (at_high(k) && gradient_[k] <= 0);
    return held;
}

double LeastSquares::largest_cosine() const {
    double largest = 0;
    for (Eigen::Index k = 0; k < held_.size(); ++k)
        if (!held_[k] && gradient_[k] != 0) largest = std::max(largest, std::abs(gradient_[k]) / norm_[k]);
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
        rows.col(j).head(n) = model_.factor().col(free[j]) / scale_[free[j]];
        const double floor = least_diagonal * norm_[free[j]] / scale_[free[j]];
        rows(n + j, j) = std::sqrt(damping + floor * floor);
    }
    rows.col(n_free).head(n) = -model_.rotated() - model_.factor() * p;
    const Eigen::HouseholderQR<Rows> qr(rows);
    const auto S = qr.matrixQR().topLeftCorner(n_free, n_free).template triangularView<Eigen::Upper>();
    const Unknowns u = S.solve(Unknowns(qr.matrixQR().col(n_free).head(n_free)));
    for (Eigen::Index j = 0; j < n_free; ++j) p[free[j]] = u[j] / scale_[free[j]];
    return {p, u.norm(), S.transpose().solve(u).squaredNorm() / u.squaredNorm()};
}

// The least damping that keeps the step within the radius: Newton's method for 1/length = 1/radius, which comes
// monotonically from below.
double LeastSquares::damping() const {
    double damping = 0;
    const Step start{Unknowns::Zero(estimate_.size()), held_, 0};
    for (int k = 0; k < max_newton_steps; ++k) {
        const FaceMinimum minimum = face_minimum(start, damping);
        if (!(minimum.length > slack * radius_)) break;
        damping += (minimum.length / radius_ - 1) / minimum.decline;
    }
    return damping;
}

LeastSquares::Crossing LeastSquares::first_crossing(const Step& from, const Unknowns& way) const {
    Crossing first{-1, 1, 0};
    for (Eigen::Index k = 0; k < way.size(); ++k) {
        if (from.stopped[k] || way[k] == 0) continue;
        const double end = (way[k] < 0 ? low_[k] : high_[k]) - estimate_[k];
        const double fraction = std::max((end - from.p[k]) / way[k], 0.);
        if (fraction < first.fraction) first = {k, fraction, end};
    }
    return first;
}

// From face to face of the box: to the first bound on the way to the minimum over the free unknowns, where one more
// stops, until that minimum lies in the box. The linearised cost falls along every piece.
LeastSquares::Step LeastSquares::step(double damping) const {
    Step step{Unknowns::Zero(estimate_.size()), held_, 0};
    while (!step.stopped.all()) {
        const Unknowns way = face_minimum(step, damping).p - step.p;
        const Crossing crossing = first_crossing(step, way);
        step.p += crossing.fraction * way;
        if (crossing.unknown < 0) break;
        step.p[crossing.unknown] = crossing.p;
        step.stopped[crossing.unknown] = true;
    }
    step.reduction = reduction(step.p);
    return step;
}

// |Q^T r|^2 - |Q^T r + R p|^2
double LeastSquares::reduction(const Unknowns& p) const {
    const Unknowns change = model_.factor() * p;
    return -change.dot(2 * model_.rotated() + change);
}

void LeastSquares::move(const Step& step) {
    expected_ = std::max(step.reduction, 0.);  // rounding may leave less
    trial_ = (estimate_ + step.p).cwiseMax(low_).cwiseMin(high_);
    for (Eigen::Index k = 0; k < trial_.size(); ++k)
        if (step.stopped[k] && step.p[k] != 0) trial_[k] = step.p[k] < 0 ? low_[k] : high_[k];
}

}  // namespace spinbound
