"""Bounds of many voxels: what they depend on, and their computation in slabs, or chunk by chunk in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

import spinbound._core as _core
from spinbound.base.checks import as_result, as_result_dtype, as_threads, refuse_overlap
from spinbound.base.errors import FloatArray, InvalidParameter, Progress
from spinbound.base.parameters import TISSUE, bases, is_reciprocal
from spinbound.base.progress import shift_progress, show_progress
from spinbound.files.hashes import hash_arrays
from spinbound.work.chunks import Arrays, VoxelJob, cut
from spinbound.work.run import Run

from .batch import Batch, as_unknowns, round_into

CHUNK = 4096  # voxels whose bounds are stored together
CONDITION = "condition"  # among the results; no parameter has this name


@dataclass(frozen=True)
class Bounds:
    """The bounds of voxels, whose results depend on no others.

    They are computed for `coordinates` and stated for `names`, which are the same parameters or their reciprocals.
    """

    batch: Batch
    names: tuple[str, ...]
    coordinates: tuple[str, ...]
    form: str
    prior: FloatArray | None = None  # rows R with R^T R = P^-1, in the coordinates
    with_condition: bool = False

    @property
    def results(self) -> tuple[str, ...]:
        """The names of the arrays that are computed."""
        return (*self.names, CONDITION) if self.with_condition else self.names

    def compute(self, progress: Progress | None) -> Arrays:
        """Compute all results (n,), in the form of the core."""
        batch = self.batch
        bounds = np.empty((len(self.names), batch.n_voxels))
        condition = np.empty(batch.n_voxels) if self.with_condition else None
        if batch.n_voxels:
            unknowns = as_unknowns(self.coordinates, self.form)
            _core.crb(batch.call(progress), batch.noise, unknowns, bounds, prior=self.prior, condition=condition)
        results = dict(zip(self.names, bounds, strict=True))
        for name, coordinate in zip(self.names, self.coordinates, strict=True):
            if name != coordinate:
                results[name] *= self._find_slope(name) ** 2
        return results if condition is None else results | {CONDITION: condition}

    def __call__(self, threads: int | None, progress: Progress | None) -> Arrays:
        """Compute all results as the work of a chunk."""
        return replace(self, batch=replace(self.batch, threads=as_threads(threads))).compute(progress)

    def _find_slope(self, name: str) -> FloatArray:
        """Return |dy/dx| = y^2 for a parameter y = 1/x of which x is the coordinate."""
        rate = self.batch.tissue[TISSUE.index(bases(name)[0])]
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(rate**-2.0 if is_reciprocal(name) else rate**2)

    def carry_out(
        self, run: Run, out: Mapping[str, npt.NDArray[Any]] | None, dtype: npt.DTypeLike | None, label: str
    ) -> Any:
        """Compute the bounds as the run says, into given arrays or new ones of the voxels' shape.

        Returns
        -------
        dict of str to (...), or that and the condition (...)
            Numbers for a single voxel.
        """
        number, shape = as_result_dtype(dtype, np.float64), self.batch.shape
        if out is None and run.folder is None and number == np.float64:
            with show_progress(self.batch.progress, self.batch.n_voxels, label) as advance:
                return self._state({name: values.reshape(shape)[()] for name, values in self.compute(advance).items()})

        arrays = {name: np.empty(shape, number) for name in self.results if out is None or name == CONDITION}
        if out is not None:
            arrays |= _check_given(out, self.names, shape, number)
        outputs = Outputs(arrays, self.batch)
        if run.folder is None:
            self._compute_in_slabs(outputs, label)
        else:
            self._compute_in_folder(run, outputs, label)
        return self._state(arrays if out is not None else {name: values[()] for name, values in arrays.items()})

    def _state(self, results: Arrays) -> Any:
        bounds = {name: results[name] for name in self.names}
        return (bounds, results[CONDITION][()]) if self.with_condition else bounds

    def _compute_in_slabs(self, outputs: Outputs, label: str) -> None:
        with show_progress(self.batch.progress, self.batch.n_voxels, label) as advance:
            for voxels, slab in self.batch.slabs(len(self.results)):
                part = shift_progress(advance, voxels.start, self.batch.n_voxels)
                outputs.take(voxels, replace(self, batch=slab).compute(part))

    def _compute_in_folder(self, run: Run, outputs: Outputs, label: str) -> None:
        """Compute the bounds chunk by chunk, and store the chunks in a folder."""

        def make_chunk(voxels: slice) -> Bounds:
            chunk = self.batch.select(voxels)
            return replace(self, batch=replace(chunk, shape=chunk.valid.shape, progress=None))

        for values in outputs.arrays.values():
            values[...] = np.nan
        job = VoxelJob(
            sizes=cut(self.batch.n_voxels, CHUNK),
            compute=make_chunk,
            layout=lambda n: {name: np.empty(n) for name in self.results},
            take=outputs.take,
            folder=run.folder,
        )
        run.carry_out(job, self.describe(), label)

    def describe(self) -> dict[str, Any]:
        """Describe all that the bounds depend on."""
        batch = self.batch
        described = batch.forward.described | {
            "wrt": list(self.names),
            "form": self.form,
            "tissue": hash_arrays(batch.tissue, batch.M0, batch.valid),
            "sigma": hash_arrays(batch.sigma),
        }
        further = {"noise": batch.whitening, "prior": self.prior}
        described |= {name: hash_arrays(values) for name, values in further.items() if values is not None}
        described |= {} if self.prior is None else {"coordinates": list(self.coordinates)}
        return described | ({CONDITION: True} if self.with_condition else {})


@dataclass(frozen=True)
class Outputs:
    """The places of results, of double or single precision."""

    arrays: Mapping[str, npt.NDArray[Any]]
    batch: Batch

    def take(self, voxels: slice, results: Arrays) -> None:
        """Store the results of some voxels."""
        for name, values in results.items():
            round_into(self.batch.flatten(self.arrays[name]), voxels, values)


def _check_given(
    out: Mapping[str, npt.NDArray[Any]], names: tuple[str, ...], shape: tuple[int, ...], number: np.dtype[Any]
) -> dict[str, npt.NDArray[Any]]:
    if not isinstance(out, Mapping) or set(out) != set(names):
        raise InvalidParameter(f"out must be a dict with one array for each of: {', '.join(names)}")
    results = {name: as_result(out[name], shape, number, f"out[{name!r}]") for name in names}
    refuse_overlap({f"out[{name!r}]": result for name, result in results.items()})
    return results
