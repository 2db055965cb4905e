"""Fisher information and the Cramér-Rao bound of what a sequence tells about a tissue.

Data y = s(theta) + noise, independent with standard deviation sigma in the real and in the imaginary part each:

    real       F = Re(J^H J)/sigma^2, real parameters; complex M0 counts as two, Re M0 and Im M0
    complex    F = J^H J/sigma^2, M0 one complex parameter
    real-M0    F = Re(J^H J)/sigma^2, M0 real: the column of M0 is s/|M0|

and CRB = diag(F^-1), the least variance that an unbiased estimator can have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core
from ._batch import Batch, check_apparent, compute, prepare, reporting, shifted, store
from ._chunks import Arrays, VoxelJob, cut, opened, sha256_of
from ._core import version
from ._job import Runner, check_runner, part_of
from ._trains import Experiment
from ._validate import (
    InvalidParameter,
    Report,
    as_result,
    as_result_dtype,
    as_threads,
    one_of,
    parameter_names,
    refuse_overlap,
)
from .basis import Basis
from .parameters import ALL, PARAMETERS
from .tissue import Tissue

CHUNK = 4096  # voxels whose bounds are stored together
FORMS = ("real", "complex", "real-M0")  # in the order of the core's codes


def fisher(
    seq: Experiment,
    tissue: Tissue,
    wrt: str | Iterable[str] = ALL,
    sigma: npt.ArrayLike = 1.0,
    form: str = "real",
    *,
    model: str = "gbloch",
    lineshape: str = "superlorentzian",
    rtol: float = 1e-8,
    basis: Basis | None = None,
    dtype: npt.DTypeLike | None = None,
    out: npt.NDArray[Any] | None = None,
    threads: int | None = None,
    progress: bool | Report | None = None,
) -> npt.NDArray[Any]:
    """The Fisher information matrix F = J^H J/sigma^2.

    Parameters
    ----------
    seq
        The pulse sequence; or a list of them, a joint experiment: its matrix is the sum of theirs.
    tissue
        The voxels, of shape (...).
    wrt
        P names of unknown parameters, base or derived; all others are known.
    sigma
        Standard deviation of the noise in the real and in the imaginary part each, in units of the signal; one
        number or one per voxel, > 0.
    form
        ``real`` (default): Re(J^H J)/sigma^2 over real parameters, M0 standing for Re M0 and Im M0;
        ``complex``: J^H J/sigma^2 with one complex M0; ``real-M0``: M0 real.
    dtype
        float64 or float32, for the complex form complex128 or complex64. Always computed in double precision, since
        single cannot give every bound to 1 %; stored in single, beyond its range (3.4e38) inf.
    out
        An array of the result's shape and type, written in place and returned; as in `simulate`.
    model, lineshape, rtol, basis, threads, progress
        As in `simulate`.

    Returns
    -------
    (..., P', P')
        In the order of `wrt`, each entry per units of its two parameters. P' = P + 1 in the real form if M0 is
        among the unknowns (two rows in its place), else P. Invalid voxels are NaN.

    Raises
    ------
    InvalidParameter
        If an argument is not accepted, names in `wrt` determine each other, or every voxel is invalid.
    KeyboardInterrupt
        Within 0.2 s of Ctrl-C.

    References
    ----------
    S. M. Kay, Fundamentals of Statistical Signal Processing (1993), sections 3.9 and 15.7; the complex form:
    X. Zhang et al., arXiv 2109.10535, section 2.1.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> sb.fisher(seq, sb.Tissue(), wrt=("M0", "m0s", "T2f")).shape
    (4, 4)
    """
    names, code = parameter_names(wrt), FORMS.index(one_of("form", form, FORMS))
    batch = prepare(
        seq,
        tissue,
        _given(sigma),
        model=model,
        lineshape=lineshape,
        rtol=rtol,
        basis=basis,
        threads=threads,
        progress=progress,
    )
    check_apparent(names, batch)
    columns = n_columns(names, form)
    number = as_result_dtype(dtype, np.complex128 if form == "complex" else np.float64)
    result = as_result(out, (*tissue.shape, columns, columns), number)

    def fill(part: Batch, report: Report | None, F: npt.NDArray[Any]) -> None:
        _core.fisher(*_arguments(part, names, code, report, F))

    compute(batch, (result,), fill, "fisher")
    return result


def _given(sigma: npt.ArrayLike | None) -> npt.ArrayLike:
    if sigma is None:
        raise InvalidParameter("sigma is missing; give the standard deviation of the noise, sigma > 0")
    return sigma


def n_columns(names: tuple[str, ...], form: str) -> int:
    """Rows of F: in the real form M0 counts as two parameters."""
    return len(names) + (form == "real" and "M0" in names)


def crb(
    seq: Experiment,
    tissue: Tissue,
    wrt: str | Iterable[str] = ALL,
    sigma: npt.ArrayLike = 1.0,
    form: str = "real",
    *,
    model: str = "gbloch",
    lineshape: str = "superlorentzian",
    rtol: float = 1e-8,
    basis: Basis | None = None,
    dtype: npt.DTypeLike | None = None,
    out: Mapping[str, npt.NDArray[Any]] | None = None,
    resume: str | PathLike[str] | None = None,
    runner: Runner | None = None,
    threads: int | None = None,
    progress: bool | Report | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """The Cramér-Rao bound of each unknown parameter: CRB = diag(F^-1).

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
        Who does the work, of `spinbound.cluster`: other processes or machines, or this one for a part of it. It needs
        `resume`. Bounds that are not computed then are NaN.
    model, lineshape, rtol, basis, threads, progress
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
    names, code = parameter_names(wrt), FORMS.index(one_of("form", form, FORMS))
    batch = prepare(
        seq,
        tissue,
        _given(sigma),
        model=model,
        lineshape=lineshape,
        rtol=rtol,
        basis=basis,
        threads=threads,
        progress=progress,
    )
    check_apparent(names, batch)
    _refuse_too_few_data(batch, n_columns(names, form))
    check_runner(runner, resume, "resume")
    number = as_result_dtype(dtype, np.float64)
    if out is None and resume is None and number == np.float64:
        return _whole(batch, names, code)
    results = _outputs(out, names, tissue.shape, number)
    if resume is None:
        _in_parts(batch, names, code, results)
    else:
        _in_folder(Path(resume), batch, names, form, results, runner, threads)
    return results if out is not None else {name: bound[()] for name, bound in results.items()}


def _refuse_too_few_data(batch: Batch, columns: int) -> None:
    if batch.basis is not None and 2 * batch.n_samples < columns:
        raise InvalidParameter(
            f"a basis of rank {batch.n_samples} gives {2 * batch.n_samples} real numbers, "
            f"too few for {columns} real parameters"
        )


def _whole(batch: Batch, names: tuple[str, ...], code: int) -> dict[str, npt.NDArray[Any]]:
    """All bounds in one array, as the core writes them."""
    bounds = np.empty((len(names), batch.n_voxels))
    if batch.n_voxels:
        with reporting(batch.progress, batch.n_voxels, "crb") as report:
            _core.crb(*_arguments(batch, names, code, report, bounds))
    return {name: bound.reshape(batch.shape)[()] for name, bound in zip(names, bounds, strict=True)}


def _in_parts(batch: Batch, names: tuple[str, ...], code: int, results: Mapping[str, npt.NDArray[Any]]) -> None:
    """Bounds that are kept in arrays of their own, or in single precision."""
    with reporting(batch.progress, batch.n_voxels, "crb") as report:
        for voxels, part in batch.parts(len(names)):
            bounds = np.empty((len(names), part.n_voxels))
            share = shifted(report, voxels.start, batch.n_voxels)
            _core.crb(*_arguments(part, names, code, share, bounds))
            for name, bound in zip(names, bounds, strict=True):
                store(batch.flat(results[name]), voxels, bound)


@dataclass(frozen=True)
class BoundsOf:
    """The bounds of some voxels, apart from all others."""

    batch: Batch
    names: tuple[str, ...]
    code: int

    def __call__(self, threads: int | None, report: Report | None) -> Arrays:
        """Compute them."""
        experiment = self.batch.trains.core()  # which cannot be pickled
        batch = replace(self.batch, experiment=experiment, threads=as_threads(threads), progress=report)
        return _whole(batch, self.names, self.code)


def _in_folder(
    folder: Path,
    batch: Batch,
    names: tuple[str, ...],
    form: str,
    results: Arrays,
    runner: Runner | None,
    threads: int | None,
) -> None:
    """Bounds whose chunks a folder keeps."""

    def chunk(voxels: slice) -> BoundsOf:
        part = batch.part(voxels)
        return BoundsOf(replace(part, shape=part.valid.shape, experiment=None), names, FORMS.index(form))

    def take(voxels: slice, bounds: Arrays) -> None:
        for name, bound in bounds.items():
            store(batch.flat(results[name]), voxels, bound)

    for result in results.values():
        result[...] = np.nan
    job = VoxelJob(
        sizes=cut(batch.n_voxels, CHUNK),
        compute=chunk,
        layout=lambda n: {name: np.empty(n) for name in names},
        take=take,
        folder=folder,
    )
    with (
        opened(folder, _described(batch, names, form), "crb", part_of(runner)),
        reporting(batch.progress, batch.n_voxels, "crb") as report,
    ):
        job.run(runner, threads, report)


def _described(batch: Batch, names: tuple[str, ...], form: str) -> dict[str, Any]:
    """All that the bounds depend on."""
    return {
        "spinbound": version,
        "instruction_set": _core.isa_in_use(),
        "wrt": list(names),
        "form": form,
        "physics": list(batch.physics),
        "sequence_sha256": batch.trains.sha256,
        "basis": sha256_of(batch.basis),
        "tissue": sha256_of(batch.tissue, batch.M0, batch.valid),
        "sigma": sha256_of(batch.sigma),
    }


def _outputs(
    out: Mapping[str, npt.NDArray[Any]] | None, names: tuple[str, ...], shape: tuple[int, ...], number: np.dtype[Any]
) -> dict[str, npt.NDArray[Any]]:
    if out is None:
        return {name: np.empty(shape, number) for name in names}
    if not isinstance(out, Mapping) or set(out) != set(names):
        raise InvalidParameter(f"out must be a dict with one array for each of: {', '.join(names)}")
    results = {name: as_result(out[name], shape, number, f"out[{name!r}]") for name in names}
    refuse_overlap({f"out[{name!r}]": result for name, result in results.items()})
    return results


def _arguments(
    batch: Batch, names: tuple[str, ...], code: int, report: Report | None, out: npt.NDArray[Any]
) -> tuple[Any, ...]:
    """What `_core.fisher` and `_core.crb` take."""
    wrt = [PARAMETERS[name].code for name in names]
    voxels = (batch.tissue, batch.M0, batch.sigma, batch.valid)
    return (batch.experiment, *voxels, batch.physics, wrt, code, batch.basis, batch.threads, report, out)


def in_one_run(
    seq: Experiment,
    tissue: Tissue,
    names: tuple[str, ...],
    sigma: float,
    form: str,
    wanted: Collection[str],
    progress: Report | None = None,
    **options: Any,
) -> dict[str, npt.NDArray[Any]]:
    """Of n tissues in a basis: ``signals``, and those of ``sensitivities``, ``fisher`` and ``crb`` that are wanted.

    Bit for bit what the functions of these names give, in the time of one of them; ``crb`` is (n, P).
    """
    batch = prepare(seq, tissue, sigma, progress=progress, **options)
    check_apparent(names, batch)
    if "crb" in wanted:
        _refuse_too_few_data(batch, n_columns(names, form))
    n, rank, columns = batch.n_voxels, batch.n_samples, n_columns(names, form)
    shapes: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
        "sensitivities": ((n, rank, len(names)), np.complex128),
        "fisher": ((n, columns, columns), np.complex128 if form == "complex" else np.float64),
        "crb": ((len(names), n), np.float64),
    }
    results = {name: np.empty(*place) for name, place in shapes.items() if name in wanted}
    results["signals"] = np.empty((n, rank), np.complex128)
    arguments = _arguments(batch, names, FORMS.index(form), progress, results["signals"])
    _core.in_one_run(*arguments, *map(results.get, shapes))
    return results | ({"crb": results["crb"].T} if "crb" in wanted else {})
