"""Contact with the fast mode: theory, section 3, against eigenvalues and matrix exponentials."""

import math

import numpy as np
import pytest
from numpy.polynomial import polynomial
from scipy.linalg import expm

from tests.support.theory import economised, polynomial_of, shifted_pulse, smallest_ellipse

TOLERANCE = 1e-10


def touching(L, ell, theta, degree, contact):
    """Monomials of f = p + (g0 + g1 x) q, which touches exp at `contact`; p has the degree given."""
    p, _ = economised(L, ell, theta, degree)
    a, b = smallest_ellipse((L + ell) / 2, theta)
    t = [np.ones(1), np.array([(L - ell) / 2, 1.0])]
    while len(t) <= degree + 1:
        t.append(polynomial.polysub(2 * polynomial.polymul(t[1], t[-1]), (a * a - b * b) * t[-2]))
    q = t[-1]

    def value_and_slope(c):
        return polynomial.polyval(contact, c), polynomial.polyval(contact, polynomial.polyder(c))

    (p0, p1), (q0, q1), target = value_and_slope(p), value_and_slope(q), math.exp(contact)
    level = (target - p0) / q0
    g1 = (target - p1 - level * q1) / q0
    return polynomial.polyadd(p, polynomial.polymul(q, [level - g1 * contact, g1]))


def fast_rate(m0s, R1f, R2f, Rex, R1s, R2sl, omega0, omega1):
    """mu of (3.12)."""
    kfs, ksf = Rex * (1 - m0s), Rex * m0s
    rz, rs = R1f + ksf, R1s + kfs
    b = R2sl - rs
    D = (b + math.sqrt(b * b - 4 * omega1**2)) / 2
    mu = D + rs
    exchange = kfs * ksf / (mu - rz + omega1**2 * mu / (mu**2 + omega0**2))
    return mu - omega1**2 / (D * D - omega1**2) * exchange


def overdamped_pulse(seed):
    """Rates of a pulse whose fast mode is apart, and its duration."""
    g = np.random.default_rng(seed)
    TRF, flip, decay = g.uniform(2e-4, 6e-4), g.uniform(0.01, 1.5), g.uniform(5, 12)
    flip = min(flip, 0.4 * decay)
    tissue = [g.uniform(*bounds) for bounds in ((0.02, 0.3), (0.3, 2), (5, 60), (5, 80), (0.5, 8))]
    return [*tissue, decay / TRF, g.uniform(-600, 600), flip / TRF], TRF


def slow_rectangle(rates, TRF):
    _, R1f, R2f, Rex, R1s, R2sl, omega0, omega1 = rates
    saturation = (R2sl - math.sqrt(R2sl**2 - 4 * omega1**2)) / 2
    slow = max(R2f, R1f + Rex, R1s + Rex)
    return (saturation + slow) * TRF, slow * TRF, math.hypot(omega0, omega1) * TRF


@pytest.mark.parametrize("seed", range(30))
def test_mu_is_an_eigenvalue_but_for_the_exchange_squared(seed):
    rates, _ = overdamped_pulse(seed)
    S = np.array(shifted_pulse(*rates)[0])
    exact = rates[2] - np.linalg.eigvals(S).real.min()
    mu = fast_rate(*rates)
    kfs, ksf = rates[3] * (1 - rates[0]), rates[3] * rates[0]
    assert abs(mu / exact - 1) <= 10 * (kfs * ksf / mu**2) ** 2 + kfs * ksf * rates[2] / mu**3 + 1e-14
    assert abs(mu / exact - 1) < 1e-8


@pytest.mark.parametrize("seed", range(30))
def test_a_polynomial_of_the_slow_rectangle_that_touches_is_the_exponential(seed):
    rates, TRF = overdamped_pulse(seed)
    L, ell, theta = slow_rectangle(rates, TRF)
    degree = next(K for K in range(2, 40) if economised(L, ell, theta, K)[1] < TOLERANCE)
    X = np.array(shifted_pulse(*rates)[0]) * TRF
    contact = (rates[2] - fast_rate(*rates)) * TRF
    c = touching(L, ell, theta, degree, contact)
    assert np.all(c > 0), "a ratio of the coefficients would change its sign"
    # eigenvectors of the fast mode and of the others are no more than 2 or 3 times as oblique as long
    assert np.linalg.norm(polynomial_of(X, c) - expm(X), 2) <= 20 * TOLERANCE
    whole = next(K for K in range(2, 60) if economised(-contact, ell, theta, K)[1] < TOLERANCE)
    assert degree + 2 < whole


@pytest.mark.parametrize("seed", range(30))
def test_tangents_are_as_accurate_as_the_double_contact_makes_them(seed):
    rates, TRF = overdamped_pulse(seed)
    L, ell, theta = slow_rectangle(rates, TRF)
    degree = next(K for K in range(2, 40) if economised(L, ell, theta, K)[1] < TOLERANCE)
    contact = (rates[2] - fast_rate(*rates)) * TRF
    c = touching(L, ell, theta, degree, contact)
    X = np.array(shifted_pulse(*rates)[0]) * TRF
    E = np.random.default_rng(seed).normal(size=(5, 5))
    block = np.block([[X, E], [np.zeros((5, 5)), X]])
    error = np.linalg.norm((polynomial_of(block, c) - expm(block))[:5, 5:], 2)
    assert error <= 1e3 * TOLERANCE * np.linalg.norm(E, 2)
    curvature = polynomial.polyval(contact, polynomial.polyder(c, 2)) - math.exp(contact)
    assert abs(curvature) < 100
    slope_of_p = polynomial.polyval(contact, polynomial.polyder(economised(L, ell, theta, degree)[0]))
    assert abs(slope_of_p - math.exp(contact)) > 1e-3, "p alone would do"
