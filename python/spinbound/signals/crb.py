"""The Cramér-Rao bounds of a sequence for a tissue: in one call, in parts, or in a folder that can be resumed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

import spinbound._core as _core
from spinbound.base.checks import as_one_of, as_parameter_names, as_result, as_result_dtype, as_threads, refuse_overlap
from spinbound.base.errors import InvalidParameter, Progress
from spinbound.base.parameters import ALL
from spinbound.base.progress import shift_progress, show_progress
from spinbound.files.hashes import hash_arrays
from spinbound.sequences.experiment import Experiment, refuse_silence
from spinbound.sequences.model import Model
from spinbound.tissues.tissue import Tissue
from spinbound.work.chunks import Arrays, VoxelJob, cut
from spinbound.work.job import Runner
from spinbound.work.run import Run

from .basis import Basis
from .batch import FORMS, Batch, as_unknowns, check_apparent, round_into
from .fisher import n_columns, refuse_too_few_data, require_sigma
from .forward import ForwardModel

CHUNK = 4096  # voxels whose bounds are stored together


def crb(
    seq: Experiment,
    tissue: Tissue,
    wrt: str | Iterable[str] = ALL,
    sigma: npt.ArrayLike = 1.0,
    form: str = "real",
    *,
    model: Model | str = "gbloch",
    basis: Basis | None = None,
    dtype: npt.DTypeLike | None = None,
    out: Mapping[str, npt.NDArray[Any]] | None = None,
    resume: str | PathLike[str] | None = None,
    runner: Runner | Executor | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Compute the Cramér-Rao bound of each unknown parameter: CRB = diag(F^-1).

    Parameters
    ----------
    seq
        The pulse sequence; or a list of them, a joint experiment: its matrix is the sum of theirs.
    tissue
        The voxels, of shape (...).
    wrt, sigma, form
        As in `fisher`.
    dtype
        float64, or float32: computed in double precision, since single cannot give every bound to 1 %; stored in
        single. Beyond its range (3.4e38) a bound is inf, below (1.4e-45) the least positive number.
    out
        A dict with an array of the voxels' shape for every name in `wrt`, as in `simulate`, that do not overlap;
        written in place and returned.
    resume
        A folder for the work: bounds are written there every 4096 voxels. A run that was killed goes on from there, to
        the same bits.
    runner
        A runner of `sb.cluster`, which gives the work to other processes or machines, or a part of it to this one; or
        any `concurrent.futures.Executor`, of which each worker uses `threads`. It needs `resume`.
        Bounds that are not computed then are NaN.
    model, basis, threads, progress
        As in `simulate`.

    Returns
    -------
    dict of str to (...) float
        The least variance of an unbiased estimate, in the parameter's unit squared; a number for a single voxel.
        In the real form that of M0 is the variance of the complex estimate. inf: the data do not determine the
        parameter. NaN: the voxel is invalid.

    Raises
    ------
    InvalidParameter
        If an argument is not accepted, names in `wrt` determine each other, a basis has fewer real coefficients
        than there are parameters, or every voxel is invalid.
    InvalidSequence
        If the experiment has no signal for any tissue, such as `inversion_recovery` without `read`.
    InvalidData
        If `resume` holds the work of other bounds, or is in use by another run.
    OSError
        If the folder cannot be written.
    KeyboardInterrupt
        Within 0.2 s of Ctrl-C.

    References
    ----------
    S. M. Kay, Fundamentals of Statistical Signal Processing (1993), eq. (3.20); arXiv 2207.08259, section 2.3.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> bound = sb.crb(seq, sb.Tissue(R1a=0.8), wrt=("M0", "m0s", "R1a", "T2f"), sigma=0.01)
    >>> bool(bound["m0s"] > 0)
    True
    """
    names, _ = as_parameter_names(wrt), as_one_of("form", form, FORMS)
    run = Run.of(resume, runner, threads, progress)
    batch = Batch.of(
        ForwardModel.of(seq, model, basis), tissue, require_sigma(sigma), threads=threads, progress=progress
    )
    check_apparent(names, batch)
    refuse_silence(batch.forward.trains)
    refuse_too_few_data(batch, n_columns(names, form))
    number = as_result_dtype(dtype, np.float64)

    if out is None and resume is None and number == np.float64:
        with show_progress(progress, batch.n_voxels, "crb") as advance:
            return _compute_bounds(batch, names, form, advance)

    results = _make_outputs(out, names, tissue.shape, number)
    if resume is None:
        _compute_in_slabs(batch, names, form, results)
    else:
        _compute_in_folder(run, batch, names, form, results)
    return results if out is not None else {name: bound[()] for name, bound in results.items()}


def _compute_bounds(
    batch: Batch, names: tuple[str, ...], form: str, progress: Progress | None
) -> dict[str, npt.NDArray[Any]]:
    """Compute all bounds in one array, in the form of the core."""
    bounds = np.empty((len(names), batch.n_voxels))
    if batch.n_voxels:
        _core.crb(batch.call(progress), batch.noise, as_unknowns(names, form), bounds)
    return {name: bound.reshape(batch.shape)[()] for name, bound in zip(names, bounds, strict=True)}


def _compute_in_slabs(batch: Batch, names: tuple[str, ...], form: str, results: Mapping[str, npt.NDArray[Any]]) -> None:
    """Compute bounds into given arrays, or in single precision."""
    with show_progress(batch.progress, batch.n_voxels, "crb") as advance:
        for voxels, slab in batch.slabs(len(names)):
            slab = replace(slab, shape=slab.valid.shape)
            for name, bound in _compute_bounds(
                slab, names, form, shift_progress(advance, voxels.start, batch.n_voxels)
            ).items():
                round_into(batch.flatten(results[name]), voxels, bound)


@dataclass(frozen=True)
class ChunkBounds:
    """The bounds of some voxels, whose results depend on no others."""

    batch: Batch
    names: tuple[str, ...]
    form: str

    def __call__(self, threads: int | None, progress: Progress | None) -> Arrays:
        """Compute the bounds."""
        return _compute_bounds(replace(self.batch, threads=as_threads(threads)), self.names, self.form, progress)


def _compute_in_folder(run: Run, batch: Batch, names: tuple[str, ...], form: str, results: Arrays) -> None:
    """Compute bounds chunk by chunk, and store the chunks in a folder."""

    def make_chunk(voxels: slice) -> ChunkBounds:
        chunk = batch.select(voxels)
        return ChunkBounds(replace(chunk, shape=chunk.valid.shape, progress=None), names, form)

    def take(voxels: slice, bounds: Arrays) -> None:
        for name, bound in bounds.items():
            round_into(batch.flatten(results[name]), voxels, bound)

    for result in results.values():
        result[...] = np.nan
    job = VoxelJob(
        sizes=cut(batch.n_voxels, CHUNK),
        compute=make_chunk,
        layout=lambda n: {name: np.empty(n) for name in names},
        take=take,
        folder=run.folder,
    )
    run.carry_out(job, _describe(batch, names, form), "crb")


def _describe(batch: Batch, names: tuple[str, ...], form: str) -> dict[str, Any]:
    """Describe all that the bounds depend on."""
    return batch.forward.described | {
        "wrt": list(names),
        "form": form,
        "tissue": hash_arrays(batch.tissue, batch.M0, batch.valid),
        "sigma": hash_arrays(batch.sigma),
    }


def _make_outputs(
    out: Mapping[str, npt.NDArray[Any]] | None, names: tuple[str, ...], shape: tuple[int, ...], number: np.dtype[Any]
) -> dict[str, npt.NDArray[Any]]:
    if out is None:
        return {name: np.empty(shape, number) for name in names}
    if not isinstance(out, Mapping) or set(out) != set(names):
        raise InvalidParameter(f"out must be a dict with one array for each of: {', '.join(names)}")
    results = {name: as_result(out[name], shape, number, f"out[{name!r}]") for name in names}
    refuse_overlap({f"out[{name!r}]": result for name, result in results.items()})
    return results
