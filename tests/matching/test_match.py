"""Matching: the best atoms are found, whatever the scale, the company and the threads."""

import sys
import threading

import numpy as np
import pytest
import spinbound as sb
from hypothesis import given
from hypothesis import strategies as st

from tests.support.matches import ATOMS, BASIS, DATA, TRAIN, TRUTH, N, V, bits
from tests.support.processes import outputs_by_threads
from tests.support.progress import reports_of

FOUND = sb.match(DATA, ATOMS, k=2)
MODULE = sys.modules["spinbound.estimators.matching.search"]


def correlations(data=DATA, atoms=ATOMS):
    """Of every voxel with every atom, in plain numpy."""
    signals = atoms.signals / np.linalg.norm(atoms.signals, axis=-1, keepdims=True)
    return np.abs(data @ signals.conj().T) / np.linalg.norm(data, axis=-1, keepdims=True)


def test_every_atom_is_its_own_best_match():
    found = sb.match(ATOMS.signals, ATOMS)
    assert np.array_equal(found.index[:, 0], np.arange(N))
    # sums of 26 products of vectors of unit norm
    assert found.correlation == pytest.approx(np.ones((N, 1)), abs=1e-14)


@pytest.mark.parametrize("k", [1, 2, 7])
def test_the_best_atoms_are_those_of_a_full_search(k):
    expected = correlations()
    found = sb.match(DATA, ATOMS, k=k)
    ranked = np.argsort(-expected, axis=1)[:, :k]
    assert np.array_equal(found.index, ranked)
    assert found.correlation == pytest.approx(np.take_along_axis(expected, ranked, axis=1), abs=1e-14)


def test_more_atoms_are_asked_for_than_a_block_holds(monkeypatch):
    monkeypatch.setattr(MODULE, "ATOMS", 14)
    monkeypatch.setattr(MODULE, "PANEL", 7)
    found = sb.match(DATA[:20], ATOMS, k=20)
    assert np.array_equal(found.index, np.argsort(-correlations(DATA[:20]), axis=1)[:, :20])


def test_the_scale_is_that_of_least_squares():
    found = sb.match(DATA, ATOMS)
    residual = DATA - sb.simulate(TRAIN, found.tissue, basis=BASIS)[:, 0]
    # what is left is orthogonal to the atom, and as long as the correlation says
    signal = ATOMS.signals[found.index[:, 0]]
    assert np.sum(signal.conj() * residual, axis=1) == pytest.approx(np.zeros(V), abs=1e-13)
    expected = np.sqrt(1 - found.correlation[:, 0] ** 2) * np.linalg.norm(DATA, axis=1)
    assert np.linalg.norm(residual, axis=1) == pytest.approx(expected, abs=1e-8)  # a root of a rounding error


@pytest.mark.parametrize("scale", [1e30, 1e-30, -1, 1e-300, 3j, 1e307])
def test_the_scale_of_the_data_changes_M0_alone(scale):
    found, scaled = FOUND, sb.match(scale * DATA, ATOMS, k=2)
    assert np.array_equal(scaled.index, found.index)
    assert scaled.correlation == pytest.approx(found.correlation, abs=1e-14)
    assert scaled.tissue["M0"] / scale == pytest.approx(found.tissue["M0"], rel=1e-13)
    assert np.array_equal(scaled.tissue["m0s"], found.tissue["m0s"])


def test_data_too_large_for_their_M0_have_an_infinite_one():
    atoms = sb.dictionary(TRAIN, sb.Tissue())
    huge = atoms.signals * 1.5e308 / np.abs(atoms.signals.view(float)).max()
    assert np.isinf(sb.match(huge, atoms).tissue["M0"]).all()


def test_of_equal_atoms_the_first_counts():
    tissue = sb.Tissue(m0s=np.tile([0.2, 0.1, 0.1, 0.3], 5000))  # of one block and of several
    atoms = sb.dictionary(TRAIN, tissue, basis=BASIS)
    assert sb.match(atoms.signals[:4], atoms, k=3).index.tolist() == [[0, 4, 8], [1, 2, 5], [1, 2, 5], [3, 7, 11]]


# Company


@given(st.lists(st.integers(0, V - 1), min_size=1, max_size=80))
def test_a_match_does_not_depend_on_the_other_voxels(voxels):
    assert bits(sb.match(DATA[voxels], ATOMS, k=2)) == bits(FOUND, voxels)


def test_a_voxel_alone_is_matched_as_in_a_volume():
    volume = sb.match(DATA.reshape(2, 6, 5, 13), ATOMS, k=2)
    assert volume.index.shape == volume.correlation.shape == volume.tissue.shape == (2, 6, 5, 2)
    for voxel in np.ndindex(2, 3, 5):
        assert bits(sb.match(DATA.reshape(2, 6, 5, 13)[voxel], ATOMS, k=2)) == bits(volume, voxel)


@pytest.mark.parametrize("bad", [np.nan, complex(0, np.inf), 0])
def test_a_bad_voxel_stays_alone(bad):
    data = DATA.copy()
    data[3] = data[3] * 0 if bad == 0 else data[3]
    data[3, 5] = bad
    found = sb.match(data, ATOMS, k=2)
    assert found.index[3].tolist() == [-1, -1]
    assert np.isnan(found.correlation[3]).all()
    assert all(np.isnan(value[3]).all() for value in found.tissue.as_dict().values())
    others = np.arange(V) != 3
    assert bits(found, others) == bits(FOUND, others)


def test_masked_data_have_no_match():
    masked = np.ma.array(DATA, mask=np.zeros(DATA.shape, bool))
    masked[7] = np.ma.masked
    assert np.flatnonzero(sb.match(masked, ATOMS).index[:, 0] < 0).tolist() == [7]


SCRIPT = """
import sys
import numpy as np, spinbound as sb
rng = np.random.default_rng(0)
signals = rng.normal(size=(5000, 52)).view(complex)
signals /= np.linalg.norm(signals, axis=1, keepdims=True)
atoms = sb.Dictionary(sb.sequences.load("hybrid-mt-4s"), sb.Tissue(m0s=np.linspace(0, 0.3, 5000)), signals)
found = sb.match(rng.normal(size=(300, 52)).view(complex), atoms, k=3)
sys.stdout.buffer.write(found.index.tobytes() + found.correlation.tobytes() + found.tissue["M0"].tobytes())
between = sb.match(rng.normal(size=(300, 52)).view(complex), atoms, interpolate=True)
sys.stdout.buffer.write(between.tissue["M0"].tobytes() + between.tissue["m0s"].tobytes())
"""


def test_the_threads_of_the_linear_algebra_library_do_not_matter():
    one, two = outputs_by_threads(SCRIPT)
    assert len(one) == 300 * (3 * (8 + 8 + 16) + 16 + 8)
    assert one == two


@pytest.mark.parametrize("threads", [None, 0, 1, 3, 10**6])
def test_the_number_of_threads_does_not_matter(threads):
    data = np.tile(DATA, (5, 1))
    assert np.array_equal(sb.match(data, ATOMS, k=2, threads=threads).index, np.tile(FOUND.index, (5, 1)))
    restricted = sb.match(DATA, ATOMS, restrict={"B1": 1}, threads=threads)
    assert bits(restricted) == bits(sb.match(DATA, ATOMS, restrict={"B1": 1}, threads=2))


def test_rounding_errors_of_products_do_not_decide(monkeypatch):
    # what another library might give of atoms that differ by rounding errors: products with other last bits
    rng, candidates, eps = np.random.default_rng(0), MODULE._candidates, np.finfo(float).eps
    signals = np.tile(ATOMS.signals[:20], (50, 1))
    signals = signals * (1 + eps * rng.integers(-3, 4, signals.shape))
    atoms = sb.Dictionary(TRAIN, ATOMS.tissue, signals, BASIS)
    found = sb.match(DATA, atoms, k=3)

    def shaken(signals, *others):
        return candidates(signals * (1 + eps * rng.integers(-3, 4, signals.shape)), *others)

    monkeypatch.setattr(MODULE, "_candidates", shaken)
    assert bits(sb.match(DATA, atoms, k=3)) == bits(found)


# Known parameters


@pytest.mark.parametrize("names", [("B1",), ("omega0",), ("B1", "omega0"), ("T1a", "B1")])
def test_atoms_near_the_maps_are_chosen(names):
    maps = {name: TRUTH[name] for name in names}
    found = sb.match(DATA, ATOMS, restrict=maps)
    for name, known in maps.items():
        atoms = np.sort(ATOMS.tissue[name])
        rank, own = (np.searchsorted(atoms, value) / N for value in (found.tissue[name][:, 0], known))
        # bins of a tenth: at most the own bin and its neighbour lie between
        assert np.abs(rank - own).max() <= 0.2 + 1 / N


def test_restricted_atoms_are_searched_completely():
    B1 = TRUTH["B1"]
    edges = np.quantile(ATOMS.tissue["B1"], np.arange(1, 10) / 10)
    atoms, voxels = (np.searchsorted(edges, value, "right") for value in (ATOMS.tissue["B1"], B1))
    allowed = np.where(np.abs(voxels[:, None] - atoms) <= 1, correlations(), -1)
    assert np.array_equal(sb.match(DATA, ATOMS, restrict={"B1": B1}).index[:, 0], allowed.argmax(axis=1))


def test_values_beyond_all_atoms_get_the_nearest():
    found = sb.match(DATA, ATOMS, restrict={"B1": 2.9})
    assert found.tissue["B1"].min() >= np.quantile(ATOMS.tissue["B1"], 0.8)


def test_every_voxel_gets_as_many_atoms_as_asked_for():
    tissue = sb.Tissue(m0s=np.linspace(0, 0.3, 12), B1=np.linspace(0.8, 1.2, 12), omega0=np.linspace(0, 200, 12))
    atoms = sb.dictionary(TRAIN, tissue, basis=BASIS)
    opposite = {"B1": 0.8, "omega0": 200.0}  # where no atom is
    for k in (1, 5, 12):
        index = sb.match(DATA[0], atoms, k=k, restrict=opposite).index
        assert np.unique(index[index >= 0]).size == k


def test_a_voxel_without_a_known_value_has_no_match():
    B1 = np.ones(V)
    B1[[2, 5]] = np.nan, -1
    assert np.flatnonzero(sb.match(DATA, ATOMS, restrict={"B1": B1}).index[:, 0] < 0).tolist() == [2, 5]


def test_without_a_usable_voxel_nothing_matches():
    assert (sb.match(np.zeros((3, 13)), ATOMS, restrict={"B1": 1}).index == -1).all()
    assert sb.match(np.zeros((0, 13)), ATOMS).index.shape == (0, 1)


# Arguments


def test_progress_counts_the_voxels():
    assert reports_of(sb.match, np.concatenate([DATA, 0 * DATA]), ATOMS)[-1] == (2 * V, 2 * V)


def test_what_the_progress_raises_ends_the_call():
    calls, running = [], threading.active_count()

    def leave(done, total):
        calls.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sb.match(np.tile(DATA, (50, 1)), ATOMS, threads=2, progress=leave)
    assert len(calls) == 1
    assert threading.active_count() == running


@pytest.mark.parametrize("dtype", [np.complex64, np.float32, np.int16, ">c16"])
def test_data_of_any_numbers_are_accepted(dtype):
    data = (1e4 * DATA.real).astype(dtype)
    assert bits(sb.match(data, ATOMS)) == bits(sb.match(data.astype(complex), ATOMS))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": DATA[:, :12]}, r"data have shape \(60, 12\); the last axis must be 13, as that of"),
        ({"data": "a"}, "data must be numbers"),
        ({"dictionary": ATOMS.signals}, "dictionary must be a spinbound.Dictionary; given ndarray"),
        ({"k": 0}, "k must be an integer of at least 1"),
        ({"k": N + 1}, "k is 1001; allowed: 1 to 1000, the number of atoms"),
        ({"restrict": {"b1": 1}}, "restrict: a name in values is 'b1'; allowed: M0, m0s"),
        ({"restrict": {"B1": np.ones(3)}}, r"restrict has shape \(3,\), the data have voxels of shape \(60,\)"),
        ({"restrict": {"B1": np.full(V, 100.0)}}, "looks like percent"),
        ({"restrict": {"M0": 1}}, "restrict has M0, which no atom has"),
        ({"restrict": {"R1a": 1, "R1f": 1}}, "R1a and R1f together"),
        ({"restrict": [1]}, "restrict: values must be a mapping of names to numbers; given list"),
        ({"threads": -1}, "threads must be an integer of at least 0"),
        ({"progress": 3}, "progress must be"),
    ],
)
def test_what_cannot_be_matched_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        sb.match(**({"data": DATA, "dictionary": ATOMS} | arguments))
    assert isinstance(caught.value, (sb.InvalidData, sb.InvalidParameter))
