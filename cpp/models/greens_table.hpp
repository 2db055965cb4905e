// G of a lineshape, its slope, and its first and second integral, tabulated: a pulse asks for thousands of values.
// Chebyshev polynomials on the panels [0, 1/4] and [2^k (4 + j)/4, 2^k (5 + j)/4], k >= -2, j = 0 ... 3: a quarter of
// an octave is so narrow that 14 nodes leave rounding errors.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "records/model.hpp"

namespace spinbound::models {

class GreensTable {
public:
    static constexpr double largest = 0x1p26;  // a pulse of 134 s at T2s = 2 us

    // Built once per process and lineshape, then shared.
    static const GreensTable& get(Lineshape lineshape);

    explicit GreensTable(Lineshape lineshape);

    // Of 0 <= kappa <= largest.
    double slope(double kappa) const { return sum(panel(kappa).slope, panel(kappa), kappa); }
    double value(double kappa) const { return sum(panel(kappa).value, panel(kappa), kappa); }
    double integral(double kappa) const { return sum(panel(kappa).integral, panel(kappa), kappa); }
    double second_integral(double kappa) const { return sum(panel(kappa).second_integral, panel(kappa), kappa); }

private:
    static constexpr std::size_t n_nodes = 14;

    struct Panel {
        double middle, scale;
        std::array<double, n_nodes> slope, value;
        std::array<double, n_nodes + 1> integral;
        std::array<double, n_nodes + 2> second_integral;
    };

    // sum_j c_j T_j(y) by Clenshaw's recurrence
    template <std::size_t n>
    static double sum(const std::array<double, n>& c, const Panel& panel, double kappa) {
        const double y = (kappa - panel.middle) * panel.scale, two_y = 2 * y;
        double b1 = 0, b2 = 0;
        for (std::size_t j = n; j-- > 1;) {
            const double b = c[j] + (two_y * b1 - b2);
            b2 = b1;
            b1 = b;
        }
        return c[0] + (y * b1 - b2);
    }

    const Panel& panel(double kappa) const;

    std::vector<Panel> panels_;
};

}  // namespace spinbound::models
