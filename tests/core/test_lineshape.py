"""Green's functions, the exact response of the isolated semi-solid pool, and its tables, against plain mathematics."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erf
from spinbound import _core

from tests.support.differences import five_point
from tests.support.theory import integrated_superlorentzian

SUPERLORENTZIAN, GAUSSIAN, LORENTZIAN = range(3)
LINESHAPES = pytest.mark.parametrize("lineshape", [SUPERLORENTZIAN, GAUSSIAN, LORENTZIAN])
NONLINEAR = pytest.mark.parametrize("lineshape", [SUPERLORENTZIAN, GAUSSIAN])
TAU_MAX = 250.0
PATCH_STEP = np.log(1.5)
RHO_EDGES = (1.1, 1.8, 2.5, 3.2, 3.7, 4.1, 4.4)  # rad: the nested domains of the table
MAGIC = 1 / np.sqrt(3)

TABLE_ERROR = 1e-9  # relative: ten times the cut of the coefficients
DERIVATIVE_ERROR = 1e-6  # of d ln R2sl/d ln T2s and d ln R2sl/d ln B1: what a bound of T2s can bear


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture(scope="module")
def responses():
    return [_core.PoolResponse(lineshape, 600.0) for lineshape in range(3)]


def table(lineshape, tau, theta, which="rho", **patch):
    return _core.response_table(lineshape, TAU_MAX, tau, theta, which, **patch)


def integrated(lineshape, kappa):
    """H(kappa) = int_0^kappa G, from the definitions of G."""
    if lineshape == LORENTZIAN:
        return -np.expm1(-kappa)
    if lineshape == GAUSSIAN:
        return np.sqrt(np.pi / 2) * erf(kappa / np.sqrt(2))
    return integrated_superlorentzian(kappa)


def volterra(lineshape, tau, theta, n=48):
    """z(1) of z(q) = 1 - theta^2/tau int_0^q H(tau (q - p)) z(p) dp by collocation at n Gauss points."""
    legendre = np.polynomial.legendre
    x, w = legendre.leggauss(n)
    q = np.append((x + 1) / 2, 1)
    p = q[:, None] * (x + 1) / 2
    kernel = integrated(lineshape, tau * (q[:, None] - p)) * q[:, None] * w / 2
    basis = legendre.legvander(2 * p - 1, n - 1) @ np.linalg.inv(legendre.legvander(x, n - 1))
    rows = theta**2 / tau * np.einsum("ik,ikj->ij", kernel, basis)
    return 1 - rows[-1] @ np.linalg.solve(np.eye(n) + rows[:-1], np.ones(n))


def linear(rate, theta):
    """z of the linear model at the end of a pulse, its rate in units of 1/TRF."""
    d = np.sqrt(rate**2 / 4 - theta**2 + 0j)
    return (np.exp(-rate / 2) * (np.cosh(d) + rate / 2 * np.sinh(d) / d)).real


def random_points(rng, n, largest=4.4):
    """tau from 2 to TAU_MAX, logarithmically, and theta up to the largest flip angle."""
    return zip(np.exp(rng.uniform(np.log(2.001), np.log(TAU_MAX), n)), rng.uniform(0, largest, n), strict=True)


def test_greens_functions_of_gaussian_and_lorentzian_are_their_formulas():
    kappa = np.linspace(0, 8, 20)
    np.testing.assert_allclose(_core.greens_function(GAUSSIAN, kappa), np.exp(-(kappa**2) / 2), rtol=1e-14)
    np.testing.assert_allclose(_core.greens_function(LORENTZIAN, kappa), np.exp(-kappa), rtol=1e-14)


@pytest.mark.parametrize("kappa", [0.0, 0.3, 2.0, 10.0, 100.0, 3000.0])
def test_greens_function_of_superlorentzian_is_the_average_over_angles(kappa):
    def integrand(u):
        return np.exp(-(kappa**2) * (3 * u**2 - 1) ** 2 / 8)

    near = [MAGIC + side * width / max(kappa, 20) for side in (-1, 1) for width in (0, 2, 6)]
    expected = quad(integrand, 0, 1, points=near, epsabs=0, epsrel=1e-12, limit=200)[0]
    assert _core.greens_function(SUPERLORENTZIAN, kappa) == pytest.approx(expected, rel=1e-11)


def test_greens_function_of_superlorentzian_has_its_published_value():
    assert _core.greens_function(SUPERLORENTZIAN, 10.0) == pytest.approx(0.14712468680944, abs=1e-14)


@pytest.mark.parametrize(("tau", "z"), [(5, -0.565402137336), (500 / 12, 0.218637767288), (100, 0.513794538709)])
def test_response_to_an_inversion_has_its_published_value(responses, tau, z):
    assert responses[SUPERLORENTZIAN].z(tau, np.pi) == pytest.approx(z, abs=1e-12)


@LINESHAPES
@pytest.mark.parametrize("tau", [0.01, 1.0, 2.0, 3.1, 8.0, 25.0])
def test_response_solves_the_volterra_equation(responses, lineshape, tau):
    theta = [0.5, np.pi, 4.4, 2 * np.pi]
    expected = [volterra(lineshape, tau, angle) for angle in theta]
    # The terms of the series reach cosh(2 pi) = 268, each good to 1e-14.
    np.testing.assert_allclose(responses[lineshape].z(tau, theta), expected, rtol=0, atol=1e-11)


def test_response_of_lorentzian_is_the_linear_model(responses, rng):
    for tau, theta in random_points(rng, 50, 2 * np.pi):
        assert responses[LORENTZIAN].z(tau, theta) == pytest.approx(linear(tau, theta), abs=1e-11)


def test_response_does_not_depend_on_the_longest_pulse(responses):
    short, long = _core.PoolResponse(SUPERLORENTZIAN, 40.0), responses[SUPERLORENTZIAN]
    points = np.linspace(2, 40, 30), np.linspace(0, 4.4, 30)
    np.testing.assert_array_equal(short.z(*points), long.z(*points))
    np.testing.assert_array_equal(short.rho(*points), long.rho(*points))


@LINESHAPES
def test_linear_model_with_rho_ends_the_pulse_as_the_exact_response(responses, lineshape, rng):
    for tau, theta in random_points(rng, 100):
        rate = responses[lineshape].rho(tau, theta) * tau
        assert linear(rate, theta) == pytest.approx(responses[lineshape].z(tau, theta), abs=1e-11)


def test_rho_of_lorentzian_is_one(responses, rng):
    for tau, theta in random_points(rng, 100):
        assert responses[LORENTZIAN].rho(tau, theta) == pytest.approx(1, abs=1e-12)
        assert table(LORENTZIAN, tau, theta)[0] == pytest.approx(1, abs=1e-9)


@NONLINEAR
@pytest.mark.parametrize("tau", [2.0, 10.0, 60.0])
def test_rho_of_a_weak_pulse_follows_from_the_first_order_of_the_response(responses, lineshape, tau):
    first_order = quad(lambda k: (tau - k) * _core.greens_function(lineshape, k), 0, tau, epsrel=1e-13)[0]
    rate = brentq(lambda r: (r + np.expm1(-r)) / r**2 - first_order / tau**2, 1e-3, 10 * tau, xtol=1e-14)
    assert responses[lineshape].rho(tau, [0.0, 1e-9, 1e-6]) * tau == pytest.approx(rate, rel=1e-11)


@pytest.mark.parametrize("tau", [2.0, 20.0, 400.0])
def test_rho_stays_smooth_towards_zero_angle(responses, tau):
    theta = np.array([0.0, 1e-3, 3e-3, 1e-2, 3e-2, 0.1])
    rho = responses[SUPERLORENTZIAN].rho(tau, theta)
    curve = np.polynomial.Polynomial.fit(theta**2, rho, 2)
    # The next term of the series, of order theta^6, is below 1e-10 of rho; lost digits would show as scatter.
    np.testing.assert_allclose(curve(theta**2), rho, rtol=1e-10)


def test_rho_of_superlorentzian_has_its_published_size(responses):
    tau, theta = np.meshgrid(np.linspace(11, 100, 40), np.linspace(0, np.pi, 20))
    rho = responses[SUPERLORENTZIAN].rho(tau, theta)
    assert rho.min() > 0.14
    assert rho.max() < 0.22


@LINESHAPES
def test_tables_agree_with_the_exact_response(responses, lineshape, rng):
    for tau, theta in random_points(rng, 500):
        patch = {"x_low": np.log(tau) - rng.uniform(0, PATCH_STEP), "theta_max": rng.uniform(theta, 4.4)}
        rho, z = (table(lineshape, tau, theta, which, **patch)[0] for which in ("rho", "z"))
        assert rho == pytest.approx(responses[lineshape].rho(tau, theta), rel=TABLE_ERROR)
        assert z == pytest.approx(responses[lineshape].z(tau, theta), abs=1e-10)


@NONLINEAR
def test_rho_table_is_right_along_the_borders_of_its_domain(responses, lineshape):
    border = [(2, theta) for theta in np.linspace(0, 4.4, 60)]
    border += [(tau, theta) for tau in np.geomspace(2, TAU_MAX, 60) for theta in (0, 4.4)]
    for tau, theta in border:
        exact = responses[lineshape].rho(tau, theta)
        assert table(lineshape, tau, theta)[0] == pytest.approx(exact, rel=TABLE_ERROR)


@NONLINEAR
def test_slope_of_the_rate_in_T2s_is_that_of_the_exact_rate(responses, lineshape, rng):
    for tau, theta in random_points(rng, 300):
        rho, rho_x, *_ = table(lineshape, tau, theta)
        exact = five_point(lambda x, a=theta: np.log(responses[lineshape].rho(np.exp(x), a)), np.log(tau), 2e-4)
        assert -(1 + rho_x / rho) == pytest.approx(-(1 + exact), abs=DERIVATIVE_ERROR)


@NONLINEAR
def test_slope_of_the_rate_in_B1_is_that_of_the_exact_rate(responses, lineshape, rng):
    for tau, theta in random_points(rng, 300, 4.39):
        rho, _, rho_u, *_ = table(lineshape, tau, theta)
        exact = five_point(lambda b, t=tau, a=theta: np.log(responses[lineshape].rho(t, a * np.exp(b))), 0, 5e-4)
        assert 2 * theta**2 * rho_u / rho == pytest.approx(exact, abs=DERIVATIVE_ERROR)


def test_slopes_of_the_response_of_a_crusher_pulse_are_exact(responses, rng):
    z = responses[SUPERLORENTZIAN].z
    for tau, theta in random_points(rng, 200, 6.27):
        _, z_x, z_u, *_ = table(SUPERLORENTZIAN, tau, theta, "z")
        in_T2s = five_point(lambda x, a=theta: z(np.exp(x), a), np.log(tau), 5e-4)
        in_B1 = five_point(lambda b, t=tau, a=theta: z(t, a * np.exp(b)), 0, 5e-4)
        assert z_x == pytest.approx(in_T2s, abs=1e-8)
        assert 2 * theta**2 * z_u == pytest.approx(in_B1, abs=1e-8)


@pytest.mark.parametrize("theta", [0.0, 1.0, 3.0, 4.39])
def test_neighbouring_patches_agree_where_they_meet(theta):
    for column in range(1, 11):
        x = np.log(2) + column * PATCH_STEP
        below, above = (table(SUPERLORENTZIAN, np.exp(x), theta, x_low=low) for low in (x - 0.9 * PATCH_STEP, x + 1e-6))
        assert above[0] == pytest.approx(below[0], rel=TABLE_ERROR)
        np.testing.assert_allclose(above[1:3], below[1:3], rtol=0, atol=DERIVATIVE_ERROR * below[0])


@pytest.mark.parametrize("edge", RHO_EDGES[:-1])
def test_nested_patches_agree_at_their_edges(edge):
    for tau in (2.0, 7.0, 40.0, 200.0):
        inner, outer = (table(SUPERLORENTZIAN, tau, edge, theta_max=a) for a in (edge, edge + 1e-6))
        assert outer[0] == pytest.approx(inner[0], rel=TABLE_ERROR)
        np.testing.assert_allclose(outer[1:3], inner[1:3], rtol=0, atol=DERIVATIVE_ERROR * inner[0])


@pytest.mark.parametrize("which", ["rho", "z"])
def test_partial_derivatives_are_those_of_the_table_itself(which, rng):
    for tau, theta in random_points(rng, 50, 4.2):
        u, patch = theta**2 + 0.1, {"x_low": np.log(tau) - PATCH_STEP / 2, "theta_max": 4.4}

        def at(x, v, patch=patch):
            return table(SUPERLORENTZIAN, np.exp(x), np.sqrt(v), which, **patch)

        x = max(np.log(tau), np.log(2) + 0.01)
        _, f_x, f_u, f_xx, f_xu, f_uu = at(x, u)
        by_x, by_u = five_point(lambda y, v=u: at(y, v), x, 1e-3), five_point(lambda v, y=x: at(y, v), u, 2e-3)
        # Differences with h = 1e-3 of a polynomial of degree 60: 1e-13/h of rounding, h^4 of the fifth derivative.
        np.testing.assert_allclose([f_x, f_xx, f_xu], by_x[:3], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose([f_u, f_xu, f_uu], by_u[:3], rtol=1e-6, atol=1e-8)


def test_tables_hold_the_same_bits_whatever_their_reach():
    for tau, theta in ((2.0, 4.0), (9.0, 1.0), (60.0, 3.0)):
        short, long = (_core.response_table(SUPERLORENTZIAN, reach, tau, theta, "rho") for reach in (64, 700))
        np.testing.assert_array_equal(short, long)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("rho", (1.9, 1.0), "TRF/T2s must lie between 2 and 100; it is 1.9"),
        ("rho", (101.0, 1.0), "TRF/T2s must lie between 2 and 100; it is 101"),
        ("rho", (5.0, 4.5), r"B1 alpha .* must lie between 0 and 4.4; it is 4.5"),
        ("rho", (5.0, -0.1), r"B1 alpha .* must lie between 0 and 4.4; it is -0.1"),
        ("rho", (np.nan, 1.0), "TRF/T2s must lie between 2 and 100; it is nan"),
        ("z", (5.0, 6.3), r"B1 alpha .* must lie between 0 and 6.28"),
        ("greens_function", (SUPERLORENTZIAN, -1.0), r"kappa .* must lie between 0"),
        ("greens_slope", (SUPERLORENTZIAN, -1.0), r"kappa .* must lie between 0"),
        ("greens_function", (3, 1.0), "lineshape must be 0, 1 or 2; it is 3"),
    ],
)
def test_arguments_outside_their_domain_are_refused(function, arguments, message):
    owner = _core if function.startswith("greens") else _core.PoolResponse(SUPERLORENTZIAN, 100.0)
    with pytest.raises(ValueError, match=message):
        getattr(owner, function)(*arguments)


@pytest.mark.parametrize("tau, theta, which", [(1.9, 1, "rho"), (300, 1, "rho"), (5, 4.5, "rho"), (5, 6.3, "z")])
def test_tables_never_extrapolate(tau, theta, which):
    with pytest.raises(ValueError, match=r"must lie between|outside the patch"):
        table(SUPERLORENTZIAN, tau, theta, which)


@LINESHAPES
def test_slope_of_the_greens_function_is_its_derivative(lineshape):
    kappa = np.array([0.1, 0.7, 2.0, 5.0, 30.0, 800.0])
    expected = five_point(lambda k: _core.greens_function(lineshape, k), kappa, 1e-3 * kappa)
    slope = _core.greens_slope(lineshape, kappa)
    np.testing.assert_allclose(slope * kappa, expected * kappa, rtol=0, atol=1e-11)  # of differences: 1e-15/1e-3
    assert _core.greens_slope(lineshape, 0.0) == (-1 if lineshape == LORENTZIAN else 0)
