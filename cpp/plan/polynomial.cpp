// With tau_k(x) = c^k T_k((x - x0)/c), real for real c^2 of either sign,
//     exp(x) = e^x0 sum_k' 2^(1-k) S_k tau_k(x),  S_k = sum_m (c^2/4)^m / (m! (m + k)!)
// (the prime halves k = 0). c^2 > 0 puts the foci of the ellipse of fast convergence on the real axis, c^2 < 0 on the
// imaginary one, c^2 = 0 is Taylor's series. The best of a few c^2 is taken, and the degree from the bound
//     |tau_k(x)| <= R^k,  R = max |x - x0 + sqrt((x - x0)^2 - c^2)| over the region.
#include "plan/polynomial.hpp"

#include <algorithm>
#include <cmath>
#include <compare>
#include <complex>
#include <limits>
#include <map>
#include <mutex>
#include <vector>

#include "machine/cache_mutex.hpp"
#include "records/error.hpp"

namespace spinbound {
namespace {

using Wide = long double;

// Monomials, lowest first; the coefficients of tau_(degree + 1) for those that touch.
using Monomials = std::vector<Wide>;

struct Expansion {
    double center = 0, c_squared = 0;
    int degree = max_degree + 1;
};

// The coefficients of tau_k, 2^(1-k) S_k exp(center), one after the other.
template <class Number>
class Coefficient {
public:
    explicit Coefficient(const Expansion& e)
        : quarter_(Number(e.c_squared) / 4), first_term_(std::exp(Number(e.center))) {}

    Number next() {
        Number term = first_term_, sum = term;
        for (int m = 1; std::abs(term) > std::numeric_limits<Number>::epsilon() / 4 * std::abs(sum); ++m) {
            term *= quarter_ / (Number(m) * (m + k_));
            sum += term;
        }
        first_term_ /= k_ == 0 ? 1 : 2 * (k_ + 1);  // the sum of k = 0 is halved
        ++k_;
        return sum;
    }

private:
    Number quarter_, first_term_;  // first_term_ = 2^(1-k) exp(center)/k!
    int k_ = 0;
};

// R of the head of this file: the largest value is on the boundary, which lies symmetrically about both axes.
double reach(const Region& region, double c_squared) {
    const double a = 0.5 * (region.left + region.right), b = region.height;
    double largest = 0;
    for (const std::complex<double> y : {std::complex(a, b), std::complex(a, 0.0), std::complex(0.0, b)}) {
        const auto root = std::sqrt(y * y - c_squared);
        largest = std::max({largest, std::abs(y + root), std::abs(y - root)});
    }
    return largest;
}

// The smallest degree whose remainder is within tolerance; max_degree + 1 if there is none.
int sufficient_degree(const Expansion& e, double reach, double tolerance) {
    std::vector<double> size;
    Coefficient<double> coefficient(e);
    double power = 1;
    // From k = reach on a term is less than half the one before.
    for (int k = 0; k <= reach || size.back() > 1e-3 * tolerance; ++k, power *= reach)
        size.push_back(std::abs(coefficient.next()) * power);
    double remainder = 0;
    for (auto k = static_cast<int>(size.size()) - 1; k > 1; --k)
        if ((remainder += size[std::size_t(k)]) > tolerance) return std::min(k, max_degree + 1);
    return 1;
}

Expansion best_expansion(const Region& region, double tolerance) {
    constexpr int n_foci = 5;
    const double a = 0.5 * (region.left + region.right), b = region.height;
    Expansion best;
    for (int k = 0; k <= n_foci; ++k) {
        Expansion e{0.5 * (region.right - region.left), -b * b + (a * a + b * b) * k / n_foci};
        e.degree = sufficient_degree(e, reach(region, e.c_squared), tolerance * std::exp(region.right));
        if (e.degree < best.degree) best = e;
    }
    return best;
}

struct Expanded {
    Monomials p, q;  // exp to `degree`, and tau_(degree + 1)
};

Expanded expand(const Expansion& e) {
    const auto size = static_cast<std::size_t>(e.degree) + 2;
    Monomials sum(size), previous(size), current(size);
    previous[0] = 1;
    current[0] = -Wide(e.center);
    current[1] = 1;
    Coefficient<Wide> coefficient(e);
    sum[0] = coefficient.next();
    for (int k = 1; k <= e.degree; ++k) {
        const Wide a = coefficient.next();
        Monomials next(size);
        for (std::size_t j = 0; j < size; ++j) {
            sum[j] += a * current[j];
            next[j] = 2 * ((j ? current[j - 1] : 0) - Wide(e.center) * current[j]) - Wide(e.c_squared) * previous[j];
        }
        previous = std::move(current);
        current = std::move(next);
    }
    return {sum, current};
}

// What the kernel reads.
std::vector<Coefficients> tabulate(const Expansion& e, bool touches) {
    const auto [p, q] = expand(e);
    const auto size = static_cast<std::size_t>(e.degree + 1);
    if (!touches) {
        std::vector<Coefficients> c(size);
        for (std::size_t j = 0; j < size; ++j) c[j] = {double(p[j]), 0, 0};
        return c;
    }
    std::vector<Coefficients> c(size + 2);
    for (std::size_t j = 0; j < c.size(); ++j)
        c[j] = {j < size ? double(p[j]) : 0, j <= size ? double(q[j]) : 0, j > 0 ? double(q[j - 1]) : 0};
    return c;
}

// A region of the grid.
struct Key {
    int left, right, height;
    double tolerance;

    auto operator<=>(const Key&) const = default;

    static constexpr double smallest = 0.02, spacing = 1.2;

    static int index(double value) {
        return std::max(0, static_cast<int>(std::ceil(std::log(value / smallest) / std::log(spacing) - 1e-9)));
    }
    static double value(int index) { return smallest * std::pow(spacing, index); }

    static Key of(const Region& r, double tolerance) {
        return {index(r.left), index(r.right), index(r.height), tolerance};
    }

    Region region() const { return {value(left), value(right), value(height)}; }
};

struct Entry {
    Expansion expansion;
    std::vector<Coefficients> plain, touching;  // made when first asked for

    explicit Entry(const Key& key) : expansion(best_expansion(key.region(), key.tolerance)) {}

    Polynomial get(bool touches) {
        auto& table = touches ? touching : plain;
        if (table.empty()) table = tabulate(expansion, touches);
        return {table.data(), static_cast<int>(table.size()) - 1, touches};
    }
};

// With the cache's mutex held.
Entry& entry(const Region& region, double tolerance) {
    static auto& known = *new std::map<Key, Entry>;  // never destroyed: threads may still compute at exit
    const Key key = Key::of(region, tolerance);
    const auto found = known.find(key);
    return found != known.end() ? found->second : known.try_emplace(key, key).first->second;
}

Polynomial plain(Entry& whole) {
    if (whole.expansion.degree > max_degree)
        throw InvalidArgument("no polynomial of the exponential for a pulse's region");
    return whole.get(false);
}

}  // namespace

Polynomial exponential_polynomial(const Region& whole, double tolerance) {
    const std::lock_guard lock(cache_mutex());
    return plain(entry(whole, tolerance));
}

Polynomial exponential_polynomial(const Region& whole, const Region& slow, double tolerance) {
    const std::lock_guard lock(cache_mutex());
    Entry &all = entry(whole, tolerance), &most = entry(slow, tolerance);
    return most.expansion.degree + 2 < all.expansion.degree ? most.get(true) : plain(all);
}

}  // namespace spinbound
