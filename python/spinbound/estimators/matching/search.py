"""The search of a match: the k best atoms of each voxel, from block to block of atoms.

The likeness of data d and a signal s, both of unit norm, is the correlation |<s, d>|, <s, d> = s^H d. It is computed
twice:

1. for all atoms by matrix products in blocks (`_candidates`), whose last bits the linear algebra library decides;
   atoms among the k best within the rounding errors of both steps are candidates,
2. for the candidates one by one in a fixed order (`_product`), which alone decides.

So the result does not depend on the number of threads, on the other voxels, or on the blocks. A
complex vector of n samples is stored as its 2 n real and imaginary parts in turn: Re <s, d> = s . d and Im <s, d> =
s . (-i d).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import BoolArray, ComplexArray, FloatArray
from spinbound.signals.batch import SLAB

from .atoms import AtomBlock, Index

ATOMS = 4096  # of a block: its correlations, 2 MB for 64 voxels, stay in the cache
PANEL, SLICE = 64, 64  # of a matrix product, atoms and numbers: OpenBLAS computes up to 2^18 products in one thread
FEW = 4  # up to this k, one atom per panel is enough to bound the k-th best
VALUES = 1 << 21  # largest number of values of candidates' signals in one step: 17 MB


def find_usable(rows: npt.NDArray[Any]) -> BoolArray:
    """Say which voxels have finite data that are not all zero."""
    usable = np.empty(len(rows), np.bool_)
    for start in range(0, len(rows), SLAB):
        slab = rows[start : start + SLAB]
        usable[start : start + SLAB] = np.isfinite(slab).all(axis=1) & slab.any(axis=1)
    return usable


def normalise(rows: npt.NDArray[Any]) -> tuple[FloatArray, FloatArray, Index]:
    """Divide data (voxels, n) by a norm (voxels, 1) and a power of two (voxels, 1); return (voxels, 2 n) and both."""
    pairs = np.ascontiguousarray(rows, np.complex128).view(np.float64)
    exponent = np.frexp(np.abs(pairs).max(axis=1, keepdims=True))[1]
    pairs = np.ldexp(pairs, -exponent)
    norm = np.sqrt(np.sum(pairs**2, axis=1, keepdims=True))
    return pairs / norm, norm, exponent


@dataclass(frozen=True, eq=False)
class Best:
    """The k best atoms so far of each voxel, (voxels, k): their number or -1, <s, d>, and the norm of their signal."""

    index: Index
    product: ComplexArray
    scale: FloatArray

    @classmethod
    def none(cls, n_voxels: int, k: int) -> Best:
        """Start without atoms."""
        shape = n_voxels, k
        return cls(np.full(shape, -1, np.int64), np.zeros(shape, np.complex128), np.ones(shape))

    @property
    def correlation(self) -> FloatArray:
        """|<s, d>| of each atom, NaN where there is none."""
        return np.where(self.index < 0, np.nan, np.minimum(np.sqrt(power_of(self.product)), 1))

    def improve(self, voxels: Index, data: FloatArray, atoms: AtomBlock) -> None:
        """Insert better atoms of a block, for voxels and their data of unit norm (voxels, 2 n)."""
        turned = np.stack([data[:, 1::2], -data[:, ::2]], axis=-1).reshape(data.shape)
        k, old = self.index.shape[1], self.index[voxels]
        found = np.where(old < 0, 0.0, power_of(self.product[voxels]))
        voxel, atom = _candidates(atoms.signals, data, turned, found)
        product = _product(atoms.signals, data, turned, voxel, atom)
        voxel = np.concatenate([voxel, np.repeat(np.arange(len(data)), k)])
        index = np.concatenate([atoms.numbers[atom], old.ravel()])
        product = np.concatenate([product, self.product[voxels].ravel()])
        scale = np.concatenate([atoms.scale[atom], self.scale[voxels].ravel()])

        order = np.lexsort((index, np.where(index < 0, 1.0, -power_of(product)), voxel))
        first = np.searchsorted(voxel, np.arange(len(data)), sorter=order)
        best = order[first[:, None] + np.arange(k)]
        self.index[voxels], self.product[voxels], self.scale[voxels] = index[best], product[best], scale[best]


def _candidates(signals: FloatArray, data: FloatArray, turned: FloatArray, found: FloatArray) -> tuple[Index, Index]:
    """Find pairs of a voxel and an atom that may be among its k best: at least as good as the known k-th best.

    The squared correlations of k other atoms are given, (voxels, k). A sum of m products of numbers of vectors of unit
    norm, in any order, errs by less than m eps. Squares of one correlation, computed in two ways, thus differ by less
    than 8 m eps, and so do those of the k-th best.
    """
    tolerance = 16 * (data.shape[1] + 8) * np.finfo(np.float64).eps
    best, pairs = found, []
    for start, panels in _panels(signals):
        power = np.square(_multiply(data, panels))  # (panels, voxels, atoms of a panel)
        power += np.square(_multiply(turned, panels))
        best = _find_largest(np.hstack([best, _select_likely(power, found.shape[1])]), found.shape[1])
        good = np.flatnonzero(power >= best.min(axis=1)[:, None] - tolerance)
        panel, voxel, atom = np.unravel_index(good, power.shape)
        pairs.append((voxel, start + panel * panels.shape[2] + atom))
    voxels, atoms = zip(*pairs, strict=True)
    return np.concatenate(voxels), np.concatenate(atoms)


def _select_likely(power: FloatArray, k: int) -> FloatArray:
    """Select squared correlations of different atoms (voxels, any number): all, or the best of each panel."""
    return power.max(axis=2).T if k <= FEW else np.moveaxis(power, 1, 0).reshape(power.shape[1], -1)


def _panels(signals: FloatArray) -> Iterator[tuple[int, FloatArray]]:
    """Yield the first atom of a block, and its signals as panels (panels, 2 n, atoms); the rest is one panel."""
    whole = len(signals) // PANEL * PANEL
    for start in range(0, whole, ATOMS):
        block = signals[start : min(start + ATOMS, whole)]
        yield start, block.reshape(-1, PANEL, signals.shape[1]).swapaxes(1, 2)
    if whole < len(signals):
        yield whole, signals[None, whole:].swapaxes(1, 2)


def _multiply(data: FloatArray, panels: FloatArray) -> FloatArray:
    """Return data @ panels in slices: the library's threads within those of the call would wait for each other."""
    sums = data[:, :SLICE] @ panels[:, :SLICE]
    for start in range(SLICE, data.shape[1], SLICE):
        columns = slice(start, start + SLICE)
        sums += data[:, columns] @ panels[:, columns]
    return np.asarray(sums)


def _find_largest(values: FloatArray, k: int) -> FloatArray:
    """Return the k largest values of each row, which has more."""
    return values.max(axis=1, keepdims=True) if k == 1 else np.partition(values, -k, axis=1)[:, -k:]


def _product(signals: FloatArray, data: FloatArray, turned: FloatArray, voxel: Index, atom: Index) -> ComplexArray:
    """Return <s, d> of pairs; the sums over the last axis do not depend on the number of pairs."""
    product = np.empty((len(voxel), 2))
    step = max(1, VALUES // data.shape[1])
    for start in range(0, len(voxel), step):
        pairs = slice(start, start + step)
        s = signals[atom[pairs]]
        product[pairs, 0] = np.sum(s * data[voxel[pairs]], axis=1)
        product[pairs, 1] = np.sum(s * turned[voxel[pairs]], axis=1)
    return product.view(np.complex128)[:, 0]


def power_of(product: ComplexArray) -> FloatArray:
    """Return |<s, d>|^2."""
    return np.asarray(product.real**2 + product.imag**2)


def apply_scale(product: ComplexArray, norm: FloatArray, exponent: Index) -> ComplexArray:
    """Return product norm 2^exponent, infinite beyond the largest number."""
    with np.errstate(over="ignore"):
        pairs = np.ldexp((product * norm)[..., None].view(np.float64), exponent[..., None])
    return pairs.view(np.complex128)[..., 0]
