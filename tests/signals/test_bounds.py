"""Bounds near singular Fisher matrices, against sixty digits of the oracle's Jacobian and against scaling laws."""

import mpmath
import numpy as np
import pytest
import spinbound as sb
from spinbound import _core
from spinbound.base.parameters import TISSUE
from spinbound.sequences.experiment import as_core_sequence

from tests.support.trains import WHITE_MATTER, smooth_train

RESOLVED = 1e-13  # the least relative singular value down to which bounds are right to 1 %
MOMENTS = ("balanced", "crusher", "spoiler_dual", "spoiler_prepulse")


def oracle(seq, tissue, names):
    """The stacked real Jacobian (2n, P + 1) of names that begin with M0, by matrix exponentials in long double."""
    core, values = as_core_sequence(seq), np.array([float(tissue[name]) for name in TISSUE])
    m, J = _core.reference.simulate(core, values, _core.R2sl(core, 0, values[5], values[7]))
    s, J = m[:, 0] + 1j * m[:, 1], J[:, 0] + 1j * J[:, 1]
    columns = np.stack([s, 1j * s, *(J[:, TISSUE.index(name)] for name in names[1:])], axis=1)
    return np.concatenate([columns.real, columns.imag])


def exact_bounds(A):
    """diag((A^T A)^-1) in sixty digits, the first two added."""
    norm = np.linalg.norm(A, axis=0)
    with mpmath.workdps(60):
        scaled = mpmath.matrix((A / norm).tolist())
        inverse = (scaled.T * scaled) ** -1
        bounds = np.array([float(inverse[k, k]) for k in range(len(norm))]) / norm**2
    return np.array([bounds[:2].sum(), *bounds[2:]])


def short_train(rng):
    n = rng.integers(1, 8)
    moments = rng.choice(MOMENTS, n).tolist() if rng.random() < 0.5 else "balanced"
    alpha, TRF = rng.uniform(0.05, 1.5, n) * 10 ** rng.uniform(-1.5, 0), rng.uniform(1e-4, 8e-4, n)
    start = ("periodic", "thermal")[rng.integers(2)]
    return sb.Sequence(alpha, TRF, rng.uniform(3e-3, 20e-3), gradient_moment=moments, start=start)


def short_case(seed):
    """A train of 1 to 7 pulses, a tissue, and as many unknowns as its samples may tell."""
    rng = np.random.default_rng(seed)
    seq = short_train(rng)
    low, high = [0.02, 0.3, 5, 5, 0.5, 6e-6, -500, 0.7], [0.3, 2, 60, 80, 6, 16e-6, 500, 1.2]
    tissue = sb.Tissue(**dict(zip(TISSUE, rng.uniform(low, high), strict=True)))
    chosen = rng.permutation(TISSUE)[: max(1, min(8, 2 * len(seq.alpha) - 2))]
    return seq, tissue, ("M0", *(name for name in TISSUE if name in chosen))


def check_short_trains(seeds):
    """Compare all bounds of each train whose least relative singular value is resolved; return those values."""
    least = []
    for seed in seeds:
        seq, tissue, names = short_case(seed)
        A = oracle(seq, tissue, names)
        norm = np.linalg.norm(A, axis=0)
        if len(A) < A.shape[1] or not norm.all():
            continue
        S = np.linalg.svd(A / norm, compute_uv=False)
        if S[-1] < RESOLVED * S[0]:
            continue
        bounds, condition = sb.crb(seq, tissue, names, condition=True)
        assert list(bounds.values()) == pytest.approx(exact_bounds(A), rel=0.01), seed
        assert condition == pytest.approx(S[0] / S[-1], rel=0.01), seed
        least.append(S[-1] / S[0])
    return np.array(least)


def test_bounds_of_short_trains_are_right_and_finite_where_they_are_resolved():
    least = check_short_trains(range(300))
    assert (least < 1e-6).sum() > 80  # where a covariance of double precision has lost every digit


@pytest.mark.long
def test_bounds_of_many_short_trains():
    least = check_short_trains(range(2000))
    assert (least < 1e-11).sum() > 20


# From 78 digits of sensitivities that are integrated in them, by another program
@pytest.mark.parametrize(
    ("Rex", "R1f", "R2f"),
    [(0.1, 1.784, 0.0732), (0.05, 1.832, 0.0734), (0.02, 1.863, 0.0736), (0.003, 1.881, 0.0736), (1e-4, 1.884, 0.0736)],
)
def test_slow_exchange_leaves_the_other_bounds_as_they_are(Rex, R1f, R2f):
    tissue = sb.Tissue(Rex=Rex)
    bounds = sb.crb(sb.sequences.load("hybrid-mt-4s"), tissue, sb.ALL, sigma=1 / 50)
    assert np.sqrt(bounds["R1f"]) / tissue["R1f"] == pytest.approx(R1f, rel=1e-3)
    assert np.sqrt(bounds["R2f"]) / tissue["R2f"] == pytest.approx(R2f, rel=2e-3)


@pytest.mark.parametrize("angle", [1e-3, 1e-4, 1e-5, 1e-6])
def test_a_flip_angle_is_told_by_its_curvature(angle):
    """sin(B1 alpha) = B1 alpha - (B1 alpha)^3/6: its curvature of third order, and so CRB ~ angle^-6."""
    larger, smaller = (_bounds_at(factor * angle)[0] for factor in (10, 1))
    assert smaller["B1"] == pytest.approx(1e6 * larger["B1"], rel=1e-3)
    assert smaller["R2f"] == pytest.approx(1e2 * larger["R2f"], rel=1e-3)


def test_a_flip_angle_that_is_too_small_is_lost_in_M0():
    bounds, condition = _bounds_at(1e-7)
    known = _bounds_at(1e-7, ("M0", "R2f"))[0]["R2f"]
    assert np.isinf(condition)
    assert {name for name, bound in bounds.items() if np.isinf(bound)} == {"M0", "B1"}
    assert bounds["R2f"] == pytest.approx(known, rel=1e-9)


def _bounds_at(angle, names=("M0", "R2f", "B1")):
    seq = smooth_train(alpha=angle * smooth_train().alpha, gradient_moment="balanced", start="thermal")
    return sb.crb(seq, WHITE_MATTER, names, condition=True)


@pytest.mark.parametrize("form", ["real", "complex", "real-M0"])
def test_the_condition_is_that_of_the_scaled_jacobian(form):
    seq, names = smooth_train(), ("M0", "m0s", "R1f", "R2f")
    J = sb.sensitivities(seq, WHITE_MATTER, names)[1]
    if form == "real":
        J = np.insert(J, 1, 1j * J[:, 0], axis=1)
    if form != "complex":
        J = np.concatenate([J.real, J.imag])
    S = np.linalg.svd(J / np.linalg.norm(J, axis=0), compute_uv=False)
    bounds, condition = sb.crb(seq, WHITE_MATTER, names, form=form, condition=True)
    assert condition == pytest.approx(S[0] / S[-1], rel=1e-6)
    assert bounds == sb.crb(seq, WHITE_MATTER, names, form=form)


def test_the_condition_is_infinite_where_a_parameter_has_no_influence():
    bounds, condition = sb.crb(smooth_train(), WHITE_MATTER.replace(m0s=[0.1, 0]), condition=True)
    assert np.isfinite(condition).tolist() == [True, False]
    assert bounds["m0s"].shape == condition.shape == (2,)


@pytest.mark.parametrize(
    "changes", [{"B1": 5e-324}, {"B1": 1e-200}, {"R2f": 1e6}, {"Rex": 1e6}, {"M0": 5e-324}, {"M0": 1e300}]
)
def test_absurd_input_has_the_same_answer_every_time(changes):
    tissue = sb.Tissue(m0s=np.full(2, 0.1), **changes)
    answers = [sb.crb(smooth_train(), tissue, sb.ALL) for _ in range(60)]
    for answer in answers[1:]:
        for name, bound in answer.items():
            assert np.array_equal(bound, answers[0][name], equal_nan=True), name
