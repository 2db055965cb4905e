"""The atoms of a dictionary for matching, block by block: all at once from memory, a chunk at a time from a store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import BoolArray, FloatArray, InvalidData, InvalidParameter
from spinbound.base.parameters import TISSUE
from spinbound.dictionaries.dictionary import Dictionary, norms
from spinbound.dictionaries.store import TISSUES, DictionaryStore
from spinbound.files.hashes import sha256_of
from spinbound.tissues.tissue import Tissue

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class AtomBlock:
    """Some atoms: their numbers, which rise, their signals of unit norm (atoms, 2 n), and the norms of these before."""

    numbers: Index
    signals: FloatArray
    scale: FloatArray

    def part(self, chosen: BoolArray) -> AtomBlock:
        """Some of them."""
        return self if chosen.all() else AtomBlock(self.numbers[chosen], self.signals[chosen], self.scale[chosen])


class Atoms(Protocol):
    """What a match needs of a dictionary."""

    @property
    def sha256(self) -> str:
        """Of all that a match depends on."""

    @property
    def n_blocks(self) -> int:
        """How many blocks there are."""

    def blocks(self) -> Iterator[AtomBlock]:
        """All atoms that have a signal."""

    def signals(self, numbers: Index) -> FloatArray:
        """(m, 2 n) of unit norm, of atoms by their numbers, which rise; zero for the number -1."""

    def values(self, name: str) -> FloatArray:
        """(n,) a parameter of all atoms."""

    def tissue(self, index: Index) -> dict[str, FloatArray]:
        """The base parameters, but M0, of atoms by their numbers; NaN for the number -1."""


@dataclass(frozen=True, eq=False)
class InMemory:
    """The atoms of a `Dictionary`, in one block."""

    dictionary: Dictionary
    n_blocks: int = 1

    @property
    def sha256(self) -> str:
        """Of the signals."""
        return sha256_of(self.dictionary.signals, self.dictionary.scale)

    def blocks(self) -> Iterator[AtomBlock]:
        """All atoms."""
        atoms = self.dictionary
        yield AtomBlock(np.arange(len(atoms)), atoms.signals.view(np.float64), atoms.scale)

    def signals(self, numbers: Index) -> FloatArray:
        """(m, 2 n) of unit norm, of atoms by their numbers, which rise; zero for the number -1."""
        return np.where(numbers[:, None] < 0, 0.0, self.dictionary.signals.view(np.float64)[numbers])

    def values(self, name: str) -> FloatArray:
        """(n,) a parameter of all atoms."""
        return np.broadcast_to(self.dictionary.tissue[name], len(self.dictionary))

    def tissue(self, index: Index) -> dict[str, FloatArray]:
        """The base parameters, but M0, of atoms by their numbers; NaN for the number -1."""
        return {name: np.where(index < 0, np.nan, self.values(name)[index]) for name in TISSUE}


@dataclass(frozen=True, eq=False)
class OnDisk:
    """The atoms of a store, in its chunks; those that could not be simulated or give no signal match nothing."""

    store: DictionaryStore

    def __post_init__(self) -> None:
        if not self.store.complete:
            raise InvalidData(
                f"{self.store.path} is not complete; build_dictionary with the same arguments completes it"
            )

    @property
    def sha256(self) -> str:
        """Of what the store was made from."""
        return sha256_of(np.frombuffer(json.dumps(self.store.configuration, sort_keys=True).encode(), np.uint8))

    @property
    def n_blocks(self) -> int:
        """How many chunks there are."""
        return self.store.n_chunks

    def blocks(self) -> Iterator[AtomBlock]:
        """All atoms that have a signal."""
        for chunk in range(self.n_blocks):
            signals = self.store.columns(chunk, "signals")["signals"].astype(np.complex128, copy=False)
            scale = norms(signals)
            rows = np.flatnonzero((scale > 0) & np.isfinite(scale))
            signals, scale = signals[rows], scale[rows]
            signals /= scale[:, None]
            yield AtomBlock(self.store.rows(chunk).start + rows, signals.view(np.float64), scale)

    def signals(self, numbers: Index) -> FloatArray:
        """(m, 2 n) of unit norm, of atoms by their numbers, which rise; zero for the number -1."""
        signals = np.zeros((len(numbers), 2 * self.store.n_samples))
        for block in self.blocks():
            _, rows, places = np.intersect1d(numbers, block.numbers, assume_unique=True, return_indices=True)
            signals[rows] = block.signals[places]
        return signals

    def values(self, name: str) -> FloatArray:
        """(n,) a parameter of all atoms."""
        return np.concatenate([self._tissue(chunk)[name] for chunk in range(self.n_blocks)])

    def tissue(self, index: Index) -> dict[str, FloatArray]:
        """The base parameters, but M0, of atoms by their numbers; NaN for the number -1."""
        numbers, place = np.unique(index, return_inverse=True)
        values = {name: np.full(numbers.size, np.nan) for name in TISSUE}
        for chunk in range(self.n_blocks):
            rows = self.store.rows(chunk)
            own = slice(*np.searchsorted(numbers, (rows.start, rows.stop)))
            if own.start < own.stop:
                tissue = self._tissue(chunk)
                for name, column in values.items():
                    column[own] = tissue[name][numbers[own] - rows.start]
        return {name: column[place].reshape(index.shape) for name, column in values.items()}

    def _tissue(self, chunk: int) -> Tissue:
        columns = self.store.columns(chunk, *TISSUES)
        return Tissue.from_dict(dict(zip(TISSUE, columns.values(), strict=True)))


def atoms_of(dictionary: Dictionary | DictionaryStore) -> Atoms:
    """The atoms of a dictionary.

    Raises
    ------
    InvalidParameter
        If it is none.
    InvalidData
        If it is on disk and not complete.
    """
    if isinstance(dictionary, Dictionary):
        return InMemory(dictionary)
    if isinstance(dictionary, DictionaryStore):
        return OnDisk(dictionary)
    raise InvalidParameter(
        f"dictionary must be a spinbound.Dictionary or DictionaryStore; given {type(dictionary).__name__}"
    )
