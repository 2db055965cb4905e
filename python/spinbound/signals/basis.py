"""Compression of signals in the time domain: s (..., n) -> c = U^H s (..., rank), U with orthonormal columns."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.blas import use_one_thread
from spinbound.base.checks import as_array, as_complex, as_count, as_data, as_real
from spinbound.base.errors import FloatArray, InvalidData, InvalidParameter
from spinbound.files.hashes import hash_arrays
from spinbound.files.npz import read_npz, read_npz_names, save_npz
from spinbound.sequences.experiment import Experiment, as_trains

from .belonging import ASSIGN, refuse_foreign_basis

# A basis stored in single precision deviates from orthonormality by a few 1e-7; a bound would err as much.
ORTHONORMALITY = 1e-5

VARIABLES = ("vectors", "singular_values", "sequence_identity")
MOST_KEPT = 16  # trains that a basis remembers to belong to


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Basis:
    """An orthonormal basis of the signals of one sequence.

    A signal s of n echoes is compressed to c = U^H s and expanded back to U c.

    Parameters
    ----------
    vectors : (n, rank)
        U: orthonormal columns, real or complex.
    singular_values : (>= rank,), optional
        Singular values that the vectors belong to, largest first; they may be more than the vectors.
    seq
        The sequence whose signals the basis describes. With it, the basis refuses any other sequence; without it, one
        in which a brain's signals are not those that the basis holds (see `check_sequence`).
    orthonormalise
        Accept columns that are not orthonormal, with a warning: the basis spans the same space (by QR).

    Attributes
    ----------
    vectors, singular_values
        As given, read-only.
    sequence_identity : str or None
        Identity of the sequence, by which it is recognised to 1e-12 s and 1e-12 rad, as after it was in a file.

    Raises
    ------
    InvalidData
        If the vectors are not a finite (n, rank) array with orthonormal columns (independent ones with
        `orthonormalise`), or the rest does not fit them.

    References
    ----------
    D. McGivney et al., IEEE Trans. Med. Imaging 33, 2311 (2014); J. Assländer et al., Magn. Reson. Med. 79, 83
    (2018).

    Examples
    --------
    >>> import numpy as np, spinbound as sb
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> signals = sb.simulate(seq, sb.Tissue(m0s=np.linspace(0, 0.3, 8), R2f=[[10], [20]]))
    >>> basis = sb.Basis.from_svd(signals, rank=4, seq=seq)
    >>> basis.compress(signals).shape
    (2, 8, 4)
    """

    vectors: npt.NDArray[Any]
    singular_values: FloatArray | None
    sequence_identity: str | None

    def __init__(
        self,
        vectors: npt.ArrayLike,
        singular_values: npt.ArrayLike | None = None,
        *,
        seq: Experiment | None = None,
        orthonormalise: bool = False,
    ) -> None:
        checked = _as_vectors(vectors, orthonormalise)
        trains = None if seq is None else as_trains(seq)
        if trains is not None and trains.n_echoes != checked.shape[0]:
            raise InvalidData(f"the basis has {checked.shape[0]} echoes, the sequence {trains.n_echoes}")
        values = None if singular_values is None else _as_singular_values(singular_values, checked.shape[1])
        _settle(self, checked, values, None if trains is None else trains.identity)

    @classmethod
    def from_svd(cls, signals: npt.ArrayLike, rank: int = 13, *, seq: Experiment | None = None) -> Basis:
        """Make a basis of the `rank` directions that hold most of the signals' energy.

        Parameters
        ----------
        signals : (..., n)
            Signals, real or complex. Signals with entries that are not finite (invalid voxels) are left out.
        rank
            Number of vectors, at most n and at most the number of signals.
        seq
            The sequence that the signals belong to.

        Returns
        -------
        Basis
            With all singular values of the signals.

        Raises
        ------
        InvalidData
            If no signal is finite.
        InvalidParameter
            If the rank is out of range.

        Notes
        -----
        The largest entry of each vector is real and positive. The linear algebra library, which works in one thread,
        decides the last bits.
        """
        array = _as_numbers("signals", signals)
        rows = _finite_signals(array)
        if as_count("rank", rank, 1) > min(rows.shape):
            raise InvalidParameter(
                f"rank is {rank}; allowed: 1 to {min(rows.shape)} "
                f"({rows.shape[0]} finite signals of {rows.shape[1]} echoes)"
            )
        # With rows = Q R the signals as columns are R^T Q^T: the SVD of R^T, n x n, has their vectors and values.
        with use_one_thread():
            R = np.asarray(np.linalg.qr(rows, mode="r"))
            vectors, singular_values, _ = np.linalg.svd(R.T, full_matrices=False)
        return cls(fix_phase(vectors[:, :rank]), singular_values, seq=seq)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Basis:
        """Read a basis from an .npz file: `vectors` and, if there, `singular_values` and `sequence_identity`.

        Parameters
        ----------
        path
            The file.

        Returns
        -------
        Basis
            It refuses other sequences if the file has the hash of one.

        Raises
        ------
        InvalidData
            If something is missing or makes no sense.
        OSError
            If the file cannot be read or is damaged.
        """
        path = Path(path)
        content = read_npz(path, VARIABLES, InvalidData)
        if "vectors" not in content:
            present = ", ".join(read_npz_names(path, InvalidData)) or "nothing"
            raise InvalidData(f"{path}: no variable vectors; the file has: {present}")
        try:
            basis = cls(content["vectors"], content.get("singular_values"))
        except InvalidData as problem:
            raise InvalidData(f"{path}: {problem}") from None
        identity = str(content["sequence_identity"]) if "sequence_identity" in content else None
        return _make_basis(basis.vectors, basis.singular_values, identity)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the basis to an .npz file, whole or not at all.

        Parameters
        ----------
        path
            The file, ``.npz``.

        Raises
        ------
        InvalidData
            For another suffix.
        OSError
            If the file cannot be written.
        """
        save_npz(path, "a basis is", self.as_dict())

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """Return the variables of a file: `vectors` and, if known, `singular_values` and `sequence_identity`."""
        content = {name: getattr(self, name) for name in VARIABLES}
        return {name: np.asarray(value) for name, value in content.items() if value is not None}

    @property
    def n_echoes(self) -> int:
        """Number of samples of a signal."""
        return int(self.vectors.shape[0])

    @property
    def rank(self) -> int:
        """Number of vectors."""
        return int(self.vectors.shape[1])

    def truncate(self, rank: int) -> Basis:
        """Return the basis of the first `rank` vectors, of the same sequence.

        Raises
        ------
        InvalidParameter
            If the basis has fewer vectors.
        """
        if as_count("rank", rank, 1) > self.rank:
            raise InvalidParameter(f"rank is {rank}; this basis has {self.rank} vectors")
        return _make_basis(self.vectors[:, :rank], self.singular_values, self.sequence_identity)

    def compress(self, signals: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return coefficients U^H s (..., rank) of signals (..., n), in the signals' precision; masked entries are NaN.

        Raises
        ------
        InvalidData
            If the last axis is not as long as the basis.
        """
        return _multiply("signals", signals, self.vectors.conj(), "as the basis has echoes")

    def expand(self, coefficients: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return signals U c (..., n) of coefficients (..., rank), in their precision; masked entries are NaN.

        Raises
        ------
        InvalidData
            If the last axis is not as long as the rank.
        """
        return _multiply("coefficients", coefficients, self.vectors.T, "as the basis has vectors")

    def assign(self, seq: Experiment) -> Basis:
        """Return the basis as that of a sequence, whatever its signals are in it.

        Raises
        ------
        InvalidData
            If the number of echoes differs.
        """
        return Basis(self.vectors, self.singular_values, seq=seq)

    def check_sequence(self, seq: Experiment) -> None:
        """Refuse a sequence that the basis was not made for.

        If it does not know its sequence, it has to hold signals of a brain in this one: 200 fixed tissues are simulated
        (0.1 s for 1142 echoes), in the first call.

        Raises
        ------
        InvalidParameter
            If the number of echoes differs, or the sequence that the basis knows, or if nine in ten of the tissues
            leave more than a tenth of their norm outside of the basis (0.12 of less than eight vectors) and more than
            1.3 times what a basis of the same rank for tissues of `Prior.paper` would leave. The message says what to
            check; `assign` overrides it.

        A train that is nearly right has nearly the same signals: a TR that is wrong by 10 % is not found.
        """
        trains = as_trains(seq)
        kept = vars(self).setdefault("_trains", {})
        key = tuple(map(id, trains.sequences))
        if key in kept:
            return
        if trains.n_echoes != self.n_echoes:
            raise InvalidParameter(f"the basis has {self.n_echoes} echoes, the sequence {trains.n_echoes}")
        if self.sequence_identity is None:
            refuse_foreign_basis(self.vectors, trains)
        elif not trains.has_identity(self.sequence_identity):
            raise InvalidParameter(
                f"the basis belongs to another sequence (identity {self.sequence_identity:.12}..., this sequence "
                f"{trains.identity:.12}...); if it fits this one as well: {ASSIGN}"
            )
        if len(kept) == MOST_KEPT:
            kept.clear()
        kept[key] = trains.sequences  # which lives as long as the key, so that no other train gets its id

    def __eq__(self, other: object) -> bool:
        """Say whether vectors, singular values and sequence agree."""
        if not isinstance(other, Basis):
            return NotImplemented
        return (
            np.array_equal(self.vectors, other.vectors)
            and np.array_equal(_or_empty(self.singular_values), _or_empty(other.singular_values))
            and self.sequence_identity == other.sequence_identity
        )

    def __repr__(self) -> str:
        return f"Basis({self.n_echoes} echoes, rank {self.rank}, {self.vectors.dtype})"

    @property
    def sha256(self) -> str:
        """Hash of the vectors and the singular values."""
        return hash_arrays(self.vectors, self.singular_values)

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_basis, tuple(getattr(self, name) for name in VARIABLES)


def have_same_vectors(one: Basis | None, other: Basis | None) -> bool:
    """Say whether coefficients in one basis are those in the other, wherever the bases come from."""
    if one is None or other is None:
        return one is other
    return one is other or np.array_equal(one.vectors, other.vectors)


def _make_basis(vectors: npt.NDArray[Any], singular_values: FloatArray | None, identity: str | None) -> Basis:
    """Make a basis of arrays that are already checked."""
    basis = object.__new__(Basis)
    _settle(basis, vectors, singular_values, identity)
    return basis


def _settle(basis: Basis, vectors: npt.NDArray[Any], singular_values: FloatArray | None, identity: str | None) -> None:
    for name, value in zip(VARIABLES, (vectors, singular_values, identity), strict=True):
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
        object.__setattr__(basis, name, value)


def _as_numbers(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return numbers in double precision, real if possible."""
    is_complex = as_array(name, values, InvalidData).dtype.kind == "c"
    return (as_complex if is_complex else as_real)(name, values, InvalidData)


def _as_vectors(vectors: npt.ArrayLike, orthonormalise: bool) -> npt.NDArray[Any]:
    """Return vectors (n, rank) with orthonormal columns; real ones stay real."""
    array = _as_numbers("vectors", vectors)
    if array.ndim != 2 or not 1 <= array.shape[1] <= array.shape[0]:
        raise InvalidData(f"vectors must have shape (n, rank), 1 <= rank <= n; given {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidData("vectors must be finite")

    error = np.abs(array.conj().T @ array - np.eye(array.shape[1])).max()
    if error <= ORTHONORMALITY:
        return array
    if not orthonormalise:
        raise InvalidData(
            f"the columns of vectors are not orthonormal (|U^H U - 1| reaches {error:.1e}); "
            "orthonormalise=True takes the basis of their span"
        )

    rank = _rank(array)
    if rank < array.shape[1]:
        raise InvalidData(f"the {array.shape[1]} columns of vectors span {rank} dimensions only: they are dependent")
    warnings.warn("the columns of vectors were not orthonormal: replaced by those of their QR", stacklevel=4)
    return np.linalg.qr(array)[0]


def _rank(vectors: npt.NDArray[Any]) -> int:
    """Return the dimension of the columns' span, for any lengths of the columns."""
    lengths = np.linalg.norm(vectors, axis=0)
    return int(np.linalg.matrix_rank(vectors / np.where(lengths > 0, lengths, 1)))


def _as_singular_values(values: npt.ArrayLike, rank: int) -> FloatArray:
    array = as_real("singular_values", values, InvalidData)
    if array.ndim != 1 or array.size < rank:
        raise InvalidData(f"singular_values must be one-dimensional, at least {rank}; given {array.shape}")
    if not (np.isfinite(array) & (array >= 0)).all() or (np.diff(array) > 0).any():
        raise InvalidData("singular_values must be finite, not negative and in falling order")
    return array


def _finite_signals(signals: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if signals.ndim == 0 or signals.shape[-1] == 0:
        raise InvalidData(f"signals must have shape (..., n); given {signals.shape}")
    rows = signals.reshape(-1, signals.shape[-1])
    finite = np.isfinite(rows).all(axis=1)
    if not finite.any():
        raise InvalidData(f"none of the {rows.shape[0]} signals is finite")
    return np.asarray(rows[finite])


def fix_phase(vectors: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Turn the phase of columns so that the largest entry of each is real and positive."""
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    columns: npt.NDArray[Any] = vectors * (np.abs(largest) / largest)
    return columns


def _multiply(name: str, values: npt.ArrayLike, matrix: npt.NDArray[Any], why: str) -> npt.NDArray[Any]:
    """Return data times a matrix, in the precision of the data; `why` tells the length that they must have."""
    data = as_data(name, values, len(matrix), why)
    return np.asarray(data @ matrix.astype(_precision(data, matrix), copy=False))


def _precision(data: npt.NDArray[Any], vectors: npt.NDArray[Any]) -> np.dtype[Any]:
    """Return the vectors' type in the precision of the data."""
    is_single = data.dtype in (np.float32, np.complex64)
    if vectors.dtype.kind == "c":
        return np.dtype(np.complex64 if is_single else np.complex128)
    return np.dtype(np.float32 if is_single else np.float64)


def _or_empty(values: FloatArray | None) -> FloatArray:
    return np.empty(0) if values is None else values
