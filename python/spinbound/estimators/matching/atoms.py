"""The atoms of a dictionary for matching, block by block: signals of unit norm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_instance
from spinbound.base.errors import BoolArray, FloatArray, InvalidData
from spinbound.base.parameters import TISSUE
from spinbound.dictionaries.dictionary import TISSUES, Dictionary, norms, tissue_from
from spinbound.tissues.tissue import Tissue

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class AtomBlock:
    """Some atoms: their rising numbers, their signals of unit norm (atoms, 2 n), and the norms before the scaling."""

    numbers: Index
    signals: FloatArray
    scale: FloatArray

    def select(self, chosen: BoolArray) -> AtomBlock:
        """Return some of the atoms."""
        return self if chosen.all() else AtomBlock(self.numbers[chosen], self.signals[chosen], self.scale[chosen])


@dataclass(frozen=True, eq=False)
class Atoms:
    """The atoms of a dictionary; tissues that could not be simulated or give no signal match nothing."""

    dictionary: Dictionary

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return self.dictionary.n_chunks

    def blocks(self) -> Iterator[AtomBlock]:
        """Yield all atoms that have a signal."""
        for chunk in range(self.n_blocks):
            signals = np.ascontiguousarray(self.dictionary.columns(chunk, "signals")["signals"], np.complex128)
            scale = norms(signals)
            rows = np.flatnonzero((scale > 0) & np.isfinite(scale))
            unit = signals[rows] / scale[rows, None]
            yield AtomBlock(self.dictionary.rows(chunk).start + rows, unit.view(np.float64), scale[rows])

    def signals(self, numbers: Index) -> FloatArray:
        """Return signals (m, 2 n) of unit norm of atoms by their numbers, which rise; zero for the number -1."""
        signals = np.zeros((len(numbers), 2 * self.dictionary.n_samples))
        for block in self.blocks():
            _, rows, places = np.intersect1d(numbers, block.numbers, assume_unique=True, return_indices=True)
            signals[rows] = block.signals[places]
        return signals

    def values(self, name: str) -> FloatArray:
        """Return a parameter (n,) of all atoms."""
        return np.concatenate([self._read_tissue(chunk)[name] for chunk in range(self.n_blocks)])

    def tissue(self, index: Index) -> dict[str, FloatArray]:
        """Return the base parameters without M0 of atoms by their numbers; NaN for the number -1."""
        numbers, place = np.unique(index, return_inverse=True)
        values = {name: np.full(numbers.size, np.nan) for name in TISSUE}
        for chunk in range(self.n_blocks):
            rows = self.dictionary.rows(chunk)
            own = slice(*np.searchsorted(numbers, (rows.start, rows.stop)))
            if own.start < own.stop:
                tissue = self._read_tissue(chunk)
                for name, column in values.items():
                    column[own] = tissue[name][numbers[own] - rows.start]
        return {name: column[place].reshape(index.shape) for name, column in values.items()}

    def _read_tissue(self, chunk: int) -> Tissue:
        return tissue_from(self.dictionary.columns(chunk, *TISSUES))


def atoms_of(dictionary: Dictionary) -> Atoms:
    """Return the atoms of a dictionary.

    Raises
    ------
    InvalidParameter
        If it is no dictionary.
    InvalidData
        If it is on disk and not complete.
    """
    if not as_instance("dictionary", dictionary, Dictionary).complete:
        raise InvalidData(f"{dictionary!r} is not complete; build_dictionary with the same arguments completes it")
    return Atoms(dictionary)
