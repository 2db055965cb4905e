// gbloch-ide: the generalized Bloch equation of the coupled pools (Asslaender et al., MRM 2022, eq. (9)),
//     zs' = -Re{conj(omega1(t)) int_0^t omega1(s) G((t - s)/T2s) zs(s) ds} + exchange + relaxation .
#pragma once

#include "models/generator.hpp"
#include "models/pulse.hpp"

namespace spinbound::models {

// Elements per sample of the waveform from which the error control had better start.
double first_ide_elements(const Pulse& pulse, const Tissue& tissue);

// By equal elements, as many per sample as told.
template <int n_derivatives>
Affine<n_derivatives> ide_propagator(const Pulse& pulse, const Tissue& tissue, int n_elements);

}  // namespace spinbound::models
