"""Test sets hold what simulations and bounds give, tissue by tissue, and remember the shape of grids."""

import numpy as np
import pytest
import spinbound as sb
from spinbound.evaluation.dataset import as_reference_set

from tests.support.progress import reports_of
from tests.support.trains import smooth_train

SEQ, WRT = smooth_train(40), ("M0", "m0s", "R2f")
PRIOR = sb.Prior(m0s=sb.Uniform(0.05, 0.3), R2f=sb.Uniform(8, 50))
PLANE = sb.Prior(m0s=sb.Grid([0.1, 0.2]), T2f=sb.Grid([0.05, 0.1, 0.2]), B1=sb.Uniform(0.9, 1.1))


@pytest.mark.parametrize("basis", [None, sb.Basis.from_svd(sb.simulate(SEQ, PRIOR.sample(50)), rank=6, seq=SEQ)])
def test_signals_and_bounds_are_those_of_the_functions(basis):
    data = sb.reference_set(SEQ, PRIOR, 9, basis=basis, wrt=WRT, seed=3, first=2)
    tissue = PRIOR.sample(9, seed=3, first=2)
    assert data.tissue == tissue
    alone = sb.simulate(SEQ, tissue) if basis is None else sb.sensitivities(SEQ, tissue, WRT, basis=basis)[0]
    assert np.array_equal(data.signals, alone)
    bounds = sb.crb(SEQ, tissue, WRT, basis=basis)
    assert list(data.crb) == list(WRT)
    assert all(np.array_equal(data.crb[name], bounds[name]) for name in WRT)
    assert (len(data), data.n_samples, data.grid_shape) == (9, 6 if basis else 40, (9,))


def test_a_store_holds_the_same(tmp_path):
    pytest.importorskip("zarr")
    store = sb.build_dictionary(SEQ, PRIOR, 9, tmp_path / "a.zarr", wrt=WRT, chunk=4)
    data = sb.reference_set(SEQ, PRIOR, 9, wrt=WRT)
    assert data.tissue == store.tissue
    assert np.array_equal(data.signals, store.signals)
    assert all(np.array_equal(data.crb[name], bound) for name, bound in store.crb.items())
    blocks = [np.concatenate([block.signals for block in each.blocks()]) for each in (data, store)]
    assert np.array_equal(*blocks)


@pytest.mark.parametrize(
    ("source", "n", "shape"),
    [
        (PLANE, None, (2, 3)),
        (PLANE, 6, (2, 3)),
        (PLANE, 12, (12,)),
        (PRIOR, 5, (5,)),
        (sb.Tissue(m0s=[[0.1, 0.2], [0.3, 0.4]]), None, (2, 2)),
        (sb.Tissue(), None, (1,)),
    ],
)
def test_grids_keep_their_shape(source, n, shape):
    data = sb.reference_set(SEQ, source, n, wrt=WRT)
    assert data.grid_shape == shape
    assert len(data) == np.prod(shape)


@pytest.mark.parametrize(("first", "shape"), [(0, (2, 3)), (12, (2, 3)), (2, (6,))])
def test_maps_are_those_of_the_grids_or_none(tmp_path, first, shape):
    """Combinations that begin in the middle would fill a map in the wrong order."""
    pytest.importorskip("zarr")
    data = sb.reference_set(SEQ, PLANE, wrt=WRT, first=first)
    store = as_reference_set(sb.build_dictionary(SEQ, PLANE, 6, tmp_path / "plane.zarr", wrt=WRT, first=first))
    assert data.grid_shape == store.grid_shape == shape
    if len(shape) == 2:
        for name, axis in (("m0s", 1), ("R2f", 0)):
            assert (np.ptp(store.tissue[name].reshape(shape), axis=axis) == 0).all()


def test_a_prior_gives_as_many_tissues_as_the_paper_has():
    data = sb.reference_set(smooth_train(3), PRIOR, wrt="M0")
    assert len(data) == 9056


def test_parts_are_chosen_by_slices_numbers_and_masks():
    data = sb.reference_set(SEQ, PLANE, wrt=WRT)
    for index in (slice(1, 3), [1, 2], np.arange(6) % 5 % 3 > 0):
        part = data[index]
        rows = np.arange(6)[index]
        assert np.array_equal(part.signals, data.signals[rows])
        assert np.array_equal(part.crb["R2f"], data.crb["R2f"][rows])
        assert np.array_equal(part.tissue["B1"], data.tissue["B1"][rows])
        assert part.grid_shape == (rows.size,)
    with pytest.raises(IndexError, match="a slice, a list of numbers or a mask"):
        data[3]


def test_tissues_that_cannot_be_simulated_are_marked():
    data = sb.reference_set(SEQ, sb.Tissue(B1=[1, 1, np.nan, 1]), wrt=WRT)
    assert data.valid.tolist() == [True, True, False, True]
    with pytest.raises(sb.InvalidParameter, match="every voxel is invalid"):
        sb.reference_set(SEQ, sb.Tissue(B1=[np.nan, np.nan]), wrt=WRT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": 3, "n": None}, "source must be a spinbound.Prior or Tissue; given int"),
        ({"n": 0}, "n must be an integer of at least 1"),
        ({"source": sb.Tissue(), "n": 3}, "n is 3, but the tissues are given"),
        ({"wrt": "T2g"}, "a name in wrt is 'T2g'"),
        ({"seed": -1}, "seed must be"),
        ({"first": -1}, "first must be"),
        ({"model": "grahm"}, "did you mean 'graham'"),
        ({"basis": np.eye(40)}, "basis must be a spinbound.Basis"),
        ({"source": sb.Tissue(), "n": None, "wrt": ("M0", "T1a")}, "wrt has T1a, which needs R1f = R1s"),
    ],
)
def test_arguments_that_make_no_sense_are_named(changes, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        sb.reference_set(**({"seq": SEQ, "source": PRIOR, "n": 3, "wrt": WRT} | changes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crb": {"m0s": np.ones(3)}}, r"crb of m0s has shape \(3,\); allowed: \(2,\), one for each signal"),
        ({"tissue": sb.Tissue()}, r"tissue has shape \(\); allowed: \(2,\)"),
        ({"grid_shape": (2, 2)}, r"signals of shape \(2, 5\) do not fill a grid of \(2, 2\)"),
    ],
)
def test_a_set_of_ones_own_must_fit_together(change, message):
    parts = {"sequence": SEQ, "basis": None, "tissue": sb.Tissue(m0s=[0.1, 0.2]), "signals": np.ones((2, 5), complex),
             "crb": {"m0s": np.ones(2)}, "grid_shape": (2,)}  # fmt: skip
    assert len(sb.ReferenceSet(**parts)) == 2
    with pytest.raises(sb.InvalidData, match=message):
        sb.ReferenceSet(**(parts | change))


def test_progress_reaches_the_end():
    assert reports_of(sb.reference_set, SEQ, PRIOR, 9, wrt=WRT)[-1] == (9, 9)
