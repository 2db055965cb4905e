"""Matching with a dictionary on disk: the same bits as in memory, a chunk at a time."""

import tracemalloc

import numpy as np
import pytest
import spinbound as sb

from tests.support.matches import ATOMS, BASIS, DATA, PRIOR, TRAIN, TRUTH, V, bits, stored
from tests.support.progress import reports_of
from tests.support.stores import chunk_file, flip


@pytest.fixture(scope="module", params=[37, 256, 1000])
def store(request, tmp_path_factory):
    """`ATOMS` in chunks of some size."""
    return stored(tmp_path_factory.mktemp("store"), chunk=request.param)


@pytest.mark.parametrize("restrict", [None, ("B1",), ("B1", "T1a")])
def test_a_store_matches_as_the_dictionary_in_memory(store, restrict):
    known = {name: TRUTH[name] for name in restrict} if restrict else None
    data = DATA.copy()
    data[7] = np.nan
    for k in (1, 5, 50):  # also more than a chunk has
        expected = sb.match(data, ATOMS, k=k, restrict=known)
        assert bits(sb.match(data, store, k=k, restrict=known, threads=2)) == bits(expected)


def test_atoms_that_cannot_be_simulated_match_nothing(tmp_path):
    tissue = PRIOR.sample(30).replace(B1=np.where(np.arange(30) % 3, 1.0, 30.0))  # every third is beyond the model
    store = stored(tmp_path, tissue, None, chunk=8)
    found = sb.match(DATA, store, k=30)
    assert (found.index[:, 20:] == -1).all()
    assert np.isnan(found.correlation[:, 20:]).all()
    assert np.isnan(found.tissue["M0"][:, 20:]).all()
    assert np.isnan(found.tissue["m0s"][:, 20:]).all()
    assert (np.sort(found.index[:, :20], axis=1) == np.flatnonzero(np.arange(30) % 3)).all()


def test_atoms_in_single_precision_are_matched(tmp_path):
    store = stored(tmp_path, dtype=np.complex64)
    found, expected = sb.match(DATA, store), sb.match(DATA, ATOMS)
    assert np.array_equal(found.index, expected.index)
    assert found.correlation == pytest.approx(expected.correlation, abs=1e-7)


def test_a_match_takes_no_more_memory_than_chunks(tmp_path):
    store = stored(tmp_path, chunk=100, n=4000)
    sb.match(DATA[:5], store, threads=1)
    tracemalloc.start()
    sb.match(DATA[:5], store, threads=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4000 * 13 * 16 / 2  # half of all signals


def test_progress_over_a_store_rises_to_all_voxels(tmp_path):
    assert reports_of(sb.match, DATA, stored(tmp_path, chunk=100), restrict={"B1": 1.0})[-1] == (V, V)


def test_a_store_that_is_not_complete_is_refused(tmp_path):
    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored(tmp_path, chunk=100, progress=stop)
    with pytest.raises(sb.InvalidData, match="is not complete; build_dictionary with the same arguments completes it"):
        sb.match(DATA, sb.open_dictionary(tmp_path / "atoms.zarr"))


def test_a_damaged_chunk_is_named(tmp_path):
    store = stored(tmp_path, chunk=100)
    flip(chunk_file(store.path, "signals", 3))
    with pytest.raises(OSError, match="chunk 3 of signals is damaged"):
        sb.match(DATA, store)


def test_a_fit_starts_from_a_store_as_from_memory(tmp_path):
    free = ("M0", "m0s", "R1a", "R2f")
    known = {name: TRUTH[name][:8] for name in ("Rex", "T2s", "omega0", "B1")}
    store = stored(tmp_path, chunk=300)
    options = {"free": free, "fixed": known, "multi_start": 2}
    one, other = (sb.fit(DATA[:8], TRAIN, BASIS, dictionary=atoms, **options) for atoms in (ATOMS, store))
    assert all(one.estimates[name].tobytes() == other.estimates[name].tobytes() for name in free)


@pytest.mark.filterwarnings("ignore:the fit leaves")  # what is not free is known wrongly
def test_a_fit_is_not_resumed_with_another_store(tmp_path):
    options = {"free": ("M0", "m0s"), "fixed": {"R1a": 0.6}, "basis": BASIS, "resume": tmp_path / "work"}
    sb.fit(DATA[:8], TRAIN, dictionary=stored(tmp_path), **options)
    (tmp_path / "other").mkdir()
    with pytest.raises(sb.InvalidData, match="dictionary"):
        sb.fit(DATA[:8], TRAIN, dictionary=stored(tmp_path / "other", seed=5), **options)


def test_a_store_of_another_sequence_is_refused(tmp_path):
    store = stored(tmp_path, n=20)
    with pytest.raises(sb.InvalidParameter, match="the dictionary belongs to another sequence"):
        sb.fit(np.ones((2, TRAIN.n_echoes), complex), TRAIN.replace(TR=4e-3), free=("M0", "m0s"), dictionary=store)
