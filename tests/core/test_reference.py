"""The oracle against facts of other origin: published numbers, scipy, mpmath, closed forms, differences."""

import mpmath
import numpy as np
import pytest
from scipy.linalg import expm, expm_frechet
from spinbound import _core

from tests.support.differences import five_point
from tests.support.strategies import BOX
from tests.support.theory import bloch_mcconnell

reference = _core.reference

BALANCED, CRUSHER, SPOILER_DUAL, SPOILER_PREPULSE = range(4)
PERIODIC, THERMAL, GIVEN = range(3)
TISSUE = tuple(BOX)
WHITE_MATTER = np.array([0.15, 0.5, 15.0, 30.0, 3.0, 10e-6, 200.0, 0.9])
INITIAL = [0.1, -0.2, 0.5, 0, 0.1]
TR = 3.5e-3

every_moment = pytest.mark.parametrize("moment", range(4))
every_start = pytest.mark.parametrize("start", [PERIODIC, THERMAL, GIVEN])
every_parameter = pytest.mark.parametrize("k", range(8), ids=TISSUE)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def sequence(alpha, TRF, gradient_moment=BALANCED, start=PERIODIC, initial=(0, 0, 0, 0, 0), increment=np.pi):
    codes = np.broadcast_to(gradient_moment, np.shape(alpha)).astype(np.int32)
    return _core.Sequence(
        alpha=np.array(alpha, float),
        TRF=np.array(TRF, float),
        TR=np.full(codes.size, TR),
        rf_phase_increment=np.full(codes.size, increment),
        gradient_moment=codes,
        echo=np.ones(codes.size, bool),
        shape=np.empty(0, complex),
        start=start,
        initial=np.array(initial, float),
    )


def response(train, tissue):
    """Some smooth R2sl(T2s, B1), or z(T2s, B1) of a crusher pulse, with its derivatives: (n, 3)."""
    (alpha, TRF, codes), (T2s, B1) = train, tissue[[5, 7]]
    rate, bend = 0.17 / T2s, 0.02 * alpha**2
    R2sl = [rate * (1 + bend * B1**2), -rate / T2s * (1 + bend * B1**2), 2 * rate * bend * B1]
    z = np.exp(-bend * B1**2 * TRF / 5e-4 * 1e-5 / T2s)
    of_crusher = [z, -z * np.log(z) / T2s, 2 * z * np.log(z) / B1]
    return np.ascontiguousarray(np.where(codes == CRUSHER, of_crusher, R2sl).T)


def random_train(rng, n_pulses, gradient_moment):
    """Flip angles, durations and gradient moments of pulses."""
    alpha, TRF = rng.uniform(0.1, np.pi, n_pulses), rng.uniform(1e-4, 5e-4, n_pulses)
    codes = np.full(n_pulses, BALANCED)
    codes[::3] = gradient_moment
    return alpha, TRF, codes


def generator(tissue, omega1, R2sl):
    """The model again: m' = A m for m = (xf, yf, zf, xs, zs, 1)."""
    *rates, _, omega0, _ = tissue
    return np.delete(np.delete(bloch_mcconnell(*rates, R2sl, omega0, omega1), 4, axis=0), 4, axis=1)  # ys stays 0


def test_pi_pulse_gives_the_published_numbers():
    equilibrium = [0, 0, 0.9, 0, 0.1]
    after = reference.pulse(np.pi, 500e-6, [0.1, 1, 15, 30, 6.5, 1e-5, 0, 1], [1e5, 0, 0], equilibrium)
    expected = [0.00106475358, 0, -0.89578482745, 0.00512652959, 0.08122007142]
    np.testing.assert_allclose(after, expected, rtol=0, atol=0.5e-11)  # half a unit of their last digit


def test_exponential_equals_that_of_mpmath_in_forty_digits(rng):
    a = generator(WHITE_MATTER, 6000.0, 2e4) * 5e-4 + rng.normal(0, 0.3, (6, 6))
    value, _ = reference.exponential(a, np.zeros((8, 6, 6)))
    with mpmath.workdps(40):
        exact = np.array(mpmath.expm(mpmath.matrix(a.tolist())).tolist(), float)
    np.testing.assert_allclose(value, exact, rtol=0, atol=4e-16 * abs(exact).max())  # rounding of the result


@pytest.mark.parametrize("size", [0.0, 1e-3, 1.0, 30.0])
def test_derivatives_of_the_exponential_are_those_of_scipy(rng, size):
    a, directions = size * rng.normal(0, 0.3, (6, 6)), rng.normal(0, 1, (8, 6, 6))
    value, derivatives = reference.exponential(a, directions)
    expected = [expm_frechet(a, direction, method="blockEnlarge", compute_expm=False) for direction in directions]
    tolerance = 1e-13 * max(1, size)  # scipy squares in double precision
    np.testing.assert_allclose(value, expm(a), rtol=0, atol=tolerance * abs(value).max())
    np.testing.assert_allclose(derivatives, expected, rtol=0, atol=tolerance * abs(derivatives).max())


def test_exponential_of_something_not_finite_is_not_finite():
    value, _ = reference.exponential(np.full((6, 6), np.inf), np.zeros((8, 6, 6)))
    assert not np.isfinite(value).any()


def plain_train(train, R2sl, tissue, m, increment):
    """physics.md's repetition with scipy's exponential; m = (xf, yf, zf, xs, zs)."""
    echoes, state, B1 = [], np.append(m, 1.0), tissue[7]

    def precess(state, duration):
        state = expm(generator(tissue, 0, 0) * duration) @ state
        state[3] = 0
        return state

    for flip, duration, code, (given, _, _) in zip(*train, R2sl, strict=True):
        gap = TR / 2 if code == CRUSHER else (TR - duration) / 2
        state = precess(state, gap)
        transverse = (state[0] + 1j * state[1]) * np.exp(-1j * increment)
        if code in (SPOILER_DUAL, SPOILER_PREPULSE):
            transverse = 0j
        state[:2] = transverse.real, transverse.imag
        if code == CRUSHER:
            refocused = np.sin(B1 * flip / 2) ** 2
            state *= [refocused, -refocused, np.cos(B1 * flip), 0, given, 1]
        else:
            state = expm(generator(tissue, B1 * flip / duration, given) * duration) @ state
        if code == SPOILER_DUAL:
            state[:2] = 0
        state = precess(state, gap)
        echoes.append(state[:5])
    return np.array(echoes)


@every_moment
@pytest.mark.parametrize("increment", [np.pi, 0.0, 2.1])
def test_three_pulses_equal_the_plain_steps_with_exponentials_of_scipy(rng, moment, increment):
    train = random_train(rng, 3, moment)
    R2sl = response(train, WHITE_MATTER)
    magnetization, _ = reference.simulate(sequence(*train, GIVEN, INITIAL, increment), WHITE_MATTER, R2sl)
    plain = plain_train(train, R2sl, WHITE_MATTER, INITIAL, increment)
    np.testing.assert_allclose(magnetization, plain, rtol=0, atol=1e-13)  # scipy's rounding, |m| < 1


@every_moment
@every_start
@every_parameter
def test_jacobian_equals_five_point_differences(rng, moment, start, k):
    train = random_train(rng, 7, moment)

    def at(value):
        tissue = np.where(np.arange(8) == k, value, WHITE_MATTER)
        return reference.simulate(sequence(*train, start, INITIAL), tissue, response(train, tissue))

    jacobian = at(WHITE_MATTER[k])[1]
    difference = five_point(lambda value: at(value)[0], WHITE_MATTER[k], 1e-3 * WHITE_MATTER[k])
    # h^4/30 times the fifth derivative: 1e-12 times some tens in relative steps; rounding: 1e-16/1e-3
    np.testing.assert_allclose(jacobian[..., k], difference, rtol=0, atol=2e-10 * max(abs(difference).max(), 1e-3))


@every_moment
@every_start
@every_parameter
def test_jacobian_equals_complex_step(rng, moment, start, k):
    train = random_train(rng, 7, moment)
    R2sl = response(train, WHITE_MATTER)
    train = sequence(*train, start, INITIAL)
    _, jacobian = reference.simulate(train, WHITE_MATTER, R2sl)
    step = 1e-30 * WHITE_MATTER[k]
    stepped = R2sl.astype(complex)
    if TISSUE[k] in ("T2s", "B1"):
        stepped[:, 0] += 1j * step * R2sl[:, 1 if TISSUE[k] == "T2s" else 2]
    m = reference.simulate_complex(train, WHITE_MATTER + 1j * step * np.eye(8)[k], stepped)
    np.testing.assert_allclose(jacobian[..., k], m.imag / step, rtol=0, atol=1e-14 * abs(jacobian[..., k]).max())


def test_double_precision_keeps_twelve_digits(rng):
    train = random_train(rng, 200, CRUSHER)
    R2sl = response(train, WHITE_MATTER)
    (m, J), (exact_m, exact_J) = (
        reference.simulate(sequence(*train), WHITE_MATTER, R2sl, extended=extended) for extended in (False, True)
    )
    scale = abs(exact_J).max((0, 1))
    np.testing.assert_allclose(m, exact_m, rtol=0, atol=1e-13)  # 200 repetitions of a few eps each
    np.testing.assert_allclose(J / scale, exact_J / scale, rtol=0, atol=1e-12)


@pytest.mark.parametrize("start", [PERIODIC, THERMAL])
def test_equilibrium_stays_without_flip(start):
    train = sequence(np.zeros(5), np.full(5, 2e-4), BALANCED, start)
    magnetization, jacobian = reference.simulate(train, WHITE_MATTER, np.tile([17e3, -17e8, 0], (5, 1)))
    np.testing.assert_allclose(magnetization, np.tile([0, 0, 0.85, 0, 0.15], (5, 1)), rtol=0, atol=1e-15)
    expected = np.zeros((5, 5, 8))
    expected[:, [2, 4], 0] = -1, 1  # d(m0f, m0s)/dm0s; nothing else moves the equilibrium
    np.testing.assert_allclose(jacobian, expected, rtol=0, atol=1e-15)


@every_moment
def test_periodic_start_is_a_fixed_point_of_the_cycle(rng, moment):
    train = random_train(rng, 10, moment)
    R2sl = response(train, WHITE_MATTER)
    periodic, _ = reference.simulate(sequence(*train), WHITE_MATTER, R2sl)
    again, _ = reference.simulate(sequence(*train, GIVEN, periodic[-1]), WHITE_MATTER, R2sl)
    np.testing.assert_allclose(again, periodic, rtol=0, atol=1e-15)  # rounding of the start to double


def test_inversion_recovery_without_exchange_is_two_exponentials():
    m0s, R1f, _, _, R1s, *_ = tissue = np.array([0.2, 1.0, 15.0, 0.0, 4.0, 1e-5, 0.0, 0.9])
    n = 50
    alpha = np.append(np.pi, np.zeros(n - 1))
    train = sequence(alpha, np.full(n, 2e-4), [CRUSHER] + [BALANCED] * (n - 1), THERMAL)
    magnetization, jacobian = reference.simulate(train, tissue, np.tile([0.3, 0.0, 0.0], (n, 1)))
    t = TR * (np.arange(n) + 0.5)
    inverted = np.cos(0.9 * np.pi) - 1
    zf = (1 - m0s) * (1 + inverted * np.exp(-R1f * t))
    zs = m0s * (1 + (0.3 - 1) * np.exp(-R1s * t))
    np.testing.assert_allclose(magnetization[:, [2, 4]], np.array([zf, zs]).T, rtol=0, atol=1e-15)
    np.testing.assert_allclose(jacobian[:, 2, 1], -t * (1 - m0s) * inverted * np.exp(-R1f * t), rtol=0, atol=1e-15)


def test_off_resonance_turns_xf_towards_yf():
    tissue = np.array([0.0, 1.0, 10.0, 0.0, 1.0, 1e-5, 100.0, 1.0])
    train = sequence([0.0], [2e-4], BALANCED, GIVEN, [1, 0, 0, 0, 0], increment=0.0)
    magnetization, _ = reference.simulate(train, tissue, [[17e3, 0, 0]])
    signal = magnetization[0, 0] + 1j * magnetization[0, 1]
    assert signal == pytest.approx(np.exp((100j - 10) * TR), abs=1e-15)


@pytest.mark.parametrize("name, shape", [("tissue", (7,)), ("R2sl", (2, 3))])
def test_wrong_shape_is_refused(name, shape):
    arguments = {"tissue": WHITE_MATTER, "R2sl": np.zeros((1, 3))} | {name: np.zeros(shape)}
    with pytest.raises(ValueError, match=f"{name} has a wrong shape"):
        reference.simulate(sequence([1.0], [2e-4]), **arguments)
