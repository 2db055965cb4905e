"""The mathematics of the theory, each statement checked by itself and without the compiled core.

Symbols and numbers are those of docs/theory: here theory, sections 1 to 3.
"""

import math

import numpy as np
import pytest
import sympy
from numpy.polynomial import polynomial
from scipy.linalg import expm

from tests.support.theory import economised, polynomial_of, shifted_pulse, with_tangent

EPS = np.finfo(float).eps
TISSUE = sympy.symbols("m0s R1f R2f Rex R1s T2s omega0 B1", positive=True)
m0s, R1f, R2f, Rex, R1s, T2s, omega0, B1 = TISSUE
alpha, T, y, x, z, s, xs = sympy.symbols("alpha T y x z s xs", real=True)
rho = sympy.Function("rho")


def rng(seed=0):
    return np.random.default_rng(seed)


def published_pulse(xf, yf, zf, xs, zs, m0s, R1f, R2f, Rex, R1s, R2sl, omega0, omega1):
    """The linearised generalized Bloch equations as published; returns rates in the order yf xf zf zs xs."""
    m0f = 1 - m0s
    return [
        omega0 * xf - R2f * yf,
        -R2f * xf - omega0 * yf + omega1 * zf,
        -omega1 * xf - (R1f + Rex * m0s) * zf + Rex * m0f * zs + R1f * m0f,
        Rex * m0s * zf - omega1 * xs - (R1s + Rex * m0f) * zs + R1s * m0s,
        -R2sl * xs + omega1 * zs,
    ]


def random_pulse(generator):
    """Physiological rates and one rectangular pulse: the arguments of shifted_pulse, and TRF."""
    low = [0.0, 0.2, 5, 0, 0.5, 3e3, -1800, 0]
    high = [0.35, 2.0, 60, 200, 8, 9e4, 1800, 2000 * np.pi]
    return generator.uniform(low, high), generator.uniform(5e-5, 5e-4)


def test_deviations_make_the_published_equations_tridiagonal():
    R2sl, omega1 = sympy.symbols("R2sl omega1")
    rates = (m0s, R1f, R2f, Rex, R1s, R2sl, omega0, omega1)
    S, b = shifted_pulse(*rates)
    state = sympy.Matrix([y, x, z, s, xs])
    ours = (sympy.Matrix(S) - R2f * sympy.eye(5)) * state + sympy.Matrix(b)
    published = published_pulse(x, y, z + 1 - m0s, xs, s + m0s, *rates)
    assert sympy.simplify(ours - sympy.Matrix(published)) == sympy.zeros(5, 1)


def test_shifted_system_gives_the_known_pi_pulse():
    rates, TRF = (0.1, 1, 15, 30, 6.5, 1e5, 0, np.pi / 5e-4), 5e-4
    S, b = shifted_pulse(*rates)
    extended = np.zeros((6, 6))
    extended[:5, :5], extended[:5, 5], extended[5, 5] = S, b, rates[2]
    _, xf, zf, zs, end_xs = np.exp(-rates[2] * TRF) * expm(extended * TRF)[:5, 5] + [0, 0, 0.9, 0.1, 0]
    known = [0.00106475358, -0.89578482745, 0.00512652959, 0.08122007142]  # to eleven decimals
    np.testing.assert_allclose([xf, zf, end_xs, zs], known, atol=6e-12)


def test_sources_of_the_pulse_are_the_listed_rows():
    tau, u = sympy.log(T / T2s), (B1 * alpha) ** 2
    S, b = shifted_pulse(m0s, R1f, R2f, Rex, R1s, rho(tau, u) / T2s, omega0, B1 * alpha / T)
    rate = sympy.Matrix(S) * sympy.Matrix([y, x, z, s, xs]) + sympy.Matrix(b)
    w, g = alpha / T, m0s * z - (1 - m0s) * s
    d_T2s, d_B1 = (sympy.diff(rho(tau, u) / T2s, p) for p in (T2s, B1))
    rows = {
        m0s: (0, -B1 * w, -Rex * (z + s), Rex * (z + s), B1 * w),
        R1f: (0, 0, -z, 0, 0),
        R2f: (0, 0, z, s, xs),
        Rex: (0, 0, -g, g, 0),
        R1s: (0, 0, 0, -s, 0),
        T2s: (0, 0, 0, 0, -d_T2s * xs),
        omega0: (x, -y, 0, 0, 0),
        B1: (0, w * (z + 1 - m0s), -w * x, -w * xs, w * (s + m0s) - d_B1 * xs),
    }
    for parameter, row in rows.items():
        assert sympy.simplify(rate.diff(parameter) - sympy.Matrix(row)) == sympy.zeros(5, 1), parameter


def test_every_event_contracts_in_the_norm_weighted_by_pool_size():
    for seed in range(50):
        rates, _ = random_pulse(rng(seed))
        S, _ = shifted_pulse(*rates)
        weight = np.sqrt(1 / np.r_[[1 - rates[0]] * 3, [rates[0]] * 2])
        A = weight[:, None] * (S - rates[2] * np.eye(5)) / weight
        slowest = min(rates[1], rates[2], rates[4])
        assert np.linalg.eigvalsh(A + A.T).max() / 2 <= -slowest + EPS * np.abs(A).max() * 5


def test_deviation_of_the_drive_is_the_matrix_times_equilibrium():
    rates, _ = random_pulse(rng(3))
    S, b = shifted_pulse(*rates)
    pool, _, R2f_value, _, R1s_value = rates[0], *rates[1:5]
    slow = np.array([0, 0, (R2f_value - rates[1]) * (1 - pool), (R2f_value - R1s_value) * pool, 0])
    np.testing.assert_allclose(np.array(S) @ [0, 0, 1 - pool, pool, 0] - slow, b, atol=1e-12 * max(b))


def boundary(L, ell, theta):
    g = np.linspace(-1, 1, 101)
    long = (ell - L) / 2 + (ell + L) / 2 * g
    return np.concatenate([long + 1j * theta, long - 1j * theta, -L + 1j * theta * g, ell + 1j * theta * g])


def rectangle_of(rates, TRF):
    """L, ell, theta of the numerical range of S TRF, by the formulas of the page."""
    pool, R1f_, R2f_, Rex_, R1s_, R2sl, omega0_, omega1 = rates
    r_z, r_s = R1f_ + Rex_ * pool, R1s_ + Rex_ * (1 - pool)
    slow = R2f_ - (r_z + r_s) / 2 + math.hypot((r_z - r_s) / 2, Rex_ / 2)
    theta = math.hypot(omega0_, omega1) + Rex_ * abs(1 - 2 * pool) / 2
    return (R2sl - R2f_) * TRF, max(slow, 0) * TRF, theta * TRF


@pytest.mark.parametrize("seed", range(20))
def test_numerical_range_lies_in_the_rectangle(seed):
    rates, TRF = random_pulse(rng(seed))
    X = np.array(shifted_pulse(*rates)[0]) * TRF
    L, ell, theta = rectangle_of(rates, TRF)
    real, imaginary = np.linalg.eigvalsh((X + X.T) / 2), np.linalg.eigvalsh((X - X.T) / 2j)
    rounding = 10 * EPS * np.linalg.norm(X)
    assert real[0] >= -L - rounding
    assert real[-1] <= ell + rounding
    assert imaginary[-1] <= theta + rounding


# real foci, imaginary foci, and the circle where the Chebyshev series becomes Taylor's
@pytest.mark.parametrize(("L", "theta"), [(5, 0.1), (10, 4.4), (2.7, 3.4), (0.05, 4.4), (2.95, 1.5)])
def test_chebyshev_tail_bounds_the_error_on_the_rectangle(L, theta):
    coefficients, bound = economised(L, 0.05, theta, degree=16)
    points = boundary(L, 0.05, theta)
    error = np.abs(polynomial.polyval(points, coefficients) - np.exp(points)).max()
    # the bound is tight: a corner of the rectangle lies on the ellipse
    assert 0.1 * bound < error <= bound
    assert abs(coefficients[0] - 1) <= bound


@pytest.mark.parametrize("seed", range(20))
def test_crouzeix_palencia_bounds_the_error_of_the_propagator(seed):
    rates, TRF = random_pulse(rng(seed))
    rates[5] = min(rates[5], 10 / TRF)
    S, b = shifted_pulse(*rates)
    L, ell, theta = rectangle_of(rates, TRF)
    coefficients, bound = economised(L, max(ell, rates[2] * TRF), theta, degree=14)
    X = np.zeros((6, 6))
    X[:5, :5], X[:5, 5], X[5, 5] = S, b, rates[2]
    error = polynomial_of(X * TRF, coefficients) - expm(X * TRF)
    rounding = 1e-11
    assert np.linalg.norm(error[:5, :5], 2) <= (1 + math.sqrt(2)) * bound + rounding
    # the drive is S m_eq but for slow terms, which add a few per cent
    assert np.linalg.norm(error[:5, 5]) <= 1.1 * (2 + math.sqrt(2)) * bound + rounding


def test_long_pulses_need_substeps():
    def rounding(L):
        coefficients, _ = economised(L, 0.05, 0.5, degree=44)
        return abs(polynomial.polyval(-L, coefficients) - math.exp(-L))

    # terms as large as e^L: harmless at 10, fatal at 30
    assert rounding(10) < 10 * EPS * math.exp(10)
    assert rounding(30) > 1e-6


def test_critical_damping_is_an_ordinary_point_of_the_polynomial():
    L, theta = 6.0, 3.0  # 2 omega1 = R2sl: the semi-solid block has a double eigenvalue and one eigenvector
    X = np.array([[0, -theta], [theta, -L]])
    exact = math.exp(-L / 2) * (np.eye(2) + X + L / 2 * np.eye(2))
    coefficients, bound = economised(L, 0, theta, degree=30)
    assert np.linalg.norm(polynomial_of(X, coefficients) - exact, 2) <= (1 + math.sqrt(2)) * bound + 1e-13


@pytest.mark.parametrize("seed", range(5))
def test_error_of_the_tangent_is_bounded_on_a_slightly_larger_region(seed):
    rates, TRF = random_pulse(rng(seed))
    rates[5] = min(rates[5], 10 / TRF)
    X = np.array(shifted_pulse(*rates)[0]) * TRF
    E = rng(seed + 100).normal(size=(5, 5))
    rectangle, distance = np.array(rectangle_of(rates, TRF)), 0.3
    coefficients, _ = economised(*rectangle, degree=14)
    block = with_tangent(X, E)
    error = np.linalg.norm((polynomial_of(block, coefficients) - expm(block))[:5, 5:], 2)
    points = boundary(*(rectangle + distance))
    largest = np.abs(polynomial.polyval(points, coefficients) - np.exp(points)).max()
    assert error <= (1 + math.sqrt(2)) * np.linalg.norm(E, 2) / (2 * distance) * largest + 1e-11


def test_degrees_of_the_table():
    table = {0.5: (10, 15, 19, 22), 5: (17, 21, 25, 29), 10: (21, 26, 30, 33), 15: (24, 29, 33, 37)}
    for L, row in table.items():
        for theta, degree in zip((0.25, 1.5, 3, 4.5), row, strict=True):
            assert economised(L, 1 / 8, theta, degree)[1] < 1e-12 <= economised(L, 1 / 8, theta, degree - 1)[1]
