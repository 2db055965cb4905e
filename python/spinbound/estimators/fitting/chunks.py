"""The voxels of a fit, some thousands at a time: each chunk from its starts to its end."""

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
from spinbound.signals.batch import unknowns_of
from spinbound.signals.valid import valid_voxels, without_exchange
from spinbound.work.chunks import Arrays, VoxelJob, cut

from .problem import ELIMINATED, KNOWN, Problem
from .starts import Start, Starts

CHUNK = 4096  # voxels
EXPLORED = 12  # iterations of every start before the best goes on
SAME = 1e-3, 1e-6  # relative and absolute difference of misfits, in units of the data, that is no disagreement

Voxels = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Settings:
    """How to run a fit."""

    gradient: float
    step: float
    cost: float
    max_iterations: int
    threads: int

    def stopping(self, max_iterations: int) -> tuple[float, float, float, int]:
        """The rules of the core."""
        return self.gradient, self.step, self.cost, max_iterations


@dataclass(frozen=True)
class Chunk:
    """The fit of some voxels, apart from all others."""

    problem: Problem
    starts: Starts
    settings: Settings

    def __call__(self, threads: int | None, report: Progress | None) -> Arrays:
        """Fit them."""
        settings = replace(self.settings, threads=as_threads(threads))
        return _fit(self.problem, self.starts, settings, self.problem.voxels, report)


def job_of(
    problem: Problem,
    starts: Starts,
    settings: Settings,
    folder: Path | None,
    take: Callable[[Voxels, Arrays], object],
) -> VoxelJob:
    """All voxels of the mask, in chunks, whose results `take` gets."""

    def chunk(voxels: slice) -> Chunk:
        part = problem.of(problem.voxels[voxels])
        return Chunk(part, replace(starts, problem=part), settings)

    return VoxelJob(
        sizes=cut(problem.voxels.size, CHUNK),
        compute=chunk,
        layout=lambda n: _arrays(problem, n) | {"agreement": np.empty(n)},
        take=lambda voxels, results: take(problem.voxels[voxels], results),
        folder=folder,
    )


# One chunk


def _arrays(problem: Problem, n: int) -> Arrays:
    """What the core writes, in its order."""
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


def _fit(problem: Problem, starts: Starts, settings: Settings, voxels: Voxels, report: Progress | None) -> Arrays:
    """From one start to its end; or from many starts for a few iterations, and the best to its end."""
    matches = list(starts.of(voxels, settings.threads))
    if starts.n_matches == 1:
        results = _call(problem, voxels, matches[0], settings, settings.max_iterations, report)
        return results | {"agreement": np.full(voxels.size, np.nan)}
    n_further = sum(len(shifts) * (len(matches) if of_matches else 1) for shifts, of_matches in starts.rounds)
    search = Search(problem, settings, voxels, report, len(matches) + n_further + 1)
    for start in matches:
        search.explore(start)
    for shifts, of_matches in starts.rounds:
        best = search.best
        for start, shift in product(matches if of_matches else [best], shifts):
            search.explore(starts.at(start, best["omega0"] + shift))
    return search.finish()


class Search:
    """The best fit of every voxel of a chunk among those from some starts."""

    def __init__(
        self, problem: Problem, settings: Settings, voxels: Voxels, report: Progress | None, n_parts: int
    ) -> None:
        self.problem, self.settings, self.voxels, self.report, self.n_parts = problem, settings, voxels, report, n_parts
        self.best: Start = {}
        self.misfits: list[FloatArray] = []  # of every start, NaN where it was none
        self.least = np.full(voxels.size, np.inf)
        self.spent = np.zeros(voxels.size, np.int32)

    def explore(self, start: Start) -> None:
        """Fit for a few iterations, and keep what is better."""
        found = self._fitted(start, min(EXPLORED, self.settings.max_iterations))
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
        """The results of the best."""
        results = self._fitted(self.best, self.settings.max_iterations)
        results["iterations"] += self.spent
        relative, absolute = SAME
        tried = np.isfinite(self.misfits)
        agree = np.array(self.misfits) <= _misfit(self.problem, self.voxels, results) * (1 + relative) + absolute
        with np.errstate(invalid="ignore"):
            agreement = agree.sum(axis=0) / tried.sum(axis=0)
        return results | {"agreement": np.where(np.isfinite(results["residual"]), agreement, np.nan)}

    def _fitted(self, start: Start, max_iterations: int) -> Arrays:
        report = _part_of(self.report, len(self.misfits), self.n_parts)
        return _call(self.problem, self.voxels, start, self.settings, max_iterations, report)


def _misfit(problem: Problem, voxels: Voxels, results: Arrays) -> FloatArray:
    """Root of what a fit minimises, relative to the data: the residual, and how far a prior is missed."""
    if problem.prior is None:
        return np.asarray(results["residual"])
    missed = (results["estimates"] - problem.prior_mean(voxels)) / problem.prior.std[:, None]
    with np.errstate(invalid="ignore", over="ignore"):
        noise = results["sigma"] / np.linalg.norm(_data(problem, voxels), axis=1)
    return np.asarray(np.hypot(results["residual"], noise * np.sqrt(np.nansum(missed**2, axis=0))))


def _data(problem: Problem, voxels: Voxels) -> ComplexArray:
    """What the core fits: whitened if the noise is correlated."""
    data = problem.signals(voxels)
    return data if problem.whitening is None else np.einsum("ij,nj->ni", problem.whitening, data)


def _part_of(report: Progress | None, part: int, n_parts: int) -> Progress | None:
    """The report of one of several equal parts of a chunk."""
    return (lambda done, total: report((part * total + done) // n_parts, total)) if report else None


def _call(
    problem: Problem, voxels: Voxels, start: Start, settings: Settings, max_iterations: int, report: Progress | None
) -> Arrays:
    """The core's fit of a chunk from one start."""
    matrix, M0 = _matrix(problem, voxels, start)
    sigma = None if problem.sigma is None else np.ascontiguousarray(problem.part(problem.sigma, voxels))
    low, high = zip(*(problem.bounds[name] for name in problem.unknowns), strict=True)
    prior_mean = problem.prior_mean(voxels)
    results = _arrays(problem, voxels.size) | {"M0": M0.copy()}
    call = _core.Call(
        experiment=problem.forward.trains.as_core(),
        tissue=matrix,
        M0=M0,
        valid=_valid(problem, matrix, M0, sigma, prior_mean),
        model=problem.forward.model.codes,
        basis=problem.vectors,
        threads=settings.threads,
        progress=report,
    )
    task = _core.FitProblem(
        _data(problem, voxels),
        M0=problem.M0,
        low=list(low),
        high=list(high),
        prior_mean=None if prior_mean is None else np.ascontiguousarray(prior_mean),
        prior_std=[np.inf] * len(low) if problem.prior is None else list(problem.prior.std),
        stopping=settings.stopping(max_iterations),
    )
    noise = None if sigma is None else _core.Noise(sigma)
    _core.fit(call, noise, unknowns_of(problem.unknowns), task, _core.FitResults(**results))
    return results


def _valid(
    problem: Problem, matrix: FloatArray, M0: ComplexArray, sigma: FloatArray | None, prior_mean: FloatArray | None
) -> BoolArray:
    """Which voxels have known values, starts, noise and priors that are accepted."""
    valid = valid_voxels(matrix, M0, sigma, problem.forward.limits)
    return valid if prior_mean is None else valid & np.isfinite(prior_mean).all(axis=0)


def _matrix(problem: Problem, voxels: Voxels, start: Start) -> tuple[FloatArray, ComplexArray]:
    """(8, n) tissue and (n,) M0: what is known, and the starts."""
    tissue = problem.tissue(voxels)
    for name in problem.unknowns:
        value = 1 / start[name] if is_reciprocal(name) else start[name]
        tissue |= dict.fromkeys(bases(name), value)
    matrix = np.array([tissue[name] for name in TISSUE])
    if problem.forward.model.name == "bloch":
        without_exchange(matrix)
    M0 = np.ones(voxels.size) if problem.M0 == ELIMINATED else start["M0"] if problem.M0 != KNOWN else tissue["M0"]
    return matrix, np.ascontiguousarray(M0, np.complex128)
