"""Matching: the atoms of a dictionary whose signals are most alike the data, whatever their scale and phase.

The likeness of data d and a signal s, both of unit norm, is the correlation |<s, d>|, <s, d> = s^H d. It is computed
twice:

1. of all atoms by matrix products in blocks (`_candidates`), whose last bits the linear algebra library decides;
   what is among the k best within the rounding errors of both steps is kept,
2. of what is kept, one by one in a fixed order (`_product`), which alone decides.

So the result depends neither on the number of threads nor on which voxels are matched together. A complex vector of n
samples is stored as its 2 n real and imaginary parts in turn: Re <s, d> = s . d and Im <s, d> = s . (-i d).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core
from ._batch import CHUNK, reporting
from ._validate import (
    BoolArray,
    ComplexArray,
    FloatArray,
    InvalidParameter,
    Report,
    as_count,
    as_data,
    as_threads,
    check_progress,
)
from .dictionary import Dictionary
from .parameters import PARAMETERS
from .tissue import Tissue

VOXELS, ATOMS = 64, 4096  # of a block: its correlations, 2 MB, stay in the cache
PANEL, SLICE = 64, 64  # of a matrix product, atoms and numbers: OpenBLAS computes up to 2^18 products in one thread
BINS = 10  # of the atoms by each restricted parameter
VALUES = 1 << 21  # of the signals of candidates at a time: 17 MB

Index = npt.NDArray[np.int64]
Group = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]  # voxels, and the atoms that count for them


@dataclass(frozen=True, eq=False, repr=False)
class Match:
    """The k best atoms of each voxel, best first; of two that are equally good the earlier one.

    Voxels that are all zero or hold what is not finite have no match: index -1, and NaN in all else.

    Attributes
    ----------
    index : (..., k) int64
        Of the atoms in the dictionary.
    correlation : (..., k)
        ``|s^H d|/(|s| |d|)`` of signal s and data d, 0 to 1.
    tissue
        The atoms, of shape (..., k), with the M0 = s^H d/s^H s that brings the signal nearest to the data.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> atoms = sb.dictionary(seq, sb.Tissue(m0s=[0.1, 0.2, 0.3]))
    >>> found = sb.match(sb.simulate(seq, sb.Tissue(m0s=0.22, M0=5)), atoms)
    >>> isinstance(found, sb.Match), found.index.tolist(), found.tissue["m0s"].tolist()
    (True, [1], [0.2])
    """

    index: Index
    correlation: FloatArray
    tissue: Tissue

    def __repr__(self) -> str:
        return f"Match(shape={self.index.shape})"


def match(
    data: npt.ArrayLike,
    dictionary: Dictionary,
    k: int = 1,
    *,
    restrict: Mapping[str, npt.ArrayLike] | None = None,
    threads: int | None = None,
    progress: bool | Report | None = None,
) -> Match:
    """The atoms of a dictionary that are most alike the data.

    Parameters
    ----------
    data : (..., samples)
        Signals, in the basis of the dictionary if it has one, of any scale and phase.
    dictionary
        What `dictionary` made.
    k
        Number of atoms per voxel.
    restrict
        Maps (...) of known parameters by name, such as B1. Only atoms near a voxel's own values count: those in its
        tenth of the atoms by that parameter and in the tenths beside it; from farther tenths only if these hold less
        than k atoms. A voxel whose value is not accepted has no match.
    threads, progress
        As in `simulate`.

    Returns
    -------
    Match
        Index, correlation and tissue of each atom. Neither the number of threads, here and of the linear algebra
        library, nor the other voxels change it.

    Raises
    ------
    InvalidData
        If the data are no numbers, or not as long as the signals.
    InvalidParameter
        If another argument is not accepted.

    References
    ----------
    D. Ma et al., Nature 495, 187 (2013).

    Examples
    --------
    >>> import spinbound as sb
    >>> seq, prior = sb.sequences.load("hybrid-mt-4s"), sb.Prior.paper().truncated(B1=(0.5, 1.2))
    >>> atoms = sb.dictionary(seq, prior, n=50)
    >>> sb.match(-3j * atoms.signals, atoms, k=2).index[:, 0].tolist() == list(range(50))
    True
    """
    if not isinstance(dictionary, Dictionary):
        raise InvalidParameter(f"dictionary must be a spinbound.Dictionary; given {type(dictionary).__name__}")
    array = as_data("data", data, dictionary.n_samples, "as that of the dictionary's signals")
    if as_count("k", k, 1) > len(dictionary):
        raise InvalidParameter(f"k is {k}; allowed: 1 to {len(dictionary)}, the number of atoms")
    check_progress(progress)
    rows, shape = array.reshape(-1, dictionary.n_samples), array.shape[:-1]
    n_threads = _n_threads(threads)
    groups = list(_groups(dictionary, restrict, shape, _usable(rows), k))
    with reporting(progress, len(rows), "match") as report:
        index, correlation, M0 = _matched(rows, groups, dictionary, k, n_threads, report)
    index, correlation, M0 = index.reshape(*shape, k), correlation.reshape(*shape, k), M0.reshape(*shape, k)
    return Match(index, correlation, _tissue_of(dictionary, index, M0))


def _matched(
    rows: npt.NDArray[Any], groups: list[Group], dictionary: Dictionary, k: int, n_threads: int, report: Report | None
) -> tuple[Index, FloatArray, ComplexArray]:
    """Index, correlation and M0 (voxels, k) of data (voxels, n)."""
    index = np.full((len(rows), k), -1, np.int64)
    correlation, M0 = np.full(index.shape, np.nan), np.full(index.shape, complex(np.nan, np.nan))

    def fill(voxels: Index, atoms: Index, signals: FloatArray) -> int:
        data, norm, exponent = _normalised(rows[voxels])
        best, product = _k_best(signals, data, k)
        index[voxels], correlation[voxels] = atoms[best], np.minimum(np.sqrt(_power(product)), 1)
        M0[voxels] = _times(product, norm / dictionary.scale[atoms[best]], exponent)
        return voxels.size

    done = 0
    with closing(_in_threads(fill, groups, dictionary, n_threads)) as sizes:  # what fails leaves no block waiting
        for size in sizes:
            done += size
            if report is not None:
                report(done, len(rows))
    if report is not None and done < len(rows):
        report(len(rows), len(rows))
    return index, correlation, M0


def _tissue_of(dictionary: Dictionary, index: Index, M0: ComplexArray) -> Tissue:
    """The atoms by their index, NaN where there is none."""
    values = {
        name: np.where(index < 0, np.nan, np.broadcast_to(value, len(dictionary))[index])
        for name, value in dictionary.tissue.as_dict().items()
    }
    return Tissue.from_dict(values | {"M0": M0})


# Which atoms count for which voxels


def _usable(rows: npt.NDArray[Any]) -> BoolArray:
    """Which voxels have finite data that are not all zero."""
    usable = np.empty(len(rows), np.bool_)
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        usable[start : start + CHUNK] = np.isfinite(part).all(axis=1) & part.any(axis=1)
    return usable


def _groups(
    dictionary: Dictionary,
    restrict: Mapping[str, npt.ArrayLike] | None,
    shape: tuple[int, ...],
    usable: BoolArray,
    k: int,
) -> Iterator[Group]:
    """Usable voxels with the atoms that count for them: all, or those nearby by the restricted parameters."""
    if not restrict:
        yield np.flatnonzero(usable), np.arange(len(dictionary))
        return
    maps = _maps(restrict, shape)
    voxels = np.flatnonzero(np.all([usable, *(PARAMETERS[name].contains(maps[name]) for name in maps)], axis=0))
    bins = (_bins(dictionary.tissue[name], len(dictionary), maps[name][voxels]) for name in maps)
    of_atoms, of_voxels = (np.stack(rows) for rows in zip(*bins, strict=True))
    cells, cell = np.unique(of_voxels, axis=1, return_inverse=True)
    for number in range(cells.shape[1]):
        yield voxels[cell.ravel() == number], _near(of_atoms, cells[:, [number]], k)


def _maps(restrict: Mapping[str, npt.ArrayLike], shape: tuple[int, ...]) -> dict[str, FloatArray]:
    """The maps (voxels,) of known parameters, checked as those of a tissue are."""
    try:
        known = Tissue.from_dict(restrict)
    except InvalidParameter as problem:
        raise InvalidParameter(f"restrict: {problem}") from None
    if "M0" in restrict:
        raise InvalidParameter("restrict has M0, which no atom has; allowed: the other parameters")
    try:
        return {name: np.broadcast_to(known[name], shape).ravel() for name in restrict}
    except ValueError:
        raise InvalidParameter(f"restrict has shape {known.shape}, the data have voxels of shape {shape}") from None


def _bins(of_atoms: FloatArray, n_atoms: int, of_voxels: FloatArray) -> tuple[Index, Index]:
    """Numbers of the bins, which hold equally many atoms, of atoms and of voxels."""
    values = np.broadcast_to(of_atoms, n_atoms)
    edges = np.quantile(values, np.arange(1, BINS) / BINS)
    return np.searchsorted(edges, values, "right"), np.searchsorted(edges, of_voxels, "right")


def _near(atoms: Index, cell: Index, k: int) -> Index:
    """The atoms in the bins around a cell, at least k of them; bins of atoms (p, n), of the cell (p, 1)."""
    distance = np.abs(atoms - cell).max(axis=0)
    reach = max(1, np.partition(distance, k - 1)[k - 1])
    return np.flatnonzero(distance <= reach)


def _n_threads(threads: int | None) -> int:
    """As the core counts them: 0 is all cores, absurd numbers come down to four per core."""
    cores = _core.available_threads()
    return min(as_threads(threads) or cores, 4 * cores)


def _in_threads(
    fill: Callable[[Index, Index, FloatArray], int], groups: list[Group], dictionary: Dictionary, n_threads: int
) -> Generator[int]:
    """What `fill` returns for blocks of each group's voxels, with their atoms and these atoms' signals (atoms, 2 n)."""
    signals = dictionary.signals.view(np.float64)
    with ThreadPoolExecutor(n_threads) as pool:
        for voxels, atoms in groups:
            chosen = signals if len(atoms) == len(signals) else signals[atoms]
            blocks = [voxels[start : start + VOXELS] for start in range(0, len(voxels), VOXELS)]
            yield from pool.map(fill, blocks, repeat(atoms), repeat(chosen))


# The best atoms of a block of voxels


def _normalised(rows: npt.NDArray[Any]) -> tuple[FloatArray, FloatArray, Index]:
    """Data (voxels, 2 n) of unit norm; what was divided by: a norm (voxels, 1) and a power of two (voxels, 1)."""
    pairs = np.ascontiguousarray(rows, np.complex128).view(np.float64)
    exponent = np.frexp(np.abs(pairs).max(axis=1, keepdims=True))[1]
    pairs = np.ldexp(pairs, -exponent)
    norm = np.sqrt(np.sum(pairs**2, axis=1, keepdims=True))
    return pairs / norm, norm, exponent


def _k_best(signals: FloatArray, data: FloatArray, k: int) -> tuple[Index, ComplexArray]:
    """The k best atoms of each voxel, (voxels, k), and <s, d> of them, (voxels, k)."""
    turned = np.stack([data[:, 1::2], -data[:, ::2]], axis=-1).reshape(data.shape)
    voxel, atom = _candidates(signals, data, turned, k)
    product = _product(signals, data, turned, voxel, atom)
    order = np.lexsort((atom, -_power(product), voxel))
    first = np.searchsorted(voxel, np.arange(len(data)), sorter=order)
    best = order[first[:, None] + np.arange(k)]
    return atom[best], product[best]


def _candidates(signals: FloatArray, data: FloatArray, turned: FloatArray, k: int) -> tuple[Index, Index]:
    """Pairs of a voxel and an atom that may be among its k best: at least as good as the k-th best panel's best atom.

    A sum of m products of numbers of vectors of unit norm, in any order, errs by less than m eps. Squares of one
    correlation, computed in two ways, thus differ by less than 8 m eps, and so do those of the k-th best.
    """
    tolerance = 16 * (data.shape[1] + 8) * np.finfo(np.float64).eps
    best, found = np.zeros((len(data), k)), []
    for start, panels in _panels(signals):
        power = np.square(_sums(data, panels))  # (panels, voxels, atoms of a panel)
        power += np.square(_sums(turned, panels))
        best = _largest(np.hstack([best, power.max(axis=2).T]), k)
        good = np.flatnonzero(power >= best.min(axis=1)[:, None] - tolerance)
        panel, voxel, atom = np.unravel_index(good, power.shape)
        found.append((voxel, start + panel * panels.shape[2] + atom))
    voxels, atoms = zip(*found, strict=True)
    return np.concatenate(voxels), np.concatenate(atoms)


def _panels(signals: FloatArray) -> Iterator[tuple[int, FloatArray]]:
    """The first atom of a block, and its signals as panels (panels, 2 n, atoms of a panel); the rest as one panel."""
    whole = len(signals) // PANEL * PANEL
    for start in range(0, whole, ATOMS):
        block = signals[start : min(start + ATOMS, whole)]
        yield start, block.reshape(-1, PANEL, signals.shape[1]).swapaxes(1, 2)
    if whole < len(signals):
        yield whole, signals[None, whole:].swapaxes(1, 2)


def _sums(data: FloatArray, panels: FloatArray) -> FloatArray:
    """data @ panels; threads of the linear algebra library within those of the call would wait for each other."""
    sums = data[:, :SLICE] @ panels[:, :SLICE]
    for start in range(SLICE, data.shape[1], SLICE):
        part = slice(start, start + SLICE)
        sums += data[:, part] @ panels[:, part]
    return np.asarray(sums)


def _largest(values: FloatArray, k: int) -> FloatArray:
    """The k largest of each row, which has more."""
    return values.max(axis=1, keepdims=True) if k == 1 else np.partition(values, -k, axis=1)[:, -k:]


def _product(signals: FloatArray, data: FloatArray, turned: FloatArray, voxel: Index, atom: Index) -> ComplexArray:
    """<s, d> of pairs; the sums over the last axis of an array are the same whatever its length."""
    product = np.empty((len(voxel), 2))
    step = max(1, VALUES // data.shape[1])
    for start in range(0, len(voxel), step):
        pairs = slice(start, start + step)
        s = signals[atom[pairs]]
        product[pairs, 0] = np.sum(s * data[voxel[pairs]], axis=1)
        product[pairs, 1] = np.sum(s * turned[voxel[pairs]], axis=1)
    return product.view(np.complex128)[:, 0]


def _power(product: ComplexArray) -> FloatArray:
    return np.asarray(product.real**2 + product.imag**2)


def _times(product: ComplexArray, norm: FloatArray, exponent: Index) -> ComplexArray:
    """product norm 2^exponent, infinite where no number is as large."""
    with np.errstate(over="ignore"):
        pairs = np.ldexp((product * norm)[..., None].view(np.float64), exponent[..., None])
    return pairs.view(np.complex128)[..., 0]
