// Steps:
//     Lags              weights of past elements in the memory, a function of the lag alone
//     local_memory      the memory of the element itself, for omega1 = 1
//     History           omega1 zs at the nodes of all elements so far, and what they do to the next
//     integrate         element by element
#include "models/ide.hpp"

#include <optional>

#include "models/element.hpp"
#include "models/greens_table.hpp"

namespace spinbound::models {
namespace {

// Nodes per element: the error at the end of a pulse falls with the power 2 m of their length. Elements are no longer
// than the samples of a waveform, and fewer nodes do for short ones.
constexpr int many = 8, few = 3;
constexpr double short_sample = 1;  // in T2s

bool is_finely_sampled(const Pulse& pulse, const Tissue& tissue) {
    return pulse.sample_duration() < short_sample * tissue.T2s;
}

template <int n_derivatives>
constexpr int width_of = n_columns * (1 + n_derivatives);  // the map and its derivatives, side by side

// First column of the derivative p, in the order of Parameter from m0s on.
constexpr int stream_of(std::size_t p) { return n_columns * (1 + static_cast<int>(p)); }

// Element e sees element l < e with the weights h b_q G((e - l + c_i - c_q) h/T2s); their blocks stand side by side,
// the longest lag first, so that those of all predecessors of an element are the last ones.
template <int m>
class Lags {
public:
    using Weights = Eigen::Matrix<double, m, Eigen::Dynamic>;

    Lags(const GreensTable& table, int n_elements, double h, double T2s, bool sloped)
        : weights_(m, n_elements * m), slopes_(m, sloped ? n_elements * m : 0) {
        const auto& c = GaussMethod<m>::get().c;
        for (int lag = 1; lag < n_elements; ++lag)
            for (int i = 0; i < m; ++i)
                for (int q = 0; q < m - i; ++q) {
                    const double kappa = (lag + c[i] - c[q]) * h / T2s;
                    set(weights_, n_elements - lag, i, q, h * table.value(kappa));
                    if (sloped) set(slopes_, n_elements - lag, i, q, -h * kappa / T2s * table.slope(kappa));
                }
    }

    auto weights(int element) const { return weights_.rightCols(element * m); }
    auto slopes(int element) const { return slopes_.rightCols(element * m); }  // by T2s

private:
    // c_i - c_q is the same for the mirrored nodes m - 1 - q and m - 1 - i.
    static void set(Weights& weights, int block, int i, int q, double G) {
        const auto& b = GaussMethod<m>::get().b;
        weights(i, block * m + q) = b[q] * G;
        weights(m - 1 - q, block * m + m - 1 - i) = b[i] * G;
    }

    Weights weights_, slopes_;
};

// int_0^(c_i h) G((c_i h - s)/T2s) zs(s) ds by Gauss quadrature of the interpolated zs.
template <int m>
LocalMemory<m> local_memory(const GreensTable& table, double h, double T2s) {
    const auto& [c, b, a, inner] = GaussMethod<m>::get();
    LocalMemory<m> memory;
    for (int i = 0; i < m; ++i) {
        const double t = c[i] * h;
        Eigen::Matrix<double, 1, m> weight, slope;
        for (int q = 0; q < m; ++q) {
            const double kappa = t * (1 - c[q]) / T2s;
            weight[q] = t * b[q] * table.value(kappa);
            slope[q] = -t * b[q] * kappa / T2s * table.slope(kappa);
        }
        const auto& interpolated = inner[static_cast<std::size_t>(i)];
        memory.value.row(i) << weight * interpolated, weight.sum();
        memory.dT2s.row(i) << slope * interpolated, slope.sum();
    }
    return memory;
}

template <int m, int n_derivatives>
class History {
public:
    static constexpr int width = width_of<n_derivatives>;
    using Nodes = Eigen::Matrix<double, m, width>;

    History(const Pulse& pulse, const Tissue& tissue, const Lags<m>& lags, int n_elements)
        : tissue_(tissue), lags_(lags) {
        re_.resize(n_elements * m, width);
        for (int k = 0; k < pulse.shape.n; ++k)
            if (pulse.shape.sample[k].imag() != 0) im_.resize(n_elements * m, width);
    }

    // Q = Re{conj(omega1) sum of omega1 G zs}, its derivatives included
    Nodes felt(int element, std::complex<double> omega1) const {
        Nodes Q = Nodes::Zero();
        if (element == 0) return Q;
        add(Q, re_, element, omega1.real());
        if (im_.size() > 0) add(Q, im_, element, omega1.imag());
        if constexpr (n_derivatives > 0)
            Q.template middleCols<n_columns>(stream_of(index(Parameter::B1))) +=
                2 / tissue_.B1 * Q.template leftCols<n_columns>();
        return Q;
    }

    void append(int element, std::complex<double> omega1, const Nodes& zs_at_nodes) {
        re_.template middleRows<m>(element * m) = omega1.real() * zs_at_nodes;
        if (im_.size() > 0) im_.template middleRows<m>(element * m) = omega1.imag() * zs_at_nodes;
    }

private:
    using Past = Eigen::Matrix<double, Eigen::Dynamic, width>;

    void add(Nodes& Q, const Past& past, int element, double omega1) const {
        const auto nodes = past.topRows(element * m);
        Nodes sum;
        sum.noalias() = lags_.weights(element) * nodes;
        if constexpr (n_derivatives > 0)
            sum.template middleCols<n_columns>(stream_of(index(Parameter::T2s))).noalias() +=
                lags_.slopes(element) * nodes.template leftCols<n_columns>();
        Q += omega1 * sum;
    }

    const Tissue& tissue_;
    const Lags<m>& lags_;
    Past re_, im_;  // im_ is empty where omega1 is real
};

template <int m, int n_derivatives>
Element<m, true, n_derivatives> element_of(const Tissue& tissue, std::complex<double> omega1, LocalMemory<m> memory,
                                           double h) {
    memory.value *= std::norm(omega1);
    memory.dT2s *= std::norm(omega1);
    return {generator<n_derivatives>(tissue, omega1, {0, 0}), memory, h, tissue.B1};
}

template <int m, int n_derivatives>
Affine<n_derivatives> integrate(const Pulse& pulse, const Tissue& tissue, int n_elements) {
    constexpr int width = width_of<n_derivatives>;
    const GreensTable& table = GreensTable::get(pulse.model.lineshape);
    const int n_total = pulse.n_samples() * n_elements;
    const double h = pulse.sample_duration() / n_elements;
    const Lags<m> lags(table, n_total, h, tissue.T2s, n_derivatives > 0);
    const LocalMemory<m> memory = local_memory<m>(table, h, tissue.T2s);
    History<m, n_derivatives> history(pulse, tissue, lags, n_total);
    std::optional<Element<m, true, n_derivatives>> element;
    Eigen::Matrix<double, n_columns + m, width> input;  // u, 1, Q
    input.setZero();
    input.template topLeftCorner<n_columns, n_columns>().setIdentity();
    for (int e = 0; e < n_total; ++e) {
        pulse.poll();
        const int sample = e / n_elements;
        const std::complex<double> omega1 = pulse.omega1(sample, tissue.B1);
        if (e % n_elements == 0 && !pulse.continues(sample))
            element.emplace(element_of<m, n_derivatives>(tissue, omega1, memory, h));
        input.template bottomRows<m>() = history.felt(e, omega1);
        Eigen::Matrix<double, m + n_state, width> output;
        output.noalias() = element->map * input;
        for (std::size_t p = 0; p < n_derivatives; ++p)
            output.template middleCols<n_columns>(stream_of(p)).noalias() +=
                element->slope[p] * input.template leftCols<n_columns>();
        history.append(e, omega1, output.template topRows<m>());
        input.template topRows<n_state>() = output.template bottomRows<n_state>();
    }
    Affine<n_derivatives> result;
    result.value = input.template topLeftCorner<n_state, n_columns>();
    for (std::size_t p = 0; p < n_derivatives; ++p)
        result.derivative[p] = input.template block<n_state, n_columns>(0, stream_of(p));
    return result;
}

}  // namespace

template <int n_derivatives>
Affine<n_derivatives> ide_propagator(const Pulse& pulse, const Tissue& tissue, int n_elements) {
    return is_finely_sampled(pulse, tissue) ? integrate<few, n_derivatives>(pulse, tissue, n_elements)
                                            : integrate<many, n_derivatives>(pulse, tissue, n_elements);
}

template Affine<0> ide_propagator(const Pulse&, const Tissue&, int);
template Affine<n_tissue_parameters> ide_propagator(const Pulse&, const Tissue&, int);

// Elements so many T2s long, by lineshape, that turn the free pool by 1.5 rad at most and let it decay by exp(-2) leave
// some 1e-8.
double first_ide_elements(const Pulse& pulse, const Tissue& tissue) {
    constexpr double longest[] = {7, 4.5, 10};
    const double turn = std::hypot(pulse.largest_omega1(tissue.B1), tissue.omega0);
    const double memory = 1 / (longest[static_cast<int>(pulse.model.lineshape)] * tissue.T2s);
    const double finer = std::pow(1e8 * pulse.model.rtol, -1.0 / (2 * many));
    return finer * std::max({memory, turn / 1.5, tissue.R2f / 2}) * pulse.sample_duration();
}

}  // namespace spinbound::models
