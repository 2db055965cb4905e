"""What is no data, no voxel, no parameter: a fit says so by name, and leaves every other voxel alone."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import spinbound as sb
import spinbound._core as _core
from hypothesis import given
from hypothesis import strategies as st
from spinbound import FitStatus

from tests.support.fits.hybrid import others
from tests.support.fits.short import DATA, FIXED, FREE, SEQ, START, TRUTH, N, bits, fitted, known_at
from tests.support.trains import noise

ALL = fitted(threads=1)


def number(fit):
    """Real numbers (voxels, ...) that were found."""
    return np.stack([fit.estimates[name].ravel() for name in FREE[1:]])


# Other voxels


@pytest.mark.parametrize("bad", [np.nan, complex(0, np.inf), -np.inf])
def test_a_voxel_that_is_not_finite_says_so_and_stays_alone(bad):
    data = DATA.copy()
    data[7, 3], data[11] = bad, 0
    fit = fitted(data)
    assert [FitStatus(fit.status[voxel]).name for voxel in (7, 11)] == ["not_finite", "no_data"]
    assert not fit.converged[[7, 11]].any()
    for name, values in fit.as_arrays().items():
        if values.dtype.kind in "fc":
            assert np.isnan(values[[7, 11]]).all(), name
        elif name != "status":
            assert not values[[7, 11]].any(), name
    kept = np.delete(np.arange(N), [7, 11])
    assert bits(fit, kept) == bits(ALL, kept)


@pytest.mark.parametrize("threads", [None, 0, 1, 2, 7, 10**6])
def test_threads_change_no_bit(threads):
    assert bits(fitted(threads=threads)) == bits(ALL)


@given(st.lists(st.integers(0, N - 1), min_size=1, max_size=60), st.sampled_from([1, 2]))
def test_a_voxel_has_the_same_bits_in_any_company(voxels, threads):
    assert bits(fitted(DATA[voxels], fixed=known_at(voxels), threads=threads)) == bits(ALL, voxels)


@pytest.mark.parametrize("chunk", [1, 7, 39])
def test_chunks_change_no_bit(chunk, monkeypatch):
    monkeypatch.setattr("spinbound.estimators.fitting.chunks.CHUNK", chunk)
    assert bits(fitted()) == bits(ALL)


def test_a_mask_chooses_voxels_and_changes_none():
    voxels = np.arange(N).reshape(5, 8)
    data, fixed, mask = DATA[voxels], known_at(voxels), voxels % 3
    fit = fitted(data, fixed=fixed, mask=mask)
    assert np.array_equal(fit.status == FitStatus.masked, mask == 0)
    assert fit.counts["masked"] == (mask == 0).sum()
    assert np.isnan(fit.estimates["m0s"][mask == 0]).all()
    assert np.array_equal(fit.estimates["m0s"][mask > 0], ALL.estimates["m0s"].reshape(5, 8)[mask > 0])
    for other in (mask.astype(bool), 255 * mask.astype(np.uint8), mask.astype(float), np.ma.array(mask)):
        assert bits(fitted(data, fixed=fixed, mask=other)) == bits(fit)


# Data of all kinds


@pytest.mark.parametrize("scale", [1e30, 1e-30, 1e300, 1e-310, -1, 2j])
def test_the_scale_of_the_data_changes_M0_alone(scale):
    fit = fitted(scale * DATA)
    # the data are rounded anew, in the ninth digit where they are denormal; where a fit ends is sure to a part of the
    # noise of 1e-4
    assert number(fit) == pytest.approx(number(ALL), rel=1e-5)
    assert fit.estimates["M0"] == pytest.approx(scale * ALL.estimates["M0"], rel=1e-5, abs=0)
    assert fit.residual == pytest.approx(ALL.residual, rel=1e-5)
    assert fit.std["m0s"] == pytest.approx(ALL.std["m0s"], rel=1e-4)


@pytest.mark.parametrize("scale", [2.0**100, 2.0**-100, -1])
def test_a_scale_that_rounds_nothing_changes_no_bit_of_the_tissue(scale):
    fit = fitted(scale * DATA)
    assert np.array_equal(number(fit), number(ALL))
    assert np.array_equal(fit.status, ALL.status)
    assert np.array_equal(fit.estimates["M0"], scale * ALL.estimates["M0"])
    assert np.array_equal(fit.sigma, abs(scale) * ALL.sigma)
    # the order of sums in the covariance may follow the sign of M0
    assert fit.std["M0"] == pytest.approx(abs(scale) * ALL.std["M0"], rel=1e-12)
    assert fit.std["m0s"] == pytest.approx(ALL.std["m0s"], rel=1e-12)


class Labelled:
    """Like the arrays of other libraries: known by __array__ alone."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


@pytest.mark.parametrize(
    "convert",
    [
        lambda data: data.astype(">c16"),
        np.asfortranarray,
        lambda data: np.repeat(data, 3, axis=1)[:, ::3],
        lambda data: np.flip(np.flip(data).copy()),
        Labelled,
        lambda data: data.tolist(),
        np.ma.array,
    ],
    ids=["big-endian", "fortran", "strided", "reversed", "labelled", "lists", "masked array"],
)
def test_data_of_any_layout_have_the_same_bits(convert):
    assert bits(fitted(convert(DATA))) == bits(ALL)


def test_data_in_single_precision_are_fitted_in_double():
    single = DATA.astype(np.complex64)
    assert bits(fitted(single)) == bits(fitted(single.astype(complex)))


def test_masked_data_are_not_finite():
    data = np.ma.array(DATA, mask=np.zeros(DATA.shape, bool))
    data[4, 2] = np.ma.masked
    assert np.flatnonzero(fitted(data).status == FitStatus.not_finite).tolist() == [4]


def test_a_voxel_alone_has_maps_without_axes():
    fit = fitted(DATA[3], fixed=known_at(3))
    assert fit.status.shape == fit.estimates.shape == ()
    assert fit.estimates["m0s"] == ALL.estimates["m0s"][3]


@pytest.mark.parametrize(("data", "status"), [(np.nan, "not_finite"), (0, "no_data")])
def test_a_voxel_alone_may_be_without_a_result(data, status):
    fit = fitted(DATA[3] * 0 + data, fixed={})
    assert fit.counts == {status: 1}
    assert np.isnan(fit.estimates["m0s"])
    assert np.isnan(fit.std["M0"])


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
@pytest.mark.parametrize("start", [START, None])
def test_without_voxels_there_is_nothing_to_do(shape, start):
    fit = fitted(np.zeros((*shape, 40), complex), fixed={}, start=start)
    assert fit.status.shape == fit.estimates.shape == shape
    assert fit.counts == {}


@pytest.mark.parametrize("start", [START, None])
def test_an_empty_mask_masks_every_voxel(start):
    fit = fitted(mask=np.zeros(N), start=start)
    assert fit.counts == {"masked": N}


# What became of a voxel


def test_every_status_has_a_sentence():
    assert {*FitStatus.__members__} == {*(name for name, _ in _core.statuses), "unfinished"}
    assert len({status.sentence for status in FitStatus}) == len(FitStatus) == 12
    assert FitStatus.at_bound.sentence == "at limits of unknowns, where the misfit is least within the limits"


def test_an_estimate_that_the_data_want_beyond_its_bound_has_the_bits_of_the_bound():
    bounds = {"m0s": (0.05, 0.1), "B1": (0.8, 1.4)}
    fit = fitted(bounds=bounds, start=START | {"m0s": 0.07})
    for name, (low, high) in bounds.items():
        outside = fit.at_bound[name]
        assert np.isin(fit.estimates[name][outside], [low, high]).all()
        assert (fit.estimates[name][~outside] > low).all()
        assert (fit.estimates[name][~outside] < high).all()
    assert fit.at_bound["m0s"].sum() > N / 2
    anywhere = np.any(list(fit.at_bound.values()), axis=0)
    assert np.array_equal(fit.status == FitStatus.at_bound, anywhere)
    assert np.array_equal(fit.converged, ~anywhere)


def test_a_derived_time_stops_at_its_bound():
    free, start = ("M0", "m0s", "T2f", "B1"), {"m0s": 0.15, "T2f": 0.02, "B1": 1}
    fit = fitted(free=free, start=start, bounds={"T2f": (0.015, 0.03)})
    at = fit.at_bound["T2f"]
    assert 0 < at.sum() < N
    # kept as a rate: a reciprocal of a reciprocal
    assert np.min(np.abs(fit.estimates["T2f"][at, None] / [0.015, 0.03] - 1), axis=1) == pytest.approx(0, abs=4e-16)


@pytest.mark.parametrize("start", [0.001, 0.5])
def test_a_start_at_the_bound_can_leave_it(start):
    free = ("M0", "m0s")
    data = sb.simulate(SEQ, TRUTH)
    fit = fitted(data, free=free, start={"m0s": start}, fixed=others(free, TRUTH), bounds={"m0s": (0.001, 0.5)})
    # the rest of these tissues have another minimum on the way, as a scan of m0s shows
    assert np.isclose(fit.estimates["m0s"], TRUTH["m0s"], rtol=1e-6, atol=0).mean() > 0.8


def test_too_few_iterations_say_so_and_keep_the_best():
    fit = fitted(max_iterations=1)
    assert fit.counts == {"max_iterations": N}
    assert not fit.converged.any()
    assert (fit.iterations == 1).all()
    assert np.isfinite(fit.estimates["m0s"]).all()


def test_more_iterations_than_the_core_can_count_are_allowed():
    assert bits(fitted(max_iterations=10**12)) == bits(ALL)


def test_what_the_data_do_not_determine_has_no_estimate():
    # without a semi-solid pool its exchange rate changes nothing
    names = ("M0", "R2f", "Rex")
    fixed = others(names, TRUTH) | {"m0s": 0}
    data = sb.simulate(SEQ, TRUTH.replace(m0s=0))
    fit = fitted(data, free=names, start={"R2f": 20, "Rex": 30}, fixed=fixed)
    assert fit.counts == {"singular": N}
    assert np.isnan(fit.estimates["Rex"]).all()
    assert np.isinf(fit.std["Rex"]).all()
    assert np.isfinite(fit.std["R2f"]).all()
    assert fit.estimates["R2f"] == pytest.approx(TRUTH["R2f"], rel=1e-6)
    assert not fit.converged.any()


@pytest.mark.filterwarnings("ignore:the fit leaves")
@pytest.mark.parametrize("kind", ["constant", "noise"])
def test_data_without_information_are_never_a_sure_estimate(kind):
    data = np.ones((50, 40), complex) if kind == "constant" else noise((50, 40), 1, 1)
    fit = fitted(data, fixed={}, check_data=False)
    sure = fit.converged & (fit.std["m0s"] < 0.05) & (fit.residual < 0.5)
    assert not sure.any()


def test_where_the_model_has_no_value_the_fit_has_failed():
    fit = fitted(1e-30 * DATA, free=("m0s", "R2f"), start={"m0s": 0.1, "R2f": 20}, fixed={"M0": 1e300})
    assert fit.counts == {"failed": N}
    assert np.isnan(fit.estimates["R2f"]).all()


FIFTH = np.arange(N) == 5
MAPS = {
    "a fixed value": {"fixed": FIXED | {"Rex": np.where(FIFTH, -1, 30.0)}},
    "a fixed NaN": {"fixed": FIXED | {"Rex": np.where(FIFTH, np.nan, 30.0)}},
    "a pool beyond the model": {"fixed": FIXED | {"T2s": np.where(FIFTH, 1e-3, 1e-5)}},
    "a start that is NaN": {"start": START | {"m0s": np.where(FIFTH, np.nan, 0.15)}},
    "a start outside": {"start": START | {"B1": np.where(FIFTH, 100, 1.0)}},
    "sigma": {"sigma": np.where(FIFTH, 0, 1.0)},
    "a prior": {"sigma": 1.0, "prior": {"m0s": (np.where(FIFTH, np.nan, 0.15), 1.0)}},
}


@pytest.mark.parametrize("changes", MAPS.values(), ids=MAPS)
def test_an_entry_that_is_not_accepted_makes_its_voxel_invalid(changes):
    fit = fitted(**changes)
    assert np.array_equal(fit.status == FitStatus.invalid, FIFTH)
    assert np.isnan(fit.estimates["m0s"][5])
    assert fit.converged[~FIFTH].mean() > 0.9


# What is handed on


def test_a_fit_is_saved_as_plain_arrays(tmp_path):
    fit = fitted(covariance=True)
    fit.save(tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as content:
        arrays = dict(content)
    settings = json.loads(str(arrays.pop("settings")))
    assert settings == fit.settings
    assert (settings["spinbound"], settings["sequence_sha256"]) == (sb.__version__, SEQ.sha256)
    assert settings["known"]["omega0"] == 50
    assert settings["bounds"]["m0s"] == [0, 0.6]
    maps = {"residual", "sigma", "status", "iterations", "covariance"}
    assert set(arrays) == {*FREE, *(f"std_{name}" for name in FREE), *(f"at_bound_{name}" for name in FREE[1:])} | maps
    for name, values in arrays.items():
        assert np.array_equal(values, fit.as_arrays()[name]), name


@pytest.mark.parametrize("name", ["maps.nii", "maps", "maps.npy"])
def test_another_suffix_is_refused(tmp_path, name):
    with pytest.raises(sb.InvalidData, match=rf"{name}: a fit is saved as \.npz"):
        ALL.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        ALL.save(tmp_path / "nowhere" / "maps.npz")


def test_a_fit_tells_what_became_of_its_voxels():
    data = DATA.copy()
    data[3] = 0
    fit = fitted(data, mask=np.arange(N) > 1)
    assert repr(fit) == f"Fit(M0, m0s, R2f, B1; shape (40,): {fit.counts['cost']} cost, 1 no_data, 2 masked)"
    assert sum(fit.counts.values()) == N


def test_fits_side_by_side_do_not_disturb_each_other():
    with ThreadPoolExecutor(4) as pool:
        fits = list(pool.map(lambda threads: fitted(threads=threads), [1, 2, 1, 2]))
    assert all(bits(fit) == bits(ALL) for fit in fits)


def test_the_tolerance_leaves_a_small_part_of_a_standard_error():
    fit, exact = fitted(), fitted(tolerance=0)
    for name in FREE:
        # 1e-4 sqrt(m) for m = 80 real data, as the docstring says
        assert np.max(np.abs(fit.estimates[name] - exact.estimates[name]) / exact.std[name]) < 1e-3
    assert fit.iterations.mean() < exact.iterations.mean()
