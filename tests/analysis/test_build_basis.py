"""Bases that are made while simulating: those of the signals themselves, whatever the way there."""

import numpy as np
import pytest
import spinbound as sb
from scipy.linalg import subspace_angles
from spinbound.analysis import build_basis as _basis_build
from spinbound.analysis import gram as _gram
from spinbound.analysis import voxels as _voxels
from spinbound.analysis.directions import Directions, real_columns, triangular
from spinbound.sequences.identity import identify

from tests.support.processes import outputs_by_threads
from tests.support.progress import reports_of
from tests.support.trains import WHITE_MATTER, smooth_train

SEQ = smooth_train(60)
PRIOR = sb.Prior.paper().truncated(B1=(0.5, 1.5))
UNKNOWN = ("M0", "m0s", "R1a", "T2f", "Rex")
HEALTHY = sb.Tissue(m0s=0.15, R1a=0.8, R2f=15, Rex=30, T2s=12e-6, omega0=100)
EPS = np.finfo(float).eps


def stacked(signals):
    """Real and imaginary parts as signals of their own."""
    return np.concatenate([signals.real, signals.imag])


def angle(basis, other):
    return subspace_angles(basis.vectors, other.vectors)[0]


# Signals


@pytest.mark.parametrize("rank", [1, 5, 13])
def test_vectors_are_those_of_all_signals(rank):
    signals = sb.simulate(SEQ, PRIOR.sample(300))
    streamed, dense = sb.build_basis(SEQ, PRIOR, 300, rank), sb.Basis.from_svd(signals, rank)
    # G has the square of the signals' condition: 1e-4 at rank 13
    assert angle(streamed, dense) < 1e-8
    assert streamed.singular_values[:13] == pytest.approx(dense.singular_values[:13], rel=1e-8)
    assert streamed.sequence_identity == identify(SEQ)


@pytest.mark.parametrize("rank", [1, 5, 13])
def test_real_vectors_are_those_of_real_and_imaginary_parts(rank):
    signals = sb.simulate(SEQ, PRIOR.sample(300))
    streamed, dense = sb.build_basis(SEQ, PRIOR, 300, rank, real=True), sb.Basis.from_svd(stacked(signals), rank)
    assert streamed.vectors.dtype == np.float64
    assert angle(streamed, dense) < 1e-8
    lost = stacked(signals) - streamed.expand(streamed.compress(stacked(signals)))
    # Eckart-Young, for both parts of the signals
    assert np.sum(lost**2) == pytest.approx(np.sum(streamed.singular_values[rank:] ** 2), rel=1e-6)


def test_as_many_vectors_as_signals_lose_nothing():
    tissue = PRIOR.sample(3)
    signals = sb.simulate(SEQ, tissue)
    for basis in (sb.build_basis(SEQ, tissue, rank=3), sb.build_basis(SEQ, tissue, rank=6, real=True)):
        # what is lost is of the order of the least singular value that the Gram matrix tells, 1e-7 of the largest
        assert basis.expand(basis.compress(signals)) == pytest.approx(signals, abs=1e-8)


def test_opposite_frequencies_have_conjugate_signals():
    # why real vectors suit priors that are even in omega0
    there, back = (sb.simulate(SEQ, HEALTHY.replace(omega0=omega0)) for omega0 in (100, -100))
    assert there == pytest.approx(back.conj(), abs=1e-12)
    assert np.abs(there.imag).max() > 1e-4


def test_a_prior_and_its_tissues_are_one():
    assert sb.build_basis(SEQ, PRIOR, 100, 5, seed=3) == sb.build_basis(SEQ, PRIOR.sample(100, seed=3), rank=5)


def test_a_joint_experiment_has_one_basis():
    trains = [SEQ, smooth_train(20, TR=5e-3)]
    basis = sb.build_basis(trains, PRIOR, 50, 5)
    assert angle(basis, sb.Basis.from_svd(sb.simulate(trains, PRIOR.sample(50)), 5)) < 1e-8
    assert sb.simulate(trains, HEALTHY, basis=basis).shape == (5,)


@pytest.mark.parametrize("real", [False, True])
def test_long_trains_take_a_sketch(monkeypatch, real):
    exact = sb.build_basis(SEQ, PRIOR, 300, 5, real=real, bounds=UNKNOWN, wrt=UNKNOWN)
    monkeypatch.setattr(_basis_build, "LONGEST", SEQ.n_echoes - 1)
    sketched = sb.build_basis(SEQ, PRIOR, 300, 5, real=real, bounds=UNKNOWN, wrt=UNKNOWN)
    # Singular values fall slowly here, from 0.117 at 5 to 0.048 at 21, and by 6 % from 5 to 6: three passes turn
    # vectors by (0.048/0.117)^6 and less, and what they keep errs by the square of that.
    assert angle(exact, sketched) < 0.02
    assert np.sum(sketched.singular_values[:5] ** 2) == pytest.approx(np.sum(exact.singular_values[:5] ** 2), rel=1e-4)
    assert sketched.vectors.dtype == exact.vectors.dtype


# Bounds


def test_a_direction_changes_with_one_parameter_alone():
    _, J = sb.sensitivities(SEQ, HEALTHY, UNKNOWN)
    A = real_columns(J, UNKNOWN)
    apart = A @ Directions.of(triangular(A)).apart
    length = np.linalg.norm(A, axis=0)
    assert np.linalg.norm(apart, axis=0) == pytest.approx(np.ones(6), rel=1e-9)
    share = A.T @ apart / length[:, None]
    assert share - np.diag(np.diag(share)) == pytest.approx(np.zeros((6, 6)), abs=1e-9)
    bounds = sb.crb(SEQ, HEALTHY, UNKNOWN)
    # what is along it tells the parameter: 1/CRB is the square of its length
    assert 1 / np.diag(A.T @ apart)[2:] ** 2 == pytest.approx([bounds[name] for name in UNKNOWN[1:]], rel=1e-6)


def test_what_a_tissue_does_not_determine_has_no_direction():
    A = real_columns(sb.sensitivities(SEQ, HEALTHY.replace(m0s=0), UNKNOWN)[1], UNKNOWN)
    apart = Directions.of(triangular(A)).apart
    assert (apart[:, 5] == 0).all()
    assert np.abs(apart).max(axis=0)[:5].min() > 0


def test_a_basis_of_all_directions_keeps_all_bounds():
    basis = sb.build_basis(SEQ, HEALTHY, rank=5, bounds=UNKNOWN, wrt=UNKNOWN, weight=0.5)
    full, compressed = sb.crb(SEQ, HEALTHY, UNKNOWN), sb.crb(SEQ, HEALTHY, UNKNOWN, basis=basis)
    assert compressed == pytest.approx(full, rel=1e-6)


def test_a_basis_of_one_direction_keeps_one_bound():
    basis = sb.build_basis(SEQ, HEALTHY, rank=2, bounds="R1a", wrt=UNKNOWN[:3], weight=0.5)
    full, compressed = sb.crb(SEQ, HEALTHY, UNKNOWN[:3]), sb.crb(SEQ, HEALTHY, UNKNOWN[:3], basis=basis)
    assert compressed["R1a"] == pytest.approx(full["R1a"], rel=1e-6)
    assert compressed["m0s"] > 1.1 * full["m0s"]


def test_bounds_are_lower_than_with_a_basis_of_signals():
    uniform = {"m0s": (0.05, 0.25), "T1a": (0.6, 2), "T2f": (0.03, 0.1), "Rex": (20, 60), "B1": (0.8, 1.2)}
    prior = sb.Prior(**{name: sb.Uniform(*limits) for name, limits in uniform.items()})
    plain, aware = (sb.build_basis(SEQ, prior, 300, 6, wrt=UNKNOWN, bounds=names) for names in (None, UNKNOWN))
    first, second = (sb.basis_report(basis, SEQ, prior, 200, UNKNOWN, [6]).quantiles(0.5) for basis in (plain, aware))
    # 2.0, 2.2, 2.0, 1.1 and 2.0 with a basis of signals
    assert all(second[name] < min(1.05, first[name]) for name in UNKNOWN)


def test_on_the_published_train_bounds_are_lower(published_train):
    seq = published_train
    prior = sb.Prior.paper().truncated(B1=(None, 4.4 / seq.alpha.max()))
    wrt = ("M0", "m0s", "R1a", "T2f", "Rex", "T2s", "omega0", "B1")
    plain, aware = (sb.build_basis(seq, prior, 500, real=True, wrt=wrt, bounds=names) for names in (None, wrt))
    first, second = (sb.basis_report(basis, seq, prior, 150, wrt, [13]) for basis in (plain, aware))
    ratio = {name: second.quantiles(0.5)[name] / first.quantiles(0.5)[name] for name in wrt}
    # 0.70, 0.89, 0.56, 0.45 and 0.53 with 40,000 tissues; 0.97 for omega0 and 0.75 for B1, which so few do not tell
    assert all(ratio[name] < 0.95 for name in ("m0s", "R1a", "T2f", "Rex", "T2s"))
    assert second.energy > first.energy - 0.001


# Who computes, and how


def test_threads_do_not_matter():
    one, two = (sb.build_basis(SEQ, PRIOR, 200, 8, bounds=UNKNOWN, wrt=UNKNOWN, threads=threads) for threads in (1, 2))
    assert one == two


SCRIPT = """
import sys
import spinbound as sb
seq = sb.sequences.load("hybrid-mt-4s")
prior = sb.Prior.paper().within(seq)
for basis in (
    sb.build_basis(seq, prior, 60, real=True),
    sb.Basis.from_svd(sb.simulate(seq, prior.sample(60)), rank=13),
):
    sys.stdout.buffer.write(basis.vectors.tobytes())
"""


def test_the_threads_of_the_linear_algebra_library_do_not_matter():
    one, two = outputs_by_threads(SCRIPT)
    assert len(one) == 1142 * 13 * (8 + 16)
    assert one == two


def test_parts_of_tissues_are_small_and_add_up(monkeypatch):
    whole = sb.build_basis(SEQ, PRIOR, 200, 8, bounds=UNKNOWN, wrt=UNKNOWN)
    sizes, add = [], _gram.Gram.add
    monkeypatch.setattr(_gram.Gram, "add", lambda gram, parts: (sizes.append(parts.size), add(gram, parts)))
    monkeypatch.setattr(_voxels, "VALUES", 5000)
    parts = sb.build_basis(SEQ, PRIOR, 200, 8, bounds=UNKNOWN, wrt=UNKNOWN)
    assert max(sizes) <= 5000 < len(sizes) * 100
    assert angle(whole, parts) < 1e-9


def test_progress_rises_to_the_end(monkeypatch):
    monkeypatch.setattr(_voxels, "VALUES", 5000)
    monkeypatch.setattr(_basis_build, "LONGEST", 10)
    assert reports_of(sb.build_basis, SEQ, PRIOR, 200, 5)[-1] == (600, 600)


def test_what_progress_raises_ends_the_call():
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sb.build_basis(SEQ, PRIOR, 200, 5, progress=stop)


# What cannot be


def test_invalid_tissues_are_left_out_and_counted():
    tissue = PRIOR.sample(40)
    B1 = np.array(tissue["B1"])
    B1[[3, 30]] = np.nan, 40
    with pytest.warns(UserWarning, match="2 of 40 tissues cannot be simulated and are left out"):
        basis = sb.build_basis(SEQ, tissue.replace(B1=B1), rank=5)
    rest = np.delete(np.arange(40), [3, 30])
    assert basis == sb.build_basis(SEQ, tissue[rest], rank=5)


def test_tissues_out_of_reach_of_rtol_are_left_out():
    alpha, TRF = np.array([np.pi, 0.3, 6, 0.5, 0.4, 0.3]), np.array([3e-4, 3e-4, 3e-3, 3e-4, 3e-4, 3e-4])
    seq = smooth_train(6, alpha=alpha, TRF=TRF)
    tissue = sb.Tissue(m0s=[0.1, 0.2, 0.15], omega0=[0, 100, 2e5], R1a=0.8)
    exact = sb.Model("gbloch-ide", rtol=1e-12)
    signals = sb.simulate(seq, tissue, model=exact)
    assert np.isfinite(signals).all(axis=1).tolist() == [True, True, False]
    with pytest.warns(UserWarning, match="1 of 3 tissues"):
        sb.build_basis(seq, tissue, rank=2, model=exact)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rank": 61}, "rank is 61; allowed: 1 to 60"),
        ({"rank": 0}, "rank must be an integer of at least 1"),
        ({"source": HEALTHY, "n": None, "rank": 2}, "the signals of 1 tissues have 1 directions"),
        ({"source": "paper"}, r"source must be a spinbound\.Prior or Tissue"),
        ({"source": HEALTHY}, "n is 50, but the tissues are given"),
        ({"bounds": "T2s", "wrt": UNKNOWN}, "a name in bounds is 'T2s'.*; allowed: M0, m0s, R1a, T2f, Rex"),
        ({"bounds": "T2", "wrt": UNKNOWN}, "did you mean"),
        ({"bounds": (), "wrt": UNKNOWN}, "bounds is empty"),
        ({"bounds": "m0s", "wrt": UNKNOWN, "weight": 1}, "weight is 1; allowed: 0 < weight < 1"),
        ({"source": WHITE_MATTER, "n": None, "bounds": "R1a", "wrt": "R1a"}, "needs R1f = R1s"),
        ({"source": HEALTHY.replace(m0s=0), "n": None, "bounds": "Rex", "wrt": "Rex"}, "no tissue determines"),
        ({"model": "blotch"}, "model is 'blotch'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        sb.build_basis(SEQ, **({"source": PRIOR, "n": 50} | arguments))
