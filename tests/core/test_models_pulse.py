"""One pulse of the models that follow saturation, against matrix exponentials, published numbers and differences."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import expm
from scipy.special import erf
from spinbound import _core

from tests.support.differences import five_point
from tests.support.strategies import BOX
from tests.support.theory import bloch_mcconnell

GBLOCH_IDE, GRAHAM, GRAHAM_SINGLE_FREQUENCY, SLED = 1, 2, 3, 4
SUPERLORENTZIAN, GAUSSIAN, LORENTZIAN = range(3)
LINESHAPES = (SUPERLORENTZIAN, GAUSSIAN, LORENTZIAN)
TISSUE = tuple(BOX)
WHITE_MATTER = np.array([0.15, 0.5, 15.0, 30.0, 3.0, 10e-6, 200.0, 0.9])
XF, YF, ZF, ZS, ONE = range(5)

# every model with every lineshape that gives it a finite rate
CASES = [
    (model, lineshape)
    for model in (GBLOCH_IDE, SLED, GRAHAM, GRAHAM_SINGLE_FREQUENCY)
    for lineshape in LINESHAPES
    if (model, lineshape) != (GRAHAM_SINGLE_FREQUENCY, SUPERLORENTZIAN)
]
SHAPES = {
    "rectangular": None,
    "modulated": np.array([0.5, 1.0, 0.8 - 0.4j, 0.3 + 0.7j, 0.0, 1.2j]),
}


def pulse(model, lineshape, tissue=WHITE_MATTER, alpha=1.5, TRF=300e-6, shape=None, rtol=1e-8, n_elements=0):
    """P (4, 5), dP (8, 4, 5) and the elements taken."""
    samples = None if shape is None else np.asarray(shape, complex)
    how = {"alpha": alpha, "TRF": TRF, "shape": samples, "n_elements": n_elements}
    return _core.pulse_propagator((model, lineshape, rtol), np.asarray(tissue, float), **how)


def isolated(model, lineshape, alpha, TRF, T2s, R1s=0.0, shape=None, rtol=1e-11):
    """Zs after the pulse of a pool by itself that starts from its equilibrium 1."""
    m0s = 0.5
    P = pulse(model, lineshape, [m0s, 1, 1, 0, R1s, T2s, 0, 1], alpha, TRF, shape, rtol)[0]
    return P[ZS, ZS] + P[ZS, ONE] / m0s


def exponential(tissue, alpha, TRF, shape):
    """P of the Bloch-McConnell equations of two pools, by matrix exponentials."""
    *rates, T2s, omega0, B1 = tissue
    P = np.eye(7)
    samples = np.ones(1) if shape is None else shape
    for omega1 in samples * B1 * alpha / TRF:
        P = expm(bloch_mcconnell(*rates, 1 / T2s, omega0, omega1) * TRF / samples.size) @ P
    return P[np.ix_([0, 1, 2, 5], [0, 1, 2, 5, 6])]  # xf yf zf zs, and the equilibrium


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(("alpha", "TRF"), [(0.3, 100e-6), (1.5, 300e-6), (np.pi, 500e-6), (4.4, 1e-3)])
def test_generalized_bloch_of_a_lorentzian_is_bloch_mcconnell(alpha, TRF, shape):
    P = pulse(GBLOCH_IDE, LORENTZIAN, WHITE_MATTER, alpha, TRF, shape)[0]
    np.testing.assert_allclose(P, exponential(WHITE_MATTER, alpha, TRF, shape), rtol=0, atol=1e-8)


@pytest.mark.parametrize("model", [GBLOCH_IDE, SLED])
@pytest.mark.parametrize("lineshape", LINESHAPES)
@pytest.mark.parametrize(("shape", "TRF", "first"), [("rectangular", 1e-3, 8), ("modulated", 3e-3, 4)])
def test_error_falls_at_least_with_the_fourth_power_of_the_step(model, lineshape, shape, TRF, first):
    arguments = {"alpha": np.pi, "TRF": TRF, "shape": SHAPES[shape]}
    exact = pulse(model, lineshape, rtol=1e-12, **arguments)[0]
    P = [pulse(model, lineshape, n_elements=first * 2**k, **arguments)[0] for k in range(4)]
    errors = abs(P - exact).max(axis=(1, 2))
    rounding = 1e-13
    assert errors[0] > 1e3 * rounding
    assert all(fine < max(coarse / 2**4, rounding) for coarse, fine in pairwise(errors))


def test_inverted_isolated_pool_has_its_published_magnetization():
    z = isolated(GBLOCH_IDE, SUPERLORENTZIAN, np.pi, 500e-6, 12e-6, R1s=3)
    assert z == pytest.approx(0.2190847321859, abs=1e-11)


@pytest.mark.parametrize(("TRF", "difference"), [(1e-3, 0.0290674535), (1e-4, 0.3550167355)])
def test_sled_differs_from_generalized_bloch_by_the_published_amount(TRF, difference):
    z = [isolated(model, SUPERLORENTZIAN, np.pi, TRF, 10e-6, R1s=1) for model in (SLED, GBLOCH_IDE)]
    assert z[0] - z[1] == pytest.approx(difference, abs=1e-10)


def test_shaped_inversion_has_its_published_magnetization():
    shape = np.sinc(4 * ((np.arange(400) + 0.5) / 400 - 0.5))
    z = isolated(GBLOCH_IDE, SUPERLORENTZIAN, np.pi, 1e-3, 12e-6, R1s=3, shape=shape / shape.mean(), rtol=1e-8)
    assert z == pytest.approx(-0.0807, abs=5e-4)


def graham_rate(lineshape, alpha, TRF, T2s):
    return -np.log(isolated(GRAHAM, lineshape, alpha, TRF, T2s)) / TRF


def test_rate_of_graham_has_its_published_value():
    assert graham_rate(SUPERLORENTZIAN, np.pi, 500e-6, 12e-6) == pytest.approx(2333.7507, abs=5e-5)


@pytest.mark.parametrize("tau", [2.0, 40.0, 1e4])
def test_rate_of_graham_is_the_spectral_overlap(tau):
    T2s, alpha = 10e-6, 1.0

    def integrand(u):
        a = abs(1 - 3 * u**2)
        return (4 / (tau * a) * np.expm1(-(tau**2) * a**2 / 8) + np.sqrt(2 * np.pi) * erf(tau * a / np.sqrt(8))) / a

    magic = 1 / np.sqrt(3)
    near = [magic + side * width / max(tau, 20) for side in (-1, 1) for width in (0, 2, 20)]
    overlap = quad(integrand, 0, 1, points=near, epsabs=0, epsrel=1e-10, limit=400)[0]
    omega1 = alpha / (tau * T2s)
    assert graham_rate(SUPERLORENTZIAN, alpha, tau * T2s, T2s) == pytest.approx(omega1**2 * T2s * overlap, rel=1e-9)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("lineshape", LINESHAPES)
def test_graham_and_sled_saturate_an_isolated_pool_alike(lineshape, shape):
    z = [isolated(model, lineshape, 2.0, 300e-6, 10e-6, shape=shape) for model in (GRAHAM, SLED)]
    assert z[0] == pytest.approx(z[1], abs=1e-10)  # its rate is the average of Sled's


@pytest.mark.parametrize(("lineshape", "area"), [(GAUSSIAN, np.sqrt(np.pi / 2)), (LORENTZIAN, 1)])
def test_single_frequency_rate_is_that_of_a_continuous_wave(lineshape, area):
    z = isolated(GRAHAM_SINGLE_FREQUENCY, lineshape, 1.0, 200e-6, 10e-6)
    assert -np.log(z) == pytest.approx((1.0 / 200e-6) ** 2 * 10e-6 * area * 200e-6, rel=1e-12)


@pytest.mark.parametrize("lineshape", LINESHAPES)
@pytest.mark.parametrize("tau", [2.0, 12.0, 100.0, 1500.0])
def test_isolated_pool_is_that_of_the_series(lineshape, tau):
    exact = _core.PoolResponse(lineshape, 2000.0)
    for theta in (0.5, np.pi, 6.0):
        z = isolated(GBLOCH_IDE, lineshape, theta, tau * 10e-6, 10e-6)
        assert z == pytest.approx(exact.z(tau, theta), abs=1e-10)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(("model", "lineshape"), CASES)
@pytest.mark.parametrize("parameter", TISSUE)
def test_tangents_are_those_of_five_point_differences(model, lineshape, shape, parameter):
    p = TISSUE.index(parameter)

    def at(factor):
        tissue = np.where(np.arange(8) == p, factor, 1) * WHITE_MATTER
        return pulse(model, lineshape, tissue, shape=shape, n_elements=32)

    dP = at(1)[1][p] * WHITE_MATTER[p]
    # Differences: some 1e-15/1e-3 of rounding, 1e-12 of the fifth derivative, per relative step.
    np.testing.assert_allclose(dP, five_point(lambda factor: at(factor)[0], 1, 1e-3), rtol=0, atol=2e-11)
    assert abs(dP).max() > 0


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("lineshape", LINESHAPES)
@pytest.mark.parametrize("model", [GBLOCH_IDE, SLED])
def test_tolerance_is_kept(model, lineshape, shape):
    rng = np.random.default_rng(5)
    for _ in range(20):
        tissue = rng.uniform([0, 0.2, 5, 0, 0.5, 3e-6, -2000, 0.5], [0.35, 2, 100, 100, 8, 30e-6, 2000, 1.5])
        arguments = {"alpha": rng.uniform(0.1, 4), "TRF": rng.uniform(5e-5, 2e-3), "shape": shape}
        exact = pulse(model, lineshape, tissue, rtol=1e-11, **arguments)[0]
        for rtol in (1e-4, 1e-8):
            assert abs(pulse(model, lineshape, tissue, rtol=rtol, **arguments)[0] - exact).max() <= rtol


@pytest.mark.parametrize(("model", "lineshape"), CASES)
def test_equal_samples_are_a_rectangular_pulse(model, lineshape):
    plain, shaped = (pulse(model, lineshape, shape=shape, rtol=1e-11)[:2] for shape in (None, np.ones(5)))
    np.testing.assert_allclose(shaped[0], plain[0], rtol=0, atol=1e-11)
    scale = WHITE_MATTER[:, None, None]
    np.testing.assert_allclose(shaped[1] * scale, plain[1] * scale, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("model", "lineshape"), CASES)
def test_rf_phase_turns_the_pulse_about_z(model, lineshape):
    shape = SHAPES["modulated"]
    P, dP, _ = pulse(model, lineshape, shape=shape)
    turned, dturned, _ = pulse(model, lineshape, shape=1j * shape)
    R = np.eye(5)
    R[:2, :2] = [[0, -1], [1, 0]]
    np.testing.assert_allclose(turned, R[:4, :4] @ P @ R.T, rtol=0, atol=1e-13)
    np.testing.assert_allclose(dturned, R[:4, :4] @ dP @ R.T, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("model", "lineshape"), CASES)
def test_pulse_without_field_is_free_precession(model, lineshape):
    P = pulse(model, lineshape, alpha=0.0, TRF=1.5)[0]
    idle = np.where(np.arange(8) == TISSUE.index("T2s"), 1.0, WHITE_MATTER)  # spares the oracle the decay of xs
    np.testing.assert_allclose(P, exponential(idle, 0.0, 1.5, None), rtol=0, atol=1e-12)


@pytest.mark.parametrize("model", [GRAHAM, SLED])
def test_long_saturation_pulse_reaches_its_steady_state(model):
    tissue = [0.1, 1.0, 15, 30, 5, 10e-6, 0, 1]
    P = pulse(model, SUPERLORENTZIAN, tissue, alpha=300.0 * 20, TRF=20.0)[0]
    assert abs(P[:, :4]).max() < 1e-6  # memory of the start is gone
    assert 0 < P[ZS, ONE] < 0.1


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(("model", "lineshape"), CASES)
def test_empty_pool_has_no_sensitivity_at_all(model, lineshape, shape):
    tissue = np.where(np.arange(8) == 0, 0.0, WHITE_MATTER)
    _, dP, _ = pulse(model, lineshape, tissue, shape=shape)
    before = [0.3, -0.2, 0.7, 0.0, 1.0]
    for name in ("Rex", "R1s", "T2s"):
        np.testing.assert_array_equal(dP[TISSUE.index(name)] @ before, 0)  # to the last bit: bounds are infinite then


def test_finely_sampled_pulse_is_that_of_coarse_samples():
    coarse = np.array([0.5, 1.0 + 0.3j, -0.7, 0.2])
    fine = np.repeat(coarse, 25)  # samples of 0.5 T2s take fewer nodes per element
    a, b = (pulse(GBLOCH_IDE, SUPERLORENTZIAN, TRF=500e-6, shape=shape, rtol=1e-10) for shape in (coarse, fine))
    np.testing.assert_allclose(b[0], a[0], rtol=0, atol=2e-10)
    scale = WHITE_MATTER[:, None, None]
    np.testing.assert_allclose(b[1] * scale, a[1] * scale, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("model", "changes", "error", "message"),
    [
        (GRAHAM_SINGLE_FREQUENCY, {}, ValueError, "infinite on resonance"),
        (GBLOCH_IDE, {"TRF": 21e-3}, ValueError, r"TRF must lie between 0 and 0\.02; it is 0\.021"),
        (GBLOCH_IDE, {"rtol": 1e-14}, ValueError, "rtol must lie between 1e-12"),
        (GBLOCH_IDE, {"alpha": 1e5}, RuntimeError, "rtol is out of reach"),
        *((model, {}, ValueError, "no propagator") for model in (0, 5, 6)),
    ],
)
def test_what_a_pulse_cannot_be_given_is_refused(model, changes, error, message):
    with pytest.raises(error, match=message):
        pulse(model, SUPERLORENTZIAN, **changes)
