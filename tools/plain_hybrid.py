"""The hybrid state once more, as plainly as it can be written: with `plain_models.py`, for `make_conformance.py`.

One voxel, periodic trains. The free pool has the length r along an axis at the polar angle theta, (sin, cos):

    at the echo of a balanced pulse   that of its flip angle, averaged with the next one's if that is balanced too
    elsewhere                         that of the echo before, or z after spoilers

Over half a repetition (r, zs, 1) obeys one matrix, with the means of cos and cos^2 under a pulse by quadrature.
Derivatives are complex steps.
"""

import numpy as np
import plain_models
from scipy.linalg import expm

GAUSS, WEIGHT = np.polynomial.legendre.leggauss(40)


def sensitivities(seq, values, lineshape):
    """(n,) signal and (n, 8) derivatives; values: the eight parameters as a dict."""
    J = []
    for name in plain_models.PARAMETERS:
        stepped = {**values, name: values[name] + 1j * plain_models.STEP}
        J.append(signal(seq, stepped, lineshape).imag / plain_models.STEP)
    return signal(seq, values, lineshape).real.astype(complex), np.stack(J, axis=-1).astype(complex)


def signal(seq, p, lineshape):
    """(n,) r sin(theta) at the echoes, M0 = 1."""
    maps, sines = [], []
    axis = _axes_of_echoes(seq, p)
    for i in range(seq.n_pulses):
        maps.append(_repetition(seq, i, p, axis, lineshape))
        sines.append(axis[i][0])
    cycle = np.eye(3)
    for repetition in maps:
        cycle = repetition @ cycle
    m = np.append(np.linalg.solve(np.eye(2) - cycle[:2, :2], cycle[:2, 2]), 1)
    s = []
    for repetition, sine in zip(maps, sines, strict=True):
        m = repetition @ m
        s.append(m[0] * sine)
    return np.array(s)


def _repetition(seq, i, p, axis, lineshape):
    alpha, TRF, moment = seq.alpha[i], seq.TRF[i], seq.gradient_moment[i]
    (sine, cosine), own, flip = axis[i - 1], _axis(p, alpha, seq.TR), p["B1"] * alpha
    z = _response(p, alpha, TRF, lineshape)
    if moment == "balanced":
        during = _leg(p, seq.TR / 2, *_means(p, alpha, TRF / seq.TR, seq.TR))
        if sine == 0 and cosine == 1:  # from the z axis: the part along the new one
            return during @ np.diag([own[1], z, 1]) @ _leg(p, seq.TR / 2, 1, 1)
        return during @ np.diag([1, z, 1]) @ during
    before = _leg(p, seq.TR / 2, cosine, cosine**2)
    if moment == "crusher":
        turned = np.cos(flip) * cosine**2 - np.sin(flip / 2) ** 2 * sine**2
        return before @ np.diag([turned, z, 1]) @ before
    return _leg(p, seq.TR / 2, 1, 1) @ np.diag([np.cos(flip) * cosine, z, 1]) @ before


def _axes_of_echoes(seq, p):
    axes, n = [None] * seq.n_pulses, seq.n_pulses
    for i in [*range(n), *range(n)]:  # a crusher that begins the train keeps what its end leaves
        following = (i + 1) % n
        if seq.gradient_moment[i] == "balanced":
            other = following if seq.gradient_moment[following] == "balanced" else i
            axes[i] = _axis(p, (seq.alpha[i] + seq.alpha[other]) / 2, seq.TR)
        elif seq.gradient_moment[i] == "crusher":
            axes[i] = axes[i - 1] or (0, 1)
        else:
            axes[i] = (0, 1)
    return axes


def _axis(p, alpha, TR):
    x, z = np.sin(p["B1"] * alpha / 2), np.cos(p["B1"] * alpha / 2) * np.cos(p["omega0"] * TR / 2)
    length = np.sqrt(x**2 + z**2)
    return x / length, z / length


def _means(p, alpha, share, TR):
    half = p["B1"] * alpha / 2
    height = _axis(p, alpha, TR)[1] / np.cos(half)
    under = np.cos(half * GAUSS)
    return tuple(height**k * ((1 - share) * np.cos(half) ** k + share * (under**k @ WEIGHT) / 2) for k in (1, 2))


def _leg(p, time, c, c2):
    m0f, ksf, kfs = 1 - p["m0s"], p["Rex"] * p["m0s"], p["Rex"] * (1 - p["m0s"])
    rates = [
        [-(c2 * (p["R1f"] + ksf) + (1 - c2) * p["R2f"]), c * kfs, c * m0f * p["R1f"]],
        [c * ksf, -(p["R1s"] + kfs), p["R1s"] * p["m0s"]],
        [0, 0, 0],
    ]
    return expm(np.array(rates) * time)


def _response(p, alpha, TRF, lineshape):
    isolated = dict.fromkeys(plain_models.PARAMETERS, 0.0) | {"T2s": p["T2s"]}
    pulse = plain_models.PULSES["gbloch-ide"](isolated, p["B1"] * alpha / TRF, TRF, lineshape)
    return pulse[plain_models.zs, plain_models.zs]
