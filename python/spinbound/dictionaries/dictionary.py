"""Dictionaries in memory: atoms of unit norm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import FloatArray
from spinbound.signals.basis import Basis
from spinbound.tissues.tissue import Tissue


@dataclass(frozen=True, eq=False, repr=False)
class Dictionary:
    """The signals of n tissues, the atoms, scaled to unit norm.

    Attributes
    ----------
    tissue
        The atoms, of shape (n,), with M0 = 1.
    signals : (n, samples) complex
        Of unit norm; `samples` are echoes, or the vectors of the basis.
    scale : (n,)
        Norm of the signal for M0 = 1.
    basis
        The `Basis` that the signals are compressed to, or None.
    sequence_sha256 : str
        Of the sequence, or of all sequences of a joint experiment.

    Examples
    --------
    >>> import spinbound as sb
    >>> atoms = sb.dictionary(sb.sequences.load("hybrid-mt-4s"), sb.Tissue(m0s=[0.1, 0.2]))
    >>> isinstance(atoms, sb.Dictionary), len(atoms)
    (True, 2)
    """

    tissue: Tissue
    signals: npt.NDArray[np.complex128]
    scale: FloatArray
    basis: Basis | None
    sequence_sha256: str

    def __len__(self) -> int:
        """Number of atoms."""
        return self.scale.size

    @property
    def n_samples(self) -> int:
        """Samples of one signal."""
        return int(self.signals.shape[1])

    def __repr__(self) -> str:
        return f"Dictionary({len(self)} atoms of {self.n_samples} samples)"


def norms(signals: npt.NDArray[np.complex128]) -> FloatArray:
    """(n,) norms of C-contiguous signals (n, samples)."""
    return np.asarray(np.sqrt(np.sum(np.square(signals.view(np.float64)), axis=-1)))


def scaled(
    tissue: Tissue, signals: npt.NDArray[np.complex128], scale: FloatArray, basis: Basis | None, sequence_sha256: str
) -> Dictionary:
    """The dictionary of signals, which are brought to unit norm in place."""
    signals /= scale[:, None]
    for array in (signals, scale):
        array.setflags(write=False)
    return Dictionary(tissue, signals, scale, basis, sequence_sha256)
