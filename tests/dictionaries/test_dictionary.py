"""Dictionaries in memory: the signals of their tissues, or the dictionary is refused."""

import numpy as np
import pytest
import spinbound as sb

from tests.support.matches import PRIOR, TRAIN
from tests.support.progress import reports_of


def test_a_dictionary_has_the_signals_of_its_tissues():
    atoms = sb.dictionary(TRAIN, PRIOR, n=50, seed=3)
    assert np.array_equal(atoms.signals, sb.simulate(TRAIN, atoms.tissue))
    assert atoms.tissue == PRIOR.sample(50, seed=3)
    assert atoms.sequence_sha256 == TRAIN.sha256
    assert (len(atoms), atoms.n_samples) == (50, 60)


def test_atoms_in_a_basis_are_coefficients():
    basis = sb.Basis.from_svd(sb.simulate(TRAIN, PRIOR.sample(100)), rank=5, seq=TRAIN)
    atoms = sb.dictionary(TRAIN, PRIOR, n=20, basis=basis)
    expected = basis.compress(sb.simulate(TRAIN, atoms.tissue))
    # two orders of summing 60 numbers of up to 1
    assert atoms.signals == pytest.approx(expected, abs=1e-13)
    assert atoms.basis == basis


def test_more_atoms_begin_with_the_same_ones():
    few, many = (sb.dictionary(TRAIN, PRIOR, n=n) for n in (5, 50))
    assert np.array_equal(few.signals, many.signals[:5])


def test_a_prior_of_grids_gives_each_combination_once():
    grids = {"m0s": sb.Grid([0.1, 0.2, 0.3]), "B1": sb.Grid([0.9, 1.1]), "T1a": sb.Constant(1.5)}
    assert sb.dictionary(TRAIN, sb.Prior(**grids)).tissue == sb.Prior(**grids).sample(6).replace(M0=1)
    assert len(sb.dictionary(TRAIN, sb.Prior(**grids), n=7)) == 7
    drawn = sb.Prior(**grids, T2s=sb.Uniform(5e-6, 2e-5))
    assert len(sb.dictionary(TRAIN, drawn)) == 20_000


def test_atoms_may_be_given_in_any_shape_and_of_any_M0():
    tissue = sb.Tissue(m0s=[[0.1], [0.2]], T1a=[1.0, 2.0, 3.0], M0=[[3j], [5]])
    atoms = sb.dictionary(TRAIN, tissue)
    assert atoms.tissue.shape == (6,)
    assert atoms.tissue["m0s"].tolist() == [0.1] * 3 + [0.2] * 3
    assert (atoms.tissue["M0"] == 1).all()
    assert np.array_equal(atoms.signals, sb.dictionary(TRAIN, atoms.tissue).signals)


def test_a_joint_experiment_has_a_dictionary():
    assert sb.dictionary([TRAIN, TRAIN], PRIOR, n=3).n_samples == 120


def test_the_model_is_that_of_simulate():
    tissue = sb.Tissue(m0s=0, B1=[0.8, 1.0])
    atoms = sb.dictionary(TRAIN, tissue, model="bloch")
    assert np.array_equal(atoms.signals, sb.simulate(TRAIN, tissue, model="bloch"))
    assert atoms.model == sb.Model("bloch")


def test_a_dictionary_is_read_only():
    atoms = sb.dictionary(TRAIN, sb.Tissue())
    with pytest.raises(ValueError, match="read-only"):
        atoms.signals[0] = 0


def test_progress_counts_the_atoms():
    assert reports_of(sb.dictionary, TRAIN, PRIOR, n=20)[-1] == (20, 20)


@pytest.mark.parametrize(
    ("source", "n", "message"),
    [
        ({"m0s": 0.1}, None, "source must be a spinbound.Prior or Tissue; given dict"),
        (sb.Tissue(m0s=[0.1, 0.2]), 2, "n is 2, but the tissues are given"),
        (sb.Tissue(m0s=np.empty((0, 3))), None, r"source has no voxel in shape \(0, 3\)"),
        (PRIOR, 0, "n must be an integer of at least 1"),
        (sb.Tissue(m0s=[0.1, 2, np.nan]), None, "2 of 3 tissues cannot be atoms; tissue 1: m0s is 2; allowed"),
        (sb.Tissue(B1=[1, 9]), None, "1 of 2 tissues cannot be atoms; tissue 1: B1 is 9: pulse 15 has a flip angle"),
    ],
)
def test_what_gives_no_dictionary_is_refused(source, n, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        sb.dictionary(TRAIN, source, n)


def test_tissues_of_a_prior_beyond_the_model_are_left_out_and_counted():
    # the paper's B1 goes to 1.9; the largest flip angle of the bundled train allows 1.75
    seq, n = sb.sequences.load("hybrid-mt-4s"), 500
    basis = sb.Basis.from_svd(sb.simulate(seq, sb.Tissue(m0s=[0.05, 0.1, 0.15, 0.2])), rank=3, seq=seq)
    drawn = sb.Prior.paper().sample(n)
    accepted = drawn["B1"] <= sb.Prior.paper().within(seq).bounds["B1"][1]
    atoms = sb.dictionary(seq, sb.Prior.paper(), n, basis=basis)
    assert 0 < atoms.n_left_out == n - accepted.sum()
    assert atoms.tissue == drawn[accepted].replace(M0=1)
    assert np.array_equal(atoms.signals, sb.simulate(seq, drawn, basis=basis)[accepted])
    assert repr(atoms) == f"Dictionary({n - atoms.n_left_out} tissues of 3 samples, {atoms.n_left_out} left out)"
    message = rf"{atoms.n_left_out} of 500 tissues cannot be atoms; tissue {accepted.argmin()}: B1 is"
    with pytest.raises(sb.InvalidParameter, match=message):
        sb.dictionary(seq, sb.Prior.paper(), n, basis=basis, strict=True)


def test_a_prior_of_which_no_tissue_can_be_an_atom_is_refused():
    with pytest.raises(sb.InvalidParameter, match=r"every voxel is invalid: B1 is 2.5"):
        sb.dictionary(TRAIN, sb.Prior(B1=sb.Uniform(2.5, 2.6)), 3)
    with pytest.raises(sb.InvalidParameter, match="3 of 3 tissues cannot be atoms; tissue 0: its signal is zero"):
        sb.dictionary(TRAIN, sb.Prior(B1=sb.Uniform(1e-200, 2e-200)), 3)  # squares of its signal underflow


def test_a_tissue_without_signal_is_refused():
    with pytest.raises(sb.InvalidParameter, match="1 of 1 tissues cannot be atoms; tissue 0: its signal is zero"):
        sb.dictionary(TRAIN, sb.Tissue(B1=1e-200))


def test_a_dictionary_tells_its_size():
    assert repr(sb.dictionary(TRAIN, sb.Tissue())) == "Dictionary(1 tissue of 60 samples)"
