"""The mathematics of the theory, sections 4 and 5.

Symbols and numbers are those of docs/theory; nothing here uses the compiled core.
"""

import math
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import sympy
from scipy.linalg import expm

from tests.support.theory import integrated_superlorentzian
from tests.support.theory import superlorentzian as green

T2s, B1, alpha, T = sympy.symbols("T2s B1 alpha T", positive=True)


def superlorentzian_series(n_terms):
    """Taylor coefficients of G in kappa^2."""

    def moment(n):
        return sum(math.comb(2 * n, j) * mpmath.mpf(-3) ** j / (2 * j + 1) for j in range(2 * n + 1))

    return [moment(n) / (mpmath.mpf(-8) ** n * mpmath.factorial(n)) for n in range(n_terms)]


def pool_functions(green, tau, n_functions):
    """h_0(tau), h_1(tau), ... from the Taylor coefficients of G: their Laplace transforms are G^k/p^(k+1)."""
    transform = [c * mpmath.factorial(2 * n) for n, c in enumerate(green)]  # of p^(-2n-1)
    power, h = [mpmath.mpf(1)] + [mpmath.mpf(0)] * (len(green) - 1), []
    for k in range(n_functions):
        orders = range(2 * k, 2 * k + 2 * len(green), 2)
        h.append(mpmath.fsum(c * tau**m / mpmath.factorial(m) for c, m in zip(power, orders, strict=True)))
        power = [mpmath.fdot(power[: n + 1], transform[n::-1]) for n in range(len(power))]
    return h


@pytest.fixture(scope="module")
def superlorentzian():
    """h_k for a few tau, in 60 digits (the Taylor series cancels by e^(tau^2/2))."""
    with mpmath.workdps(60):
        green = superlorentzian_series(120)
        return {tau: pool_functions(green, mpmath.mpf(tau), 25) for tau in (2, 5)}


def series(h, tau, u):
    return mpmath.fsum((-u) ** k * hk / mpmath.mpf(tau) ** (2 * k) for k, hk in enumerate(h))


def test_series_gives_the_known_response(superlorentzian):
    # the known value has twelve decimals
    assert abs(series(superlorentzian[5], 5, mpmath.pi**2) + mpmath.mpf("0.565402137336")) < 1e-12


@pytest.mark.parametrize(("tau", "known"), [(500 / 12, 0.218637767288), (100, 0.513794538709)])
def test_volterra_equation_gives_the_known_response(tau, known):
    # Romberg's table removes the even powers of the step from the trapezoidal rule
    table = [trapezoidal_response(tau, np.pi, 128 * 2**level) for level in range(6)]
    for order in range(1, len(table)):
        table = [fine + (fine - coarse) / (4**order - 1) for coarse, fine in pairwise(table)]
    assert abs(table[0] - known) < 1e-11


def trapezoidal_response(tau, theta, n_steps):
    """z at the end of the pulse from z = 1 - Omega^2 int H z on a uniform grid; explicit since H(0) = 0."""
    H = integrated_superlorentzian(tau / n_steps * np.arange(n_steps + 1))[::-1]
    z, step = np.ones(n_steps + 1), theta**2 / (n_steps * tau)
    for i in range(1, n_steps + 1):
        z[i] = 1 - step * (H[-i - 1] / 2 + H[-i:-1] @ z[1:i])
    return z[-1]


def test_functions_of_the_series_stay_below_their_bound(superlorentzian):
    for tau, h in superlorentzian.items():
        assert all(0 < hk <= mpmath.mpf(tau) ** (2 * k) / mpmath.factorial(2 * k) for k, hk in enumerate(h))


def test_green_function_falls_with_the_inverse_of_time():
    with mpmath.workdps(20):
        assert abs(green(10) - mpmath.mpf("0.14712468680944")) < 1e-14
        assert abs(green(60) * 60 / mpmath.sqrt(2 * mpmath.pi / 3) - 1) < 1e-3


def block(a, u):
    """Equation (5.2): zs of the linear model after the pulse; a = rho tau/2, u = theta^2."""
    d = mpmath.sqrt(mpmath.mpf(a) ** 2 - u)
    return mpmath.re(mpmath.exp(-a) * (mpmath.cosh(d) + a * (mpmath.sinh(d) / d if d else 1)))


@pytest.mark.parametrize(("a", "theta"), [(2.0, 0.3), (1.0, 3.0), (1.5, 1.5), (0.5, 4.4)])
def test_block_of_the_linear_pool_has_the_closed_form(a, theta):
    matrix = np.array([[0, -theta], [theta, -2 * a]])
    assert float(block(a, theta**2)) == pytest.approx(expm(matrix)[0, 0], abs=1e-14)


@pytest.mark.parametrize(("a", "theta"), [(2.0, 0.3), (9.0, 4.4), (0.5, 1e-6)])
def test_loss_of_an_overdamped_pool_has_a_form_without_cancellation(a, theta):
    def E(v):
        return -math.expm1(-v) / v

    d = math.sqrt(a**2 - theta**2)
    decay = theta**2 / (a + d)
    loss = (E(decay) - math.exp(-decay) * E(2 * d)) / (a + d)
    with mpmath.workdps(40):
        assert loss == pytest.approx(float((1 - block(a, mpmath.mpf(theta) ** 2)) / mpmath.mpf(theta) ** 2), rel=1e-13)


def test_derivatives_of_the_block():
    a, u = sympy.symbols("a u", positive=True)
    q = a**2 - u
    C, S = sympy.cosh(sympy.sqrt(q)), sympy.sinh(sympy.sqrt(q)) / sympy.sqrt(q)
    F = sympy.exp(-a) * (C + a * S)
    expected_a = sympy.exp(-a) * u * (C - S) / q
    expected_u = -sympy.exp(-a) * (S + a * (C - S) / q) / 2
    for point in ({a: 2, u: sympy.Rational(1, 3)}, {a: sympy.Rational(1, 2), u: 17}):
        for difference in (F.diff(a) - expected_a, F.diff(u) - expected_u):
            assert abs(sympy.N(difference.subs(point), 30)) < 1e-25


def test_response_of_the_linear_model_rises_with_the_rate_up_to_the_root_of_tan_x():
    limit = float(mpmath.findroot(lambda v: mpmath.tan(v) - v, 4.49))
    assert limit == pytest.approx(4.4934094579, abs=1e-10)

    def slope(v):
        return (math.sin(v) - v * math.cos(v)) / v**3

    assert min(slope(v) for v in np.linspace(1e-2, limit - 1e-6, 2000)) > 0
    assert slope(limit + 1e-3) < 0
    # beyond it two rates give the same response, below it a flip angle of 4.4 rad is still one to one
    rates = np.linspace(1e-3, 8, 400)
    assert (np.diff([float(block(a, 4.4**2)) for a in rates]) > 0).all()
    assert (np.diff([float(block(a, 4.6**2)) for a in rates]) < 0).any()


def test_lorentzian_pool_has_rate_one():
    p, Omega, t, rate = sympy.symbols("p Omega t rho", positive=True)
    green = sympy.laplace_transform(sympy.exp(-t), t, p, noconds=True)
    exact = 1 / (p + Omega**2 * green)
    linear = sympy.Matrix([[p, Omega], [-Omega, p + rate]]).inv()[0, 0]
    roots = sympy.solve(sympy.numer(sympy.together(exact - linear)), rate)
    assert roots == [1]


@pytest.mark.parametrize(("rate_tau", "theta"), [(0.7, 0.5), (4.0, 2.0), (9.0, 4.4)])
def test_linear_model_in_powers_of_the_flip_angle(rate_tau, theta):
    u = mpmath.mpf(theta) ** 2
    terms = [(-u) ** k / mpmath.factorial(2 * k) * mpmath.hyp1f1(k, 2 * k + 1, -rate_tau) for k in range(25)]
    assert abs(mpmath.fsum(terms) - block(rate_tau / 2, u)) < 1e-14


def limit_g(n, v):
    """g_1 and g_2 of equations (5.4) and (5.5)."""
    e = mpmath.exp(-v)
    return (e - 1 + v) / v**2 if n == 1 else (v**2 / 2 - 2 * v + 3 - (v + 3) * e) / v**4


@pytest.mark.parametrize("tau", [2, 5])
def test_small_angle_limit_and_slope_of_the_rate(superlorentzian, tau):
    with mpmath.workdps(50):
        u, h = mpmath.mpf("1e-3") ** 2, superlorentzian[tau]
        A, B = h[1] / tau**2, h[2] / mpmath.mpf(tau) ** 4
        limit = mpmath.findroot(lambda v: limit_g(1, v) - A, 1)
        slope = (limit_g(2, limit) - B) / mpmath.diff(lambda v: limit_g(1, v), limit)
        root = mpmath.findroot(lambda v: block(v / 2, u) - series(h, tau, u), limit)
        assert abs(root - limit) < 1e-5
        assert abs(root - limit - u * slope) < 1e-11  # the next term is of the order of u^2 = 1e-12


def test_chain_rule_from_the_table_to_T2s_and_B1():
    X, U = sympy.symbols("X U")
    table = sympy.exp(X / 3) * sympy.sin(U + X * U)  # an arbitrary rho(ln tau, theta^2)

    def f(*by):
        return table.diff(*by).subs({X: sympy.log(T / T2s), U: (B1 * alpha) ** 2}) if by else f((X, 0))

    R2sl = f((X, 0)) / T2s
    identities = [
        (R2sl.diff(T2s), -(f() + f(X)) / T2s**2),
        (R2sl.diff(B1), 2 * B1 * alpha**2 * f(U) / T2s),
        (R2sl.diff(T2s, T2s), (2 * f() + 3 * f(X) + f(X, X)) / T2s**3),
        (R2sl.diff(T2s, B1), -2 * B1 * alpha**2 * (f(U) + f(X, U)) / T2s**2),
        (R2sl.diff(B1, B1), (2 * alpha**2 * f(U) + 4 * B1**2 * alpha**4 * f(U, U)) / T2s),
    ]
    point = {T: 3, T2s: 2, B1: sympy.Rational(6, 5), alpha: sympy.Rational(1, 2)}
    for left, right in identities:
        assert abs(sympy.N((left - right).subs(point), 30)) < 1e-25
