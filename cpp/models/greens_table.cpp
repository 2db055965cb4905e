#include "models/greens_table.hpp"

#include <bit>
#include <cstdint>

#include "plan/chebyshev.hpp"
#include "plan/lineshape.hpp"

namespace spinbound::models {
namespace {

// Exponent and two bits of the mantissa: they number the quarters of octaves in order.
constexpr int dropped_bits = 50;
constexpr double first_edge = 0.25;

constexpr std::uint64_t quarter(double kappa) { return std::bit_cast<std::uint64_t>(kappa) >> dropped_bits; }

constexpr double low_edge(std::size_t panel) {
    return panel == 0 ? 0 : std::bit_cast<double>((panel - 1 + quarter(first_edge)) << dropped_bits);
}

// The antiderivative of a Chebyshev series over y, times a factor, that starts from `first` at y = -1:
// int T_k = T_(k+1)/(2k + 2) - T_(k-1)/(2k - 2).
template <std::size_t n>
std::array<double, n + 1> antiderivative(const std::array<double, n>& c, double factor, double first) {
    std::array<double, n + 1> C{};
    double at_low_end = 0, sign = -1;
    for (std::size_t k = 1; k <= n; ++k, sign = -sign) {
        const double below = (k == 1 ? 2 : 1) * c[k - 1], above = k + 1 < n ? c[k + 1] : 0;
        C[k] = factor * (below - above) / (2 * static_cast<double>(k));
        at_low_end += sign * C[k];
    }
    C[0] = first - at_low_end;
    return C;
}

}  // namespace

GreensTable::GreensTable(Lineshape lineshape) {
    const auto analysis = chebyshev::analysis_matrix(n_nodes);
    double integral = 0, second_integral = 0;
    for (std::size_t k = 0; low_edge(k) <= largest; ++k) {
        const double low = low_edge(k), high = low_edge(k + 1), half = (high - low) / 2;
        Panel panel{low + half, 1 / half, {}, {}, {}, {}};
        for (std::size_t i = 0; i < n_nodes; ++i) {
            const double kappa = panel.middle + half * chebyshev::node(i, n_nodes);
            const double value = greens_function(lineshape, kappa), slope = greens_slope(lineshape, kappa);
            for (std::size_t j = 0; j < n_nodes; ++j) {
                panel.value[j] += analysis[j * n_nodes + i] * value;
                panel.slope[j] += analysis[j * n_nodes + i] * slope;
            }
        }
        panel.integral = antiderivative(panel.value, half, integral);
        panel.second_integral = antiderivative(panel.integral, half, second_integral);
        integral = sum(panel.integral, panel, high);
        second_integral = sum(panel.second_integral, panel, high);
        panels_.push_back(panel);
    }
}

const GreensTable::Panel& GreensTable::panel(double kappa) const {
    return panels_[kappa < first_edge ? 0 : static_cast<std::size_t>(quarter(kappa) - quarter(first_edge) + 1)];
}

const GreensTable& GreensTable::get(Lineshape lineshape) {
    switch (lineshape) {
        case Lineshape::superlorentzian: {
            static const GreensTable table(Lineshape::superlorentzian);
            return table;
        }
        case Lineshape::gaussian: {
            static const GreensTable table(Lineshape::gaussian);
            return table;
        }
        case Lineshape::lorentzian:
            break;
    }
    static const GreensTable table(Lineshape::lorentzian);
    return table;
}

}  // namespace spinbound::models
