"""Physics of the signal: equilibrium, limits and symmetries that hold whatever the numbers."""

import numpy as np
import pytest
import spinbound as sb
from scipy.linalg import expm

from tests.support.strategies import MOMENTS, given_some, numbers, sequences, tissues
from tests.support.trains import WHITE_MATTER, exchange, random_basis, repeated, smooth_train

ROUNDING = 1e-12  # of a few hundred steps with magnetizations of at most 1


def magnetization(seq, tissue):
    return sb.simulate(seq, tissue, output="magnetization")


# Equilibrium and recovery


@given_some(sequences(), tissues())
def test_equilibrium_stays_without_flip(seq, tissue):
    m0s = tissue["m0s"]
    for start in ("thermal", "periodic", [0, 0, 1 - m0s, 0, m0s]):
        still = seq.replace(alpha=np.zeros(seq.n_pulses), start=start)
        m = magnetization(still, tissue.replace(M0=1))
        # a crusher of 0 rad keeps all but 2e-12 of the second pool; a steady state adds up to 1/(R1 TR) = 5000 of them
        assert np.abs(m - [0, 0, 1 - m0s, 0, m0s]).max() <= (1e-8 if start == "periodic" else 1e-10)


def test_inverted_magnetization_recovers_with_R1f():
    alpha, moments = np.r_[np.pi, np.zeros(99)], ["crusher"] + ["balanced"] * 99
    seq = sb.Sequence(alpha, np.full(100, 5e-4), 10e-3, gradient_moment=moments, start="thermal")
    m = magnetization(seq, WHITE_MATTER.replace(m0s=0, R1f=0.8))
    time = seq.TR * (np.arange(100) + 0.5)
    assert np.abs(m[:, 2] - (1 - 2 * np.exp(-0.8 * time))).max() <= ROUNDING
    assert np.abs(m[:, :2]).max() <= ROUNDING


def test_the_pools_recover_as_their_exchange_says():
    rates, equilibrium = exchange(WHITE_MATTER)
    zf, zs = equilibrium * [-1, 0.8]
    seq = sb.Sequence(np.zeros(50), np.full(50, 5e-4), 10e-3, gradient_moment="balanced", start=[0, 0, zf, 0, zs])
    times = seq.TR * np.arange(1, 51)
    expected = [equilibrium + expm(rates * time) @ ([zf, zs] - equilibrium) for time in times]
    assert np.abs(magnetization(seq, WHITE_MATTER)[:, [2, 4]] - expected).max() <= ROUNDING


# One pool: the Bloch equations


def bloch_generator(R1, R2, omega0, omega1):
    """d/dt (x y z 1)."""
    return np.array([[-R2, -omega0, omega1, 0], [omega0, -R2, 0, 0], [-omega1, 0, -R1, R1], [0, 0, 0, 0]])


def bloch_pulse(seq, i, R1, R2, omega0, B1):
    spoil, flip = np.diag([0.0, 0, 1, 1]), B1 * seq.alpha[i]
    if seq.gradient_moment[i] == "crusher":
        refocused = np.sin(flip / 2) ** 2
        return np.diag([refocused, -refocused, np.cos(flip), 1])
    pulse = expm(bloch_generator(R1, R2, omega0, flip / seq.TRF[i]) * seq.TRF[i])
    before = np.eye(4) if seq.gradient_moment[i] == "balanced" else spoil
    after = spoil if seq.gradient_moment[i] == "spoiler_dual" else np.eye(4)
    return after @ pulse @ before


def bloch_train(seq, R1, R2, omega0, B1):
    """Signal of a single pool from the matrices of its repetitions."""
    # in the frame of the next pulse the magnetization turns back by the increment
    turn = expm(bloch_generator(0, 0, -seq.rf_phase_increment, 0))
    steps = []
    for i in range(seq.n_pulses):
        pause = seq.TR - (0 if seq.gradient_moment[i] == "crusher" else seq.TRF[i])
        free = expm(bloch_generator(R1, R2, omega0, 0) * pause / 2)
        steps.append(free @ bloch_pulse(seq, i, R1, R2, omega0, B1) @ turn @ free)
    m = np.array([0, 0, 1, 1.0]) if seq.start == "thermal" else fixed_point(steps)
    states = [m := step @ m for step in steps]
    return np.array([x + 1j * y for x, y, _, _ in states])


def fixed_point(steps):
    cycle = np.linalg.multi_dot([*steps[::-1], np.eye(4)])
    return np.append(np.linalg.solve(np.eye(3) - cycle[:3, :3], cycle[:3, 3]), 1)


@pytest.mark.parametrize("increment", [np.pi, 0, 1])
@pytest.mark.parametrize("start", ["periodic", "thermal"])
@pytest.mark.parametrize("seed", range(3))
def test_without_a_second_pool_the_bloch_equations_remain(seed, start, increment):
    rng = np.random.default_rng(seed)
    n = 25
    alpha, TRF = rng.uniform(-3, 3, n), rng.uniform(1e-4, 1e-3, n)
    moments = rng.choice(MOMENTS, n, p=[0.7, 0.1, 0.1, 0.1])
    seq = sb.Sequence(alpha, TRF, 5e-3, gradient_moment=moments, rf_phase_increment=increment, start=start)
    rates = rng.uniform([0.2, 5, -700, 0.6], [2, 60, 700, 1.3])
    signal = sb.simulate(seq, sb.Tissue(**dict(zip(("R1f", "R2f", "omega0", "B1"), rates, strict=True)), m0s=0))
    # the polynomials of the pulses are truncated at this level
    assert np.abs(signal - bloch_train(seq, *rates)).max() <= 1e-10


# Symmetries


@given_some(sequences(), tissues(), numbers(-10, 10), numbers(-10, 10))
def test_signal_and_magnetization_are_proportional_to_M0(seq, tissue, real, imaginary):
    M0 = complex(real, imaginary)
    for output in ("signal", "magnetization"):
        one, scaled = (sb.simulate(seq, tissue.replace(M0=value), output=output) for value in (1, M0))
        assert np.abs(scaled - M0 * one).max() <= 1e-15 * abs(M0)


@given_some(sequences(), tissues())
def test_opposite_off_resonance_gives_the_conjugate_signal(seq, tissue):
    start = seq.start if isinstance(seq.start, str) else np.array(seq.start) * [1, -1, 1, 1, 1]
    mirrored = seq.replace(rf_phase_increment=-seq.rf_phase_increment, start=start)
    signal = sb.simulate(seq, tissue.replace(M0=1))
    conjugate = sb.simulate(mirrored, tissue.replace(M0=1, omega0=-tissue["omega0"]))
    assert np.abs(conjugate - signal.conj()).max() <= ROUNDING


@given_some(sequences(), tissues())
def test_opposite_flip_angles_give_the_opposite_signal(seq, tissue):
    crushers = np.array([word == "crusher" for word in seq.gradient_moment])
    start = seq.start if isinstance(seq.start, str) else np.array(seq.start) * [-1, -1, 1, -1, 1]
    # a crusher keeps the refocused path whatever the sign of its pulse
    opposite = seq.replace(alpha=np.where(crushers, seq.alpha, -seq.alpha), start=start)
    one, other = sb.simulate(seq, tissue), sb.simulate(opposite, tissue)
    assert np.abs(one + other).max() <= ROUNDING * abs(tissue["M0"])


@given_some(sequences(), tissues())
def test_B1_scales_the_flip_angles(seq, tissue):
    B1 = float(tissue["B1"])
    one = sb.simulate(seq, tissue.replace(M0=1))
    other = sb.simulate(seq.replace(alpha=B1 * seq.alpha), tissue.replace(M0=1, B1=1))
    # the truncation of the pulse's polynomial differs, and a steady state sums up to 5000 cycles
    assert np.abs(one - other).max() <= 1e-7


# Cycles


@given_some(sequences(start="periodic"), tissues())
def test_a_periodic_train_repeats_itself(seq, tissue):
    once, thrice = (sb.simulate(s, tissue) for s in (seq, repeated(seq, 3)))
    assert np.abs(thrice - np.tile(once, 3)).max() <= 1e-10 * abs(tissue["M0"])


@given_some(sequences(start="periodic"), tissues())
def test_a_cycle_that_starts_where_it_ends_is_periodic(seq, tissue):
    tissue = tissue.replace(M0=1)
    cycle = magnetization(seq, tissue)
    again = magnetization(seq.replace(start=cycle[-1].real), tissue)
    assert np.abs(again - cycle).max() <= 1e-10


def test_a_train_from_equilibrium_becomes_periodic():
    seq = smooth_train()
    many = magnetization(repeated(seq, 60).replace(start="thermal"), WHITE_MATTER)
    # 60 cycles last 12.6 s: exp(-R1 t) with R1 near 0.9 leaves 1e-5 of the difference
    assert np.abs(many[-60:] - magnetization(seq, WHITE_MATTER)).max() <= 1e-4


@given_some(sequences(), tissues())
def test_whole_turns_of_the_phase_make_no_difference(seq, tissue):
    turned = seq.replace(rf_phase_increment=seq.rf_phase_increment - 2 * np.pi)
    one, other = (sb.simulate(s, tissue) for s in (seq, turned))
    assert np.abs(one - other).max() <= 1e-10 * abs(tissue["M0"])


# Bounds and outputs


@given_some(sequences(start="thermal"), tissues())
def test_no_pool_exceeds_its_equilibrium(seq, tissue):
    m = magnetization(seq, tissue.replace(M0=1)).real
    # the norm weighted by the sizes of the pools contracts towards a point within it
    assert np.hypot.reduce(m[:, :3], axis=1).max() <= 1 + ROUNDING
    assert np.abs(m[:, 4]).max() <= 1 + ROUNDING


@given_some(sequences(), tissues())
def test_transverse_magnetization_of_the_second_pool_is_gone_at_the_echo(seq, tissue):
    assert not magnetization(seq, tissue)[:, 3].any()


@given_some(sequences(min_pulses=4), tissues(shape=(3,)))
def test_a_basis_compresses_signal_and_sensitivities(seq, tissue):
    basis = random_basis(seq.n_pulses, 3, seed=seq.n_pulses).assign(seq)
    s, J = sb.sensitivities(seq, tissue)
    c, K = sb.sensitivities(seq, tissue, basis=basis)
    largest = np.abs(tissue["M0"]).max()
    for coefficients in (c, sb.simulate(seq, tissue, basis=basis)):
        assert np.abs(coefficients - basis.compress(s)).max() <= ROUNDING * largest
    expected = np.einsum("er,vep->vrp", basis.vectors.conj(), J)
    # the boundary condition is added after the projection: terms of 1e4 times the column may cancel
    assert (np.abs(K - expected) <= 1e-10 * np.abs(J).max(axis=1, keepdims=True) + 1e-100).all()
