"""The least error that is achievable where a prior is known: the Bayesian Cramér-Rao bound of each tissue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_mapping, as_one_of, as_parameter_names, as_real
from spinbound.base.errors import FloatArray, InvalidParameter, Progress
from spinbound.base.parameters import ALL, bases
from spinbound.sequences.experiment import Experiment
from spinbound.sequences.model import Model
from spinbound.tissues.prior import Prior
from spinbound.tissues.tissue import Tissue
from spinbound.work.job import Runner
from spinbound.work.run import Run

from .basis import Basis
from .batch import FORMS, Batch, check_apparent
from .bounds import Bounds
from .fisher import n_columns, require_sigma
from .forward import ForwardModel
from .noise import GaussianNoise

SMALLEST = 1e-150  # standard deviation, whose square a float still holds


def bayesian_crb(
    seq: Experiment,
    tissue: Tissue,
    prior: Prior | Mapping[str, float],
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
) -> Any:
    """Compute the mean squared error that is achievable with a prior: diag((F + P^-1)^-1), P the prior's covariance.

    The Cramér-Rao bound is that of unbiased estimators. An estimator that knows which tissues there are may have less
    error: it pays with a bias towards the prior's mean. For a signal that is linear over the width of the estimate and
    a Gaussian prior this is the error of the best estimator, averaged over the tissues of the prior.

    Parameters
    ----------
    seq, tissue
        As in `crb`.
    prior
        A `Prior`, of which the covariance counts, between its unknowns; or standard deviations by name, of parameters
        that are independent. Unknowns without a prior may have any value. Linear and Gaussian are meant in the
        parameters that the prior names: with a prior of T2f the bound of R2f is that of T2f times (R2f/T2f)^2.
    wrt
        P names of unknown parameters. Parameters of a `Prior` that are not among them are known.
    sigma, form, noise_covariance, condition, model, basis, dtype, out, resume, runner, threads, progress
        As in `crb`. In the complex form the imaginary part of a parameter has the prior of the real part.

    Returns
    -------
    dict of str to (...) float
        The least mean squared error, in the parameter's unit squared: at most the bound, and at most the prior's
        variance. In the real form that of M0 is of both parts, which have the prior each. NaN: the voxel is invalid.
    condition : (...)
        With `condition`, as in `crb`, of the Jacobian and the prior together.

    Raises
    ------
    InvalidParameter
        As `crb`; also for a prior of what is not unknown, that determines an unknown, or states two unknowns by one.
    InvalidData, OSError, KeyboardInterrupt
        As `crb`.

    References
    ----------
    H. L. Van Trees, Detection, Estimation, and Modulation Theory I (1968), section 2.4.3; theory, section 10.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq, unknowns = sb.sequences.load("hybrid-mt-4s"), ("M0", "m0s", "R1a", "T2f")
    >>> least = sb.bayesian_crb(seq, sb.Tissue(R1a=0.8), {"m0s": 0.08}, unknowns, sigma=0.02)
    >>> bool(least["m0s"] < min(0.08**2, sb.crb(seq, sb.Tissue(R1a=0.8), unknowns, sigma=0.02)["m0s"]))
    True
    """
    names, _ = as_parameter_names(wrt), as_one_of("form", form, FORMS)
    run = Run.of(resume, runner, threads, progress)
    coordinates, covariance = match_prior(prior, names)
    noise = GaussianNoise.of(require_sigma(sigma), noise_covariance, basis)
    batch = Batch.of(ForwardModel.of(seq, model, basis), tissue, noise, threads=threads, progress=progress)
    check_apparent(names, batch)

    rows = make_prior_rows(coordinates, covariance, n_columns(names, form))
    bounds = Bounds(batch, names, coordinates, form, prior=rows, with_condition=condition)
    return bounds.carry_out(run, out, dtype, "bayesian crb")


def match_prior(prior: Prior | Mapping[str, float], names: tuple[str, ...]) -> tuple[tuple[str, ...], FloatArray]:
    """Return the unknowns as the prior names them, and its covariance (P, P) of them; inf on the diagonal: no prior."""
    if isinstance(prior, Prior):
        given, P = prior.names, prior.covariance
    else:
        stds = as_mapping("prior", prior)
        given = as_parameter_names(tuple(stds), "prior") if stds else ()
        P = np.diag([_as_std(name, value) ** 2 for name, value in stds.items()])
        for name in given:
            if not any(bases(name) == bases(unknown) for unknown in names):
                raise InvalidParameter(f"prior has {name}; allowed: {', '.join(names)}")

    places = [_find_place(unknown, given) for unknown in names]
    coordinates = tuple(unknown if k is None else given[k] for unknown, k in zip(names, places, strict=True))
    covariance = np.diag(np.full(len(names), np.inf))
    for i, k in enumerate(places):
        for j, m in enumerate(places):
            if k is not None and m is not None:
                covariance[i, j] = P[k, m]
    return coordinates, covariance


def _as_std(name: str, value: Any) -> float:
    std = as_real(f"the standard deviation of {name}", value)
    if std.ndim or not (SMALLEST < std < 1 / SMALLEST or std == np.inf):
        raise InvalidParameter(f"the standard deviation of {name} is {value}; allowed: one number > 0")
    return float(std)


def _find_place(unknown: str, given: tuple[str, ...]) -> int | None:
    """Return which of the given parameters is the unknown or its reciprocal; None: no one is."""
    for k, name in enumerate(given):
        if bases(name) == bases(unknown):
            return k
        if set(bases(name)) & set(bases(unknown)):
            raise InvalidParameter(
                f"the prior has {name}, wrt has {unknown}; give wrt={name!r} or a prior of {unknown}"
            )
    return None


def make_prior_rows(names: tuple[str, ...], covariance: FloatArray, n_columns: int) -> FloatArray:
    """Return R (n_columns, n_columns) with R^T R = P^-1, zeros for what has no prior; M0 has two columns at most.

    Raises
    ------
    InvalidParameter
        If the prior leaves an unknown, or a combination of them, no freedom.
    """
    variance = np.diagonal(covariance)
    for name, value in zip(names, variance, strict=True):
        if value == 0:
            raise InvalidParameter(f"the prior holds {name} constant; leave it out of wrt")
    has_prior = np.isfinite(variance)
    std = np.sqrt(variance[has_prior])
    correlation = covariance[np.ix_(has_prior, has_prior)] / np.outer(std, std)
    try:
        inverse = np.linalg.inv(np.linalg.cholesky(correlation)) / std
    except np.linalg.LinAlgError:
        raise InvalidParameter("the prior determines an unknown by others") from None

    columns = np.array([k + (n_columns > len(names) and "M0" in names[:k]) for k in range(len(names))], dtype=int)
    rows = np.zeros((n_columns, n_columns))
    rows[np.ix_(columns[has_prior], columns[has_prior])] = inverse
    if "M0" in names and n_columns > len(names) and has_prior[names.index("M0")]:
        k = columns[names.index("M0")]
        rows[k + 1, k + 1] = rows[k, k]
    return rows
