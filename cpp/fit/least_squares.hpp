// Nonlinear least squares in a box, for a few unknowns: Levenberg and Marquardt's method as an object that is asked
// where to evaluate the model and told what was found there, so that many voxels can be evaluated side by side.
// Derived in theory, section 14.
#pragma once

#include <Eigen/Dense>

#include "records/stopping.hpp"

namespace spinbound {

inline constexpr int max_unknowns = 15;
using Unknowns = Eigen::Matrix<double, Eigen::Dynamic, 1, 0, max_unknowns, 1>;

// low <= x <= high; infinite where free.
struct Box {
    Eigen::VectorXd low, high;
};

// Adds sum weight_k^2 (x_k - mean_k)^2 to the cost; none where empty.
struct GaussianPrior {
    Eigen::VectorXd mean, weight;
};

enum class Outcome : signed char { running, gradient, step, cost, max_iterations, failed };

// R of a QR decomposition of [J r] that takes in rows: memory does not grow with them. R^T R = [J r]^T [J r].
class Triangle {
public:
    explicit Triangle(Eigen::Index n_unknowns = 0);
    Triangle(const Eigen::MatrixXd& factor, const Eigen::VectorXd& rotated);
    void add(const Eigen::Ref<const Eigen::MatrixXd>& J, const Eigen::Ref<const Eigen::VectorXd>& r);
    auto factor() const { return R_.topLeftCorner(n_, n_); }
    auto rotated() const { return R_.col(n_).head(n_); }  // Q^T r, what a step of x can reach of the residual

private:
    static constexpr int max_columns = max_unknowns + 1, chunk = 112;
    using Rows =
        Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor, max_columns + chunk, max_columns>;

    void add_chunk(const Eigen::Ref<const Eigen::MatrixXd>& J, const Eigen::Ref<const Eigen::VectorXd>& r);

    Eigen::Index n_, n_rows_ = 0;
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor, max_columns, max_columns> R_;
};

// Minimises |r(x)|^2 and the prior over a box, r = model - data and J = dr/dx. Until outcome() is no longer `running`:
// evaluate the model at trial() and take() it, or refuse() where it has no value.
class LeastSquares {
public:
    LeastSquares(const Eigen::VectorXd& start, const Box& box, const GaussianPrior& prior, const StoppingRules& rules);

    const Unknowns& trial() const { return trial_; }  // inside the box; at a bound with the bits of the bound
    bool take(const Eigen::Ref<const Eigen::MatrixXd>& J, const Eigen::Ref<const Eigen::VectorXd>& r);  // accepted?
    void refuse();

    // Go on from the estimate with a model of another accuracy, which is to be evaluated there again.
    void refine(const StoppingRules& rules);

    // Where the linearised model has its least cost within the box, and that cost, if a step p adds (p_k/reach_k)^2 of
    // what it is now (theory, (15.7)).
    struct Promise {
        Unknowns x;
        double cost;
    };
    Promise promise(const Unknowns& reach) const;

    Outcome outcome() const { return outcome_; }
    const Unknowns& estimate() const { return estimate_; }  // the best point so far
    double cost() const { return cost_; }                   // there, prior included; inf before the first evaluation
    int iterations() const { return evaluations_ > 0 ? evaluations_ - 1 : 0; }
    Eigen::MatrixXd factor() const { return triangle_.factor(); }  // upper; R^T R = J^T J + weight^2 there
    bool at_low(Eigen::Index k) const { return estimate_[k] == low_[k]; }
    bool at_high(Eigen::Index k) const { return estimate_[k] == high_[k]; }

private:
    using Mask = Eigen::Array<bool, Eigen::Dynamic, 1, 0, max_unknowns, 1>;

    using Curvature = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, 0, max_unknowns, max_unknowns>;

    struct Step {
        Unknowns p;
        Mask stopped;      // at a bound or without influence: on the way or from the beginning
        double reduction;  // of the modelled cost
    };

    // Minimum of the damped cost over the unknowns that have not stopped.
    struct FaceMinimum {
        Unknowns p;
        double length;   // |D p| of these unknowns
        double decline;  // -d ln(length)/d damping
    };

    // Of a way from a step with a bound: there p of that unknown is what is given; no unknown (-1) where it meets none.
    struct Crossing {
        Eigen::Index unknown;
        double fraction, p;
    };

    bool leaves_start(const Eigen::Ref<const Eigen::MatrixXd>& J);
    double prior_cost(const Unknowns& x) const;
    Triangle triangle_of(const Eigen::Ref<const Eigen::MatrixXd>& J, const Eigen::Ref<const Eigen::VectorXd>& r) const;
    bool is_flatter(double cost, const Triangle& triangle) const;
    void learn(double cost, const Triangle& next);
    void accept(double cost, const Triangle& triangle);
    Triangle model() const;
    void reject();
    void resize(double gain);
    void propose();
    Outcome verdict() const;
    double largest_cosine() const;
    double length(const Unknowns& p) const { return scale_.cwiseProduct(p).norm(); }
    Mask held() const;
    double damping() const;
    FaceMinimum face_minimum(const Step& from, double damping) const;
    Crossing first_crossing(const Step& from, const Unknowns& way) const;
    Step step(double damping) const;
    double reduction(const Unknowns& p) const;
    void move(const Step& step);

    Unknowns low_, high_, mean_, weight_;
    StoppingRules rules_;
    Unknowns trial_, estimate_;
    Triangle triangle_;  // at the estimate, as the following
    Unknowns gradient_;  // J^T r
    Unknowns norm_;      // of the columns of J
    Mask held_;
    Curvature curvature_;  // of the cost beside J^T J, from the changes of the gradient
    bool curved_ = false;  // whether it has foretold the last step better than J^T J alone
    Triangle model_;       // of the quadratic that is minimised
    Unknowns scale_;  // D, the largest norms of the columns so far
    double cost_, expected_ = 0, radius_ = 0;
    int evaluations_ = 0, refusals_ = 0;
    Outcome outcome_ = Outcome::running;
};

}  // namespace spinbound
