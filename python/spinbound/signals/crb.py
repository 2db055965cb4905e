"""The Cramér-Rao bounds of a sequence for a tissue: in one call, in parts, or in a folder that can be resumed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from os import PathLike
from typing import Any, Literal, overload

import numpy.typing as npt

from spinbound.base.checks import as_one_of, as_parameter_names
from spinbound.base.errors import FloatArray, Progress
from spinbound.base.parameters import ALL
from spinbound.sequences.experiment import Experiment, refuse_silence
from spinbound.sequences.model import Model
from spinbound.tissues.tissue import Tissue
from spinbound.work.job import Runner
from spinbound.work.run import Run

from .basis import Basis
from .batch import FORMS, Batch, check_apparent
from .bounds import Bounds
from .fisher import n_columns, refuse_too_few_data, require_sigma
from .forward import ForwardModel
from .noise import GaussianNoise


@overload
def crb(
    seq: Experiment,
    tissue: Tissue,
    wrt: str | Iterable[str] = ALL,
    sigma: npt.ArrayLike = 1.0,
    form: str = "real",
    *,
    model: Model | str = "gbloch",
    basis: Basis | None = None,
    noise_covariance: npt.ArrayLike | None = None,
    condition: Literal[False] = False,
    dtype: npt.DTypeLike | None = None,
    out: Mapping[str, npt.NDArray[Any]] | None = None,
    resume: str | PathLike[str] | None = None,
    runner: Runner | Executor | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> dict[str, npt.NDArray[Any]]: ...


@overload
def crb(
    seq: Experiment,
    tissue: Tissue,
    wrt: str | Iterable[str] = ALL,
    sigma: npt.ArrayLike = 1.0,
    form: str = "real",
    *,
    model: Model | str = "gbloch",
    basis: Basis | None = None,
    noise_covariance: npt.ArrayLike | None = None,
    condition: Literal[True],
    dtype: npt.DTypeLike | None = None,
    out: Mapping[str, npt.NDArray[Any]] | None = None,
    resume: str | PathLike[str] | None = None,
    runner: Runner | Executor | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> tuple[dict[str, npt.NDArray[Any]], FloatArray]: ...


def crb(
    seq: Experiment,
    tissue: Tissue,
    wrt: str | Iterable[str] = ALL,
    sigma: npt.ArrayLike = 1.0,
    form: str = "real",
    *,
    model: Model | str = "gbloch",
    basis: Basis | None = None,
    noise_covariance: npt.ArrayLike | None = None,
    condition: bool = False,
    dtype: npt.DTypeLike | None = None,
    out: Mapping[str, npt.NDArray[Any]] | None = None,
    resume: str | PathLike[str] | None = None,
    runner: Runner | Executor | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> dict[str, npt.NDArray[Any]] | tuple[dict[str, npt.NDArray[Any]], FloatArray]:
    """Compute the Cramér-Rao bound of each unknown parameter: CRB = diag(F^-1).

    Parameters
    ----------
    seq
        The pulse sequence; or a list of them, a joint experiment: its matrix is the sum of theirs.
    tissue
        The voxels, of shape (...).
    wrt, sigma, form, noise_covariance
        As in `fisher`.
    condition
        Return the condition of each voxel as well: the largest over the least singular value of the Jacobian, its
        columns scaled to unit length. A bound has lost up to as many digits; beyond 1e13 it counts as infinite.
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
        parameter, as far as double precision can tell. NaN: the voxel is invalid.
    condition : (...)
        With `condition`; inf where a direction is not determined.

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
    noise = GaussianNoise.of(require_sigma(sigma), noise_covariance, basis)
    batch = Batch.of(ForwardModel.of(seq, model, basis), tissue, noise, threads=threads, progress=progress)
    check_apparent(names, batch)
    refuse_silence(batch.forward.trains)
    refuse_too_few_data(batch, n_columns(names, form))

    bounds = Bounds(batch, names, names, form, with_condition=condition)
    return bounds.carry_out(run, out, dtype, "crb")
