"""What several tests of the theory take from it: the system of a pulse, and polynomials for its exponential."""

import math

import mpmath
import numpy as np
from numpy.polynomial import polynomial


def shifted_pulse(m0s, R1f, R2f, Rex, R1s, R2sl, omega0, omega1):
    """Equation (2.2): the matrix S, shifted by R2f, and the drive b; order y x z s xs."""
    m0f = 1 - m0s
    matrix = [
        [0, omega0, 0, 0, 0],
        [-omega0, 0, omega1, 0, 0],
        [0, -omega1, R2f - R1f - Rex * m0s, Rex * m0f, 0],
        [0, 0, Rex * m0s, R2f - R1s - Rex * m0f, -omega1],
        [0, 0, 0, omega1, R2f - R2sl],
    ]
    return matrix, [0, omega1 * m0f, 0, 0, omega1 * m0s]


def smallest_ellipse(half_width, theta):
    """Semi-axes a, b of the ellipse around a rectangle that has the smallest a + b."""
    p, q = half_width ** (2 / 3), theta ** (2 / 3)
    return p * math.sqrt(p + q), q * math.sqrt(p + q)


def scaled_bessel(k, c2):
    """I_k(c)/c^k as a function of c^2 of either sign."""
    return float(mpmath.hyp0f1(k + 1, c2 / 4) / (mpmath.mpf(2) ** k * mpmath.factorial(k)))


def economised(L, ell, theta, degree):
    """Monomial coefficients of the Chebyshev expansion of exp on the rectangle; the bound of its error."""
    a, b = smallest_ellipse((L + ell) / 2, theta)
    c0, c2, R, growth = (ell - L) / 2, a * a - b * b, a + b, math.exp((ell - L) / 2)
    t = [np.ones(1), np.array([-c0, 1.0])]
    while len(t) <= degree:
        t.append(polynomial.polysub(2 * polynomial.polymul(t[1], t[-1]), c2 * t[-2]))
    terms = [(2 if k else 1) * scaled_bessel(k, c2) * np.pad(t[k], (0, degree - k)) for k in range(degree + 1)]
    tail = sum(abs(scaled_bessel(k, c2)) * (R**k + abs(c2 / R) ** k) for k in range(degree + 1, degree + 40))
    return growth * sum(terms), growth * tail


def polynomial_of(X, coefficients):
    """Horner's rule on the identity, as the kernel applies it to vectors."""
    result = np.eye(len(X))
    for ratio in (coefficients[1:] / coefficients[:-1])[::-1]:
        result = np.eye(len(X)) + ratio * X @ result
    return coefficients[0] * result
