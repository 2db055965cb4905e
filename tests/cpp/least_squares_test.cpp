// The minimiser of fits: what it hands out, and its factor of a Jacobian that comes in rows.
#include "fit/least_squares.hpp"

#include <cmath>
#include <limits>
#include <random>

#include "check.hpp"

namespace spinbound::test {
namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

Eigen::MatrixXd random_matrix(Eigen::Index rows, Eigen::Index columns, unsigned seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<double> normal;
    return Eigen::MatrixXd::NullaryExpr(rows, columns, [&] { return normal(generator); });
}

// Around the number of rows that are taken in together, for one to all unknowns.
TEST(rows_come_in_pieces, "A factor does not depend on how the rows are cut") {
    for (Eigen::Index n : {1, 9, max_unknowns})
        for (Eigen::Index m : {1, 2, 15, 16, 111, 112, 113, 400}) {
            const Eigen::MatrixXd J = random_matrix(m, n, 1);
            const Eigen::VectorXd r = random_matrix(m, 1, 2);
            Triangle whole(n), pieces(n);
            whole.add(J, r);
            pieces.add(J.topRows(m / 3), r.head(m / 3));
            pieces.add(J.bottomRows(m - m / 3), r.tail(m - m / 3));
            for (const Triangle& triangle : {whole, pieces}) {
                const Eigen::MatrixXd R = triangle.factor();
                CHECK((R.transpose() * R - J.transpose() * J).norm() <= 1e-13 * J.squaredNorm());
                const Eigen::VectorXd gradient = R.transpose() * triangle.rotated();
                CHECK((gradient - J.transpose() * r).norm() <= 1e-13 * J.norm() * r.norm());
                CHECK(R.isUpperTriangular(0));
            }
        }
}

// sin(t x) for some rows t.
struct Waves {
    Eigen::VectorXd data;

    Eigen::VectorXd residual(const Unknowns& x) const { return (times() * x).array().sin().matrix() - data; }
    Eigen::MatrixXd jacobian(const Unknowns& x) const {
        const Eigen::VectorXd slope = (times() * x).array().cos();
        return slope.asDiagonal() * times();
    }
    Eigen::MatrixXd times() const { return 0.1 * random_matrix(data.size(), 4, 3); }
};

TEST(box_is_never_left, "Points to evaluate lie in the box, and at a bound they have its bits") {
    // the box leaves the last of the true values out
    const Eigen::Vector4d truth(0.3, -0.2, 0.7, 1.3), start(0, 0, 0, 0);
    const Waves waves{Waves{Eigen::VectorXd::Zero(30)}.residual(truth)};
    const Box box{Eigen::Vector4d(-1, -infinite, -1, -1), Eigen::Vector4d(1, infinite, 1, 1.1)};
    LeastSquares fit(start, box, {}, {});
    while (fit.outcome() == Outcome::running) {
        const Unknowns x = fit.trial();
        CHECK((x.array() >= box.low.array()).all() && (x.array() <= box.high.array()).all());
        fit.take(waves.jacobian(x), waves.residual(x));
    }
    CHECK(fit.outcome() == Outcome::cost || fit.outcome() == Outcome::gradient);
    CHECK(fit.at_high(3) && !fit.at_low(3) && fit.estimate()[3] == 1.1);
    CHECK(!fit.at_high(0) && !fit.at_low(0));
}

TEST(refusals_end, "A model without values beyond its start ends the fit there") {
    LeastSquares fit(Eigen::VectorXd::Ones(2), {Eigen::VectorXd::Zero(2), Eigen::VectorXd::Constant(2, 9)}, {}, {});
    CHECK(fit.iterations() == 0 && fit.cost() == infinite);
    fit.take(Eigen::MatrixXd::Identity(2, 2), Eigen::VectorXd::Ones(2));
    while (fit.outcome() == Outcome::running) fit.refuse();
    CHECK(fit.outcome() == Outcome::failed);
    CHECK(fit.estimate() == Eigen::VectorXd::Ones(2) && fit.cost() == 2);
}

TEST(no_unknowns_are_at_once_done, "A fit of nothing is done after one evaluation") {
    LeastSquares fit(Eigen::VectorXd(), {{}, {}}, {}, {});
    fit.take(Eigen::MatrixXd(3, 0), Eigen::VectorXd::Ones(3));
    CHECK(fit.outcome() == Outcome::gradient && fit.cost() == 3);
}

}  // namespace
}  // namespace spinbound::test
