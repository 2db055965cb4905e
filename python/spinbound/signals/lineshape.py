"""Absorption lineshapes: the absorption of a continuous wave at an offset by a semi-solid pool.

g(Delta) = T2s f(T2s Delta), normalised to int g dDelta = 1 and so the Fourier transform of the Green's function:
pi g(Delta) = int_0^inf G(t/T2s) cos(Delta t) dt. With x = T2s Delta and a = |3 u^2 - 1|

    Lorentzian          f = 1/(pi (1 + x^2))
    Gaussian            f = exp(-x^2/2)/sqrt(2 pi)
    super-Lorentzian    f = sqrt(2/pi) int_0^1 exp(-2 x^2/a^2)/a du, infinite at x = 0

(R. M. Henkelman et al., Magn. Reson. Med. 29, 759 (1993); C. Morrison, R. M. Henkelman, Magn. Reson. Med. 33, 475
(1995).) Near the magic angle a = 0 the super-Lorentzian is summed in exponential integrals: with 1/sqrt(1 - a) =
sum c_n a^n and y = 2 x^2/A^2, both sides of that angle together give

    int_{a < A} exp(-2 x^2/a^2)/a du = 1/(2 sqrt 3) sum_j c_2j A^2j E_{1 + j}(y) ;

the rest is smooth, and a Gauss rule integrates it. f is within 1e-13 of its value up to x = 8, where it has fallen to
3e-17, and so is its slope (tests/signals/test_experiments.py).
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb, pi, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import FloatArray

Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]

SPLIT = 0.5  # A: the series converges like 4^-j
N_TERMS = 26  # 4^-26 = 2e-16
N_NODES = 48
AT_ONCE = 1 << 12  # values in one step, each with a hundred numbers


def absorption(lineshape: str, T2s: npt.NDArray[Any], offset: npt.NDArray[Any]) -> Pair:
    """Return g(offset) in s and dg/dT2s, in the common shape of T2s (s) and offset (rad/s)."""
    x = T2s * offset
    f, x_slope = PROFILES[lineshape](x)
    return T2s * f, f + x_slope


def _lorentzian(x: npt.NDArray[Any]) -> Pair:
    f = 1 / (pi * (1 + x**2))
    return f, -2 * x**2 / (1 + x**2) * f


def _gaussian(x: npt.NDArray[Any]) -> Pair:
    f = np.exp(-(x**2) / 2) / sqrt(2 * pi)
    return f, -(x**2) * f


def _superlorentzian(x: npt.NDArray[Any]) -> Pair:
    flat = x.ravel()
    both = np.empty((2, flat.size))
    for start in range(0, flat.size, AT_ONCE):
        here = slice(start, start + AT_ONCE)
        both[:, here] = _near_magic_angle(flat[here]) + _away_from_magic_angle(flat[here])
    f, x_slope = sqrt(2 / pi) * both.reshape(2, *x.shape)
    return f, x_slope


# Both functions return the integral and x times its derivative by x, (2, n).


def _near_magic_angle(x: FloatArray) -> FloatArray:
    from scipy.special import expn

    y = 2 * (x / SPLIT) ** 2
    orders = np.arange(N_TERMS)[:, None]
    weight = np.array([comb(4 * j, 2 * j) / 16**j * SPLIT ** (2 * j) for j in range(N_TERMS)]) / (2 * sqrt(3))
    return np.stack([weight @ expn(orders + 1, y), weight @ (-2 * y * expn(orders, y))])


def _away_from_magic_angle(x: FloatArray) -> FloatArray:
    a, weight = ANGLES
    exponent = 2 * np.divide.outer(x, a) ** 2
    integrand = np.exp(-exponent) / a
    return np.stack([integrand @ weight, (-2 * exponent * integrand) @ weight])


def _make_angles() -> tuple[FloatArray, FloatArray]:
    """Return a and the weights of the Gauss rule over u, below and above the magic angle."""
    node, weight = np.polynomial.legendre.leggauss(N_NODES)
    edges = ((0, sqrt((1 - SPLIT) / 3)), (sqrt((1 + SPLIT) / 3), 1))
    u = np.concatenate([(low + high) / 2 + (high - low) / 2 * node for low, high in edges])
    return np.abs(3 * u**2 - 1), np.concatenate([(high - low) / 2 * weight for low, high in edges])


ANGLES = _make_angles()
PROFILES: dict[str, Callable[[npt.NDArray[Any]], Pair]] = {
    "superlorentzian": _superlorentzian,
    "gaussian": _gaussian,
    "lorentzian": _lorentzian,
}
