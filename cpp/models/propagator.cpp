#include "models/propagator.hpp"

#include "models/greens_table.hpp"
#include "models/ide.hpp"
#include "models/saturation.hpp"
#include "plan/require.hpp"

namespace spinbound::models {
namespace {

constexpr double smallest_rtol = 1e-12;  // rounding leaves some 1e-14
constexpr int max_ide_elements = 1 << 13, max_sled_elements = 1 << 20;  // of a pulse: seconds of work

bool is_ide(const Pulse& pulse) { return pulse.model.name == ModelName::gbloch_ide; }

template <int n_derivatives>
Affine<n_derivatives> discretised(const Pulse& pulse, const Tissue& tissue, int n_elements) {
    return is_ide(pulse) ? ide_propagator<n_derivatives>(pulse, tissue, n_elements)
                         : sled_propagator<n_derivatives>(pulse, tissue, n_elements);
}

// Twice as many elements until that changes no entry of the map by more than rtol.
template <int n_derivatives>
Affine<n_derivatives> controlled(const Pulse& pulse, const Tissue& tissue, int& n_elements) {
    require("rtol", pulse.model.rtol, smallest_rtol, 1);
    const int allowed = (is_ide(pulse) ? max_ide_elements : max_sled_elements) / pulse.n_samples();
    const double first = is_ide(pulse) ? first_ide_elements(pulse, tissue) : first_sled_elements(pulse, tissue);
    n_elements = static_cast<int>(std::clamp(std::ceil(first), 1.0, 1e9));
    Affine<0> coarse;
    if (2 * n_elements <= allowed) coarse = discretised<0>(pulse, tissue, n_elements);
    while ((n_elements *= 2) <= allowed) {
        const Affine<0> fine = discretised<0>(pulse, tissue, n_elements);
        if ((fine.value - coarse.value).cwiseAbs().maxCoeff() <= pulse.model.rtol) {
            if constexpr (n_derivatives == 0) return fine;
            return discretised<n_derivatives>(pulse, tissue, n_elements);
        }
        coarse = fine;
    }
    throw OutOfReach("rtol is out of reach: the pulse is too long or too strong");
}

}  // namespace

template <int n_derivatives>
Affine<n_derivatives> propagator(const Pulse& pulse, const Tissue& tissue, int& n_elements) {
    if (pulse.largest_omega1(tissue.B1) == 0) {
        n_elements = 0;
        return exponential(generator<n_derivatives>(tissue, 0, {0, 0}), pulse.TRF);
    }
    require("TRF", pulse.TRF, 0, (is_ide(pulse) ? max_tau_ide : GreensTable::largest) * tissue.T2s);
    switch (pulse.model.name) {
        case ModelName::gbloch_ide:
        case ModelName::sled:
            return n_elements > 0 ? discretised<n_derivatives>(pulse, tissue, n_elements)
                                  : controlled<n_derivatives>(pulse, tissue, n_elements);
        case ModelName::graham:
        case ModelName::graham_single_frequency:
            n_elements = 0;
            return graham_propagator<n_derivatives>(pulse, tissue);
        default:
            throw InvalidArgument("the model has no propagator of a pulse by itself");
    }
}

template Affine<0> propagator(const Pulse&, const Tissue&, int&);
template Affine<n_tissue_parameters> propagator(const Pulse&, const Tissue&, int&);

template <int n_derivatives>
Affine<n_derivatives> isolated_pool(const Pulse& pulse, double T2s, double B1) {
    int n_elements = 0;
    return propagator<n_derivatives>(pulse, {0, 0, 0, 0, 0, T2s, 0, B1}, n_elements);
}

template Affine<0> isolated_pool(const Pulse&, double, double);
template Affine<n_tissue_parameters> isolated_pool(const Pulse&, double, double);

}  // namespace spinbound::models
