"""Matching with a dictionary on disk: the same bits as in memory, a chunk at a time."""

import tracemalloc

import numpy as np
import pytest
import spinbound as sb

from tests.support.trains import smooth_train

TRAIN = smooth_train()
PRIOR = sb.Prior.paper().truncated(B1=(0.5, 1.5))
BASIS = sb.Basis.from_svd(sb.simulate(TRAIN, PRIOR.sample(200)), rank=13, seq=TRAIN)
N, V = 1000, 60
ATOMS = sb.dictionary(TRAIN, PRIOR, n=N, basis=BASIS)
TRUTH = PRIOR.sample(V, seed=1)
DATA = sb.simulate(TRAIN, TRUTH.replace(M0=np.exp(1j * np.arange(V))), basis=BASIS)


def stored(folder, source=PRIOR, n=N, **options):
    return sb.build_dictionary(TRAIN, source, n, folder / "atoms.zarr", basis=BASIS, derivatives=None, **options)


def assert_same(one, other):
    assert np.array_equal(one.index, other.index)
    assert one.correlation.tobytes() == other.correlation.tobytes()
    for name, value in one.tissue.as_dict().items():
        assert np.ascontiguousarray(value).tobytes() == np.ascontiguousarray(other.tissue[name]).tobytes(), name


@pytest.mark.parametrize("chunk", [37, 256, 1000])
@pytest.mark.parametrize("restrict", [None, ("B1",), ("B1", "T1a")])
def test_a_store_matches_as_the_dictionary_in_memory(tmp_path, chunk, restrict):
    store = stored(tmp_path, chunk=chunk)
    known = {name: TRUTH[name] for name in restrict} if restrict else None
    data = DATA.copy()
    data[7] = np.nan
    for k in (1, 5, 50):  # also more than a chunk has
        expected = sb.match(data, ATOMS, k=k, restrict=known)
        assert_same(sb.match(data, store, k=k, restrict=known, threads=2), expected)


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
    store = stored(tmp_path, chunk=50, n=4000)
    sb.match(DATA[:5], store, threads=1)
    tracemalloc.start()
    sb.match(DATA[:5], store, threads=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4000 * 13 * 16 / 2  # half of all signals


def test_progress_over_a_store_rises_to_all_voxels(tmp_path):
    calls = []
    sb.match(DATA, stored(tmp_path, chunk=100), restrict={"B1": 1.0}, progress=lambda *call: calls.append(call))
    assert calls[-1] == (V, V)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


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
    file = tmp_path / "atoms.zarr" / "signals" / "c" / "3" / "0"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(OSError, match="chunk 3 of signals is damaged"):
        sb.match(DATA, store)


def test_a_fit_starts_from_a_store_as_from_memory(tmp_path):
    free = ("M0", "m0s", "R1a", "R2f")
    known = {name: TRUTH[name][:8] for name in ("Rex", "T2s", "omega0", "B1")}
    store = stored(tmp_path, chunk=300)
    fits = [
        sb.fit(DATA[:8], TRAIN, BASIS, free=free, fixed=known, dictionary=atoms, multi_start=2)
        for atoms in (ATOMS, store)
    ]
    for name in free:
        assert fits[0].estimates[name].tobytes() == fits[1].estimates[name].tobytes()


@pytest.mark.filterwarnings("ignore:the fit leaves")  # what is not free is known wrongly
def test_a_fit_is_not_resumed_with_another_store(tmp_path):
    options = {"free": ("M0", "m0s"), "fixed": {"R1a": 0.6}, "basis": BASIS, "resume": tmp_path / "work"}
    sb.fit(DATA[:8], TRAIN, dictionary=stored(tmp_path), **options)
    other = sb.build_dictionary(TRAIN, PRIOR, N, tmp_path / "other.zarr", basis=BASIS, derivatives=None, seed=5)
    with pytest.raises(sb.InvalidData, match="dictionary"):
        sb.fit(DATA[:8], TRAIN, dictionary=other, **options)


def test_a_store_of_another_sequence_is_refused(tmp_path):
    store = stored(tmp_path, n=20)
    with pytest.raises(sb.InvalidParameter, match="the dictionary belongs to another sequence"):
        sb.fit(np.ones((2, TRAIN.n_echoes), complex), TRAIN.replace(TR=4e-3), free=("M0", "m0s"), dictionary=store)
