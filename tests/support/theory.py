"""What several tests take from the theory: the system of a pulse, polynomials for its exponential, a lineshape."""

import math

import mpmath
import numpy as np
from numpy.polynomial import polynomial
from scipy.special import erf


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


def bloch_mcconnell(m0s, R1f, R2f, Rex, R1s, R2s, omega0, omega1, omega0s=0.0):
    """d/dt of xf yf zf xs ys zs 1 in two pools whose exchange keeps zf and zs only; omega1 may be complex."""
    m0f, re, im = 1 - m0s, np.real(omega1), np.imag(omega1)
    return np.array(
        [
            [-R2f, -omega0, re, 0, 0, 0, 0],
            [omega0, -R2f, im, 0, 0, 0, 0],
            [-re, -im, -R1f - Rex * m0s, 0, 0, Rex * m0f, R1f * m0f],
            [0, 0, 0, -R2s, -omega0s, re, 0],
            [0, 0, 0, omega0s, -R2s, im, 0],
            [0, 0, Rex * m0s, -re, -im, -R1s - Rex * m0f, R1s * m0s],
            [0, 0, 0, 0, 0, 0, 0],
        ]
    )


def stacked(columns):
    """Real over imaginary parts."""
    return np.concatenate([columns.real, columns.imag])


def with_tangent(X, E):
    """The matrix whose functions hold, to the upper right, the derivatives along E of those of X."""
    return np.block([[X, E], [np.zeros_like(X), X]])


def smallest_ellipse(half_width, theta):
    """Semi-axes a, b of the ellipse around a rectangle that has the smallest a + b."""
    p, q = half_width ** (2 / 3), theta ** (2 / 3)
    return p * math.sqrt(p + q), q * math.sqrt(p + q)


def scaled_bessel(k, c2):
    """I_k(c)/c^k as a function of c^2 of either sign."""
    return float(mpmath.hyp0f1(k + 1, c2 / 4) / (mpmath.mpf(2) ** k * mpmath.factorial(k)))


def chebyshev(c0, c2, degree):
    """Chebyshev polynomials T_k((x - c0)/c) c^k up to a degree, for c^2 of either sign."""
    t = [np.ones(1), np.array([-c0, 1.0])]
    while len(t) <= degree:
        t.append(polynomial.polysub(2 * polynomial.polymul(t[1], t[-1]), c2 * t[-2]))
    return t


def economised(L, ell, theta, degree):
    """Monomial coefficients of the Chebyshev expansion of exp on the rectangle; the bound of its error."""
    a, b = smallest_ellipse((L + ell) / 2, theta)
    c0, c2, R, growth = (ell - L) / 2, a * a - b * b, a + b, math.exp((ell - L) / 2)
    t = chebyshev(c0, c2, degree)
    terms = [(2 if k else 1) * scaled_bessel(k, c2) * np.pad(t[k], (0, degree - k)) for k in range(degree + 1)]
    tail = sum(abs(scaled_bessel(k, c2)) * (R**k + abs(c2 / R) ** k) for k in range(degree + 1, degree + 40))
    return growth * sum(terms), growth * tail


def polynomial_of(X, coefficients):
    """Horner's rule on the identity, as the kernel applies it to vectors."""
    result = np.eye(len(X))
    for ratio in (coefficients[1:] / coefficients[:-1])[::-1]:
        result = np.eye(len(X)) + ratio * X @ result
    return coefficients[0] * result


def superlorentzian(kappa):
    """G of the super-Lorentzian, (4.2), in working precision."""
    magic = 1 / mpmath.sqrt(3)
    panels = [0, magic / 2, magic, (1 + magic) / 2, 1]
    return mpmath.quad(lambda u: mpmath.exp(-((kappa * (3 * u**2 - 1)) ** 2) / 8), panels)


def integrated_superlorentzian(kappa):
    """H(kappa) = int_0^kappa G of it, by quadrature over pieces of the angle that halve towards the magic one."""
    magic, halves = 1 / math.sqrt(3), 0.5 ** np.arange(14)
    edges = np.r_[magic * (1 - halves), magic, magic + (1 - magic) * halves[::-1]]
    node, weight = np.polynomial.legendre.leggauss(16)
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    a = abs(3 * (middle[:, None] + np.outer(half, node)) ** 2 - 1).ravel()
    share = np.outer(half, weight).ravel() * math.sqrt(2 * math.pi) / a
    return erf(np.multiply.outer(kappa, a / math.sqrt(8))) @ share
