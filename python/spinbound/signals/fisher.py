"""Fisher information of a sequence about a tissue, which the Cramér-Rao bound inverts.

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
from spinbound.base.checks import as_one_of, as_parameter_names, as_result, as_result_dtype
from spinbound.base.errors import InvalidParameter, Progress
from spinbound.base.parameters import ALL
from spinbound.sequences.experiment import Experiment
from spinbound.sequences.model import Model
from spinbound.tissues.tissue import Tissue

from .basis import Basis
from .batch import FORMS, Batch, as_unknowns, check_apparent, compute
from .forward import ForwardModel
from .noise import GaussianNoise


def fisher(
    seq: Experiment,
    tissue: Tissue,
    wrt: str | Iterable[str] = ALL,
    sigma: npt.ArrayLike = 1.0,
    form: str = "real",
    *,
    model: Model | str = "gbloch",
    basis: Basis | None = None,
    noise_covariance: npt.ArrayLike | None = None,
    dtype: npt.DTypeLike | None = None,
    out: npt.NDArray[Any] | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> npt.NDArray[Any]:
    """Compute the Fisher information matrix F = J^H J/sigma^2.

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
    noise_covariance : (rank, rank) or (..., rank, rank)
        Covariance E[n n^H]/2 of the noise n of the coefficients of `basis`, one for all voxels or one each, in place of
        sigma: F = J^H C^-1 J. `sb.noise_covariance` estimates it.
    dtype
        float64 or float32, for the complex form complex128 or complex64. Always computed in double precision, since
        single cannot give every bound to 1 %; stored in single, beyond its range (3.4e38) inf.
    out
        An array of the result's shape and type, written in place and returned; as in `simulate`.
    model, basis, threads, progress
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
    names, _ = as_parameter_names(wrt), as_one_of("form", form, FORMS)
    forward = ForwardModel.of(seq, model, basis)
    noise = GaussianNoise.of(require_sigma(sigma), noise_covariance, basis)
    batch = Batch.of(forward, tissue, noise, threads=threads, progress=progress)
    check_apparent(names, batch)

    columns = n_columns(names, form)
    number = as_result_dtype(dtype, np.complex128 if form == "complex" else np.float64)
    result = as_result(out, (*tissue.shape, columns, columns), number)

    unknowns = as_unknowns(names, form)
    fill = lambda slab, progress, F: _core.fisher(slab.call(progress), slab.noise, unknowns, F)
    compute(batch, (result,), fill, "fisher")
    return result


def require_sigma(sigma: npt.ArrayLike | None) -> npt.ArrayLike:
    """Refuse a missing sigma."""
    if sigma is None:
        raise InvalidParameter("sigma is missing; give the standard deviation of the noise, sigma > 0")
    return sigma


def n_columns(names: tuple[str, ...], form: str) -> int:
    """Count the rows of F: in the real form M0 counts as two parameters."""
    return len(names) + (form == "real" and "M0" in names)


def refuse_too_few_data(batch: Batch, columns: int) -> None:
    """Refuse a basis whose coefficients are fewer than the unknowns."""
    if batch.forward.basis is not None and 2 * batch.n_samples < columns:
        raise InvalidParameter(
            f"a basis of rank {batch.n_samples} gives {2 * batch.n_samples} real numbers, "
            f"too few for {columns} real parameters"
        )


def compute_in_one_run(
    forward: ForwardModel,
    tissue: Tissue,
    names: tuple[str, ...],
    noise: GaussianNoise,
    form: str,
    wanted: Collection[str],
    *,
    threads: int | None,
    progress: Progress | None,
) -> dict[str, npt.NDArray[Any]]:
    """Compute in a basis the ``signals`` of n tissues, and those of ``sensitivities``, ``fisher``, ``crb`` wanted.

    The results equal those of the functions of these names bit for bit, in the time of one of them; ``crb`` is (n, P).
    """
    batch = Batch.of(forward, tissue, noise, threads=threads, progress=progress)
    check_apparent(names, batch)
    if "crb" in wanted:
        refuse_too_few_data(batch, n_columns(names, form))

    n, rank, columns = batch.n_voxels, batch.n_samples, n_columns(names, form)
    shapes: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
        "sensitivities": ((n, rank, len(names)), np.complex128),
        "fisher": ((n, columns, columns), np.complex128 if form == "complex" else np.float64),
        "crb": ((len(names), n), np.float64),
    }
    results = {name: np.empty(*place) for name, place in shapes.items() if name in wanted}
    signals = np.empty((n, rank), np.complex128)
    _core.in_one_run(batch.call(progress), batch.noise, as_unknowns(names, form), signals, **results)

    return results | {"signals": signals} | ({"crb": results["crb"].T} if "crb" in wanted else {})
