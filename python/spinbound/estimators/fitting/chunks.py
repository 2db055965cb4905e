"""The fit of chunks of some thousand voxels, each from its starts to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

import spinbound._core as _core
from spinbound.base.checks import as_threads
from spinbound.base.errors import BoolArray, ComplexArray, FloatArray, Progress
from spinbound.base.parameters import TISSUE, bases, is_reciprocal
from spinbound.signals.batch import as_unknowns
from spinbound.signals.valid import remove_exchange, valid_voxels
from spinbound.work.chunks import Arrays, VoxelJob, cut

from .problem import ELIMINATED, KNOWN, Problem
from .starts import Start, Starts

CHUNK = 4096  # voxels
EXPLORED = 12  # iterations of every start before the best goes on
SAME = 1e-3, 1e-6  # relative and absolute difference of misfits, in units of the data, that still count as equal

Voxels = npt.NDArray[np.intp]


@dataclass(frozen=True)
class FitSettings:
    """The stopping rules and the threads of a fit."""

    gradient: float
    step: float
    cost: float
    max_iterations: int
    threads: int


@dataclass(frozen=True)
class ChunkFit:
    """The fit of some voxels, whose results depend on no others."""

    problem: Problem
    starts: Starts
    settings: FitSettings

    def __call__(self, threads: int | None, progress: Progress | None) -> Arrays:
        """Fit the voxels."""
        settings = replace(self.settings, threads=as_threads(threads))
        results = _fit(self.problem, self.starts, settings, self.problem.voxels, progress)
        return results | {"chi_squared": _measure_chi_squared(self.problem, self.problem.voxels, results)}


def make_job(
    problem: Problem,
    starts: Starts,
    settings: FitSettings,
    folder: Path | None,
    take: Callable[[Voxels, Arrays], object],
) -> VoxelJob:
    """Make the job for all voxels of the mask, in chunks, whose results `take` gets."""

    def make_chunk(voxels: slice) -> ChunkFit:
        chunk = problem.restrict(problem.voxels[voxels])
        return ChunkFit(chunk, replace(starts, problem=chunk), settings)

    return VoxelJob(
        sizes=cut(problem.voxels.size, CHUNK),
        compute=make_chunk,
        layout=lambda n: _make_arrays(problem, n) | {"agreement": np.empty(n), "chi_squared": np.empty(n)},
        take=lambda voxels, results: take(problem.voxels[voxels], results),
        folder=folder,
    )


# One chunk


def _make_arrays(problem: Problem, n: int) -> Arrays:
    """Make the arrays that the core fills, in its order."""
    P, size = len(problem.unknowns), problem.size
    return {
        "estimates": np.empty((P, n)),
        "M0": np.empty(n, np.complex128),
        "covariance": np.empty((n, size, size)),
        "sigma": np.empty(n),
        "residual": np.empty(n),
        "status": np.empty(n, np.int8),
        "iterations": np.empty(n, np.int32),
        "at_bound": np.empty(n, np.uint16),
    }


def _fit(problem: Problem, starts: Starts, settings: FitSettings, voxels: Voxels, progress: Progress | None) -> Arrays:
    """Fit from one start to its end; or from many starts for a few iterations, and from the best to its end."""
    matches = list(starts.find(voxels, settings.threads))
    if starts.n_matches == 1:
        results = _call_core(problem, voxels, matches[0], settings, settings.max_iterations, progress)
        return results | {"agreement": np.full(voxels.size, np.nan)}

    n_further = sum(len(shifts) * (len(matches) if of_matches else 1) for shifts, of_matches in starts.rounds)
    search = Search(problem, settings, voxels, progress, len(matches) + n_further + 1)
    for start in matches:
        search.explore(start)
    for shifts, of_matches in starts.rounds:
        best = search.best
        for start, shift in product(matches if of_matches else [best], shifts):
            search.explore(starts.move_omega0(start, best["omega0"] + shift))
    return search.finish()


class Search:
    """The best fit of every voxel of a chunk among those from some starts."""

    def __init__(
        self, problem: Problem, settings: FitSettings, voxels: Voxels, progress: Progress | None, n_steps: int
    ) -> None:
        self.problem, self.settings, self.voxels = problem, settings, voxels
        self.progress, self.n_steps = progress, n_steps
        self.best: Start = {}
        self.misfits: list[FloatArray] = []  # of every start, NaN where there was none
        self.least = np.full(voxels.size, np.inf)
        self.spent = np.zeros(voxels.size, np.int32)

    def explore(self, start: Start) -> None:
        """Fit for a few iterations, and keep the better of this fit and the best so far."""
        found = self._fit(start, min(EXPLORED, self.settings.max_iterations))
        misfit = _misfit(self.problem, self.voxels, found)
        better = misfit < self.least
        fitted = zip(self.problem.unknowns, found["estimates"], strict=True)
        self.best = (self.best or start) | {
            name: np.where(better & np.isfinite(values), values, self.best.get(name, start[name]))
            for name, values in fitted
        }
        self.least = np.where(better, misfit, self.least)
        self.misfits.append(misfit)
        self.spent += found["iterations"]

    def finish(self) -> Arrays:
        """Fit from the best to its end, and return the results."""
        results = self._fit(self.best, self.settings.max_iterations)
        results["iterations"] += self.spent
        relative, absolute = SAME
        tried = np.isfinite(self.misfits)
        agree = np.array(self.misfits) <= _misfit(self.problem, self.voxels, results) * (1 + relative) + absolute
        with np.errstate(invalid="ignore"):
            agreement = agree.sum(axis=0) / tried.sum(axis=0)
        return results | {"agreement": np.where(np.isfinite(results["residual"]), agreement, np.nan)}

    def _fit(self, start: Start, max_iterations: int) -> Arrays:
        progress = _share_progress(self.progress, len(self.misfits), self.n_steps)
        return _call_core(self.problem, self.voxels, start, self.settings, max_iterations, progress)


def _misfit(problem: Problem, voxels: Voxels, results: Arrays) -> FloatArray:
    """Return the root of the minimised sum, relative to the data: the residual and the distance from a prior."""
    if problem.prior is None:
        return np.asarray(results["residual"])
    distance = (results["estimates"] - problem.prior_mean(voxels)) / problem.prior.std[:, None]
    with np.errstate(invalid="ignore", over="ignore"):
        noise = results["sigma"] / np.linalg.norm(_whiten_data(problem, voxels), axis=1)
    return np.asarray(np.hypot(results["residual"], noise * np.sqrt(np.nansum(distance**2, axis=0))))


def _measure_chi_squared(problem: Problem, voxels: Voxels, results: Arrays) -> FloatArray:
    """Return chi^2 per degree of freedom; NaN where the noise is not known."""
    freedom = 2 * problem.forward.n_samples - problem.size
    if problem.sigma is None or freedom < 1:
        return np.full(voxels.size, np.nan)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        rest = results["residual"] * np.linalg.norm(_whiten_data(problem, voxels), axis=1)
        return np.asarray((rest / results["sigma"]) ** 2 / freedom)


def _whiten_data(problem: Problem, voxels: Voxels) -> ComplexArray:
    """Return the data for the core, whitened if the noise is correlated."""
    data = problem.signals(voxels)
    return data if problem.whitening is None else np.einsum("ij,nj->ni", problem.whitening, data)


def _share_progress(progress: Progress | None, step: int, n_steps: int) -> Progress | None:
    """Turn the progress of one of several equal steps of a chunk into that of the chunk."""
    return (lambda done, total: progress((step * total + done) // n_steps, total)) if progress else None


def _call_core(
    problem: Problem,
    voxels: Voxels,
    start: Start,
    settings: FitSettings,
    max_iterations: int,
    progress: Progress | None,
) -> Arrays:
    """Fit a chunk from one start by the core."""
    matrix, M0 = _make_matrix(problem, voxels, start)
    sigma = None if problem.sigma is None else np.ascontiguousarray(problem.select(problem.sigma, voxels))
    low, high = zip(*(problem.bounds[name] for name in problem.unknowns), strict=True)
    prior_mean = problem.prior_mean(voxels)
    results = _make_arrays(problem, voxels.size) | {"M0": M0.copy()}

    call = _core.Call(
        experiment=problem.forward.trains.as_core(),
        tissue=matrix,
        M0=M0,
        valid=_find_valid(problem, matrix, M0, sigma, prior_mean),
        model=problem.forward.model.codes,
        basis=problem.vectors,
        threads=settings.threads,
        progress=progress,
    )
    task = _core.FitProblem(
        _whiten_data(problem, voxels),
        M0=problem.M0,
        low=list(low),
        high=list(high),
        prior_mean=None if prior_mean is None else np.ascontiguousarray(prior_mean),
        prior_std=[np.inf] * len(low) if problem.prior is None else list(problem.prior.std),
        stopping=(settings.gradient, settings.step, settings.cost, max_iterations),
    )

    noise = None if sigma is None else _core.Noise(sigma)
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
