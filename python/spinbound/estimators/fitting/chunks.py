"""The fit of chunks of some thousand voxels, each from its starts to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spinbound.base.checks import as_threads
from spinbound.base.errors import FloatArray, Progress
from spinbound.work.chunks import Arrays, VoxelJob, cut

from .core import FitSettings, Voxels, fit_from, make_arrays, whiten_data
from .problem import Problem
from .search import explore, look_twice
from .starts import Starts

CHUNK = 4096  # voxels


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
        layout=lambda n: make_arrays(problem, n) | {"agreement": np.empty(n), "chi_squared": np.empty(n)},
        take=lambda voxels, results: take(problem.voxels[voxels], results),
        folder=folder,
    )


# One chunk


def _fit(problem: Problem, starts: Starts, settings: FitSettings, voxels: Voxels, progress: Progress | None) -> Arrays:
    """Fit from one start to its end; or from several for a while, and from the best to its end."""
    matches = list(starts.find(voxels, settings.threads))
    if starts.twice:
        return look_twice(problem, starts, settings, voxels, matches, progress)
    if starts.n_matches > 1:
        return explore(problem, starts, settings, voxels, matches, progress)

    results = fit_from(problem, voxels, matches[0], settings, progress, max_iterations=settings.max_iterations)
    return results | {"agreement": np.full(voxels.size, np.nan)}


def _measure_chi_squared(problem: Problem, voxels: Voxels, results: Arrays) -> FloatArray:
    """Return chi^2 per degree of freedom; NaN where the noise is not known."""
    freedom = 2 * problem.forward.n_samples - problem.size
    if problem.sigma is None or freedom < 1:
        return np.full(voxels.size, np.nan)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        rest = results["residual"] * np.linalg.norm(whiten_data(problem, voxels), axis=1)
        return np.asarray((rest / results["sigma"]) ** 2 / freedom)
