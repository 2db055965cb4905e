"""Experiments of NMR spectrometers: recovery after one pulse, continuous waves and the lineshapes that they see."""

from functools import partial
from math import pi, sqrt

import mpmath
import numpy as np
import pytest
import spinbound as sb
from scipy.integrate import quad
from scipy.linalg import expm
from spinbound import _core
from spinbound.sequences.model import LINESHAPES
from spinbound.signals.lineshape import PROFILES, absorption

from tests.support.differences import five_point
from tests.support.theory import bloch_mcconnell
from tests.support.trains import WHITE_MATTER, exchange

DELAYS = np.geomspace(2e-3, 5, 12)
OFFSETS = 2 * pi * np.array([-2e4, -300, 80, 1e3, 6e4])
FIELDS = np.array([300.0, 2000, 900, 4000, 9000])
EVERY_LINESHAPE = pytest.mark.parametrize("lineshape", LINESHAPES)


def recovery(experiment, tissue=WHITE_MATTER):
    """zf and zs at every echo."""
    return sb.simulate(experiment, tissue, output="magnetization")[:, [2, 4]].real


# Recovery


def test_echo_lies_a_delay_after_the_end_of_the_pulse():
    for delay, seq in zip(DELAYS, sb.inversion_recovery(DELAYS, TRF=1e-3), strict=True):
        assert (seq.TR - seq.TRF[0]) / 2 == pytest.approx(delay, rel=1e-12)
        assert seq.start == "thermal"


def test_recovery_is_the_free_evolution_of_what_the_pulse_leaves():
    rates, equilibrium = exchange(WHITE_MATTER)
    after = recovery(sb.inversion_recovery([1e-12]))[0] - equilibrium
    assert after[0] == pytest.approx(-2 * equilibrium[0], rel=0.02)  # an inversion, but for what it relaxes
    expected = [equilibrium + expm(rates * delay) @ after for delay in DELAYS]
    # 1e-12 s of free evolution come on top: 3e-11 of the state.
    np.testing.assert_allclose(recovery(sb.inversion_recovery(DELAYS)), expected, rtol=0, atol=1e-10)


def test_read_pulse_finds_the_recovery_at_its_delay():
    dead_time, alpha, TRF = 20e-6, 0.9, 50e-6
    signal = sb.simulate(sb.inversion_recovery(DELAYS, read=(alpha, TRF), dead_time=dead_time), WHITE_MATTER)
    for sample, (zf, zs) in zip(signal, recovery(sb.inversion_recovery(DELAYS)), strict=True):
        # The same read pulse by itself, from the state that it finds; its gap before the pulse lasts the dead time.
        seq = sb.Sequence([alpha], [TRF], TRF + 2e-12, gradient_moment="balanced", start=[0, 0, zf, 0, zs])
        expected = sb.simulate(seq, WHITE_MATTER)[0] * np.exp(-15 * dead_time)
        assert sample == pytest.approx(expected, rel=1e-9)


def test_transverse_magnetization_of_the_first_pulse_does_not_reach_the_sample():
    off = WHITE_MATTER.replace(R2f=1.0)  # what pi/3 leaves transverse would last for a second
    trains = (sb.inversion_recovery([1e-3], alpha, read=(1e-9, 50e-6)) for alpha in (pi / 3, -pi / 3))
    signals = [sb.simulate(train, off) for train in trains]
    assert abs(signals[0][0]) < 1e-8
    np.testing.assert_allclose(*signals, rtol=1e-9)


def test_saturation_recovery_starts_without_longitudinal_magnetization():
    (zf, _), *_ = recovery(sb.saturation_recovery([1e-12], TRF=20e-6))
    assert abs(zf) < 1e-3  # what relaxes and exchanges in 20 us, at 30/s
    assert sb.saturation_recovery(DELAYS) == sb.inversion_recovery(DELAYS, pi / 2)


def test_delays_are_one_joint_experiment():
    experiment = sb.inversion_recovery(DELAYS, read=(pi / 2, 50e-6))
    assert sb.simulate(experiment, WHITE_MATTER).shape == DELAYS.shape
    parts = sum(sb.fisher(seq, WHITE_MATTER) for seq in experiment)
    np.testing.assert_allclose(sb.fisher(experiment, WHITE_MATTER), parts, rtol=1e-12, atol=1e-12 * np.abs(parts).max())


def test_shape_is_that_of_the_sequences():
    shape = np.array([0.5, 1.5, 1.0])
    for seq in sb.inversion_recovery([0.1, 0.2], shape=shape):
        np.testing.assert_array_equal(seq.shape, shape)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"delays": []}, "at least one time"),
        ({"delays": 0.1}, "shape ()"),
        ({"delays": [0.1, -0.1]}, "delay 1 is -0.1 s"),
        ({"delays": [0.1, np.nan]}, "delay 1 is nan s"),
        ({"delays": [0.1], "alpha": np.inf}, "alpha must be finite"),
        ({"delays": [0.1], "TRF": 0}, "TRF must be longer than 0 s"),
        ({"delays": [0.1], "read": pi}, "read must be the pair"),
        ({"delays": [0.1], "read": (pi, -1e-3)}, "TRF of read must be longer than 0 s"),
        ({"delays": [0.1], "read": (pi, 1e-3), "dead_time": 0}, "dead_time must be longer than 0 s"),
        ({"delays": [0.1, 1e-6], "read": (pi, 1e-3)}, "longer than dead_time, 1e-05 s; delay 1 is 1e-06 s"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    for experiment in (sb.inversion_recovery, sb.saturation_recovery):
        with pytest.raises(sb.InvalidSequence) as refusal:
            experiment(**arguments)
        assert message in str(refusal.value)


# Absorption lineshapes


@EVERY_LINESHAPE
def test_lineshape_is_the_fourier_transform_of_the_greens_function(lineshape):
    code = LINESHAPES.index(lineshape)
    for x in (0.05, 0.7, 2.0, 4.0):
        f = PROFILES[lineshape](np.array(x))[0]
        transform, *_ = quad(lambda k: _core.greens_function(code, k), 0, np.inf, weight="cos", wvar=x, limlst=200)
        assert pi * f == pytest.approx(transform, abs=1e-7)  # ten times what quad aims at


@EVERY_LINESHAPE
def test_lineshape_has_unit_area(lineshape):
    def f(logarithm):
        return np.exp(logarithm) * PROFILES[lineshape](np.array([np.exp(logarithm)]))[0][0]

    assert 2 * quad(f, -40, 25, limit=400, epsabs=1e-11)[0] == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("x", [1e-6, 1e-3, 0.1, 0.5, 1, 3, 5, 8])
def test_superlorentzian_is_the_average_over_angles(x):
    with mpmath.workdps(25):
        magic = 1 / mpmath.sqrt(3)
        steps = [mpmath.mpf(2) ** -k for k in range(1, 30)]
        pieces = [0, *(magic * (1 - step) for step in steps), magic, *(magic + (1 - magic) * s for s in steps[::-1]), 1]

        def angular(power):
            def integrand(u):
                a = abs(3 * u * u - 1)
                return mpmath.exp(-2 * mpmath.mpf(x) ** 2 / a**2) / a**power if a else mpmath.mpf(0)

            return mpmath.sqrt(2 / mpmath.pi) * mpmath.quad(integrand, pieces)

        expected = angular(1), -4 * mpmath.mpf(x) ** 2 * angular(3)
    found = PROFILES["superlorentzian"](np.array([x]))
    for value, exact in zip(found, expected, strict=True):
        assert value[0] == pytest.approx(float(exact), rel=3e-13)


def test_any_shape_of_lineshape_arguments_gives_the_same_values():
    T2s, offset = np.linspace(5e-6, 15e-6, 70)[:, None], np.geomspace(1e2, 1e6, 80)
    g, slope = absorption("superlorentzian", T2s, offset)
    assert g.shape == slope.shape == (70, 80)
    single = absorption("superlorentzian", T2s[69, 0], offset[79:])
    # Sums over angles are taken in blocks, whose sizes decide on the order of additions.
    np.testing.assert_allclose([g[69, 79], slope[69, 79]], np.ravel(single), rtol=1e-14)


# Continuous wave


def test_lorentzian_spectrum_is_the_steady_state_of_bloch_mcconnell():
    tissue = WHITE_MATTER.replace(omega0=120.0, B1=0.9, T2s=9e-6)
    rates = [float(tissue[name]) for name in ("m0s", "R1f", "R2f", "Rex", "R1s")]
    for field, offset in zip(FIELDS, OFFSETS, strict=True):
        equations = bloch_mcconnell(*rates, 1 / 9e-6, 120 - offset, 0.9 * field, -offset)[:6]
        state = np.linalg.solve(equations[:, :6], -equations[:, 6])
        for output, component in (("zf", 2), ("zs", 5)):
            z = sb.continuous_wave(tissue, field, offset, output=output, lineshape="lorentzian")
            assert z[0] == pytest.approx(state[component], rel=1e-10)  # the condition of the equations, 1e5


def test_isolated_pool_has_its_closed_form():
    tissue = sb.Tissue(m0s=0.5, Rex=0, R1s=1, T2s=10e-6)
    zs = sb.continuous_wave(tissue, 2000 * pi, 200 * pi, output="zs", lineshape="lorentzian")
    assert zs[0].real / 0.5 == pytest.approx(0.00252672905891, abs=1e-14)
    assert zs[0].real / 0.5 == pytest.approx(1 / (1 + 40 * pi**2 / (1 + (2e-3 * pi) ** 2)), rel=1e-14)


@EVERY_LINESHAPE
def test_without_RF_the_equilibrium_stays(lineshape):
    for output, expected in (("zf", 0.85), ("zs", 0.15)):
        z = sb.continuous_wave(WHITE_MATTER, 0.0, OFFSETS, output=output, lineshape=lineshape)
        np.testing.assert_allclose(z, expected, rtol=1e-14)


def test_direct_saturation_is_deepest_at_the_resonance_of_the_free_pool():
    offsets = np.linspace(-600, 600, 121)
    z = sb.continuous_wave(sb.Tissue(m0s=0, omega0=200), 50.0, offsets, lineshape="lorentzian")
    assert offsets[z.real.argmin()] == pytest.approx(200)


@EVERY_LINESHAPE
@pytest.mark.parametrize("output", ["zf", "zs"])
def test_derivatives_are_those_of_differences(lineshape, output):
    tissue = sb.Tissue(m0s=[0.05, 0.2], R1a=0.8, R2f=[15, 40], Rex=25, T2s=[8e-6, 1.3e-5], omega0=90, B1=0.9, M0=1 + 2j)
    spectrum = partial(sb.continuous_wave, omega1=FIELDS, offset=OFFSETS, output=output, lineshape=lineshape)
    for name in (*sb.ALL[1:], "R1a", "T1a", "T1f", "T1s", "T2f"):
        value = tissue[name]
        relative = five_point(lambda k, name=name, value=value: spectrum(tissue.replace(**{name: k * value})), 1, 1e-3)
        J = spectrum(tissue, wrt=name)[1][..., 0] * np.broadcast_to(value, (2,))[:, None]
        # Differences of relative step h = 1e-3: 1e-13 of rounding, h^4 of the fifth derivative.
        np.testing.assert_allclose(J, relative, rtol=1e-8, atol=1e-9 * np.abs(relative).max())
    z, J = spectrum(tissue, wrt="M0")
    np.testing.assert_allclose(J[..., 0] * (1 + 2j), z, rtol=1e-14)


def test_voxels_broadcast_and_invalid_ones_are_nan():
    tissue = sb.Tissue(m0s=[[0.1], [0.2]], T2s=[1e-5, np.nan, 9e-6])
    z, J = sb.continuous_wave(tissue, 1000.0, OFFSETS, wrt=("M0", "m0s", "T2s"))
    assert z.shape == (2, 3, 5)
    assert J.shape == (2, 3, 5, 3)
    for result in (z, J):
        assert np.isnan(result[:, 1]).all()
        assert np.isfinite(result[:, [0, 2]]).all()
    np.testing.assert_allclose(z[1, 2], sb.continuous_wave(sb.Tissue(m0s=0.2, T2s=9e-6), 1000.0, OFFSETS), rtol=1e-14)


def test_no_voxels_give_no_spectra():
    assert sb.continuous_wave(sb.Tissue(m0s=np.empty(0)), 1000.0, OFFSETS).shape == (0, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tissue": {"m0s": 0.1}}, "must be a spinbound.Tissue"),
        (
            {"tissue": sb.Tissue(T2s=[np.nan] * 2)},
            "every voxel is invalid: T2s is nan; allowed: 2e-06 <= T2s <= 5e-05 s",
        ),
        ({"tissue": sb.Tissue(T2s=[np.nan, 1e-5], m0s=[0.1, 1.0])}, "every voxel is invalid"),
        ({"offset": [100, 0.0]}, "offset 1 is 0 rad/s"),
        ({"offset": np.inf}, "offset must be one finite number or a list"),
        ({"omega1": np.ones((2, 2))}, "omega1 must be one finite number or a list"),
        ({"omega1": [1.0, 2.0]}, "omega1 2 and offset 5"),
        ({"output": "zz"}, "allowed: zf, zs"),
        ({"lineshape": "voigt"}, "allowed: superlorentzian"),
        ({"wrt": ("R1a", "R1f")}, "R1a and R1f"),
        ({"wrt": "R1a"}, "R1a is not defined where R1f and R1s differ"),
    ],
)
def test_what_cannot_be_irradiated_is_refused(changes, message):
    arguments = {"tissue": WHITE_MATTER, "omega1": 1000.0, "offset": OFFSETS} | changes
    with pytest.raises(sb.InvalidParameter) as refusal:
        sb.continuous_wave(**arguments)
    assert message in str(refusal.value)


def test_other_lineshapes_are_finite_on_resonance():
    expected = {"gaussian": 1 / sqrt(2 * pi), "lorentzian": 1 / pi}
    for lineshape, f in expected.items():
        tissue = sb.Tissue(m0s=0.5, Rex=0, R1s=3, T2s=1e-5)
        zs = sb.continuous_wave(tissue, 1000.0, 0.0, output="zs", lineshape=lineshape)[0].real / 0.5
        assert zs == pytest.approx(3 / (3 + pi * 1e6 * 1e-5 * f), rel=1e-13)
