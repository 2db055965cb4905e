"""The mathematics of the theory, section 16.

Symbols and numbers are those of docs/theory; nothing here uses the compiled core.
"""

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from tests.support.theory import stacked

M, P = 9, 4  # complex samples, unknowns
rng = np.random.default_rng(16)
EPS = np.finfo(float).eps


def gaussian(*shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def orthonormal(columns):
    return np.linalg.qr(columns)[0]


def projector(V):
    """P: real and imaginary parts of V V^H."""
    both = V @ V.conj().T
    return np.block([[both.real, -both.imag], [both.imag, both.real]])


def apart(A, i):
    """d_i of (16.4), and N."""
    N = np.delete(A, i, axis=1)
    return A[:, i] - N @ np.linalg.lstsq(N, A[:, i], rcond=None)[0], N


def bound(A, i):
    return np.linalg.inv(A.T @ A)[i, i]


def losses(A, i, V):
    """The two fractions that (16.5) subtracts."""
    d, N = apart(A, i)
    e, PN = d - projector(V) @ d, projector(V) @ N
    g = N.T @ e
    return e @ e / (d @ d), g @ np.linalg.solve(PN.T @ PN, g) / (d @ d)


J = gaussian(M, P)
A = stacked(J)


def test_eigenvectors_of_the_gram_matrix_leave_out_the_least_energy():
    X = gaussian(M, 30) * np.arange(1, 10)[:, None]
    values, vectors = np.linalg.eigh(X @ X.conj().T)
    left_out = [np.linalg.norm(X - V @ V.conj().T @ X) ** 2 for V in (vectors[:, -3:], orthonormal(gaussian(M, 3)))]
    assert left_out[0] == pytest.approx(values[:-3].sum())
    assert left_out[0] < left_out[1]


@pytest.mark.parametrize("least", [1e-2, 1e-4, 1e-6])
def test_the_accuracy_of_the_gram_matrix(least):
    U, right = orthonormal(rng.normal(size=(60, 60))), orthonormal(rng.normal(size=(200, 60)))
    values = np.concatenate([np.geomspace(1, least, 6), np.full(54, least / 2)])
    X = U * values @ right.T
    turned = subspace_angles(np.linalg.eigh(X @ X.T)[1][:, -6:], U[:, :6])[0]
    direct = subspace_angles(np.linalg.svd(X)[0][:, :6], U[:, :6])[0]
    predicted = EPS / (values[5] ** 2 - values[6] ** 2)
    assert predicted / 100 < turned < 10 * predicted
    assert direct < 100 * EPS / least


def test_parts_and_conjugates_have_the_same_gram_matrix():
    X = gaussian(M, 20)
    both = np.concatenate([X, X.conj()], axis=1)
    parts = X.real @ X.real.T + X.imag @ X.imag.T
    assert parts == pytest.approx((X @ X.conj().T).real)
    assert parts == pytest.approx(both @ both.conj().T / 2)


@pytest.mark.parametrize("i", range(P))
def test_the_bound_is_the_length_of_what_is_apart(i):
    d, N = apart(A, i)
    assert N.T @ d == pytest.approx(np.zeros(P - 1), abs=1e-12)
    assert bound(A, i) == pytest.approx(1 / (d @ d))
    assert (d / (d @ d)) @ A == pytest.approx(np.eye(P)[i], abs=1e-12)  # weights of an unbiased estimate


@pytest.mark.parametrize("i", range(P))
def test_the_compressed_bound(i):
    V = orthonormal(gaussian(M, 5))
    compressed = bound(stacked(V.conj().T @ J), i)
    assert bound(A, i) / compressed == pytest.approx(1 - sum(losses(A, i, V)))


def test_what_is_apart_keeps_the_bound_and_nothing_less_does():
    d, _ = apart(A, 1)
    others = gaussian(M, 3)
    V = orthonormal(np.column_stack([d[:M] + 1j * d[M:], others]))
    assert bound(stacked(V.conj().T @ J), 1) == pytest.approx(bound(A, 1))
    without = orthonormal(others)
    assert bound(stacked(without.conj().T @ J), 1) > bound(A, 1) / (1 - losses(A, 1, without)[0]) > bound(A, 1)


def test_the_last_loss_is_of_second_order():
    error = gaussian(M, P)
    one, less = (losses(A, 2, orthonormal(J + size * error)) for size in (1e-2, 1e-3))
    # a tenth of the error: (1/10)^2 of the first loss, and the fourth power of the second, up to higher orders
    assert less[0] == pytest.approx(1e-2 * one[0], rel=0.2)
    assert less[1] == pytest.approx(1e-4 * one[1], rel=0.2)


def test_what_is_apart_from_singular_values():
    D = np.diag(1 / np.linalg.norm(A, axis=0))
    _, R = np.linalg.qr(A @ D)
    _, values, Wt = np.linalg.svd(R)
    for i in range(P):
        d, _ = apart(A, i)
        b = Wt[:, i] / values
        assert A @ D @ (Wt.T / values) @ b / np.linalg.norm(b) == pytest.approx(d / np.linalg.norm(d), abs=1e-12)


def test_passes_turn_random_columns_into_eigenvectors():
    n, r, width = 40, 3, 8
    values = 0.7 ** np.arange(n)
    U = orthonormal(gaussian(n, n))
    G, Q = U * values**2 @ U.conj().T, orthonormal(gaussian(n, width))
    turned = []
    for _ in range(6):
        product = G @ Q
        found = np.linalg.svd(product, full_matrices=False)[0][:, :r]
        turned.append(subspace_angles(found, U[:, :r])[0])
        kept = np.trace(found.conj().T @ G @ found).real
        assert 0 <= 1 - kept / np.sum(values[:r] ** 2) + 10 * EPS < turned[-1] ** 2 + 20 * EPS
        Q = orthonormal(product)
    # the last passes, by when directions beyond the next have gone
    assert np.array(turned[3:]) / turned[2:-1] == pytest.approx((values[width] / values[r - 1]) ** 2, rel=0.3)
