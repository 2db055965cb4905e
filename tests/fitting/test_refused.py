"""What is asked for in vain: a fit refuses it before any work, and names it."""

import numpy as np
import pytest
import spinbound as sb

from tests.support.fits.short import BASIS, DATA, FIXED, SEQ, START, N, fitted
from tests.support.progress import refuse_to_work
from tests.support.trains import smooth_train

COEFFICIENTS = {"data": BASIS.compress(DATA), "basis": BASIS}

REFUSED = {
    "data real": ({"data": DATA.real}, "data must be complex; given float64"),
    "data short": ({"data": DATA[:, :39]}, r"data have shape \(40, 39\); the last axis must be 40, the number of ech"),
    "data of a basis": ({"basis": BASIS}, r"data have shape \(40, 40\); the last axis must be 5, the rank"),
    "data words": ({"data": ["a"]}, "data must be numbers"),
    "data number": ({"data": 1j}, r"data have shape \(\)"),
    "seq": ({"seq": "hybrid"}, "sequence must be a spinbound.Sequence"),
    "basis": ({"basis": BASIS.vectors}, "basis must be a spinbound.Basis; given ndarray"),
    "basis of another": ({"basis": BASIS, "data": DATA[:, :5], "seq": smooth_train(40, TR=4e-3)}, "sequence"),
    "free empty": ({"free": ()}, "free is empty"),
    "free M0 alone": ({"free": "M0"}, "free names M0 alone"),
    "free unknown": ({"free": ("M0", "T2")}, "a name in free is 'T2' .did you mean 'T2"),
    "free twice": ({"free": ("m0s", "m0s")}, "free names m0s twice"),
    "free derived": ({"free": ("R1a", "R1f")}, "free has R1a and R1f together"),
    "free number": ({"free": 3}, "free must be a parameter's name or several"),
    "no M0": ({"free": ("m0s", "R2f")}, "M0 is neither free nor fixed"),
    "free and fixed": ({"fixed": FIXED | {"m0s": 0.1}}, "free and fixed together names m0s twice"),
    "derived and fixed": ({"fixed": {"T2f": 0.1}}, "free and fixed together has R2f and T2f"),
    "fixed twice": ({"fixed": {"R1a": 1, "R1f": 1}}, "R1a and R1f together"),
    "fixed unknown": ({"fixed": {"B0": 1}}, "a name in fixed is 'B0'"),
    "fixed list": ({"fixed": [1]}, "fixed must be a mapping of names to values; given list"),
    "fixed range": ({"fixed": {"R1f": -1}}, "R1f is -1; allowed: "),
    "fixed beyond the model": (
        {"fixed": {"T2s": 40e-6}, "seq": smooth_train(40, TRF=np.full(40, 5e-5))},
        "T2s is 4e-05 s",
    ),
    "fixed B1 beyond": ({"free": ("M0", "m0s"), "start": {"m0s": 0.1}, "fixed": {"B1": 30}}, "B1 is 30: pulse"),
    "fixed percent": ({"free": ("M0", "m0s"), "start": {"m0s": 0.1}, "fixed": {"B1": np.full(N, 98.0)}}, "percent"),
    "fixed shape": ({"fixed": {"R1f": np.ones(39)}}, r"fixed has shape \(39,\), the data have voxels of shape \(40,\)"),
    "fixed larger": ({"fixed": {"R1f": np.ones((2, 40))}}, r"fixed has shape \(2, 40\)"),
    "two pools of one": ({"model": "bloch"}, "free has m0s, but the model bloch has one pool"),
    "start unknown": ({"start": START | {"Rex": 1}}, "start has Rex, which is not free; free are: M0, m0s, R2f, B1"),
    "start outside": ({"start": START | {"m0s": 0.7}}, "the start of m0s is 0.7, outside its bounds 0 to 0.6"),
    "start NaN": ({"start": START | {"m0s": np.nan}}, "the start of m0s is nan, outside its bounds"),
    "start shape": ({"start": START | {"m0s": np.ones(3)}}, r"the start of m0s has shape \(3,\), the data"),
    "start complex": ({"start": START | {"m0s": 1j}}, "m0s must be real"),
    "start list": ({"start": [0.1]}, "start must be a mapping of names to values"),
    "start M0": ({"start": START, "variable_projection": False}, "M0 needs a start"),
    "start M0 NaN": ({"start": START | {"M0": np.nan}, "variable_projection": False}, "M0 is nan"),
    "bounds unknown": ({"bounds": {"Rex": (0, 1)}}, "bounds has Rex; allowed: m0s, R2f, B1"),
    "bounds of M0": ({"bounds": {"M0": (0, 1)}}, "bounds has M0; allowed: m0s, R2f, B1"),
    "bounds order": ({"bounds": {"m0s": (0.2, 0.1)}}, r"the bounds of m0s must be \(low, high\), low < high"),
    "bounds equal": ({"bounds": {"m0s": (0.2, 0.2)}}, "low < high"),
    "bounds NaN": ({"bounds": {"m0s": (np.nan, 0.2)}}, "low < high"),
    "bounds three": ({"bounds": {"m0s": (0, 0.1, 0.2)}}, "low < high"),
    "bounds number": ({"bounds": {"m0s": 0.2}}, "low < high"),
    "bounds beyond": (
        {"bounds": {"m0s": (-0.1, 0.2)}},
        "the bounds of m0s are -0.1 to 0.2; this model and sequence all",
    ),
    "bounds model": ({"bounds": {"B1": (0.1, 10)}}, "the bounds of B1 are 0.1 to 10; this model and sequence allow"),
    "bounds without the start": (
        {"bounds": {"m0s": (0.2, 0.3)}},
        "start of m0s is 0.15, outside its bounds 0.2 to 0.3",
    ),
    "mask shape": ({"mask": np.ones(39)}, r"mask has shape \(39,\), the data have voxels of shape \(40,\)"),
    "mask NaN": ({"mask": np.full(N, np.nan)}, "mask holds NaN"),
    "mask words": ({"mask": ["a"] * N}, "mask must be booleans or numbers"),
    "sigma zero": ({"sigma": 0}, "sigma is 0; allowed: sigma > 0, finite"),
    "sigma NaN": ({"sigma": np.nan}, "sigma is nan"),
    "sigma shape": ({"sigma": np.ones(3)}, r"sigma has shape \(3,\)"),
    "covariance in time": ({"noise_covariance": np.eye(40)}, "noise_covariance is that of the coefficients"),
    "covariance shape": (
        COEFFICIENTS | {"noise_covariance": np.eye(4)},
        r"noise_covariance has shape \(4, 4\); allowed: \(..., 5, 5\)",
    ),
    "covariance and sigma": (COEFFICIENTS | {"noise_covariance": np.eye(5), "sigma": 1}, "takes the place of sigma"),
    **{
        f"covariance {what}": (
            COEFFICIENTS | {"noise_covariance": C},
            "must be finite, Hermitian and positive definite",
        )
        for what, C in {
            "not Hermitian": np.eye(5) + np.triu(np.ones((5, 5)), 1),
            "negative": -np.eye(5),
            "singular": np.ones((5, 5)),
            "NaN": np.full((5, 5), np.nan),
        }.items()
    },
    "multi_start": ({"multi_start": 0}, "multi_start must be an integer of at least 1"),
    "multi_start given": ({"multi_start": 2}, "multi_start is 2, but every start is given"),
    "max_iterations": ({"max_iterations": 0}, "max_iterations must be an integer of at least 1"),
    "tolerance": ({"tolerance": -1}, "tolerance is -1; allowed: 0 <= tolerance < 1"),
    "tolerance NaN": ({"tolerance": np.nan}, "tolerance must be finite"),
    "prior without noise": ({"prior": {"m0s": (0.1, 0.1)}}, "a prior needs the noise it is weighed against"),
    "prior unknown": ({"prior": {"Rex": (1, 1)}, "sigma": 1}, "prior has Rex; allowed: m0s, R2f, B1"),
    "prior number": ({"prior": {"m0s": 1}, "sigma": 1}, r"prior of m0s must be a pair \(mean, standard deviation\)"),
    "prior std": (
        {"prior": {"m0s": (0.1, 0)}, "sigma": 1},
        "standard deviation of the prior of m0s is 0; allowed: > 0",
    ),
    "prior width": ({"prior": {"m0s": (0.1, np.inf)}, "sigma": 1}, "the width of the prior of m0s must be finite"),
    "prior NaN": ({"prior": {"m0s": (np.nan, 1)}, "sigma": 1}, "the mean of the prior of m0s must be finite"),
    "prior shape": ({"prior": {"m0s": (np.ones(3), 1)}, "sigma": 1}, r"the prior of m0s has shape \(3,\)"),
    "prior distribution": ({"prior": sb.Prior.paper(), "sigma": 1}, "prior must be a mapping"),
    "model": ({"model": "gblock"}, "model is 'gblock' .did you mean 'gbloch'"),
    "threads": ({"threads": -1}, "threads must be an integer of at least 0"),
    "progress": ({"progress": 1}, "progress must be None, True"),
    "more unknowns than data": (
        {"data": DATA[:, :2], "basis": sb.Basis(BASIS.vectors[:, :2], seq=SEQ)},
        "free has 5 real unknowns, the data 4 real numbers per voxel",
    ),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_fitted_is_refused_before_any_work(changes, message, monkeypatch):
    monkeypatch.setattr("spinbound._core.fit", refuse_to_work)
    with pytest.raises(ValueError, match=message) as caught:
        fitted(**({"fixed": {}} | changes))
    assert isinstance(caught.value, (sb.InvalidData, sb.InvalidParameter, sb.InvalidSequence))


def test_rounding_errors_beside_zero_are_no_asymmetry():
    C = np.diag([1.0, 2, 3, 4, 5]) + np.triu(np.full((5, 5), 1e-17), 1)
    fit, exact = (fitted(**COEFFICIENTS, noise_covariance=matrix) for matrix in (C, np.diag(np.diag(C))))
    assert np.array_equal(fit.std["m0s"], exact.std["m0s"])


SHORT = SEQ.replace(TRF=np.full(SEQ.n_pulses, 1e-6))  # too short for every T2s of the model
BRIEF = SEQ.replace(TRF=np.full(SEQ.n_pulses, 14e-6))


@pytest.mark.parametrize("options", [{"start": {"T2s": 9e-6}}, {}, {"bounds": {"T2s": (5e-6, 20e-6)}}])
def test_a_pulse_that_is_too_short_for_the_model_is_named_with_the_way_out(options):
    message = (
        r"no T2s is accepted: T2s is 2e-06 s: pulse 0 of 1e-06 s is too short for gbloch; allowed: TRF >= 2 T2s, or "
    )
    with pytest.raises(sb.InvalidParameter, match=f"{message}the model gbloch-ide"):
        sb.fit(DATA, SHORT, free=("M0", "T2s"), **options)


@pytest.mark.parametrize("options", [{"start": {"T2s": 9e-6}}, {"bounds": {"T2s": (5e-6, 9e-6)}}])
def test_what_the_pulses_forbid_is_refused_with_the_pulse(options):
    with pytest.raises(sb.InvalidParameter, match=r"T2s is 9e-06 s: pulse 0 of 1\.4e-05 s is too short for gbloch"):
        sb.fit(DATA, BRIEF, free=("M0", "T2s"), **options)


def test_pulses_that_are_too_long_have_a_way_out_too():
    slow = sb.Sequence([1.0, 1.0], [0.2, 0.2], 0.5, gradient_moment="balanced")
    with pytest.raises(
        sb.InvalidParameter, match=r"too long for gbloch-ide; allowed: TRF <= 2000 T2s, or the model gbloch$"
    ):
        sb.simulate(slow, sb.Tissue(), model="gbloch-ide")
    with pytest.raises(sb.InvalidParameter, match="or the model graham$"):  # gbloch takes no shapes
        sb.simulate(slow.replace(shape=[1, 2, 1]), sb.Tissue(), model="gbloch-ide")


SILENT = {
    "without a read pulse": (sb.inversion_recovery([0.1, 0.2, 0.3]), r"read=\(alpha, TRF\)"),
    "spoiled": (sb.saturation_recovery([0.1, 0.2, 0.3]), "spoiler_dual"),
    "without pulses": (sb.Sequence([0, 0, 0], 3 * [1e-4], 5e-3, gradient_moment="balanced"), "all flip angles are 0"),
}


@pytest.mark.parametrize(("silent", "reason"), SILENT.values(), ids=SILENT)
def test_an_experiment_without_signal_is_refused_where_data_are_to_tell_something(silent, reason):
    names, tissue = ("M0", "m0s"), sb.Tissue(m0s=0.1)
    assert not sb.simulate(silent, tissue).any()
    with pytest.raises(sb.InvalidSequence, match=f"the signal is zero for every tissue.*{reason}"):
        sb.crb(silent, tissue, names)
    with pytest.raises(sb.InvalidSequence, match=reason):
        sb.fit(np.ones(3, complex), silent, free=names)
    with pytest.raises(sb.InvalidSequence, match=reason):
        sb.dictionary(silent, tissue)
    loud = sb.Sequence([0.3], [1e-4], 5e-3, gradient_moment="balanced")
    trains = silent if isinstance(silent, list) else [silent]
    assert np.isfinite(sb.crb([*trains, loud], tissue, "m0s")["m0s"])


def test_R1a_of_unequal_rates_is_refused_with_what_to_take():
    way_out = "allowed: R1f and R1s, or tissues of one R1a"
    unequal = sb.Tissue(R1f=1, R1s=2)
    with pytest.raises(sb.InvalidParameter, match=f"needs R1f = R1s in the tissue; they differ; {way_out}"):
        sb.crb(SEQ, unequal, ("M0", "R1a"))
    with pytest.raises(sb.InvalidParameter, match=f"R1a is not defined where R1f and R1s differ; {way_out}"):
        sb.fit(DATA, SEQ, free=("M0", "R1a"), dictionary=sb.dictionary(SEQ, sb.Tissue(R1f=[1, 2], R1s=[2, 3])))
    with pytest.raises(sb.InvalidParameter, match="allowed: T1f and T1s, or tissues of one T1a"):
        _ = unequal["T1a"]
