"""The search for the best minimum of every voxel of a chunk, from several starts.

A *look* at a start is one evaluation of the model: the misfit that its linearised model promises nearby, and where
(theory, (15.7)). A *run* is a fit to a tenth of a standard error, mostly in single precision. Only the best run goes on
to the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np

from spinbound.base.errors import BoolArray, FloatArray, Progress
from spinbound.work.chunks import Arrays

from .core import FULL, LOOK, ROUGH, FitSettings, Voxels, fit_from
from .problem import Problem
from .starts import Start, Starts

EXPLORED = 12  # iterations of every start before the best goes on
SAME = 1e-3, 1e-6  # relative and absolute difference of misfits, in units of the data, that still count as equal
SAME_ROUGH = 5e-3  # relative, of runs that end a tenth of a standard error from the minimum

EXACT = 3e-4  # misfit of a run, relative to the data, below which no noise can hide a better minimum
APART = 15.0  # rad/s between omega0 of two runs from matches, the narrowest distance of minima for T2f of 0.4 s
RETURN = 3.0  # rad/s: a look beside the best fit that promises something so near to it would return there
ROUNDS = 3  # of looks and runs beside the best fit, each for voxels in which all rounds before have found a better one
BETTER = 1e-3  # by how much the misfit must fall, relatively, for another round
RUNS = 2  # of a round: after the two most promising looks


class Search:
    """The best fit of every voxel of a chunk among those from some starts."""

    def __init__(
        self,
        problem: Problem,
        settings: FitSettings,
        voxels: Voxels,
        progress: Progress | None,
        *,
        depth: int,
        max_iterations: int,
        n_steps: int,
    ) -> None:
        self.problem, self.settings, self.voxels = problem, settings, voxels
        self.depth, self.max_iterations = depth, max_iterations  # of a run
        self.progress, self.step, self.n_steps = progress, 0, n_steps
        self.best: Start = {}
        self.misfits: list[FloatArray] = []  # of every run, NaN where there was none
        self.least = np.full(voxels.size, np.inf)
        self.spent = np.zeros(voxels.size, np.int32)

    def run(self, start: Start) -> None:
        """Fit from a start for a while, and keep the better of this fit and the best so far."""
        found = self._fit(start, self.depth, self.max_iterations)
        better = found["misfit"] < self.least
        fitted = zip(self.problem.unknowns, found["estimates"], strict=True)
        self.best = (self.best or start) | {
            name: np.where(better & np.isfinite(values), values, self.best.get(name, start[name]))
            for name, values in fitted
        }
        self.least = np.where(better, found["misfit"], self.least)
        self.misfits.append(found["misfit"])

    def look(self, start: Start, reach: FloatArray) -> tuple[FloatArray, Start]:
        """Return the misfit that is promised near a start, inf where there is none, and the place of the promise."""
        found = self._fit(start, LOOK, 1, reach)
        self.spent += np.isfinite(found["misfit"])
        place = dict(zip(self.problem.unknowns, found["estimates"], strict=True))
        return np.where(np.isfinite(found["misfit"]), found["misfit"], np.inf), start | place

    def finish(self) -> Arrays:
        """Fit from the best to its end, and return the results."""
        spent, self.step = self.spent.copy(), self.n_steps - 1
        results = self._fit(self.best, FULL, self.settings.max_iterations)
        results["iterations"] += spent
        tried = np.isfinite(self.misfits)
        agree = self.misfits <= self._highest_equal(results["misfit"])
        with np.errstate(invalid="ignore"):
            agreement = agree.sum(axis=0) / tried.sum(axis=0)
        return results | {"agreement": np.where(np.isfinite(results["residual"]), agreement, np.nan)}

    def _highest_equal(self, misfit: FloatArray) -> FloatArray:
        """Return the highest misfit of a run that still counts as that of the best."""
        if self.depth == ROUGH:
            return np.maximum(self.least * (1 + SAME_ROUGH), EXACT)
        relative, absolute = SAME
        return misfit * (1 + relative) + absolute

    def _fit(self, start: Start, depth: int, max_iterations: int, reach: FloatArray | None = None) -> Arrays:
        progress = _share_progress(self.progress, self.step, self.n_steps)
        self.step += 1
        found = fit_from(
            self.problem,
            self.voxels,
            start,
            self.settings,
            progress,
            max_iterations=max_iterations,
            depth=depth,
            reach=reach,
        )
        self.spent += found["iterations"]
        return found


# Many starts


def explore(
    problem: Problem,
    starts: Starts,
    settings: FitSettings,
    voxels: Voxels,
    matches: list[Start],
    progress: Progress | None,
) -> Arrays:
    """Fit from all matches and at other omega0 beside the best for a few iterations, and from the best to its end."""
    n_further = sum(len(shifts) * (len(matches) if of_matches else 1) for shifts, of_matches in starts.rounds)
    few = min(EXPLORED, settings.max_iterations)
    n_steps = len(matches) + n_further + 1
    search = Search(problem, settings, voxels, progress, depth=FULL, max_iterations=few, n_steps=n_steps)
    for start in matches:
        search.run(start)
    for shifts, of_matches in starts.rounds:
        best = search.best
        for start, shift in product(matches if of_matches else [best], shifts):
            search.run(starts.move_omega0(start, best["omega0"] + shift))
    return search.finish()


# A second look


def look_twice(
    problem: Problem,
    starts: Starts,
    settings: FitSettings,
    voxels: Voxels,
    matches: list[Start],
    progress: Progress | None,
) -> Arrays:
    """Fit from the two most promising matches, then beside the best fit as long as that finds a better one."""
    places = list(product(matches, (0.0, *starts.images)))
    n_steps = len(places) + 2 + ROUNDS * (len(starts.beside) + RUNS) + 1
    most = settings.max_iterations
    search = Search(problem, settings, voxels, progress, depth=ROUGH, max_iterations=most, n_steps=n_steps)
    looks = Looks(search, (starts.shift_omega0(match, shift) for match, shift in places), starts)
    looks.run_best(APART)
    looks.drop_known(APART)
    looks.run_best(APART)

    wanted = search.least > EXACT
    for _ in range(ROUNDS if starts.beside else 0):
        before, best = search.least, mask_start(search.best, wanted)
        looks = Looks(search, (starts.shift_omega0(best, shift) for shift in starts.beside), starts)
        for _ in range(RUNS):
            looks.drop_known(RETURN)
            looks.run_best(RETURN)
        wanted &= (search.least < before * (1 - BETTER)) & (search.least > EXACT)
    return search.finish()


class Looks:
    """Looks at some starts, and runs from the most promising ones."""

    def __init__(self, search: Search, places: Iterable[Start], starts: Starts) -> None:
        self.search = search
        found = [search.look(start, starts.reach) for start in places]
        self.promises = np.array([promise for promise, _ in found])  # (looks, n)
        self.places = {name: np.array([place[name] for _, place in found]) for name in found[0][1]}

    def run_best(self, apart: float) -> None:
        """Fit from the most promising place of every voxel, and drop it and those so near to it in omega0."""
        voxels = np.arange(self.search.voxels.size)
        chosen = self.promises.argmin(axis=0)
        start = {name: values[chosen, voxels] for name, values in self.places.items()}
        self.search.run(mask_start(start, np.isfinite(self.promises[chosen, voxels])))
        self.promises[chosen, voxels] = np.inf
        if "omega0" in start:
            self._drop(start["omega0"], apart)

    def drop_known(self, apart: float) -> None:
        """Drop places that are so near in omega0 to the best fit."""
        if "omega0" in self.search.best:
            self._drop(self.search.best["omega0"], apart)

    def _drop(self, omega0: FloatArray, apart: float) -> None:
        self.promises[np.abs(self.places["omega0"] - omega0) < apart] = np.inf


def mask_start(start: Start, wanted: BoolArray) -> Start:
    """Return a start of the wanted voxels alone: NaN elsewhere, which no fit accepts."""
    return {name: np.where(wanted, values, np.nan) for name, values in start.items()}


def _share_progress(progress: Progress | None, step: int, n_steps: int) -> Progress | None:
    """Turn the progress of one of several equal steps of a chunk into that of the chunk."""
    return (lambda done, total: progress((step * total + done) // n_steps, total)) if progress else None
