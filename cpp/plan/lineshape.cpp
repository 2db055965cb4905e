// Green's functions, and the exact response of an isolated semi-solid pool to a rectangular pulse.
//
// The response is a series in theta = B1 alpha whose coefficients are functions of tau = TRF/T2s alone,
//     z(tau, theta) = sum_k (-1)^k theta^(2k)/(2k)! g_k(tau),   g_0 = 1,
//     g_k(t) = 2k (2k - 1) int_0^1 [H(t (1 - q))/t] q^(2k-2) g_(k-1)(t q) dq,   H(t) = int_0^t G.
// g_k = (2k)! h_k/t^(2k) is 1 at t = 0 (no relaxation: z = cos theta) and falls smoothly: |terms| <= those of cosh
// theta. Steps, in the order of this file:
//   1. G and H of each lineshape (greens_function, integrated_greens_function, taylor_coefficients);
//   2. g_k on the panel [0, 2] from the Taylor series of G (first_panel);
//   3. g_k on the panels [2, 4], [4, 8], ... panel by panel through the convolution (convolution, append_panel);
//   4. z by its series; rho as the root of z_linear = z (linear_loss, rate_of_loss, PoolResponse).
#include "plan/lineshape.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "plan/chebyshev.hpp"
#include "plan/gauss.hpp"
#include "plan/require.hpp"
#include "records/parameter.hpp"

namespace spinbound {
namespace {

constexpr std::size_t n_terms = 20;  // k = 0 ... 19: the next term is below 1.1e-16 at theta = 2 pi
constexpr std::size_t n_nodes = 22;  // per panel: g_k and H to 1e-14 on an octave
constexpr std::size_t n_gauss = 20;  // per piece of the convolution, and of the average over angles
constexpr std::size_t n_taylor = 56;  // of G: the next term is below 1e-19 at kappa = first_edge
constexpr double first_edge = 2.0;

using Terms = std::array<double, n_terms>;

const GaussRule<n_gauss> gauss = gauss_legendre<n_gauss>();

template <class Function>
double integral(double low, double high, const Function& function) {
    const double middle = (low + high) / 2, half = (high - low) / 2;
    double sum = 0;
    for (std::size_t i = 0; i < n_gauss; ++i) sum += gauss.weight[i] * function(middle + half * gauss.node[i]);
    return half * sum;
}

// int_0^1 f(|3 u^2 - 1|) du for an f that varies within 1/kappa of the magic angle: pieces that halve towards it until
// the innermost is narrower than 1/(4 kappa).
template <class Function>
double angular_average(double kappa, const Function& function) {
    const double magic = std::numbers::inv_sqrt3;
    const auto of_u = [&](double u) { return function(std::abs(3 * u * u - 1)); };
    double below = magic, above = 1 - magic, sum = 0;
    while (below * kappa > 0.25) {
        sum += integral(magic - below, magic - below / 2, of_u) + integral(magic + above / 2, magic + above, of_u);
        below /= 2;
        above /= 2;
    }
    return sum + integral(magic - below, magic, of_u) + integral(magic, magic + above, of_u);
}

// H(kappa) = int_0^kappa G.
double integrated_greens_function(Lineshape lineshape, double kappa) {
    switch (lineshape) {
        case Lineshape::lorentzian:
            return -std::expm1(-kappa);
        case Lineshape::gaussian:
            return std::sqrt(std::numbers::pi / 2) * std::erf(kappa / std::numbers::sqrt2);
        case Lineshape::superlorentzian:
            break;
    }
    return angular_average(kappa, [kappa](double a) {
        return std::sqrt(2 * std::numbers::pi) / a * std::erf(kappa * a / (2 * std::numbers::sqrt2));
    });
}

// i! times the i-th Taylor coefficient of G: with b = a^2/8 (super-Lorentzian, averaged over the angle) or 1/2
// (Gaussian), G = sum_j (-b)^j kappa^(2j)/j!.
std::array<double, n_taylor> taylor_coefficients(Lineshape lineshape) {
    std::array<double, n_taylor> derivative{};
    double factorials = 1;  // (-1)^j (2j)!/j!
    for (std::size_t i = 0; i < n_taylor; ++i) {
        const double j = static_cast<double>(i) / 2;
        if (lineshape == Lineshape::lorentzian) {
            derivative[i] = i % 2 == 0 ? 1 : -1;
        } else if (i % 2 == 0) {
            if (i > 0) factorials *= -2 * (2 * j - 1);
            derivative[i] = factorials * (lineshape == Lineshape::gaussian
                                              ? std::pow(0.5, j)
                                              : angular_average(1, [j](double a) { return std::pow(a * a / 8, j); }));
        }
    }
    return derivative;
}

struct Panel {
    double low, high;
    std::array<double, n_nodes> H;  // Chebyshev coefficients
    std::array<Terms, n_nodes> g;  // of g_k; column k

    double time(std::size_t node) const { return (low + high) / 2 + (high - low) / 2 * chebyshev::node(node, n_nodes); }
    std::array<double, n_nodes> polynomials(double t) const {
        std::array<double, n_nodes> T;
        chebyshev::polynomials((2 * t - low - high) / (high - low), n_nodes, T.data());
        return T;
    }
    double integrated_greens_function(double kappa) const {
        const auto T = polynomials(kappa);
        double sum = 0;
        for (std::size_t j = n_nodes; j-- > 0;) sum += H[j] * T[j];
        return sum;
    }
    Terms terms(double t) const {
        const auto T = polynomials(t);
        Terms sum{};
        for (std::size_t j = n_nodes; j-- > 0;)
            for (std::size_t k = 0; k < n_terms; ++k) sum[k] += g[j][k] * T[j];
        return sum;
    }
};

const std::vector<double> to_coefficients = chebyshev::analysis_matrix(n_nodes);

// Chebyshev coefficients of g_k from its values at the nodes.
void set_column(Panel& panel, std::size_t k, const std::array<double, n_nodes>& value) {
    for (std::size_t j = 0; j < n_nodes; ++j) {
        double sum = 0;
        for (std::size_t i = 0; i < n_nodes; ++i) sum += to_coefficients[j * n_nodes + i] * value[i];
        panel.g[j][k] = sum;
    }
}

// A panel with H and g_0 = 1.
Panel empty_panel(Lineshape lineshape, double low, double high) {
    Panel panel{low, high, {}, {}};
    for (std::size_t i = 0; i < n_nodes; ++i) {
        const double H = integrated_greens_function(lineshape, panel.time(i));
        for (std::size_t j = 0; j < n_nodes; ++j) panel.H[j] += to_coefficients[j * n_nodes + i] * H;
    }
    panel.g[0][0] = 1;
    return panel;
}

// g_k(t) = (2k)! sum_j C_kj t^j/(2k + j)! with C_k = C_(k-1) * (i! G_i), a discrete convolution, C_0 = (1, 0, ...).
Panel first_panel(Lineshape lineshape) {
    Panel panel = empty_panel(lineshape, 0, first_edge);
    const auto derivative = taylor_coefficients(lineshape);
    std::array<double, n_taylor> C{1};
    for (std::size_t k = 1; k < n_terms; ++k) {
        std::array<double, n_taylor> next{};
        for (std::size_t i = 0; i < n_taylor; ++i)
            for (std::size_t j = 0; i + j < n_taylor; ++j) next[i + j] += derivative[i] * C[j];
        C = next;
        std::array<double, n_nodes> value{};
        for (std::size_t i = 0; i < n_nodes; ++i) {
            double factor = 1;
            for (std::size_t j = 0; j < n_taylor; ++j) {
                value[i] += C[j] * factor;
                factor *= panel.time(i) / static_cast<double>(2 * k + j + 1);
            }
        }
        set_column(panel, k, value);
    }
    return panel;
}

// What the integral over q = s/t at one time t needs: its part from earlier panels, and, for the panel of t itself,
// the weights of the Chebyshev coefficients of g_(k-1) there, which are found term by term.
struct Convolution {
    Terms earlier{};
    std::array<Terms, n_nodes> own{};
};

// Between these times both g(s) and H(t - s) lie within one panel.
std::vector<double> breakpoints(const std::vector<Panel>& panels, double t) {
    std::vector<double> points{0, t};
    for (const Panel& panel : panels)
        if (panel.high < t) {
            points.push_back(panel.high);
            points.push_back(t - panel.high);
        }
    std::sort(points.begin(), points.end());
    return points;
}

const Panel& panel_of(const std::vector<Panel>& panels, double t) {
    return *std::find_if(panels.begin(), panels.end() - 1, [t](const Panel& panel) { return t <= panel.high; });
}

// Adds the integrand at s, times a weight that falls by q^2 from term to term.
void add_point(Convolution& sum, const Panel& of_g, bool own, double s, double weight, double q) {
    Terms weights{weight};
    for (std::size_t k = 1; k < n_terms; ++k) weights[k] = weights[k - 1] * q * q;
    if (own) {
        const auto T = of_g.polynomials(s);
        for (std::size_t j = 0; j < n_nodes; ++j)
            for (std::size_t k = 0; k < n_terms; ++k) sum.own[j][k] += weights[k] * T[j];
    } else {
        const Terms g = of_g.terms(s);
        for (std::size_t k = 0; k < n_terms; ++k) sum.earlier[k] += weights[k] * g[k];
    }
}

Convolution convolution(const std::vector<Panel>& panels, double t) {
    Convolution sum;
    const auto points = breakpoints(panels, t);
    for (std::size_t piece = 0; piece + 1 < points.size(); ++piece) {
        const double middle = (points[piece] + points[piece + 1]) / 2, half = (points[piece + 1] - points[piece]) / 2;
        const Panel& of_g = panel_of(panels, middle);
        const Panel& of_H = panel_of(panels, t - middle);
        for (std::size_t i = 0; i < n_gauss; ++i) {
            const double s = middle + half * gauss.node[i];
            const double weight = gauss.weight[i] * half * of_H.integrated_greens_function(t - s) / (t * t);
            add_point(sum, of_g, &of_g == &panels.back(), s, weight, s / t);
        }
    }
    return sum;
}

// Appends the panel of the next octave.
void append_panel(std::vector<Panel>& panels, Lineshape lineshape) {
    panels.push_back(empty_panel(lineshape, panels.back().high, 2 * panels.back().high));
    Panel& panel = panels.back();
    std::vector<Convolution> at_node;
    for (std::size_t i = 0; i < n_nodes; ++i) at_node.push_back(convolution(panels, panel.time(i)));
    for (std::size_t k = 1; k < n_terms; ++k) {
        std::array<double, n_nodes> value;
        for (std::size_t i = 0; i < n_nodes; ++i) {
            double sum = at_node[i].earlier[k - 1];
            for (std::size_t j = n_nodes; j-- > 0;) sum += at_node[i].own[j][k - 1] * panel.g[j][k - 1];
            value[i] = static_cast<double>(2 * k * (2 * k - 1)) * sum;
        }
        set_column(panel, k, value);
    }
}

struct Loss {
    double value, slope;  // slope: with respect to the rate
};

// (1 - z)/theta^2 of the linear model with rate r = rho tau. With a = r/2, d = sqrt(a^2 - theta^2), lambda = a - d and
// E(x) = (1 - exp(-x))/x:
//     z = exp(-a) [cosh d + a sinhc d],   1 - z = theta^2/(a + d) [E(lambda) - exp(-lambda) E(2d)],
//     dz/da = theta^2 curvature,   curvature = exp(-a) [cosh d - sinhc d]/d^2 = exp(-a) [1/3 + d^2/30 + ...].
// The form for real d has no cancellation as theta -> 0; where d is imaginary, theta > a, and roots have a > 0.1.
Loss linear_loss(double r, double theta) {
    const double a = r / 2, d2 = (a - theta) * (a + theta), d = std::sqrt(std::abs(d2));
    const bool critical = std::abs(d2) < 1e-2;  // the slope only steers an iteration: 1e-7 suffices
    const double near_critical = critical ? std::exp(-a) * (1.0 / 3 + d2 / 30) : 0;
    if (d2 > 0) {
        const double lambda = theta * theta / (a + d), minus_slow = std::expm1(-lambda),
                     minus_fast = std::expm1(-2 * d);
        const double slow = 1 + minus_slow, E_slow = lambda > 0 ? -minus_slow / lambda : 1,
                     E_fast = -minus_fast / (2 * d);
        const double curvature = critical ? near_critical : slow * (1 + minus_fast / 2 - E_fast) / d2;
        return {(E_slow - slow * E_fast) / (a + d), -curvature / 2};
    }
    const double c = std::cos(d), s = d > 0 ? std::sin(d) / d : 1, decay = std::exp(-a);
    const double curvature = critical ? near_critical : decay * (c - s) / d2;
    return {(1 - decay * (c + a * s)) / (theta * theta), -curvature / 2};
}

// The rate r at which linear_loss is `loss`, by Newton's method on the reciprocal: that is nearly linear in r and rises
// for theta < 4.4934 (tan x = x). Nowhere in the domain, for any of the lineshapes, does it take more than 4 steps.
double rate_of_loss(double loss, double theta) {
    const double no_decay = theta < 1e-4 ? 2 + theta * theta / 6 : theta * theta / (1 - std::cos(theta));
    double r = 1.5 * (1 / loss - no_decay);
    for (int iteration = 0; iteration < 20; ++iteration) {
        const Loss at_r = linear_loss(r, theta);
        const double step = (1 / at_r.value - 1 / loss) * at_r.value * at_r.value / at_r.slope;
        r += step;
        if (std::abs(step) < 1e-8 * r) break;  // the error falls quadratically
    }
    return r;
}

// (1 - z)/theta^2 = g_1/2 - theta^2/(4 3) (g_2/2 - ...), from the g_k at one tau.
double exact_loss(const Terms& g, double theta) {
    const double u = theta * theta;
    double sum = 0;
    for (std::size_t k = n_terms; k-- > 1;) sum = (g[k] - u * sum) * (1 / static_cast<double>(2 * k * (2 * k - 1)));
    return sum;
}

}  // namespace

double greens_function(Lineshape lineshape, double kappa) {
    require("kappa = (t - s)/T2s", kappa, 0, PoolResponse::tau_limit);
    switch (lineshape) {
        case Lineshape::lorentzian:
            return std::exp(-kappa);
        case Lineshape::gaussian:
            return std::exp(-kappa * kappa / 2);
        case Lineshape::superlorentzian:
            break;
    }
    return angular_average(kappa, [kappa](double a) { return std::exp(-kappa * kappa * a * a / 8); });
}

double greens_slope(Lineshape lineshape, double kappa) {
    require("kappa = (t - s)/T2s", kappa, 0, PoolResponse::tau_limit);
    switch (lineshape) {
        case Lineshape::lorentzian:
            return -std::exp(-kappa);
        case Lineshape::gaussian:
            return -kappa * std::exp(-kappa * kappa / 2);
        case Lineshape::superlorentzian:
            break;
    }
    return angular_average(kappa,
                           [kappa](double a) { return -kappa * a * a / 4 * std::exp(-kappa * kappa * a * a / 8); });
}

struct PoolResponse::Impl {
    double tau_max;
    std::vector<Panel> panels;

    Terms terms(double tau, double low) const {
        require("tau = TRF/T2s", tau, low, tau_max);
        return panel_of(panels, tau).terms(tau);
    }
};

PoolResponse::PoolResponse(Lineshape lineshape, double tau_max) : impl_(std::make_unique<Impl>()) {
    require("tau_max", tau_max, min_tau, tau_limit);
    impl_->tau_max = tau_max;
    impl_->panels.push_back(first_panel(lineshape));
    while (impl_->panels.back().high < tau_max) append_panel(impl_->panels, lineshape);
}

PoolResponse::~PoolResponse() = default;
PoolResponse::PoolResponse(PoolResponse&&) noexcept = default;
PoolResponse& PoolResponse::operator=(PoolResponse&&) noexcept = default;

double PoolResponse::tau_max() const { return impl_->tau_max; }

std::vector<double> PoolResponse::z(double tau, const std::vector<double>& theta) const {
    const Terms g = impl_->terms(tau, 0);
    std::vector<double> result;
    for (const double angle : theta) {
        require("theta = B1 alpha (rad)", angle, 0, max_crusher_flip);
        result.push_back(1 - angle * angle * exact_loss(g, angle));
    }
    return result;
}

std::vector<double> PoolResponse::rho(double tau, const std::vector<double>& theta) const {
    const Terms g = impl_->terms(tau, min_tau);
    std::vector<double> result;
    for (const double angle : theta) {
        require("theta = B1 alpha (rad)", angle, 0, max_flip);
        result.push_back(rate_of_loss(exact_loss(g, angle), angle) / tau);
    }
    return result;
}

double PoolResponse::z(double tau, double theta) const { return z(tau, std::vector{theta})[0]; }

double PoolResponse::rho(double tau, double theta) const { return rho(tau, std::vector{theta})[0]; }

}  // namespace spinbound
