"""Compression: what a basis promises, refuses, and keeps on disk."""

import copy
import os
import pickle

import numpy as np
import pytest
import spinbound as sb
from hypothesis import given
from hypothesis import strategies as st
from spinbound.sequences.experiment import as_trains

from tests.support.trains import random_basis

EPS = np.finfo(float).eps
BASIS = random_basis(12, 4, seed=0)


def complex_array(*shape, seed=0):
    real, imaginary = np.random.default_rng(seed).standard_normal((2, *shape))
    return real + 1j * imaginary


def train(n_pulses=12, TR=3.5e-3):
    return sb.Sequence(np.full(n_pulses, 0.3), np.full(n_pulses, 3e-4), TR, gradient_moment="balanced")


@given(st.integers(1, 20), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_compression_of_what_the_basis_spans_loses_nothing(n, rank, seed):
    basis = random_basis(n, min(n, rank), seed)
    coefficients = complex_array(3, basis.rank, seed=seed)
    # two products of at most 20 terms: a few dozen roundings
    assert basis.compress(basis.expand(coefficients)) == pytest.approx(coefficients, abs=100 * EPS)


def test_coefficients_are_inner_products_with_the_vectors():
    signal = complex_array(12, seed=1)
    expected = [np.vdot(vector, signal) for vector in BASIS.vectors.T]
    assert BASIS.compress(signal) == pytest.approx(expected, abs=100 * EPS)


def test_voxels_keep_their_axes():
    coefficients = BASIS.compress(complex_array(2, 3, 5, 12))
    assert coefficients.shape == (2, 3, 5, 4)
    assert BASIS.expand(coefficients).shape == (2, 3, 5, 12)


def test_a_bad_voxel_stays_alone():
    signals = complex_array(3, 12)
    clean = BASIS.compress(signals)
    signals[1, 5] = np.nan
    coefficients = BASIS.compress(signals)
    assert np.isnan(coefficients[1]).all()
    assert coefficients[[0, 2]] == pytest.approx(clean[[0, 2]], abs=100 * EPS)


def test_masked_entries_are_nan():
    assert np.isnan(BASIS.compress(np.ma.array(np.ones(12), mask=[True] + [False] * 11))).all()


def test_single_precision_stays_single():
    assert BASIS.compress(np.ones(12, np.complex64)).dtype == np.complex64
    assert BASIS.expand(np.ones(4, np.float32)).dtype == np.complex64
    assert sb.Basis(np.eye(12)[:, :4]).compress(np.ones(12, np.float32)).dtype == np.float32


@pytest.mark.parametrize("signals", [np.ones(11), np.ones((12, 3)), 1.0, np.full(12, "a")])
def test_signals_of_another_length_are_refused(signals):
    with pytest.raises(sb.InvalidData, match=r"signals (have shape .* must be 12|must be numbers)"):
        BASIS.compress(signals)


def test_coefficients_of_another_rank_are_refused():
    with pytest.raises(sb.InvalidData, match=r"coefficients have shape \(2, 13\); the last axis must be 4"):
        BASIS.expand(np.ones((2, 13)))


# Making one


def test_the_vectors_of_the_largest_singular_values_hold_most_energy():
    signals = complex_array(40, 12) * 10.0 ** -np.arange(12)
    basis = sb.Basis.from_svd(signals, rank=5)
    residual = signals - basis.expand(basis.compress(signals))
    # Eckart-Young: what is left out is the energy of the other singular values
    expected = np.sqrt(np.sum(basis.singular_values[5:] ** 2))
    assert np.linalg.norm(residual) == pytest.approx(expected, rel=1e-6)
    assert basis.singular_values.size == 12


def test_real_signals_give_real_vectors():
    basis = sb.Basis.from_svd(complex_array(20, 12).real, rank=3)
    assert basis.vectors.dtype == np.float64


def test_the_phase_of_every_vector_is_fixed():
    signals = complex_array(20, 12)
    basis, turned = sb.Basis.from_svd(signals, rank=3), sb.Basis.from_svd(1j * signals, rank=3)
    # well-separated singular values of random signals: vectors agree to the accuracy of the SVD
    assert turned.vectors == pytest.approx(basis.vectors, abs=1e-12)
    largest = basis.vectors[np.abs(basis.vectors).argmax(axis=0), range(3)]
    assert largest.imag == pytest.approx(0, abs=EPS)
    assert (largest.real > 0).all()


def test_invalid_voxels_are_left_out():
    signals = complex_array(4, 5, 12)
    signals[1, 2] = np.nan
    rest = np.delete(signals.reshape(20, 12), 7, axis=0)
    assert sb.Basis.from_svd(signals, rank=3) == sb.Basis.from_svd(rest, rank=3)


def test_the_svd_sees_no_more_than_a_square(monkeypatch):
    # of all signals it would make right vectors, as large as they are, that nobody needs
    shapes, svd = [], np.linalg.svd
    monkeypatch.setattr(np.linalg, "svd", lambda array, **options: shapes.append(array.shape) or svd(array, **options))
    signals = complex_array(500, 12)
    basis = sb.Basis.from_svd(signals, rank=3)
    assert shapes == [(12, 12)]
    U, S, _ = svd(signals.T, full_matrices=False)
    # two ways to well-separated singular values: a few dozen roundings
    assert basis.singular_values == pytest.approx(S, rel=1e-13)
    assert np.abs(np.sum(U[:, :3].conj() * basis.vectors, axis=0)) == pytest.approx(np.ones(3), rel=1e-13)


@pytest.mark.parametrize("rank", [0, 13, 1.5])
def test_a_rank_out_of_range_is_refused(rank):
    with pytest.raises(sb.InvalidParameter, match="rank"):
        sb.Basis.from_svd(complex_array(20, 12), rank=rank)


@pytest.mark.parametrize(
    ("signals", "message"),
    [(np.full((3, 12), np.nan), "none of the 3 signals is finite"), (1.0, r"shape \(\.\.\., n\)")],
)
def test_signals_without_content_are_refused(signals, message):
    with pytest.raises(sb.InvalidData, match=message):
        sb.Basis.from_svd(signals, rank=1)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones(12), r"shape \(n, rank\)"),
        (np.eye(3, 4), "1 <= rank <= n"),
        (np.full((3, 2), np.nan), "finite"),
        (2 * np.eye(4), "not orthonormal .* orthonormalise=True"),
        (np.full((4, 1), "a"), "real numbers"),
    ],
)
def test_vectors_that_are_no_basis_are_refused(vectors, message):
    with pytest.raises(sb.InvalidData, match=message):
        sb.Basis(vectors)


def test_on_request_other_vectors_stand_for_their_span():
    vectors = complex_array(12, 4)
    with pytest.warns(UserWarning, match="not orthonormal"):
        basis = sb.Basis(vectors, orthonormalise=True)
    assert basis.expand(basis.compress(vectors.T)) == pytest.approx(vectors.T, abs=1000 * EPS)


@pytest.mark.parametrize("vectors", [np.ones((4, 2)), np.eye(4)[:, [0, 1, 1]], np.eye(4)[:, :2] * [1, 0]])
def test_dependent_vectors_have_no_basis_of_as_many(vectors):
    with pytest.raises(sb.InvalidData, match=r"columns of vectors span . dimensions only"):
        sb.Basis(vectors, orthonormalise=True)


def test_short_vectors_are_as_good_as_long_ones():
    with pytest.warns(UserWarning, match="not orthonormal"):
        assert sb.Basis(np.eye(4)[:, :2] * [1, 1e-30], orthonormalise=True).rank == 2


@pytest.mark.parametrize("values", [[1.0], [1, 2, 3, 4], [4, 3, -2, -3], [np.nan] * 4, np.ones((4, 4))])
def test_singular_values_must_fit(values):
    with pytest.raises(sb.InvalidData, match="singular_values must be"):
        sb.Basis(np.eye(12)[:, :4], values)


def test_there_may_be_more_singular_values_than_vectors():
    assert sb.Basis(np.eye(12)[:, :4], np.arange(12)[::-1]).singular_values.size == 12


def test_the_first_vectors_are_a_basis():
    assert BASIS.truncate(2).rank == 2
    assert np.array_equal(BASIS.truncate(2).vectors, BASIS.vectors[:, :2])
    with pytest.raises(sb.InvalidParameter, match="this basis has 4 vectors"):
        BASIS.truncate(5)


# Its sequence


def test_a_basis_refuses_another_sequence():
    basis = sb.Basis(BASIS.vectors, seq=train())
    assert sb.simulate(train(), sb.Tissue(), basis=basis).shape == (4,)
    with pytest.raises(sb.InvalidParameter, match="the basis belongs to another sequence"):
        sb.simulate(train(TR=4e-3), sb.Tissue(), basis=basis)


def test_a_basis_that_holds_no_signals_of_a_sequence_is_refused_unless_it_is_assigned():
    with pytest.raises(sb.InvalidParameter, match=r"the basis does not belong to the sequence.* basis\.assign\(seq\)"):
        sb.simulate(train(), sb.Tissue(), basis=BASIS)
    assert sb.simulate(train(), sb.Tissue(), basis=BASIS.assign(train())).shape == (4,)
    with pytest.raises(sb.InvalidParameter, match="the basis has 12 echoes, the sequence 13"):
        sb.simulate(train(13), sb.Tissue(), basis=BASIS)
    with pytest.raises(sb.InvalidData, match="the basis has 12 echoes, the sequence 13"):
        BASIS.assign(train(13))


def test_a_basis_for_a_sequence_has_its_length():
    with pytest.raises(sb.InvalidData, match="the basis has 12 echoes, the sequence 13"):
        sb.Basis(BASIS.vectors, seq=train(13))


# Files


def test_a_basis_survives_every_way_of_copying(tmp_path):
    made = sb.Basis.from_svd(complex_array(20, 12), rank=3, seq=train())
    made.save(tmp_path / "basis.npz")
    for copied in (sb.Basis.load(tmp_path / "basis.npz"), pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert copied == made
        assert as_trains(train()).has_identity(copied.sequence_identity)
        assert not copied.vectors.flags.writeable
    assert os.listdir(tmp_path) == ["basis.npz"]


def test_a_basis_without_singular_values_survives_too(tmp_path):
    BASIS.save(tmp_path / "basis.npz")
    assert sb.Basis.load(tmp_path / "basis.npz") == BASIS


def test_a_basis_is_saved_as_npz_only(tmp_path):
    with pytest.raises(sb.InvalidData, match=r"saved as \.npz"):
        BASIS.save(tmp_path / "basis.mat")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"U": np.eye(3), "s": np.ones(3)}, "no variable vectors; the file has: U, s"),
        ({"vectors": 2 * np.eye(3)}, r"basis\.npz: the columns of vectors are not orthonormal"),
        ({"vectors": np.array([[{}]], dtype=object)}, "pickled Python objects"),
    ],
)
def test_a_file_without_a_basis_is_refused(content, message, tmp_path):
    np.savez(tmp_path / "basis.npz", **content)
    with pytest.raises(sb.InvalidData, match=message):
        sb.Basis.load(tmp_path / "basis.npz")


def test_the_published_basis_loads(published_data):
    basis = sb.Basis.load(published_data / "published_basis.npz")
    assert (basis.n_echoes, basis.rank) == (1142, 30)
    assert basis.singular_values.size == 100
