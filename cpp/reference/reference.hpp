// The oracle: a pulse train by 6x6 matrix exponentials, one voxel at a time.
//
// State (xf yf zf xs zs 1); linearised generalized Bloch model with R2sl given from outside (theory, (2.1)).
// Nothing is eliminated, approximated or shared with the kernel. All arrays are C-contiguous and for M0 = 1:
//     tissue          (8)        m0s R1f R2f Rex R1s T2s omega0 B1
//     R2sl            (n, 3)     R2sl, dR2sl/dT2s, dR2sl/dB1 of each pulse; for a crusher pulse z, dz/dT2s, dz/dB1
//     magnetization   (n, 5)     xf yf zf xs zs at each echo
//     jacobian        (n, 5, 8)  its derivative with respect to each tissue parameter
#pragma once

#include <complex>

#include "records/sequence.hpp"

namespace spinbound::reference {

// extended: computed in long double; otherwise in double, some ten times faster.
void simulate(const Sequence& sequence, const double* tissue, const double* R2sl, double* magnetization,
              double* jacobian, bool extended = true);

// The same code over complex numbers: the imaginary part of a step i h of a parameter is h times the derivative.
// The caller steps R2sl along with T2s and B1; its derivatives are not used.
void simulate(const Sequence& sequence, const std::complex<double>* tissue, const std::complex<double>* R2sl,
              std::complex<double>* magnetization);

// One rectangular pulse of one R2sl row: magnetization (5) before it, after (5) it, xs kept.
void pulse(double alpha, double TRF, const double* tissue, const double* R2sl, const double* magnetization,
           double* after);

// exp(a), a (6, 6), and its Frechet derivatives (8, 6, 6) in the given directions (8, 6, 6).
void exponential(const double* a, const double* directions, double* value, double* derivatives);

}  // namespace spinbound::reference
