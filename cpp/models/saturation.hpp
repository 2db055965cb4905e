// graham and sled: the RF saturates zs at a rate, without memory of what zs was.
//     sled                      W(t) = Re{conj(omega1(t)) int_0^t omega1(s) G((t - s)/T2s) ds}  (Sled & Pike 2000)
//     graham                    the average of Sled's rate over the pulse: the overlap of the pulse's spectrum with
//                               the lineshape (Graham & Henkelman 1997)
//     graham-single-frequency   omega1_rms^2 T2s int_0^inf G, the rate of a continuous wave on resonance
// With hard-edged samples all follow from H = int G and I = int H of the lineshape.
#pragma once

#include "models/generator.hpp"
#include "models/pulse.hpp"

namespace spinbound::models {

// Of graham and graham-single-frequency; throws InvalidArgument where it is infinite.
Rate average_rate(const Pulse& pulse, const Tissue& tissue);

// The pulse at that rate, sample by sample: exact.
template <int n_derivatives>
Affine<n_derivatives> graham_propagator(const Pulse& pulse, const Tissue& tissue);

// Elements per sample of the waveform from which the error control had better start.
double first_sled_elements(const Pulse& pulse, const Tissue& tissue);

// By as many elements per sample as told, longer where H bends less.
template <int n_derivatives>
Affine<n_derivatives> sled_propagator(const Pulse& pulse, const Tissue& tissue, int n_elements);

}  // namespace spinbound::models
