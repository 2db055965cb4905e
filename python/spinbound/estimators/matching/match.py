"""Matching: the atoms of a dictionary whose signals are most like the data, at any scale and phase."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_count, as_data, check_progress, refuse_shape
from spinbound.base.errors import BoolArray, ComplexArray, FloatArray, InvalidParameter, Progress
from spinbound.base.parameters import PARAMETERS
from spinbound.base.progress import shift_progress, show_progress
from spinbound.dictionaries.dictionary import Dictionary
from spinbound.sequences.experiment import as_trains
from spinbound.signals.batch import SLAB, count_threads
from spinbound.signals.belonging import refuse_foreign_data
from spinbound.tissues.tissue import Tissue

from .atoms import AtomBlock, Atoms, Index, atoms_of
from .interpolation import NEIGHBOURS, interpolate_atoms
from .search import Best, apply_scale, find_usable, normalise

VOXELS = 64  # in one task of a thread
TOGETHER = 4096  # voxels that are interpolated with their neighbours' signals: up to 40 MB in 13 coefficients
BINS = 10  # of each restricted parameter, over the atoms


@dataclass(frozen=True, eq=False, repr=False)
class Match:
    """The k best atoms of each voxel, best first; of two equally good atoms the earlier one.

    Voxels whose data are all zero or not finite have no match: index -1, and NaN in all else.

    Attributes
    ----------
    index : (..., k) int64
        Index of the atoms in the dictionary.
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

    @property
    def estimates(self) -> Tissue:
        """The best atom of each voxel, of shape (...)."""
        return self.tissue[..., 0]

    def __repr__(self) -> str:
        return f"Match(shape={self.index.shape})"


def match(
    data: npt.ArrayLike,
    dictionary: Dictionary,
    k: int = 1,
    *,
    restrict: Mapping[str, npt.ArrayLike] | None = None,
    interpolate: bool = False,
    check_data: bool = True,
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> Match:
    """Find the atoms of a dictionary that are most like the data.

    Parameters
    ----------
    data : (..., samples)
        Signals, in the basis of the dictionary if it has one, of any scale and phase.
    dictionary
        A result of `dictionary` or `build_dictionary`: memory holds no more than a chunk of a store, and tissues that
        could not be simulated match nothing.
    k
        Number of atoms per voxel.
    restrict
        Maps (...) of known parameters by name, such as B1. Only atoms near a voxel's own values count: those in its
        tenth of the atoms by that parameter and in the tenths beside it; from farther tenths only if these hold less
        than k atoms. A voxel whose value is not accepted has no match.
    interpolate
        Estimate parameters between atoms, for k = 1: `tissue` is then not that of the best atom, but a regression on
        the 48 nearest ones, within their range; omega0 stays that of the best.
    check_data
        Refuse data in the time domain that cannot be signals of the dictionary's sequence, as in `fit`.
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
        If the data are no numbers, or not as long as the signals, or a store is not complete; with `check_data`, if
        they do not belong to the sequence.
    InvalidParameter
        If another argument is not accepted, or the dictionary's basis does not belong to its sequence.
    OSError
        If a chunk of a store is missing or damaged.

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
    atoms = atoms_of(dictionary)
    array = as_data("data", data, dictionary.n_samples, "as that of the dictionary's signals")
    if as_count("k", k, 1) > len(dictionary):
        raise InvalidParameter(f"k is {k}; allowed: 1 to {len(dictionary)}, the number of atoms")
    check_progress(progress)
    if interpolate and k != 1:
        raise InvalidParameter(f"k is {k}; allowed where interpolate is set: 1")

    rows, shape = array.reshape(-1, dictionary.n_samples), array.shape[:-1]
    if dictionary.basis is not None:
        dictionary.basis.check_sequence(dictionary.sequence)
    elif check_data:
        refuse_foreign_data(rows, np.arange(len(rows)), as_trains(dictionary.sequence))
    maps, n_threads = _check_maps(restrict or {}, shape), count_threads(threads)
    with show_progress(progress, len(rows), "match") as advance:
        if interpolate:
            index, correlation, tissue = _interpolate(rows, maps, atoms, len(dictionary), n_threads, advance)
        else:
            best = _find_best(rows, maps, atoms, k, n_threads, advance)
            index, correlation = best.index, best.correlation
            tissue = atoms.tissue(index) | {"M0": _compute_M0(rows, best)}

    values = {name: value.reshape(*shape, k) for name, value in tissue.items()}
    return Match(index.reshape(*shape, k), correlation.reshape(*shape, k), Tissue.from_dict(values))


def _interpolate(
    rows: npt.NDArray[Any],
    maps: Mapping[str, FloatArray],
    atoms: Atoms,
    n_atoms: int,
    n_threads: int,
    progress: Progress | None,
) -> tuple[Index, FloatArray, dict[str, npt.NDArray[Any]]]:
    """Return the best atom's index and correlation, and the interpolated tissue, all (voxels, 1)."""
    index, correlation, tissues = [], [], []
    for start in range(0, max(len(rows), 1), TOGETHER):
        here = slice(start, start + TOGETHER)
        near = {name: values[here] for name, values in maps.items()}
        k = min(NEIGHBOURS, n_atoms)
        best = _find_best(rows[here], near, atoms, k, n_threads, shift_progress(progress, start, len(rows)))
        index.append(best.index[:, :1])
        correlation.append(best.correlation[:, :1])
        tissues.append(interpolate_atoms(rows[here], best, atoms, n_threads))
    tissue = {name: np.concatenate([values[name] for values in tissues]) for name in tissues[0]}
    return np.concatenate(index), np.concatenate(correlation), tissue


def _find_best(
    rows: npt.NDArray[Any],
    maps: Mapping[str, FloatArray],
    atoms: Atoms,
    k: int,
    n_threads: int,
    progress: Progress | None,
) -> Best:
    """Find the k best atoms of data (voxels, n) with maps (voxels,) of known parameters."""
    groups = list(_make_groups(atoms, maps, find_usable(rows), k))
    best, done = Best.none(len(rows), k), 0

    def improve(voxels: Index, block: AtomBlock) -> int:
        best.improve(voxels, normalise(rows[voxels])[0], block)
        return voxels.size

    with closing(
        _improve_in_threads(improve, groups, atoms, n_threads)
    ) as sizes:  # closed after an error, so that no block waits
        for size in sizes:
            done += size
            if progress is not None:
                progress(done // atoms.n_blocks, len(rows))
    if progress is not None and done < len(rows) * atoms.n_blocks:
        progress(len(rows), len(rows))
    return best


def _improve_in_threads(
    improve: Callable[[Index, AtomBlock], int], groups: list[Group], atoms: Atoms, n_threads: int
) -> Generator[int]:
    """Yield the results of `improve` for every block of atoms and the voxels that may match them."""
    with ThreadPoolExecutor(n_threads) as pool:
        for block in atoms.blocks():
            for group in groups:
                atoms_here = group.select(block)
                blocks = [group.voxels[start : start + VOXELS] for start in range(0, len(group.voxels), VOXELS)]
                if atoms_here.numbers.size:
                    yield from pool.map(improve, blocks, repeat(atoms_here))
                else:
                    yield group.voxels.size


def _compute_M0(rows: npt.NDArray[Any], best: Best) -> ComplexArray:
    """Compute M0 of each match, (voxels, k)."""
    M0 = np.full(best.index.shape, complex(np.nan, np.nan))
    voxels = np.flatnonzero(best.index[:, 0] >= 0)
    for start in range(0, len(voxels), SLAB):
        slab = voxels[start : start + SLAB]
        _, norm, exponent = normalise(rows[slab])
        M0[slab] = apply_scale(best.product[slab], norm / best.scale[slab], exponent)
    M0[best.index < 0] = complex(np.nan, np.nan)
    return M0


# The atoms that voxels may match


@dataclass(frozen=True, eq=False)
class Group:
    """Voxels, and the atoms that they may match: all, or those near a cell of bins by restricted parameters (p, n)."""

    voxels: npt.NDArray[np.intp]
    bins: npt.NDArray[np.int8] | None = None
    cell: npt.NDArray[np.int8] | None = None  # (p, 1)
    reach: int = 0

    def select(self, block: AtomBlock) -> AtomBlock:
        """Select the atoms of a block that the voxels may match."""
        if self.bins is None or self.cell is None:
            return block
        return block.select(np.abs(self.bins[:, block.numbers] - self.cell).max(axis=0) <= self.reach)


def _make_groups(atoms: Atoms, maps: Mapping[str, FloatArray], usable: BoolArray, k: int) -> Iterator[Group]:
    """Yield groups of all usable voxels."""
    if not maps:
        yield Group(np.flatnonzero(usable))
        return
    voxels = np.flatnonzero(np.all([usable, *(PARAMETERS[name].contains(maps[name]) for name in maps)], axis=0))
    pairs = (_find_bins(atoms.values(name), maps[name][voxels]) for name in maps)
    bins, of_voxels = (np.stack(rows) for rows in zip(*pairs, strict=True))
    cells, cell = np.unique(of_voxels, axis=1, return_inverse=True)
    for number in range(cells.shape[1]):
        chosen = cells[:, [number]]
        distance = np.abs(bins - chosen).max(axis=0)
        reach = max(1, int(np.partition(distance, k - 1)[k - 1]))  # at least k atoms
        yield Group(voxels[cell.ravel() == number], bins, chosen, reach)


def _check_maps(restrict: Mapping[str, npt.ArrayLike], shape: tuple[int, ...]) -> dict[str, FloatArray]:
    """Return the maps (voxels,) of known parameters, with the checks of a tissue."""
    try:
        known = Tissue.from_dict(restrict)
    except InvalidParameter as problem:
        raise InvalidParameter(f"restrict: {problem}") from None
    if "M0" in restrict:
        raise InvalidParameter("restrict has M0, which no atom has; allowed: the other parameters")
    refuse_shape("restrict", known.shape, shape)
    return {name: np.broadcast_to(known[name], shape).ravel() for name in restrict}


def _find_bins(of_atoms: FloatArray, of_voxels: FloatArray) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Find the bins of atoms and of voxels; all bins hold equally many atoms."""
    edges = np.quantile(of_atoms[np.isfinite(of_atoms)], np.arange(1, BINS) / BINS)
    atoms, voxels = (np.searchsorted(edges, values, "right") for values in (of_atoms, of_voxels))
    return atoms.astype(np.int8), voxels.astype(np.int8)
