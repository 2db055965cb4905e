"""Bounds, correlations and fits from the singular values of a Jacobian over real unknowns.

J (n, P) becomes A (2n, K): real and imaginary part stacked, the column of M0 doubled into those of Re M0 and Im M0.
With A = Q R, D = diag(1/|A_k|) and the singular values R D = U S V^T

    covariance    (A^T A)^-1 = W W^T,  W = D V S^-1
    least squares A^+ r = W U^T (Q^T r)

neither of which forms A^T A, whose condition is the square of that of A. Which directions count as null, and which
unknowns they touch: theory, section 10, as in the bound itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import BoolArray, FloatArray

# Entries of a matrix that OpenBLAS reduces in one thread; threads that wait for each other may take 60 times as long.
ONE_THREAD = 1 << 13
# Singular values below this fraction of the largest are null: double precision does not tell them from zero.
NULL = 1e-13
# An unknown is not determined whose component in a null direction exceeds this fraction of its standard deviation from
# the other directions: rounding errors of J turn components by about that times the roundoff.
NULL_COMPONENT = 1e-12


def columns_of(names: tuple[str, ...]) -> list[slice]:
    """Return the columns of each name among the real unknowns: two for M0, one for all others."""
    starts = [k + ("M0" in names[:k]) for k in range(len(names))]
    return [slice(start, start + 1 + (name == "M0")) for start, name in zip(starts, names, strict=True)]


def real_columns(J: npt.NDArray[Any], names: tuple[str, ...]) -> FloatArray:
    """Return A (..., 2n, K) of the complex J (..., n, P)."""
    if "M0" in names:
        k = names.index("M0")
        J = np.insert(J, k + 1, 1j * J[..., k], axis=-1)
    return np.concatenate([J.real, J.imag], axis=-2)


def triangular(A: FloatArray) -> FloatArray:
    """Return R (..., K, K) of A = Q R.

    Householder's columns keep their relative accuracy at any size. Tall matrices are reduced in pieces first: R
    of the pieces' R, one above the other, is that of the whole.
    """
    pieces = max(1, -(-A.shape[-2] * A.shape[-1] // ONE_THREAD))
    rows = max(-(-A.shape[-2] // pieces), A.shape[-1])
    A = _pad_rows(A, pieces * rows)
    if pieces > 1:
        parts = np.linalg.qr(A.reshape(*A.shape[:-2], pieces, rows, A.shape[-1]), mode="r")
        A = np.asarray(parts).reshape(*A.shape[:-2], -1, A.shape[-1])
    return np.asarray(np.linalg.qr(A, mode="r"))


def _pad_rows(A: FloatArray, count: int) -> FloatArray:
    """Append rows of zeros to A, up to `count` rows."""
    missing = count - A.shape[-2]
    return np.concatenate([A, np.zeros((*A.shape[:-2], missing, A.shape[-1]))], axis=-2) if missing else A


@dataclass(frozen=True)
class Directions:
    """The singular values of the column-scaled A, largest first, and the estimates that follow from them."""

    norm: FloatArray  # (..., K) of the columns
    U: FloatArray  # (..., K, K) left singular vectors of R D
    S: FloatArray  # (..., K)
    V: FloatArray  # (..., K, K) right singular vectors, as columns

    @classmethod
    def of(cls, R: FloatArray) -> Directions:
        """Decompose a matrix (..., m, K) with m >= K and R^T R = A^T A."""
        norm = np.sqrt((R**2).sum(axis=-2))
        U, S, right = np.linalg.svd(R / np.where(norm > 0, norm, 1)[..., None, :], full_matrices=False)
        return cls(norm, U, S, np.swapaxes(right, -1, -2))

    @property
    def is_null(self) -> BoolArray:
        """(..., K): directions that do not change the signal, as far as double precision can tell."""
        return np.asarray(~(self.S > NULL * self.S[..., :1]))

    @property
    def is_lost(self) -> BoolArray:
        """(..., K): unknowns that the data do not determine."""
        component = np.sqrt((np.where(self.is_null[..., None, :], self.V, 0) ** 2).sum(axis=-1))
        return np.asarray(component > NULL_COMPONENT * np.sqrt((self.root**2).sum(axis=-1)))

    @property
    def condition(self) -> FloatArray:
        """(...): largest over least singular value; inf where the latter is null."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.is_null[..., -1], np.inf, self.S[..., 0] / self.S[..., -1])

    @property
    def root(self) -> FloatArray:
        """(..., K, K): D^-1 W, whose rows have the standard deviation of each unknown as their norm, times D^-1."""
        with np.errstate(divide="ignore"):
            reciprocal = 1 / self.S
        return self.V * np.where(self.is_null, 0, reciprocal)[..., None, :]

    def variances(self) -> FloatArray:
        """Return (..., K) diag((A^T A)^-1), inf for unknowns that are not determined."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.is_lost, np.inf, (self.root**2).sum(axis=-1) / self.norm**2)

    def correlation(self) -> FloatArray:
        """Return the correlation (..., K, K) of the estimates; NaN in rows and columns that are not determined."""
        root = self.root
        length = np.sqrt((root**2).sum(axis=-1, keepdims=True))
        rows = np.where(self.is_lost[..., None], np.nan, root / np.where(length > 0, length, 1))
        return np.clip(rows @ np.swapaxes(rows, -1, -2), -1, 1)

    @property
    def apart(self) -> FloatArray:
        """(..., K, K): A times column k is A_k less its part along the others, of length 1; 0 if not determined."""
        length = np.sqrt((self.root**2).sum(axis=-1))
        weights = self.root @ np.swapaxes(self.root, -1, -2)
        scale = self.norm[..., :, None] * length[..., None, :]
        return np.where(self.is_lost[..., None, :] | (scale == 0), 0, weights / np.where(scale > 0, scale, 1))

    def solve(self, c: FloatArray) -> FloatArray:
        """Return the least-squares fit (..., K) to Q^T r = c; NaN for unknowns that are not determined."""
        fit = (self.root @ (np.swapaxes(self.U, -1, -2) @ c[..., None]))[..., 0]
        return np.where(self.is_lost, np.nan, fit / np.where(self.norm > 0, self.norm, 1))
