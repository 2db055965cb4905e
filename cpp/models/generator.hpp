// What drives the state (xf yf zf zs) while the RF field and the saturation rate of zs are constant:
//     xf' = -R2f xf - omega0 yf + Re(omega1) zf
//     yf' =  omega0 xf - R2f yf + Im(omega1) zf
//     zf' = -Re(omega1) xf - Im(omega1) yf - (R1f + Rex m0s) zf + Rex m0f zs + R1f m0f
//     zs' =  Rex m0s zf - (R1s + Rex m0f + W) zs + R1s m0s
// omega1 = B1 alpha/TRF w with the sample w of the pulse's waveform.
#pragma once

#include <complex>

#include "models/affine.hpp"

namespace spinbound::models {

struct Tissue {
    double m0s, R1f, R2f, Rex, R1s, T2s, omega0, B1;

    double m0f() const { return 1 - m0s; }
};

// W: proportional to the square of B1.
struct Rate {
    double value, dT2s;

    double dB1(const Tissue& tissue) const { return 2 * value / tissue.B1; }
};

template <int n_derivatives>
Affine<n_derivatives> generator(const Tissue& tissue, std::complex<double> omega1, const Rate& W) {
    const auto& [m0s, R1f, R2f, Rex, R1s, T2s, omega0, B1] = tissue;
    const double m0f = tissue.m0f(), re = omega1.real(), im = omega1.imag();
    Affine<n_derivatives> a;
    a.value << -R2f, -omega0, re, 0, 0,                    //
        omega0, -R2f, im, 0, 0,                            //
        -re, -im, -(R1f + Rex * m0s), Rex * m0f, R1f * m0f,  //
        0, 0, Rex * m0s, -(R1s + Rex * m0f + W.value), R1s * m0s;
    if constexpr (n_derivatives > 0) {
        auto& dm0s = a.d(Parameter::m0s);
        dm0s(zf, zf) = dm0s(zf, zs) = -Rex;
        dm0s(zs, zf) = dm0s(zs, zs) = Rex;
        dm0s(zf, one) = -R1f;
        dm0s(zs, one) = R1s;
        auto& dR1f = a.d(Parameter::R1f);
        dR1f(zf, zf) = -1;
        dR1f(zf, one) = m0f;
        auto& dR2f = a.d(Parameter::R2f);
        dR2f(xf, xf) = dR2f(yf, yf) = -1;
        auto& dRex = a.d(Parameter::Rex);
        dRex(zf, zf) = -m0s;
        dRex(zf, zs) = m0f;
        dRex(zs, zf) = m0s;
        dRex(zs, zs) = -m0f;
        auto& dR1s = a.d(Parameter::R1s);
        dR1s(zs, zs) = -1;
        dR1s(zs, one) = m0s;
        a.d(Parameter::T2s)(zs, zs) = -W.dT2s;
        auto& domega0 = a.d(Parameter::omega0);
        domega0(xf, yf) = -1;
        domega0(yf, xf) = 1;
        auto& dB1 = a.d(Parameter::B1);
        dB1(xf, zf) = re / B1;
        dB1(yf, zf) = im / B1;
        dB1(zf, xf) = -re / B1;
        dB1(zf, yf) = -im / B1;
        dB1(zs, zs) = -W.dB1(tissue);
    }
    return a;
}

}  // namespace spinbound::models
