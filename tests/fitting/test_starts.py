"""Starts from the matches of a dictionary: the right minimum is found more often, and where it is in doubt is told."""

import numpy as np
import pytest
import spinbound as sb
import spinbound._core as _core
from hypothesis import given, settings
from hypothesis import strategies as st
from spinbound import FitStatus
from spinbound.estimators.fitting import chunks as _fit_chunks
from spinbound.estimators.fitting import starts as _fit_starts
from spinbound.estimators.fitting.problem import check
from spinbound.signals.forward import ForwardModel

from tests.support.fits.hybrid import BASIS, HYBRID, NAMES, others
from tests.support.fits.short import bits
from tests.support.progress import refuse_to_work
from tests.support.trains import noise, smooth_train

# within one period of omega0, so that estimates can be compared
PRIOR = sb.Prior.paper().truncated(B1=(0.5, 1.5), T2s=(5.5e-6, 19e-6), m0s=(0.01, 0.5), omega0=(-800, 800))
ATOMS = sb.dictionary(HYBRID, PRIOR, n=3000, basis=BASIS)
N = 20
TRUTH = PRIOR.sample(N, seed=5).replace(M0=np.exp(1j * np.arange(N)))
CLEAN = sb.simulate(HYBRID, TRUTH, basis=BASIS)
FREE = ("M0", "m0s", "R1a", "R2f", "Rex", "T2s", "omega0", "B1")

# a short train, whose minima are many: what takes many fits
SEQ = smooth_train(40)
FEW = ("M0", "m0s", "R2f", "omega0", "B1")
SHORT_ATOMS = sb.dictionary(SEQ, PRIOR, n=1000)
SHORT = sb.simulate(SEQ, PRIOR.sample(N, seed=6)) + noise((N, 40), 1, 1e-3)


def fitted(data=SHORT, **changes):
    return sb.fit(**({"data": data, "seq": SEQ, "free": FEW, "dictionary": SHORT_ATOMS} | changes))


# parameters of the tissues that are not free are known wrongly
pytestmark = pytest.mark.filterwarnings("ignore:the fit leaves")
ONE, THREE, AUTO = fitted(multi_start=1), fitted(multi_start=3), fitted()


def first_start(**changes):
    """The checked problem, and the start of all voxels from their best match."""
    nothing = dict.fromkeys(("start", "bounds", "fixed", "mask", "sigma", "noise_covariance", "prior"))
    forward = ForwardModel.of(HYBRID, "gbloch", BASIS)
    arguments = {"data": CLEAN, "forward": forward, "free": FREE, "variable_projection": True}
    problem = check(**(arguments | nothing | changes))
    starts = _fit_starts.make_starts(problem, ATOMS, 1, None, None)
    return problem, next(starts.find(problem.voxels, None))


# Which minimum


def test_several_starts_find_the_truth_more_often_than_one():
    fits = [sb.fit(CLEAN, HYBRID, BASIS, dictionary=ATOMS, multi_start=k) for k in (1, 2)]
    one, several = (
        np.all([np.abs(fit.estimates[name] / TRUTH[name] - 1) < 1e-5 for name in fit.free], axis=0) for fit in fits
    )
    assert one.sum() < several.sum()
    assert several.mean() >= 0.9
    # who is in a wrong minimum is left with a residual
    assert np.array_equal(fits[1].residual < 1e-7, several)


def test_more_starts_never_end_higher():
    # each ends where the sum of squares falls by no more than 1e-8 of it
    assert (THREE.residual <= ONE.residual * (1 + 1e-6)).all()
    assert (THREE.residual < 0.99 * ONE.residual).any()
    assert (THREE.iterations > ONE.iterations).all()


def test_by_default_a_second_look_is_taken():
    # of one start 1 in 4 of these tissues is in a wrong minimum, which noise-free data show by their residual
    one, auto = (sb.fit(CLEAN, HYBRID, BASIS, dictionary=ATOMS, multi_start=k) for k in (1, "auto"))
    assert (one.residual > 1e-6).mean() > 2 * (auto.residual > 1e-6).mean()
    assert (auto.residual <= 1e-6).mean() >= 0.95
    assert bits(sb.fit(CLEAN, HYBRID, BASIS, dictionary=ATOMS)) == bits(auto)
    assert auto.settings["multi_start"] == "auto"


def test_a_second_look_never_ends_higher():
    assert (AUTO.residual <= ONE.residual * (1 + 1e-6)).mean() > 0.9


def test_doubt_is_told_where_few_starts_agree():
    assert not ONE.doubtful.any()
    assert ONE.doubtful_share is None
    assert np.array_equal(AUTO.doubtful, AUTO.agreement < 1 / 3)
    assert AUTO.doubtful_share == AUTO.doubtful.mean()
    assert "doubtful" in repr(AUTO)
    assert "doubtful" not in repr(ONE)


def test_the_period_of_omega0_is_told():
    assert AUTO.settings["omega0_period"] == pytest.approx(2 * np.pi / SEQ.repetition_times[0], rel=1e-12)
    known = fitted(free=("M0", "m0s", "R2f"), fixed={"omega0": 0.0})
    assert known.settings["omega0_period"] is None


def test_of_several_starts_the_prior_has_a_say():
    # so noisy that the data alone may prefer the other period of omega0, 1800 rad/s away
    truth, sigma = PRIOR.sample(10, seed=6).replace(omega0=720, M0=1), 0.03
    data = sb.simulate(HYBRID, truth, basis=BASIS) + noise((10, 13), 3, sigma)
    options = {"free": FREE, "dictionary": ATOMS, "sigma": sigma, "multi_start": 2}
    without, fit = (sb.fit(data, HYBRID, BASIS, **options, prior=prior) for prior in (None, {"omega0": (720, 300)}))
    assert (without.estimates["omega0"] < 0).any()
    assert (fit.estimates["omega0"] > 0).all()


def test_how_many_starts_agree_is_told():
    assert ONE.agreement is None
    assert THREE.agreement.shape == (N,)
    assert (THREE.agreement >= 0).all()
    assert (THREE.agreement <= 1).all()
    assert THREE.agreement.min() < 0.9
    assert (ONE.settings["multi_start"], THREE.settings["multi_start"]) == (1, 3)


def test_starts_agree_where_there_is_one_minimum():
    free = ("M0", "R2f")
    data = sb.simulate(SEQ, PRIOR.sample(N, seed=6))
    fit = fitted(data, free=free, fixed=others(free, PRIOR.sample(N, seed=6)), multi_start=3)
    assert fit.agreement.tolist() == [1.0] * N
    assert np.max(fit.residual) < 1e-8


def test_by_default_the_dictionary_is_of_tissues_within_the_bounds():
    free = ("M0", "m0s", "R2f", "B1")
    data = sb.simulate(SEQ, sb.Tissue(m0s=[0.1, 0.2]))
    prior = sb.Prior(m0s=sb.Uniform(0, 0.3), B1=sb.Uniform(0.8, 1.2), T2f=sb.Uniform(0.03, 0.1))
    for source in (None, prior):
        fit = sb.fit(data, SEQ, free=free, multi_start=3, dictionary=source)
        assert np.max(fit.residual) < 1e-6


# What the starts are


def test_matches_are_moved_into_the_bounds():
    bounds = {"m0s": (0.1, 0.12), "omega0": (-50, 50)}
    _, start = first_start(bounds=bounds)
    found = sb.match(CLEAN, ATOMS).tissue
    for name, limits in bounds.items():
        assert np.array_equal(start[name], np.clip(found[name][:, 0], *limits))
    assert np.isin(start["m0s"], [0.1, 0.12]).any()


def test_omega0_is_moved_into_the_bounds_by_a_period():
    _, start = first_start(bounds={"omega0": (-1000, 700)})
    period = 2 * np.pi / 3.5e-3  # rad/s
    found = sb.match(CLEAN, ATOMS).tissue["omega0"][:, 0]
    beyond = found > 700
    assert beyond.any()
    assert start["omega0"][~beyond].tolist() == found[~beyond].tolist()
    assert start["omega0"][beyond] == pytest.approx(np.maximum(found[beyond] - period, -1000), abs=1e-9)


def test_bounds_without_end_take_no_starts_without_end():
    problem, _ = first_start(bounds={"omega0": (-np.inf, np.inf)})
    assert len(_fit_starts.Starts(problem, ATOMS, 2).rounds[0][0]) == 2 * _fit_starts.MOST_PERIODS


def test_what_is_given_is_kept():
    B1 = np.linspace(0.8, 1.2, N)
    _, start = first_start(start={"B1": B1, "omega0": 10.0})
    assert np.array_equal(start["B1"], B1)
    assert (start["omega0"] == 10).all()
    assert np.array_equal(start["R2f"], sb.match(CLEAN, ATOMS).tissue["R2f"][:, 0])


def test_known_maps_choose_the_atoms():
    B1 = TRUTH["B1"]
    free = tuple(name for name in ("M0", *NAMES) if name not in ("B1", "R1f", "R1s"))
    _, start = first_start(free=free, fixed={"B1": B1})
    expected = sb.match(CLEAN, ATOMS, restrict={"B1": B1}).tissue
    assert np.array_equal(start["R2f"], expected["R2f"][:, 0])
    assert not np.array_equal(start["R2f"], sb.match(CLEAN, ATOMS).tissue["R2f"][:, 0])


@pytest.mark.parametrize(
    ("free", "fixed", "bounds"),
    [
        (("M0", "m0s", "R1a", "R2f"), {"B1": 0.9, "omega0": 30}, {"m0s": (0.05, 0.1)}),
        (("M0", "m0s", "T1a", "T2f"), {}, {"T1a": (0.8, 1.2), "T2f": (0.05, 0.06)}),
        (("M0", "R1f", "R1s", "T2s"), {"m0s": 0.1}, {"R1s": (2, 3), "T2s": (10e-6, 11e-6)}),
        (("M0", "T1f", "T1s", "Rex"), {"B1": np.ones(N)}, {"T1s": (0.2, 0.4), "Rex": (200, 250)}),
        (("M0", "B1"), {"R1a": 1.0}, {"B1": (0.9, 1.0)}),
    ],
)
def test_tissues_of_the_dictionary_fit_the_problem(free, fixed, bounds):
    problem, _ = first_start(free=free, fixed=fixed, bounds=bounds)
    tissue = _fit_starts.plausible_tissues(problem)
    for name, (low, high) in problem.bounds.items():
        value = tissue[name]
        assert value.size == _fit_starts.ATOMS
        assert (value >= low * (1 - 1e-12)).all()
        assert (value <= high * (1 + 1e-12)).all()
        assert np.unique(value).size > 1000
    for name, value in fixed.items():  # a map chooses among them
        assert np.unique(tissue[name]).size > 1000 if np.ndim(value) else (tissue[name] == value).all()


# Company


@settings(max_examples=20)
@given(st.lists(st.integers(0, N - 1), min_size=1, max_size=30), st.sampled_from([1, 2]))
def test_a_voxel_has_the_same_bits_in_any_company(voxels, threads):
    assert bits(fitted(SHORT[voxels], multi_start=3, threads=threads)) == bits(THREE, voxels)
    assert bits(fitted(SHORT[voxels], threads=threads)) == bits(AUTO, voxels)


@pytest.mark.parametrize("chunk", [1, 5])
def test_chunks_change_no_bit(chunk, monkeypatch):
    monkeypatch.setattr(_fit_chunks, "CHUNK", chunk)
    assert bits(fitted(multi_start=3)) == bits(THREE)
    assert bits(fitted()) == bits(AUTO)


def test_matches_keep_to_the_threads_of_the_fit(monkeypatch):
    asked = []
    monkeypatch.setattr(_fit_starts, "match", lambda *_, threads, **__: asked.append(threads) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fitted(threads=1)
    assert asked == [1]


def test_bad_voxels_stay_alone():
    data = SHORT.copy()
    data[2, 4], data[9] = np.nan, 0
    fit = fitted(data, multi_start=3)
    assert [FitStatus(fit.status[voxel]).name for voxel in (2, 9)] == ["not_finite", "no_data"]
    assert np.isnan(fit.agreement[[2, 9]]).all()
    kept = np.delete(np.arange(N), [2, 9])
    assert bits(fit, kept) == bits(THREE, kept)


def test_a_known_value_that_is_not_accepted_makes_its_voxel_invalid():
    B1 = np.where(np.arange(N) == 3, np.nan, 1.0)
    free = ("M0", "m0s", "R2f")
    for k in (1, 2):
        fit = fitted(free=free, fixed={"B1": B1}, multi_start=k)
        assert np.flatnonzero(fit.status == FitStatus.invalid).tolist() == [3]


def test_an_empty_mask_asks_for_no_dictionary(monkeypatch):
    monkeypatch.setattr(_fit_starts, "dictionary", refuse_to_work)
    fit = sb.fit(SHORT, SEQ, mask=np.zeros(N), multi_start=2)
    assert fit.counts == {"masked": N}


# What is refused

SMALL = sb.Basis.from_svd(SHORT, rank=5, seq=SEQ)
OTHER = sb.dictionary(smooth_train(40, TR=4e-3), sb.Tissue(m0s=[0.1, 0.2]))
APART = sb.dictionary(SEQ, sb.Tissue(m0s=[0.1, 0.2], R1f=0.5, R1s=3))

REFUSED = {
    "another sequence": ({"dictionary": OTHER}, "the dictionary belongs to another sequence"),
    "another basis": (
        {"dictionary": sb.dictionary(SEQ, ATOMS.tissue[:5], basis=SMALL)},
        "the dictionary has the basis Basis.40 echoes, rank 5, complex128., the fit None",
    ),
    "no dictionary": ({"dictionary": ATOMS.tissue}, "dictionary must be a .* or Prior; given Tissue"),
    "too many": ({"multi_start": 1001}, "multi_start is 1001; allowed: 1 to 1000, the atoms of the dictionary"),
    "fitted M0": (
        {"multi_start": 2, "variable_projection": False, "start": {"M0": 1}},
        "multi_start needs variable projection",
    ),
    "two rates": (
        {"free": ("M0", "R1a"), "dictionary": APART},
        "R1a is not defined where R1f and R1s differ",
    ),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_start_a_fit_is_refused_before_any_work(changes, message, monkeypatch):
    monkeypatch.setattr(_core, "fit", refuse_to_work)
    with pytest.raises(sb.InvalidParameter, match=message):
        fitted(**changes)
