"""Estimates between atoms: nearer to the truth, within the range of the atoms, the same in any company."""

import sys

import numpy as np
import pytest
import spinbound as sb
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.matches import bits

TRAIN = sb.sequences.load("hybrid-mt-4s")
PRIOR = sb.Prior.paper().truncated(B1=(0.5, 1.2))
BASIS = sb.Basis.from_svd(sb.simulate(TRAIN, PRIOR.sample(200)), rank=13, seq=TRAIN)
N, V = 2000, 80
ATOMS = sb.dictionary(TRAIN, PRIOR, n=N, basis=BASIS)
TRUTH = PRIOR.sample(V, seed=1)
DATA = sb.simulate(TRAIN, TRUTH.replace(M0=2 * np.exp(1j * np.arange(V))), basis=BASIS)
NOISE = np.random.default_rng(0).normal(size=(V, 26)).view(complex)
BEST, BETWEEN = sb.match(DATA, ATOMS), sb.match(DATA, ATOMS, interpolate=True)
NAMES = ("m0s", "R1a", "R2f", "B1")


def distance(found, name):
    return np.median(np.abs(found.tissue[name][:, 0] / TRUTH[name] - 1))


@pytest.mark.parametrize(("sigma", "factor"), [(0, 0.7), (0.02, 0.9)])
def test_estimates_between_atoms_are_nearer_to_the_truth(sigma, factor):
    data = DATA + sigma * NOISE
    best, between = sb.match(data, ATOMS), sb.match(data, ATOMS, interpolate=True)
    for name in NAMES:
        assert distance(between, name) < factor * distance(best, name), name


def test_index_correlation_and_omega0_are_those_of_the_best_atom():
    assert np.array_equal(BETWEEN.index, BEST.index)
    assert BETWEEN.correlation.tobytes() == BEST.correlation.tobytes()
    assert np.array_equal(BETWEEN.tissue["omega0"], BEST.tissue["omega0"])
    assert np.angle(BETWEEN.tissue["M0"] / BEST.tissue["M0"]) == pytest.approx(np.zeros((V, 1)), abs=1e-12)


def test_the_size_of_M0_is_nearer_too():
    sizes = [np.median(np.abs(np.abs(found.tissue["M0"]) - 2)) for found in (BETWEEN, BEST)]
    assert sizes[0] < 0.5 * sizes[1]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(1e-3, 1e3))
def test_no_estimate_leaves_the_range_of_the_atoms(seed, scale):
    data = scale * np.random.default_rng(seed).normal(size=(20, 26)).view(complex)  # of no tissue
    found = sb.match(data, ATOMS, interpolate=True)
    for name in sb.ALL[1:]:
        atoms = ATOMS.tissue[name]
        assert atoms.min() <= found.tissue[name].min()
        assert found.tissue[name].max() <= atoms.max()


def test_a_line_of_atoms_is_interpolated():
    # along one parameter, 1 % apart, signals are straight to 1e-4 of the distance
    atoms = sb.dictionary(TRAIN, sb.Tissue(m0s=np.linspace(0.1, 0.2, 60)), basis=BASIS)
    tissue = sb.Tissue(m0s=np.linspace(0.13, 0.17, 17), M0=1j)
    found = sb.match(sb.simulate(TRAIN, tissue, basis=BASIS), atoms, interpolate=True)
    assert found.tissue["m0s"][:, 0] == pytest.approx(tissue["m0s"], abs=2e-4)
    assert found.tissue["M0"][:, 0] == pytest.approx(1j * np.ones(17), abs=1e-3)
    assert (found.tissue["R1f"] == 0.5).all()  # what all atoms share


def test_equal_R1_of_both_pools_stay_equal():
    assert np.array_equal(BETWEEN.tissue["R1f"], BETWEEN.tissue["R1s"])


@pytest.mark.parametrize("voxels", [[3], [70, 2, 2, 40], list(range(V))])
@pytest.mark.parametrize("threads", [1, 3])
def test_an_estimate_does_not_depend_on_the_other_voxels(voxels, threads, monkeypatch):
    monkeypatch.setattr(sys.modules["spinbound.estimators.matching.match"], "TOGETHER", 33)
    assert bits(sb.match(DATA[voxels], ATOMS, interpolate=True, threads=threads)) == bits(BETWEEN, voxels)


def test_a_bad_voxel_stays_alone():
    data = DATA.reshape(4, 20, 13).copy()
    data[1, 5, 2] = np.nan
    found = sb.match(data, ATOMS, interpolate=True)
    assert found.tissue.shape == (4, 20, 1)
    bad = np.isnan(found.tissue["m0s"][..., 0])
    assert np.argwhere(bad).tolist() == [[1, 5]]
    assert np.isnan(found.tissue["M0"][1, 5]).all()
    assert bits(found, ~bad) == bits(BETWEEN, ~bad.ravel())


def test_known_maps_choose_the_neighbours():
    found = sb.match(DATA, ATOMS, restrict={"B1": TRUTH["B1"]}, interpolate=True)
    assert np.median(np.abs(found.tissue["B1"][:, 0] - TRUTH["B1"])) < 0.03


def test_a_store_gives_the_same_estimates(tmp_path):
    store = sb.build_dictionary(TRAIN, PRIOR, N, tmp_path / "a.zarr", basis=BASIS, derivatives=None, chunk=300)
    assert bits(sb.match(DATA, store, interpolate=True)) == bits(BETWEEN)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_atoms_are_enough(n):
    atoms = sb.dictionary(TRAIN, PRIOR, n=n, basis=BASIS)
    found = sb.match(DATA, atoms, interpolate=True)
    for name in sb.ALL[1:]:
        assert np.isfinite(found.tissue[name]).all()
    if n == 1:
        assert np.array_equal(found.tissue["m0s"], np.broadcast_to(atoms.tissue["m0s"], (V, 1)))


def test_an_atom_that_cannot_be_simulated_is_no_neighbour(tmp_path):
    tissue = PRIOR.sample(40).replace(B1=np.where(np.arange(40) % 3, 1.0, 30.0))
    store = sb.build_dictionary(TRAIN, tissue, None, tmp_path / "a.zarr", basis=BASIS, derivatives=None)
    found = sb.match(DATA, store, interpolate=True)
    assert (found.tissue["B1"] == 1).all()


def test_several_atoms_are_not_interpolated():
    with pytest.raises(sb.InvalidParameter, match="k is 2; allowed where interpolate is set: 1"):
        sb.match(DATA, ATOMS, k=2, interpolate=True)
