"""The fit of chunks of some thousand voxels, each from its starts to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spinbound.base.checks import as_threads
from spinbound.base.errors import Progress
from spinbound.work.chunks import Arrays, VoxelJob, cut

from .core import FitSettings, Voxels, fit_from, make_arrays
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
        return _fit(self.problem, self.starts, settings, self.problem.voxels, progress)


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
        layout=lambda n: make_arrays(problem, n) | {"agreement": np.empty(n)},
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
