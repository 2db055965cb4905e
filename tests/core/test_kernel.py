"""The kernel against the oracle: `_core.reference` gets the very same R2sl and knows nothing else of the kernel.

Signals are compared relative to their largest magnitude, each sensitivity relative to the larger of its own largest
value and 1e-6 of its size at white matter. The bars leave a decade to what the tolerance of the kernel's polynomials
amounts to in a steady state.
"""

import numpy as np
import pytest
import spinbound as sb
from scipy.optimize import brentq
from spinbound import _core
from spinbound.sequences.experiment import as_core_sequence

from tests.support.strategies import BOX, MOMENTS

SIGNAL, JACOBIAN, WIDE = 1e-8, 1e-7, 1e-6
UNDERFLOW = 1e-290  # the kernel's exp stops at exp(-708)
WHITE_MATTER = np.array([0.15, 0.5, 15, 30, 3, 10e-6, 0, 1])
LOW, HIGH = np.array(list(BOX.values())).T
WIDE_LOW = np.array([0, 0.2, 5, 0, 0.5, 3e-6, -1800, 0.3])
WIDE_HIGH = np.array([0.35, 2, 60, 200, 8, 30e-6, 1800, 1.4])


def kernel(seq, tissue):
    """Signals (N, n) and their derivatives (N, n, 8) of the tissues (8, N)."""
    return sb.sensitivities(seq, sb.Tissue(**dict(zip(BOX, tissue, strict=True))), wrt=tuple(BOX))


def oracle(seq, voxel):
    """The same of one voxel (8,) by matrix exponentials."""
    core = as_core_sequence(seq)
    m, J = _core.reference.simulate(core, voxel, _core.R2sl(core, 0, voxel[5], voxel[7]), False)
    return m[:, 0] + 1j * m[:, 1], J[:, 0] + 1j * J[:, 1]


class Expected:
    """What the oracle says of some tissues (8, N) in a train."""

    def __init__(self, seq, tissue):
        self.seq, self.tissue = seq, tissue
        results = [oracle(seq, voxel) for voxel in np.ascontiguousarray(tissue.T)]
        self.s, self.J = map(np.array, zip(*results, strict=True))
        self.floor = 1e-6 * abs(oracle(seq, WHITE_MATTER)[1]).max(axis=0)

    def check(self, bar_signal=SIGNAL, bar_jacobian=JACOBIAN):
        """Compare the kernel of the instruction set in use."""
        s, J = kernel(self.seq, self.tissue)
        size = np.maximum(abs(self.s).max(axis=1), UNDERFLOW)
        assert np.all(abs(s - self.s).max(axis=1) <= bar_signal * size)
        size = np.maximum(np.maximum(abs(self.J).max(axis=1), self.floor), UNDERFLOW)
        assert np.all(abs(J - self.J).max(axis=1) <= bar_jacobian * size)

    def check_all_isas(self, monkeypatch, *bars):
        """Compare the kernels of every instruction set that runs here."""
        for isa in _core.isa_available():
            monkeypatch.setenv("SPINBOUND_ISA", isa)
            self.check(*bars)


def tissues(seed, n, low=LOW, high=HIGH):
    """Random tissues (8, n) of a box."""
    return np.random.default_rng(seed).uniform(low[:, None], high[:, None], (8, n))


def wide_tissues(seq, seed, n):
    """Random tissues of the wide box, B1 up to 1.6 where the largest flip angle allows it."""
    moments = np.array(seq.gradient_moment)
    largest = abs(seq.alpha[moments != "crusher"]).max(initial=0)
    high = np.where(np.arange(8) == 7, 1.6 if 1.6 * largest <= 4.4 else 1.4, WIDE_HIGH)
    return tissues(seed, n, WIDE_LOW, high)


def random_train(seed, TRF=(1e-4, 1e-3)):
    """1 to 300 pulses; all gradient moments, starts, phase increments and many TR occur among twenty seeds."""
    rng = np.random.default_rng(seed)
    n = (1, 2, 300)[seed] if seed < 3 else int(np.exp(rng.uniform(0, np.log(300))))
    return sb.Sequence(
        alpha=rng.uniform(0, np.pi, n) * rng.uniform(0.1, 1),
        TRF=rng.uniform(*TRF, n),
        TR=rng.uniform(1.5e-3, 2e-2),
        gradient_moment=rng.choice(MOMENTS, n) if seed % 4 else "balanced",
        rf_phase_increment=(np.pi, 0.0, 1.1)[seed % 3],
        start=("periodic", "thermal", rng.uniform(-0.5, 0.5, 5))[(seed // 2) % 3],
    )


def numbers(few, many):
    """How many tissues are compared: some, or as many as the page states errors of."""
    return pytest.mark.parametrize("n", [few, pytest.param(many, marks=pytest.mark.long)])


@pytest.fixture
def bundled_train():
    return sb.sequences.load("hybrid-mt-4s")


known_trains = pytest.mark.parametrize("train, seed", [("published_train", 1), ("bundled_train", 3)])


@numbers(50, 200)
@known_trains
def test_known_trains(n, train, seed, request, monkeypatch):
    Expected(request.getfixturevalue(train), tissues(seed, n)).check_all_isas(monkeypatch)


@numbers(20, 60)
@known_trains
def test_known_trains_in_the_wide_box(n, train, seed, request, monkeypatch):
    seq = request.getfixturevalue(train)
    Expected(seq, wide_tissues(seq, seed + 1, n)).check_all_isas(monkeypatch, WIDE, WIDE)


@numbers(50, 200)
@pytest.mark.parametrize("seed", range(20))
def test_random_trains(seed, n, monkeypatch):
    Expected(random_train(seed), tissues(seed, n)).check_all_isas(monkeypatch)


@numbers(20, 60)
@pytest.mark.parametrize("seed", range(20))
def test_random_trains_in_the_wide_box(seed, n, monkeypatch):
    seq = random_train(seed, TRF=(60e-6, 1e-3))
    tissue = wide_tissues(seq, seed, n)
    tissue[0, :5] = 0, 1e-12, 1e-9, 1e-6, 1e-3  # m0s -> 0
    Expected(seq, tissue).check_all_isas(monkeypatch, WIDE, WIDE)


@pytest.mark.parametrize("alpha, TRF", [(0.0267, 258e-6), (0.34, 58e-6), (0.20, 45e-6), (1.5, 4e-4)])
def test_a_long_train_of_like_pulses_is_as_accurate_as_one(alpha, TRF):
    n = 400
    flips = alpha * (1 + 1e-3 * np.linspace(-1, 1, n))
    seq = sb.Sequence(flips, np.full(n, TRF), 3.5e-3, gradient_moment="balanced")
    Expected(seq, tissues(7, 30)).check()


@pytest.mark.parametrize("flip", [1e-8, 1e-4, 1e-2, 1.0])
def test_a_crusher_refocuses_by_the_sine_squared(flip):
    seq = sb.Sequence([flip], [1e-4], 3.5e-3, gradient_moment="crusher", start=[1, 0, 0, 0, 0])
    tissue = sb.Tissue(R2f=10, omega0=0, B1=1)
    signal = sb.simulate(seq, tissue)[0]
    assert abs(abs(signal) / (np.sin(flip / 2) ** 2 * np.exp(-10 * seq.TR)) - 1) <= 1e-13


def special_tissues():
    """Zeros and equalities, alone and together."""
    columns = []
    for changes in ({6: 0}, {3: 0}, {1: 3}, {0: 0}, {3: 0, 1: 3}, {3: 0, 6: 0}, {6: 0, 3: 0, 1: 3}, {3: 0, 0: 0}):
        voxel = np.array([0.15, 0.5, 15, 30, 3, 10e-6, 200, 0.9])
        voxel[list(changes)] = list(changes.values())
        columns.append(voxel)
    return np.array(columns).T


@pytest.mark.parametrize("start", ["periodic", "thermal"])
def test_zeros_and_equal_rates_are_no_special_case(start, monkeypatch):
    rng = np.random.default_rng(5)
    alpha = rng.uniform(0, 3, 40)
    alpha[::3] = 0
    seq = sb.Sequence(alpha, rng.uniform(5e-5, 5e-4, 40), 3.5e-3, gradient_moment="balanced", start=start)
    Expected(seq, special_tissues()).check_all_isas(monkeypatch)


@pytest.mark.parametrize(("TRF", "T2s"), [(50e-6, 10e-6), (500e-6, 16e-6)])
def test_critical_damping_is_no_special_case(TRF, T2s, monkeypatch):
    def overdamped(B1):  # R2sl - 2 omega1
        core = as_core_sequence(sb.Sequence([1.0], [TRF], 3.5e-3, gradient_moment="balanced", start="thermal"))
        return _core.R2sl(core, 0, T2s, B1)[0, 0] - 2 * B1 / TRF

    critical = brentq(overdamped, 1e-3, 4.0, xtol=1e-15)
    tissue = np.repeat(WHITE_MATTER[:, None], 9, axis=1)
    tissue[5] = T2s
    tissue[7] = critical * (1 + np.array([-0.1, -1e-3, -1e-6, -1e-12, 0, 1e-12, 1e-6, 1e-3, 0.1]))
    seq = sb.Sequence(np.full(20, 1.0), np.full(20, TRF), 3.5e-3, gradient_moment="balanced")
    Expected(seq, tissue).check_all_isas(monkeypatch)


def test_rates_and_pulses_far_beyond_tissue(monkeypatch):
    tissue = np.repeat(WHITE_MATTER[:, None], 6, axis=1)
    tissue[2, 1] = 1e4  # R2f
    tissue[3, 2] = 3e3  # Rex
    tissue[6, 3] = 1e5  # omega0
    tissue[5, 4:] = 2e-6, 50e-6  # T2s
    seq = sb.Sequence([1.0, 2.0, 0.5], [5e-3, 1e-3, 2e-4], 0.2, gradient_moment="balanced")
    Expected(seq, tissue).check_all_isas(monkeypatch)


def test_a_long_repetition_time_recovers_fully():
    seq = sb.Sequence([1.0, 1.0], [5e-4, 5e-4], 60.0, gradient_moment="balanced")
    Expected(seq, tissues(6, 4)).check(1e-8, 1e-6)  # derivatives of 1e-20 and less beside those that count
