"""Sums over signals, from which their singular vectors follow without the signals being stored.

Signals s are rows of two matrices (m, n), of their real and of their imaginary parts. Either

    Gram     sum s s^H, n x n: its eigenvectors are the left singular vectors of the signals as columns
    Sketch   sum s (s^H Q), n x l, for few orthonormal columns Q: for trains too long for n x n

A real basis is that of real and imaginary parts as signals of their own, whose Gram matrix is Re sum s s^H
(theory, section 16).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import FloatArray

EPS = float(np.finfo(np.float64).eps)


@dataclass
class Gram:
    """G = sum s s^H, or its real part.

    Re G = sum of Re s Re s^T + Im s Im s^T, and Im G = X - X^T with X = sum Im s Re s^T.
    """

    real: FloatArray  # (n, n)
    cross: FloatArray | None  # (n, n): X; None for a real basis
    energy: float = 0.0  # sum |s|^2

    @classmethod
    def empty(cls, n: int, is_real: bool) -> Gram:
        """Start a sum over signals of n samples."""
        return cls(np.zeros((n, n)), None if is_real else np.zeros((n, n)))

    def add(self, parts: FloatArray) -> None:
        """Add signals by their parts (2, m, n), real and imaginary."""
        rows = parts.reshape(-1, parts.shape[-1])
        self.real += rows.T @ rows
        if self.cross is not None:
            self.cross += parts[1].T @ parts[0]
        self.energy += float(np.sum(np.square(rows)))

    @property
    def total(self) -> npt.NDArray[Any]:
        """G (n, n)."""
        return self.real if self.cross is None else self.real + 1j * (self.cross - self.cross.T)


@dataclass
class Sketch:
    """G Q for orthonormal columns Q (n, l), real for the real part of G."""

    columns: npt.NDArray[Any]
    total: npt.NDArray[Any]
    energy: float = 0.0  # sum |s|^2

    @classmethod
    def of(cls, columns: npt.NDArray[Any]) -> Sketch:
        """Start a sum over signals, for given columns Q."""
        return cls(columns, np.zeros_like(columns))

    def add(self, parts: FloatArray) -> None:
        """Add signals by their parts (2, m, n), real and imaginary."""
        is_real = self.columns.dtype.kind == "f"
        rows = parts.reshape(-1, parts.shape[-1]) if is_real else parts[0] - 1j * parts[1]  # s^H
        self.total += rows.conj().T @ (rows @ self.columns)
        self.energy += float(np.sum(np.square(parts)))


def random_columns(n: int, count: int, is_real: bool) -> npt.NDArray[Any]:
    """Return the same random columns (n, count) in every call, equally distributed over all directions."""
    rng = np.random.Generator(np.random.Philox(key=0))
    normal = rng.standard_normal((n, count)) if is_real else rng.standard_normal((n, count, 2)) @ np.array([1, 1j])
    return np.asarray(normal)


def eigen(gram: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], FloatArray]:
    """Return the eigenvectors of G and the square roots of its eigenvalues, largest first."""
    values, vectors = np.linalg.eigh(gram)
    return drop_unresolved(vectors[:, ::-1], values[::-1])


def left_singular(product: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], FloatArray]:
    """Return the same as `eigen` from G Q: where Q spans eigenvectors of G, they are its left singular vectors."""
    vectors, values, _ = np.linalg.svd(product, full_matrices=False)
    return drop_unresolved(vectors, values)


def drop_unresolved(vectors: npt.NDArray[Any], values: FloatArray) -> tuple[npt.NDArray[Any], FloatArray]:
    """Return the eigenpairs above rounding error, n eps times the largest."""
    resolved = values > len(vectors) * EPS * values[0]
    return vectors[:, resolved], np.sqrt(values[resolved])
