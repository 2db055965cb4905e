"""Fisher information and the Cramér-Rao bound of what a sequence tells about a tissue.

Data y = s(theta) + noise, independent with standard deviation sigma in the real and in the imaginary part each:

    real       F = Re(J^H J)/sigma^2, real parameters; complex M0 counts as two, Re M0 and Im M0
    complex    F = J^H J/sigma^2, M0 one complex parameter
    real-M0    F = Re(J^H J)/sigma^2, M0 real: the column of M0 is s/|M0|

and CRB = diag(F^-1), the least variance that an unbiased estimator can have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

import spinbound._core as _core
from spinbound.base.checks import as_result, as_result_dtype, one_of, parameter_names
from spinbound.base.errors import InvalidParameter, Report
from spinbound.base.parameters import ALL, PARAMETERS
from spinbound.base.progress import reporting
from spinbound.sequences.experiment import Experiment
from spinbound.tissues.tissue import Tissue

from .basis import Basis
from .batch import Batch, check_apparent, compute, prepare

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
