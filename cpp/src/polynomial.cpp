// With tau_k(x) = c^k T_k((x - x0)/c), real for real c^2 of either sign,
//     exp(x) = e^x0 sum_k' 2^(1-k) S_k tau_k(x),  S_k = sum_m (c^2/4)^m / (m! (m + k)!)
// (the prime halves k = 0). c^2 > 0 puts the foci of the ellipse of fast convergence on the real axis, c^2 < 0 on the
// imaginary one, c^2 = 0 is Taylor's series. The best of a few c^2 is taken, and the degree from the error measured on
// the region's boundary.
#include "polynomial.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <map>
#include <mutex>
#include <tuple>
#include <vector>

#include "cache_mutex.hpp"
#include "spinbound/error.hpp"

namespace spinbound {
namespace {

using Wide = long double;
using Point = std::complex<double>;

struct Region {
    double left, right, height;

    double center() const { return 0.5 * (right - left); }
    double half_length() const { return 0.5 * (right + left); }
};

struct Expansion {
    Wide center, c_squared;

    // 2^(1-k) S_k exp(center), k = 0 ... max_degree
    std::vector<Wide> coefficients() const {
        std::vector<Wide> a;
        Wide factor = std::exp(center);  // exp(center) 2^(1-k)/k!
        for (int k = 0; k <= max_degree; ++k) {
            Wide term = factor, sum = factor;
            for (int m = 1; std::abs(term) > 1e-21L * std::abs(sum) && m < 60; ++m) {
                term *= c_squared / 4 / (Wide(m) * (m + k));
                sum += term;
            }
            a.push_back(sum);
            factor /= k == 0 ? 1 : 2 * (k + 1);
        }
        return a;
    }
};

std::vector<Point> boundary(const Region& region) {
    constexpr int n = 8;
    std::vector<Point> points;
    for (int k = 0; k <= n; ++k) {
        const double fraction = double(k) / n;
        points.emplace_back(-region.left + fraction * (region.left + region.right), region.height);
        points.emplace_back(-region.left, fraction * region.height);
        points.emplace_back(region.right, fraction * region.height);
    }
    return points;
}

// The smallest degree whose error on the boundary is within tolerance; max_degree + 1 if there is none.
int sufficient_degree(const Expansion& e, const std::vector<Point>& points, double tolerance) {
    const Point center(double(e.center));
    const double c_squared = double(e.c_squared);
    const auto coefficient = e.coefficients();
    std::vector<Point> previous(points.size(), 1.0), current(points.size()), rest(points.size());
    for (std::size_t i = 0; i < points.size(); ++i) {
        current[i] = points[i] - center;
        rest[i] = std::exp(points[i]) - double(coefficient[0]);
    }
    for (int k = 1; k <= max_degree; ++k) {
        const double a = double(coefficient[std::size_t(k)]);
        double error = 0;
        for (std::size_t i = 0; i < points.size(); ++i) {
            rest[i] -= a * current[i];
            error = std::max(error, std::abs(rest[i]));
            const Point next = 2.0 * (points[i] - center) * current[i] - c_squared * previous[i];
            previous[i] = current[i];
            current[i] = next;
        }
        if (error < tolerance) return k;
    }
    return max_degree + 1;
}

// Monomials about zero, lowest first.
std::vector<Wide> monomials(const Expansion& e, int degree) {
    const auto size = static_cast<std::size_t>(degree) + 1;
    std::vector<Wide> sum(size), previous(size), current(size);
    previous[0] = 1;
    current[0] = -e.center;
    current[1] = 1;
    const auto coefficient = e.coefficients();
    sum[0] = coefficient[0];
    for (int k = 1; k <= degree; ++k) {
        const Wide a = coefficient[std::size_t(k)];
        std::vector<Wide> next(size);
        for (std::size_t j = 0; j < size; ++j) {
            sum[j] += a * current[j];
            next[j] = 2 * ((j ? current[j - 1] : 0) - e.center * current[j]) - e.c_squared * previous[j];
        }
        previous = std::move(current);
        current = std::move(next);
    }
    return sum;
}

std::vector<double> ratios(const Region& region) {
    constexpr int n_foci = 5;
    const double a2 = region.half_length() * region.half_length(), b2 = region.height * region.height;
    const double tolerance = polynomial_tolerance * std::exp(region.right);
    const auto points = boundary(region);
    Expansion best{};
    int degree = max_degree + 1;
    for (int k = 0; k <= n_foci; ++k) {
        const Expansion e{region.center(), -b2 + (a2 + b2) * k / n_foci};
        const int needed = sufficient_degree(e, points, tolerance);
        if (needed < degree) {
            degree = needed;
            best = e;
        }
    }
    if (degree > max_degree) throw InvalidArgument("no polynomial of the exponential for a pulse's region");
    const auto c = monomials(best, degree);
    std::vector<double> r;
    for (int j = 1; j <= degree; ++j) r.push_back(double(c[std::size_t(j)] / c[std::size_t(j) - 1]));
    return r;
}

int grid_index(double value, double spacing) {
    return std::max(1, static_cast<int>(std::ceil(value / spacing - 1e-9)));
}

}  // namespace

Polynomial exponential_polynomial(double left, double right, double height) {
    constexpr double left_grid = 0.5, right_grid = 0.125, height_grid = 0.25;
    static std::map<std::tuple<int, int, int>, std::vector<double>> known;
    const std::tuple key{grid_index(left, left_grid), grid_index(right, right_grid), grid_index(height, height_grid)};
    const std::lock_guard lock(cache_mutex());
    auto found = known.find(key);
    if (found == known.end()) {
        const auto [l, r, h] = key;
        found = known.emplace(key, ratios({l * left_grid, r * right_grid, h * height_grid})).first;
    }
    return {found->second.data(), static_cast<int>(found->second.size())};
}

}  // namespace spinbound
