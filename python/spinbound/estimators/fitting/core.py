"""One call of the core: the fit of some voxels from one start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import spinbound._core as _core
from spinbound.base.errors import BoolArray, ComplexArray, FloatArray, Progress
from spinbound.base.parameters import TISSUE, bases, is_reciprocal
from spinbound.signals.batch import as_unknowns, remove_exchange, valid_voxels
from spinbound.work.chunks import Arrays

from .problem import ELIMINATED, KNOWN, Problem
from .starts import Start

LOOK, ROUGH, FULL = range(3)  # depth of a fit, in the order of the core's codes

Voxels = npt.NDArray[np.intp]


@dataclass(frozen=True)
class FitSettings:
    """The stopping rules and the threads of a fit."""

    gradient: float
    step: float
    cost: float
    max_iterations: int
    threads: int

    def stopping_rules(self, max_iterations: int) -> tuple[float, float, float, int]:
        """Return the stopping rules of the core."""
        return self.gradient, self.step, self.cost, max_iterations


def make_arrays(problem: Problem, n: int) -> Arrays:
    """Make the arrays that the core fills, in its order."""
    P, size = len(problem.unknowns), problem.size
    return {
        "estimates": np.empty((P, n)),
        "M0": np.empty(n, np.complex128),
        "covariance": np.empty((n, size, size)),
        "sigma": np.empty(n),
        "residual": np.empty(n),
        "misfit": np.empty(n),
        "status": np.empty(n, np.int8),
        "iterations": np.empty(n, np.int32),
        "at_bound": np.empty(n, np.uint16),
    }


def whiten_data(problem: Problem, voxels: Voxels) -> ComplexArray:
    """Return the data for the core, whitened if the noise is correlated."""
    data = problem.signals(voxels)
    W = problem.whitening_of(voxels)
    return data if W is None else np.ascontiguousarray((W @ data[..., None])[..., 0])


def fit_from(
    problem: Problem,
    voxels: Voxels,
    start: Start,
    settings: FitSettings,
    progress: Progress | None,
    *,
    max_iterations: int,
    depth: int = FULL,
    reach: FloatArray | None = None,
) -> Arrays:
    """Fit some voxels from one start by the core, to a depth; a look has a reach (P,)."""
    matrix, M0 = _make_matrix(problem, voxels, start)
    sigma = None if problem.sigma is None else np.ascontiguousarray(problem.select(problem.sigma, voxels))
    low, high = zip(*(problem.bounds[name] for name in problem.unknowns), strict=True)
    prior_mean = problem.prior_mean(voxels)
    results = make_arrays(problem, voxels.size) | {"M0": M0.copy()}

    call = _core.Call(
        experiment=problem.forward.trains.as_core(),
        tissue=matrix,
        M0=M0,
        valid=_find_valid(problem, matrix, M0, sigma, prior_mean),
        model=problem.forward.model.codes,
        basis=problem.forward.vectors,
        threads=settings.threads,
        progress=progress,
    )
    task = _core.FitProblem(
        whiten_data(problem, voxels),
        M0=problem.M0,
        low=list(low),
        high=list(high),
        prior_mean=None if prior_mean is None else np.ascontiguousarray(prior_mean),
        prior_std=[np.inf] * len(low) if problem.prior is None else list(problem.prior.std),
        stopping=settings.stopping_rules(max_iterations),
        depth=depth,
        reach=[] if reach is None else list(reach),
    )

    noise = None if sigma is None else _core.Noise(sigma, problem.whitening_of(voxels))
    _core.fit(call, noise, as_unknowns(problem.unknowns), task, _core.FitResults(**results))
    return results


def _find_valid(
    problem: Problem, matrix: FloatArray, M0: ComplexArray, sigma: FloatArray | None, prior_mean: FloatArray | None
) -> BoolArray:
    """Say which voxels have known values, starts, noise and priors that are accepted."""
    valid = valid_voxels(matrix, M0, sigma, problem.forward.limits)
    return valid if prior_mean is None else valid & np.isfinite(prior_mean).all(axis=0)


def _make_matrix(problem: Problem, voxels: Voxels, start: Start) -> tuple[FloatArray, ComplexArray]:
    """Make tissue (8, n) and M0 (n,) of known values and starts."""
    tissue = problem.tissue(voxels)
    for name in problem.unknowns:
        value = 1 / start[name] if is_reciprocal(name) else start[name]
        tissue |= dict.fromkeys(bases(name), value)
    matrix = np.array([tissue[name] for name in TISSUE])
    if problem.forward.model.name == "bloch":
        remove_exchange(matrix)
    M0 = np.ones(voxels.size) if problem.M0 == ELIMINATED else start["M0"] if problem.M0 != KNOWN else tissue["M0"]
    return matrix, np.ascontiguousarray(M0, np.complex128)
