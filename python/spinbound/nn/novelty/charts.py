"""The distance of data from the tangent planes of atoms (theory, section 18).

An atom j has a signal s of unit norm and the tangents J by P parameters, in units of a width each. Data d of unit norm
lie near its plane M (s + J x), with a complex M and real steps x. With the part A = U S V^T of J that is orthogonal to
s and a ridge lambda, the variance of the noise divided by that of a step,

    x = argmin |A x - d/M|^2 + lambda |x|^2  in the box of the atoms' tissues   (`Charts._find_steps`, `_move_into_box`)
    M = p^H d/p^H p,  p = s + J x                                               (`_fit_scale`)

are computed in turn, and the residual is r = d - M p. Among the nearest atoms by correlation the one with the least |r|
counts. As in a match, neither the number of threads nor the other data change a bit of the result.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import ComplexArray, FloatArray, Progress
from spinbound.dictionaries.dictionary import norms
from spinbound.estimators.matching.atoms import AtomBlock, Index
from spinbound.estimators.matching.search import Best, normalise

NEIGHBOURS = 16
TURNS = 2  # of steps and scale; a third turn lowers the distance of tissues of the prior by some per cent
ROUNDS = 3  # rounds in which steps that leave the box are fixed at its faces
TRUST = 0.3  # size of a step in widths: atoms are about as far apart
VOXELS, VALUES = 64, 1 << 21  # voxels at a time, and numbers of their planes: 17 MB


@dataclass(frozen=True, eq=False)
class NearestPlanes:
    """The nearest planes of n voxels: |r|, |M| and |s| before it was scaled, each (n,), and the atoms tried (n, k)."""

    residual: FloatArray
    M: FloatArray
    scale: FloatArray
    index: Index


@dataclass(frozen=True, eq=False)
class Charts:
    """Atoms with their tangent planes.

    Attributes
    ----------
    signals : (n, m) complex
        The signals of the atoms for M0 = 1.
    tangents : (n, m, P) complex
        Derivatives by the parameters, each in units of its width.
    places : (n, P)
        The parameters in units of their widths.
    """

    signals: ComplexArray
    tangents: ComplexArray
    places: FloatArray

    @property
    def degrees_of_freedom(self) -> int:
        """Real numbers of a signal, less those that scale, phase and steps explain."""
        return 2 * self.signals.shape[1] - 2 - self.places.shape[1]

    @cached_property
    def block(self) -> AtomBlock:
        """The atoms in the form that a search takes."""
        scale = norms(self.signals)
        units = np.ascontiguousarray(self.signals / scale[:, None])
        return AtomBlock(np.arange(len(units)), units.view(np.float64), scale)

    @cached_property
    def planes(self) -> FloatArray:
        """J (n, 2 m, P)."""
        return _split_parts(self.tangents / self.block.scale[:, None, None])

    @cached_property
    def axes(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """U^T (n, P, 2 m), S (n, P) and V (n, P, P)."""
        s, J = self.block.signals.view(np.complex128)[..., None], self.tangents / self.block.scale[:, None, None]
        A = _split_parts(J - s * np.sum(s.conj() * J, axis=1, keepdims=True))
        U, S, vt = np.linalg.svd(A, full_matrices=False)
        return np.ascontiguousarray(U.swapaxes(1, 2)), S, np.ascontiguousarray(vt.swapaxes(1, 2))

    @cached_property
    def box(self) -> tuple[FloatArray, FloatArray]:
        """The least and the largest place, (P,)."""
        return self.places.min(axis=0), self.places.max(axis=0)

    def find_nearest(
        self,
        rows: npt.NDArray[Any],
        noise: FloatArray,
        n_threads: int,
        progress: Progress | None = None,
        *,
        are_atoms: bool = False,
    ) -> NearestPlanes:
        """Find the nearest planes of data (n, m), all finite and not zero, with noise (n,) relative to |d|.

        Where the rows are the atoms themselves, the plane of each atom does not count for itself.
        """
        step = max(1, min(VOXELS, VALUES // (2 * NEIGHBOURS * self.planes[0].size)))
        slabs = [slice(start, min(start + step, len(rows))) for start in range(0, len(rows), step)]
        _ = self.block, self.planes, self.axes  # computed once, before several threads need them

        def search(slab: slice) -> tuple[npt.NDArray[Any], ...]:
            data = normalise(rows[slab])[0]
            own = np.arange(slab.start, slab.stop) if are_atoms else None
            index, product = self._find_neighbours(data, own)
            return *self._fit_planes(data.view(np.complex128), noise[slab], index, product), index

        columns = []
        with ThreadPoolExecutor(n_threads) as pool:
            for slab, found in zip(slabs, pool.map(search, slabs), strict=True):
                columns.append(found)
                if progress is not None:
                    progress(slab.stop, len(rows))

        return NearestPlanes(*(np.concatenate(column) for column in zip(*columns, strict=True)))

    def _find_neighbours(self, data: FloatArray, own: Index | None) -> tuple[Index, ComplexArray]:
        """Find the atoms most alike data (v, 2 m), and <s, d>, both (v, k); the atoms `own` (v,) do not count."""
        k = min(NEIGHBOURS + (own is not None), len(self.signals))
        best = Best.none(len(data), k)
        best.improve(np.arange(len(data)), data, self.block)
        if own is None:
            return best.index, best.product
        kept = best.index != own[:, None]
        kept[kept.all(axis=1), -1] = False
        return best.index[kept].reshape(-1, k - 1), best.product[kept].reshape(-1, k - 1)

    def _fit_planes(
        self, data: ComplexArray, noise: FloatArray, index: Index, product: ComplexArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return |r|, |M| and the norm of the signal for data (v, m), from the nearest plane of atoms (v, k)."""
        atom, d = index.ravel(), np.repeat(data, index.shape[1], axis=0)
        s, J = self.block.signals.view(np.complex128)[atom], self.planes[atom]
        axes = [part[atom] for part in self.axes]
        ridge = np.square(np.repeat(noise, index.shape[1]) / TRUST)
        M, least, magnitude = product.ravel(), np.full(atom.size, np.inf), np.ones(atom.size)
        for _ in range(TURNS):
            turned = (d / M[:, None]).view(np.float64)
            x = self._find_steps(turned, ridge / np.square(np.abs(M)), atom, *axes)
            p = s + _multiply(J, x).view(np.complex128)
            M = _fit_scale(p, d)
            residual = norms(d - M[:, None] * p)
            is_better = residual < least
            least, magnitude = np.where(is_better, residual, least), np.where(is_better, np.abs(M), magnitude)

        best = np.arange(0, atom.size, index.shape[1]) + least.reshape(index.shape).argmin(axis=1)
        return least[best], magnitude[best], self.block.scale[atom[best]]

    def _find_steps(
        self, turned: FloatArray, ridge: FloatArray, atom: Index, ut: FloatArray, S: FloatArray, V: FloatArray
    ) -> FloatArray:
        """Return the steps x (v, P) of turned data d/M (v, 2 m), in the box; `ut` is U^T."""
        curvature = np.square(S) + ridge[:, None]
        x = _multiply(V, S / curvature * _multiply(ut, turned))
        low, high = (limit - self.places[atom] for limit in self.box)
        out = np.flatnonzero(((x < low) | (x > high)).any(axis=1))
        if out.size:
            metric = (V[out] * curvature[out, None]) @ V[out].swapaxes(1, 2)
            x[out] = _move_into_box(x[out], low[out], high[out], metric)
        return x


def _split_parts(values: ComplexArray) -> FloatArray:
    """Return (n, 2 m, P) from (n, m, P): real and imaginary parts in turn."""
    return np.stack([values.real, values.imag], axis=2).reshape(len(values), -1, values.shape[2])


def _multiply(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """Multiply each matrix with its vector."""
    return np.asarray((matrices @ vectors[..., None])[..., 0])


def _fit_scale(p: ComplexArray, d: ComplexArray) -> ComplexArray:
    """Return M = p^H d/p^H p of each row."""
    return np.asarray(np.sum(p.conj() * d, axis=1) / np.sum(np.square(p.view(np.float64)), axis=1))


def _move_into_box(x: FloatArray, low: FloatArray, high: FloatArray, metric: FloatArray) -> FloatArray:
    """Return y of the least (y - x)^T G (y - x): what leaves the box is fixed at its face, and the others follow."""
    y, fixed = x, np.zeros(x.shape, np.bool_)
    for _ in range(ROUNDS):
        faces = np.clip(y, low, high)
        fixed |= faces != y
        pull = _multiply(metric, np.where(fixed, x - faces, 0))
        free = np.where(fixed[:, :, None] | fixed[:, None, :], np.eye(x.shape[1]), metric)
        y = np.where(fixed, faces, x + np.linalg.solve(free, np.where(fixed, 0, pull)[..., None])[..., 0])
    return np.clip(y, low, high)
