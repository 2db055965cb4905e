"""The mathematics of the theory, section 12.

Symbols and numbers are those of docs/theory; nothing here uses the compiled core.
"""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import expm

from tests.support.theory import superlorentzian


def gauss(m):
    """Nodes c, weights b and the polynomials b_j(x) = int_0^x L_j of the Gauss method."""
    x, w = np.polynomial.legendre.leggauss(m)
    c, b = (1 + x) / 2, w / 2

    def integrals(upper):
        nodes = upper * c
        L = [np.prod([(nodes - c[k]) / (c[j] - c[k]) for k in range(m) if k != j], axis=0) for j in range(m)]
        return upper * np.array(L) @ b

    return c, b, integrals


def isolated_pool(green, Omega, tau, n, m):
    """z at the end of a pulse on an isolated pool by (12.4) and (12.5) with n elements; time in units of T2s."""
    c, b, integrals = gauss(m)
    h, z, past = tau / n, 1.0, []
    a = np.array([integrals(ci) for ci in c])
    weight = np.array([ci * h * b * green(ci * h * (1 - c)) for ci in c]) * Omega**2
    E = np.array([weight[i] @ [integrals(c[i] * cq) for cq in c] for i in range(m)])
    for element in range(n):
        Q = np.zeros(m)
        for before, nodes in enumerate(past):
            lag = (element - before + c[:, None] - c) * h
            Q += Omega**2 * h * green(lag) @ (b * nodes)
        K = np.linalg.solve(np.eye(m) + h * E, -h * (weight.sum(axis=1) * z + Q))
        past.append(z + a @ K)
        z += b @ K
    return z


@pytest.mark.parametrize("m", [2, 3, 4])
def test_collocation_has_twice_the_order_of_its_nodes(m):
    tau, Omega = 6.0, 0.5
    exact = expm(tau * np.array([[0, -Omega], [Omega, -1]]))[0, 0]  # a Lorentzian pool is the linear one
    errors = [abs(isolated_pool(lambda k: np.exp(-k), Omega, tau, n, m) - exact) for n in (4, 8, 16)]
    orders = [np.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert min(orders) > 2 * m - 0.5


def test_average_of_sleds_rate_is_grahams_overlap():
    tau = mpmath.mpf(4)
    # int_0^tau H = int_0^tau (tau - kappa) G
    average = mpmath.quad(lambda kappa: (tau - kappa) * superlorentzian(kappa), [0, tau]) / tau

    def integrand(u):
        a = abs(1 - 3 * u**2)
        if a < mpmath.mpf("1e-12"):
            return tau / 2
        gaussian = 4 / (tau * a) * mpmath.expm1(-(tau**2) * a**2 / 8)
        return (gaussian + mpmath.sqrt(2 * mpmath.pi) * mpmath.erf(tau * a / (2 * mpmath.sqrt(2)))) / a

    overlap = mpmath.quad(integrand, [0, 1 / mpmath.sqrt(3), 1])
    assert abs(average - overlap) < 1e-9


def test_rate_of_a_sampled_pulse_is_a_sum_over_differences_of_H():
    omega1, step = np.array([0.5, 1.0 + 0.2j, -0.4j, 0.7]), 0.9

    def G(kappa):
        return np.exp(-(kappa**2) / 2)

    def H(kappa):
        return quad(G, 0, kappa, epsabs=1e-14)[0]

    k, s = 3, 0.35 * step
    direct = 0
    for sample in range(k + 1):
        until = min((sample + 1) * step, k * step + s)
        direct += omega1[sample] * quad(lambda t: G(k * step + s - t), sample * step, until, epsabs=1e-14)[0]
    differences = [H(s + d * step) - (H(s + (d - 1) * step) if d else 0) for d in range(k + 1)]
    by_lag = sum(omega1[k - d] * difference for d, difference in enumerate(differences))
    assert (np.conj(omega1[k]) * by_lag).real == pytest.approx((np.conj(omega1[k]) * direct).real, abs=1e-12)
