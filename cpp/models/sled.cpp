// Steps:
//     Grid              the elements of a sample
//     SledRates         W and dW/dT2s at the nodes of all elements
//     sled_propagator   element by element
#include "models/element.hpp"
#include "models/greens_table.hpp"
#include "models/saturation.hpp"

namespace spinbound::models {
namespace {

constexpr int m = 4;  // nodes per element

// Elements for an error of some 1e-8, up to the time t of a sample: H varies within T2s at first and with the logarithm
// of time later, and the free pool turns and decays.
struct Density {
    double onset, rate;

    Density(const Pulse& pulse, const Tissue& tissue)
        : onset(4 * tissue.T2s),
          rate(std::max(2 * std::hypot(pulse.largest_omega1(tissue.B1), tissue.omega0), tissue.R2f / 2)) {}

    double operator()(double t) const { return 1.2 * std::log1p(t / onset) + rate * t; }
    double slope(double t) const { return 1.2 / (onset + t) + rate; }

    // Its inverse by Newton's method from below: tangents of a concave function lie above it, so no step is too long.
    double time_of(double number, double below) const {
        double t = below;
        for (int iteration = 0; iteration < 100; ++iteration) {
            const double step = (number - (*this)(t)) / slope(t);
            t += step;
            if (step <= 1e-9 * t) break;
        }
        return t;
    }
};

// The n elements of a sample, equal by that density.
class Grid {
public:
    Grid(const Density& density, double duration, int n) : edges_{0} {
        for (int j = 1; j < n; ++j) edges_.push_back(density.time_of(density(duration) * j / n, edges_.back()));
        edges_.push_back(duration);
    }

    int n_elements() const { return static_cast<int>(edges_.size()) - 1; }
    double length(int element) const { return edge(element + 1) - edge(element); }
    double node(int element, int i) const { return edge(element) + GaussMethod<m>::get().c[i] * length(element); }

private:
    double edge(int element) const { return edges_[static_cast<std::size_t>(element)]; }

    std::vector<double> edges_;
};

// Sample l, which began d samples before the one at hand, adds omega1_l T2s [H(s + d D) - H(s + (d - 1) D)] to the
// integral at the time s of that one, D being their duration; for d = 0 the second term is absent.
class SledRates {
public:
    SledRates(const Pulse& pulse, const Tissue& tissue, const Grid& grid)
        : pulse_(pulse), tissue_(tissue), step_(pulse.n_samples(), m * grid.n_elements()), slope_(step_) {
        const GreensTable& table = GreensTable::get(pulse.model.lineshape);
        for (int d = 0; d < pulse.n_samples(); ++d)
            for (int node = 0; node < m * grid.n_elements(); ++node) {
                if (node % m == 0) pulse.poll();
                const double t = grid.node(node / m, node % m) + d * pulse.sample_duration(), kappa = t / tissue.T2s;
                const double H = table.integral(kappa);
                step_(d, node) = tissue.T2s * H;
                slope_(d, node) = H - kappa * table.value(kappa);
            }
        for (int d = pulse.n_samples() - 1; d > 0; --d) {
            step_.row(d) -= step_.row(d - 1);
            slope_.row(d) -= slope_.row(d - 1);
        }
    }

    Rate operator()(int sample, int node) const {
        const std::complex<double> now = std::conj(pulse_.omega1(sample, tissue_.B1));
        Rate rate{0, 0};
        for (int d = 0; d <= sample; ++d) {
            const double product = std::real(now * pulse_.omega1(sample - d, tissue_.B1));
            rate.value += product * step_(d, node);
            rate.dT2s += product * slope_(d, node);
        }
        return rate;
    }

private:
    const Pulse& pulse_;
    const Tissue& tissue_;
    Eigen::MatrixXd step_, slope_;
};

// -W zs in the form of element.hpp: W_i (zs + sum_j a_ij K_j).
LocalMemory<m> local_rate(const SledRates& rates, int sample, int element) {
    const auto& a = GaussMethod<m>::get().a;
    LocalMemory<m> memory;
    for (int i = 0; i < m; ++i) {
        const Rate W = rates(sample, element * m + i);
        memory.value.row(i) << W.value * a.row(i), W.value;
        memory.dT2s.row(i) << W.dT2s * a.row(i), W.dT2s;
    }
    return memory;
}

}  // namespace

template <int n_derivatives>
Affine<n_derivatives> sled_propagator(const Pulse& pulse, const Tissue& tissue, int n_elements) {
    const Grid grid(Density(pulse, tissue), pulse.sample_duration(), n_elements);
    const SledRates rates(pulse, tissue, grid);
    Affine<n_derivatives> result = identity<n_derivatives>(), step;
    for (int sample = 0; sample < pulse.n_samples(); ++sample) {
        const auto A = generator<n_derivatives>(tissue, pulse.omega1(sample, tissue.B1), {0, 0});
        for (int e = 0; e < n_elements; ++e) {
            pulse.poll();
            const Element<m, false, n_derivatives> element(A, local_rate(rates, sample, e), grid.length(e), tissue.B1);
            step.value = element.map.template bottomRows<n_state>();
            for (std::size_t p = 0; p < n_derivatives; ++p)
                step.derivative[p] = element.slope[p].template bottomRows<n_state>();
            result = step * result;
        }
    }
    return result;
}

template Affine<0> sled_propagator(const Pulse&, const Tissue&, int);
template Affine<n_tissue_parameters> sled_propagator(const Pulse&, const Tissue&, int);

double first_sled_elements(const Pulse& pulse, const Tissue& tissue) {
    const double finer = std::pow(1e8 * pulse.model.rtol, -1.0 / (2 * m));
    return finer * Density(pulse, tissue)(pulse.sample_duration());
}

}  // namespace spinbound::models
