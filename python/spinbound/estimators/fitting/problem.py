"""The checked arguments of a fit: unknowns, limits, starts, known parameters, noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import (
    as_complex,
    as_data,
    as_mapping,
    as_mask,
    as_number,
    as_pair,
    as_parameter_names,
    as_real,
    as_sigma,
    check_range,
    refuse_conflicts,
    refuse_shape,
)
from spinbound.base.errors import BoolArray, ComplexArray, FloatArray, InvalidData, InvalidParameter
from spinbound.base.parameters import PARAMETERS, bases, is_reciprocal
from spinbound.sequences.experiment import Trains, refuse_silence
from spinbound.sequences.limits import Limits, explain_value, find_range
from spinbound.signals.basis import Basis
from spinbound.signals.forward import ForwardModel
from spinbound.signals.noise import GaussianNoise
from spinbound.tissues.tissue import Tissue, make_tissue

Maps = Mapping[str, npt.ArrayLike]

KNOWN, ELIMINATED, FITTED = range(3)  # M0, in the order of the core's codes

# Default limits of estimates of tissue; a time has the reciprocals of its rate.
BOUNDS: Mapping[str, tuple[float, float]] = {
    "m0s": (0, 0.6), "R1f": (0.05, 20), "R1s": (0.05, 100), "R1a": (0.05, 20), "R2f": (0.2, 1000), "Rex": (0, 500),
    "T2s": (PARAMETERS["T2s"].least, PARAMETERS["T2s"].largest), "B1": (0.1, 3),
}  # fmt: skip
REACH = 1.25  # default limit of omega0 to either side, in units of pi/TR: little more than one period of the signal


@dataclass(frozen=True)
class GaussianPrior:
    """Gaussian priors of the unknowns: means (P, voxels) and standard deviations (P,), infinite where there is none."""

    mean: FloatArray
    std: FloatArray


@dataclass(frozen=True)
class Problem:
    """A checked fit, with the voxels of the mask in one axis."""

    forward: ForwardModel
    data: npt.NDArray[Any]  # (all voxels, n_samples), as given
    shape: tuple[int, ...]
    mask: BoolArray
    voxels: npt.NDArray[np.intp]  # numbers of the voxels in the mask
    free: tuple[str, ...]  # in the order of the results
    unknowns: tuple[str, ...]  # the free ones of the tissue
    M0: int
    fixed: Tissue
    start: dict[str, npt.NDArray[Any]]
    bounds: dict[str, tuple[float, float]]
    sigma: npt.NDArray[Any] | None
    prior: GaussianPrior | None
    whitening: ComplexArray | None  # (1 or all voxels, rank, rank) of correlated noise

    @property
    def size(self) -> int:
        """Number of real unknowns."""
        return len(self.unknowns) + (0 if self.M0 == KNOWN else 2)

    @property
    def omega0_period(self) -> float | None:
        """The approximate period of the signal in omega0 in rad/s, 2 pi/TR, if all repetitions take equally long."""
        TR = {float(TR) for seq in self.forward.trains.sequences for TR in seq.repetition_times}
        return 2 * np.pi / TR.pop() if len(TR) == 1 else None

    def select(self, values: npt.NDArray[Any], voxels: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        """Select the entries of a number or a map at some of the voxels."""
        return np.broadcast_to(values, self.shape).reshape(-1)[voxels]

    def signals(self, voxels: npt.NDArray[np.intp]) -> ComplexArray:
        """Return the data (n, n_samples) of some of the voxels, as they were given."""
        return np.ascontiguousarray(self.data[voxels], np.complex128)

    def prior_mean(self, voxels: npt.NDArray[np.intp]) -> FloatArray | None:
        """Return the means (P, n) of the priors of some of the voxels."""
        return None if self.prior is None else self.prior.mean[:, np.searchsorted(self.voxels, voxels)]

    def tissue(self, voxels: npt.NDArray[np.intp]) -> dict[str, npt.NDArray[Any]]:
        """Return the parameters of some of the voxels: known values, and defaults for the unknown ones."""
        return {name: self.select(value, voxels) for name, value in self.fixed.as_dict().items()}

    def whitening_of(self, voxels: npt.NDArray[np.intp]) -> ComplexArray | None:
        """Return the whitening matrices (n, rank, rank) of some of the voxels, or the one (1, rank, rank) of all."""
        W = self.whitening
        return W if W is None or len(W) == 1 else np.ascontiguousarray(W[voxels])

    def restrict(self, voxels: npt.NDArray[np.intp]) -> Problem:
        """Return the problem of some of the voxels alone."""
        mean = self.prior_mean(voxels)

        def select(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return self.select(value, voxels) if value.ndim else value

        return replace(
            self,
            data=self.data[voxels],
            shape=voxels.shape,
            mask=np.ones(voxels.shape, np.bool_),
            voxels=np.arange(voxels.size),
            fixed=make_tissue({name: select(value) for name, value in self.fixed.as_dict().items()}),
            start={name: select(value) for name, value in self.start.items()},
            sigma=None if self.sigma is None else select(self.sigma),
            prior=None if self.prior is None or mean is None else replace(self.prior, mean=mean),
            whitening=self.whitening_of(voxels),
        )


def check(
    data: npt.ArrayLike,
    forward: ForwardModel,
    free: str | Iterable[str],
    *,
    start: Maps | None,
    bounds: Mapping[str, tuple[float, float]] | None,
    fixed: Maps | None,
    mask: npt.ArrayLike | None,
    sigma: npt.ArrayLike | None,
    noise_covariance: npt.ArrayLike | None,
    prior: Mapping[str, tuple[npt.ArrayLike, float]] | None,
    variable_projection: bool,
) -> Problem:
    """Check the arguments of `fit`, before any work.

    Raises
    ------
    InvalidData, InvalidParameter, InvalidSequence
        As `fit` says.
    """
    refuse_silence(forward.trains)
    n_samples = forward.n_samples
    samples = _check_data(data, n_samples, forward.basis)
    shape = samples.shape[:-1]
    names, known = _check_free(free), _as_named("fixed", fixed)
    unknowns = tuple(name for name in names if name != "M0")
    refuse_conflicts((*names, *known), "free and fixed together")
    treatment = _choose_treatment(names, known, variable_projection)
    chosen = as_mask("mask", mask, shape)
    sigma, whitening = _make_noise(sigma, noise_covariance, forward.basis, shape)

    problem = Problem(
        forward=forward,
        data=samples.reshape(-1, n_samples),
        shape=shape,
        mask=chosen,
        voxels=np.flatnonzero(chosen),
        free=names,
        unknowns=unknowns,
        M0=treatment,
        fixed=_make_fixed(known, shape),
        start=_make_start(start, names, shape),
        bounds=_make_limits(bounds, unknowns, forward),
        sigma=sigma,
        prior=None,
        whitening=whitening,
    )

    _check_start(problem)
    _check_numbers(problem)
    if 2 * n_samples < problem.size:
        raise InvalidParameter(
            f"free has {problem.size} real unknowns, the data {2 * n_samples} real numbers per voxel"
        )
    return _add_prior(problem, prior)


# Data


def _check_data(data: npt.ArrayLike, n_samples: int, basis: Basis | None) -> npt.NDArray[Any]:
    why = "the number of echoes" if basis is None else "the rank of the basis"
    array = as_data("data", data, n_samples, why)
    if array.dtype.kind != "c":
        raise InvalidData(
            f"data must be complex; given {array.dtype}: magnitudes alone do not tell the phase that the model has"
        )
    return array


# Unknown and known parameters


def _check_free(free: str | Iterable[str]) -> tuple[str, ...]:
    names = as_parameter_names(free, "free")
    if names == ("M0",):
        raise InvalidParameter("free names M0 alone; name at least one parameter of the tissue")
    return names


def _as_named(name: str, values: Mapping[str, Any] | None) -> dict[str, Any]:
    if values is None:
        return {}
    return {as_parameter_names(key, name)[0]: value for key, value in as_mapping(name, values).items()}


def _choose_treatment(free: tuple[str, ...], known: Mapping[str, Any], variable_projection: bool) -> int:
    if "M0" in free:
        return ELIMINATED if variable_projection else FITTED
    if "M0" not in known:
        raise InvalidParameter("M0 is neither free nor fixed; allowed: 'M0' among free, or fixed={'M0': ...}")
    return KNOWN


def _make_fixed(known: Mapping[str, Any], shape: tuple[int, ...]) -> Tissue:
    tissue = Tissue.from_dict(known)
    refuse_shape("fixed", tissue.shape, shape)
    return tissue


def _make_start(start: Maps | None, free: tuple[str, ...], shape: tuple[int, ...]) -> dict[str, npt.NDArray[Any]]:
    values: dict[str, npt.NDArray[Any]] = {}
    for name, value in _as_named("start", start).items():
        if name not in free:
            raise InvalidParameter(f"start has {name}, which is not free; free are: {', '.join(free)}")
        values[name] = as_complex(name, value) if name == "M0" else as_real(name, value)
        refuse_shape(f"the start of {name}", values[name].shape, shape)
    return values


def _check_start(problem: Problem) -> None:
    for name, value in problem.start.items():
        if value.ndim:
            continue
        if name == "M0":
            check_range(PARAMETERS[name], value)
            continue
        low, high = problem.bounds[name]
        if not low <= value <= high:
            why = explain_value(name, float(value), problem.forward.limits)
            raise InvalidParameter(f"the start of {name} is {value:g}, outside its bounds {low:g} to {high:g}{why}")
    if problem.M0 == FITTED and "M0" not in problem.start:
        raise InvalidParameter("without variable projection M0 needs a start: start={'M0': ...}")


def _check_numbers(problem: Problem) -> None:
    """Refuse known numbers that the model does not accept in any voxel."""
    known = {name: value for name, value in problem.fixed.as_dict().items() if not value.ndim}
    for limit in problem.forward.limits:
        accepted = {"m0s": 0.0, "T2s": limit.find_extremes()[1], "B1": 0.0}
        given = {name: float(known[name]) for name in accepted if name in known and name not in problem.unknowns}
        if limit.one_pool and "m0s" in problem.unknowns:
            raise InvalidParameter("free has m0s, but the model bloch has one pool; allowed: fixed={'m0s': 0}")
        values = accepted | given
        if not limit.accepts(*map(np.asarray, values.values())):
            raise InvalidParameter(limit.explain(**values, where=""))


# Bounds


def _make_limits(
    bounds: Mapping[str, tuple[float, float]] | None, unknowns: tuple[str, ...], forward: ForwardModel
) -> dict[str, tuple[float, float]]:
    given = _as_named("bounds", bounds)
    for name in given:
        if name not in unknowns:
            raise InvalidParameter(f"bounds has {name}; allowed: {', '.join(unknowns)}")
    ranges = {name: find_range(name, forward.limits) for name in unknowns}
    return {
        name: _check_pair(name, given[name], ranges[name], forward.limits)
        if name in given
        else _default_limits(name, ranges[name], forward.trains)
        for name in unknowns
    }


def _check_pair(name: str, pair: Any, allowed: tuple[float, float], limits: list[Limits]) -> tuple[float, float]:
    values = as_real(f"the bounds of {name}", pair)
    if values.shape != (2,) or not values[0] < values[1]:
        raise InvalidParameter(f"the bounds of {name} must be (low, high), low < high; given {pair!r}")
    values = np.where(np.isinf(values), np.clip(values, *allowed), values)
    beyond = [float(value) for value in values if not allowed[0] <= value <= allowed[1]]
    if beyond:
        raise InvalidParameter(
            f"the bounds of {name} are {values[0]:g} to {values[1]:g}; "
            f"this model and sequence allow {allowed[0]:.6g} to {allowed[1]:.6g}"
            f"{explain_value(name, beyond[0], limits)}"
        )
    return float(values[0]), float(values[1])


def _default_limits(name: str, allowed: tuple[float, float], trains: Trains) -> tuple[float, float]:
    if name == "omega0":
        reach = REACH * np.pi / max(float(seq.repetition_times.max()) for seq in trains.sequences)
        low, high = -reach, reach
    elif is_reciprocal(name):
        fast = BOUNDS["R1a" if name == "T1a" else bases(name)[0]]
        low, high = 1 / fast[1], 1 / fast[0]
    else:
        low, high = BOUNDS[name]
    return max(low, allowed[0]), min(high, allowed[1])


# Noise


def _check_sigma(sigma: npt.ArrayLike | None, shape: tuple[int, ...]) -> FloatArray | None:
    if sigma is None:
        return None
    values = as_sigma(sigma)
    refuse_shape("sigma", values.shape, shape)
    return values


def _make_noise(
    sigma: npt.ArrayLike | None, covariance: npt.ArrayLike | None, basis: Basis | None, shape: tuple[int, ...]
) -> tuple[FloatArray | None, ComplexArray | None]:
    """Return sigma, and the whitening matrices of correlated noise; sigma is NaN where there is none."""
    if covariance is None:
        return _check_sigma(sigma, shape), None
    if sigma is not None:
        raise InvalidParameter("noise_covariance takes the place of sigma; give one of them")
    noise = GaussianNoise.of(1.0, covariance, basis)
    W = noise.whitening
    assert W is not None, "a covariance has a whitening matrix"
    if W.ndim == 2:
        return noise.sigma, W[None]
    refuse_shape("noise_covariance", W.shape[:-2], shape)
    return noise.sigma, np.broadcast_to(W, (*shape, *W.shape[-2:])).reshape(-1, *W.shape[-2:])


# Priors


def _add_prior(problem: Problem, prior: Mapping[str, tuple[npt.ArrayLike, float]] | None) -> Problem:
    given = _as_named("prior", prior)
    if not given:
        return problem
    if problem.sigma is None:
        raise InvalidParameter("a prior needs the noise it is weighed against: give sigma or noise_covariance")

    mean = np.zeros((len(problem.unknowns), problem.voxels.size))
    std = np.full(len(problem.unknowns), np.inf)
    for name, pair in given.items():
        if name not in problem.unknowns:
            raise InvalidParameter(f"prior has {name}; allowed: {', '.join(problem.unknowns)}")
        center, width = as_pair(f"the prior of {name}", pair, "mean, standard deviation")
        k, values = problem.unknowns.index(name), as_real(f"the mean of the prior of {name}", center)
        refuse_shape(f"the prior of {name}", values.shape, problem.shape)
        if values.ndim == 0:
            as_number(f"the mean of the prior of {name}", values)
        mean[k] = problem.select(values, problem.voxels)
        std[k] = as_number(f"the width of the prior of {name}", width)
        if not std[k] > 0:
            raise InvalidParameter(f"the standard deviation of the prior of {name} is {std[k]:g}; allowed: > 0")
    return replace(problem, prior=GaussianPrior(mean, std))
