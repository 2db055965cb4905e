// One pulse of the models that follow the saturation of the semi-solid pool: as xs is zero before a pulse and dropped
// after it, the pulse is an affine map of (xf yf zf zs) (theory, section 12).
//     propagator      the map of gbloch-ide, sled, graham or graham-single-frequency
//     isolated_pool   the same without relaxation and exchange, whose (zs, zs) is the response that crushers use
// n_derivatives is 0 or n_tissue_parameters.
#pragma once

#include "models/generator.hpp"
#include "models/pulse.hpp"

namespace spinbound::models {

// n_elements: elements per sample of the waveform; 0: as many as rtol takes, and so many were taken on return (0 for
// the models that take none). Throws InvalidArgument where TRF/T2s is too long, where the saturation rate is infinite,
// OutOfReach where rtol is, and Stopped.
template <int n_derivatives>
Affine<n_derivatives> propagator(const Pulse& pulse, const Tissue& tissue, int& n_elements);

template <int n_derivatives>
Affine<n_derivatives> isolated_pool(const Pulse& pulse, double T2s, double B1);

}  // namespace spinbound::models
