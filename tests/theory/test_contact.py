"""Contact with the fast mode: theory, section 3, against eigenvalues and matrix exponentials."""

import math

import numpy as np
import pytest
from numpy.polynomial import Polynomial
from scipy.linalg import expm

from tests.support.theory import chebyshev, economised, polynomial_of, shifted_pulse, smallest_ellipse, with_tangent

TOLERANCE = 1e-10


def touching(L, ell, theta, degree, contact):
    """The polynomials p of the degree given and f = p + (g0 + g1 x) q, which touches exp at `contact`."""
    a, b = smallest_ellipse((L + ell) / 2, theta)
    p = Polynomial(economised(L, ell, theta, degree)[0])
    q = Polynomial(chebyshev((ell - L) / 2, a * a - b * b, degree + 1)[-1])
    target = math.exp(contact)
    level = (target - p(contact)) / q(contact)
    g1 = (target - p.deriv()(contact) - level * q.deriv()(contact)) / q(contact)
    return p, p + q * Polynomial([level - g1 * contact, g1])


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


def least_degree(L, ell, theta):
    return next(degree for degree in range(2, 60) if economised(L, ell, theta, degree)[1] < TOLERANCE)


def touched_pulse(seed):
    """S TRF and the contact with its fast mode; the slow rectangle, and the degree that suffices there."""
    rates, TRF = overdamped_pulse(seed)
    rectangle = slow_rectangle(rates, TRF)
    contact = (rates[2] - fast_rate(*rates)) * TRF
    return np.array(shifted_pulse(*rates)[0]) * TRF, contact, rectangle, least_degree(*rectangle)


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
    X, contact, (L, ell, theta), degree = touched_pulse(seed)
    c = touching(L, ell, theta, degree, contact)[1].coef
    assert np.all(c > 0), "a ratio of the coefficients would change its sign"
    # eigenvectors of the fast mode and of the others are no more than 2 or 3 times as oblique as long
    assert np.linalg.norm(polynomial_of(X, c) - expm(X), 2) <= 20 * TOLERANCE
    assert degree + 2 < least_degree(-contact, ell, theta)


@pytest.mark.parametrize("seed", range(30))
def test_tangents_are_as_accurate_as_the_double_contact_makes_them(seed):
    X, contact, rectangle, degree = touched_pulse(seed)
    p, f = touching(*rectangle, degree, contact)
    E = np.random.default_rng(seed).normal(size=(5, 5))
    block = with_tangent(X, E)
    error = np.linalg.norm((polynomial_of(block, f.coef) - expm(block))[:5, 5:], 2)
    assert error <= 1e3 * TOLERANCE * np.linalg.norm(E, 2)
    assert abs(f.deriv(2)(contact) - math.exp(contact)) < 100
    assert abs(p.deriv()(contact) - math.exp(contact)) > 1e-3, "p alone would do"
