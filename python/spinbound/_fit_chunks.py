"""The voxels of a fit, some thousands at a time: a folder keeps what is done, and a run that was killed goes on."""

from __future__ import annotations

import errno
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from . import _core
from ._batch import reporting, shifted, valid_voxels, without_exchange
from ._files import read_npz, write_atomically, write_npz
from ._fit_problem import ELIMINATED, KNOWN, Problem
from ._fit_starts import Start, Starts
from ._validate import BoolArray, ComplexArray, FloatArray, InvalidData, Report
from .parameters import PARAMETERS, TISSUE, bases, is_reciprocal

CHUNK = 4096  # voxels
PIECE = 1 << 24  # bytes of a hash
EXPLORED = 12  # iterations of every start before the best goes on
SAME = 1e-3, 1e-6  # relative and absolute difference of misfits, in units of the data, that is no disagreement

Arrays = dict[str, npt.NDArray[Any]]
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


def run(
    problem: Problem,
    starts: Starts,
    settings: Settings,
    progress: bool | Report | None,
    folder: Path | None,
    take: Callable[[Voxels, Arrays], None],
) -> None:
    """Fit all voxels of the mask and hand their results to `take`, in chunks; what the folder has is not done again."""
    n = problem.voxels.size
    with reporting(progress, n, "fit") as report:
        for first in range(0, n, CHUNK):
            voxels = problem.voxels[first : first + CHUNK]
            file = folder / f"voxels-{first:010d}.npz" if folder else None
            results = _kept(file, problem, voxels.size)
            if results is None:
                results = _fit(problem, starts, settings, voxels, shifted(report, first, n))
                if file:
                    write_npz(file, results)
            take(voxels, results)
            if report:
                report(first + voxels.size, n)


def _kept(file: Path | None, problem: Problem, n: int) -> Arrays | None:
    """What a file of an earlier run holds, if there is one."""
    if file is None or not file.exists():
        return None
    wanted = _arrays(problem, n) | {"agreement": np.empty(n)}
    kept = read_npz(file, list(wanted), InvalidData)
    if {name: (kept[name].dtype, kept[name].shape) for name in kept} != {
        name: (values.dtype, values.shape) for name, values in wanted.items()
    }:
        raise InvalidData(f"{file}: not the results of {n} voxels; remove it to have them fitted again")
    return kept


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


def _fit(problem: Problem, starts: Starts, settings: Settings, voxels: Voxels, report: Report | None) -> Arrays:
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
        self, problem: Problem, settings: Settings, voxels: Voxels, report: Report | None, n_parts: int
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


def _part_of(report: Report | None, part: int, n_parts: int) -> Report | None:
    """The report of one of several equal parts of a chunk."""
    return (lambda done, total: report((part * total + done) // n_parts, total)) if report else None


def _call(
    problem: Problem, voxels: Voxels, start: Start, settings: Settings, max_iterations: int, report: Report | None
) -> Arrays:
    """The core's fit of a chunk from one start."""
    P = len(problem.unknowns)
    matrix, M0 = _matrix(problem, voxels, start)
    sigma = None if problem.sigma is None else np.ascontiguousarray(problem.part(problem.sigma, voxels))
    low, high = zip(*(problem.bounds[name] for name in problem.unknowns), strict=True)
    prior_mean = problem.prior_mean(voxels)
    results = _arrays(problem, voxels.size) | {"M0": M0.copy()}
    _core.fit(
        problem.trains.core(),
        _data(problem, voxels),
        matrix,
        M0,
        _valid(problem, matrix, M0, sigma, prior_mean),
        sigma,
        problem.codes,
        [PARAMETERS[name].code for name in problem.unknowns],
        problem.M0,
        list(low),
        list(high),
        None if prior_mean is None else np.ascontiguousarray(prior_mean),
        [np.inf] * P if problem.prior is None else list(problem.prior.std),
        settings.stopping(max_iterations),
        problem.vectors,
        settings.threads,
        report,
        *results.values(),
    )
    return results


def _valid(
    problem: Problem, matrix: FloatArray, M0: ComplexArray, sigma: FloatArray | None, prior_mean: FloatArray | None
) -> BoolArray:
    """Which voxels have known values, starts, noise and priors that are accepted."""
    valid = valid_voxels(matrix, M0, sigma, problem.limits)
    return valid if prior_mean is None else valid & np.isfinite(prior_mean).all(axis=0)


def _matrix(problem: Problem, voxels: Voxels, start: Start) -> tuple[FloatArray, ComplexArray]:
    """(8, n) tissue and (n,) M0: what is known, and the starts."""
    tissue = problem.tissue(voxels)
    for name in problem.unknowns:
        value = 1 / start[name] if is_reciprocal(name) else start[name]
        tissue |= dict.fromkeys(bases(name), value)
    matrix = np.array([tissue[name] for name in TISSUE])
    if problem.physics["model"] == "bloch":
        without_exchange(matrix)
    M0 = np.ones(voxels.size) if problem.M0 == ELIMINATED else start["M0"] if problem.M0 != KNOWN else tissue["M0"]
    return matrix, np.ascontiguousarray(M0, np.complex128)


# The folder of a run


@contextmanager
def opened(folder: Path | None, configuration: dict[str, Any]) -> Iterator[None]:
    """Make the folder of a run, or go on with the one that is there; until the end no other run may enter.

    Raises
    ------
    InvalidData
        If it belongs to another fit, or to none that is known, or another run is at work there.
    """
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "ab") as lock:
        _lock(lock, folder)
        _check_folder(folder, configuration)
        yield


def _lock(file: BinaryIO, folder: Path) -> None:
    """Until the file is closed, be it by a kill; on Windows and file systems without locks the user must see to it."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InvalidData(f"{folder} is in use by another run; wait for its end, or name another folder") from None
    except OSError as problem:
        if problem.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
            raise


def _check_folder(folder: Path, configuration: dict[str, Any]) -> None:
    """Whether what is there is the work of this fit; a new folder becomes this fit's."""
    text = json.dumps(configuration, sort_keys=True, indent=1).encode()
    file = folder / "fit.json"
    if file.exists():
        if (found := file.read_bytes()) != text:
            other = _difference(found, configuration)
            raise InvalidData(f"{folder} holds the work of another fit{other}; remove it, or name another folder")
        return
    if any(folder.glob("voxels-*.npz")):
        raise InvalidData(f"{folder} holds results but not fit.json, which says of what; remove them, or name another")
    write_atomically(file, lambda stream: stream.write(text))


def _difference(found: bytes, configuration: dict[str, Any]) -> str:
    """What is not as in a description, if it can be read."""
    try:
        content = dict(json.loads(found))
    except (ValueError, TypeError):
        return ""
    names = sorted(name for name in configuration | content if content.get(name) != configuration.get(name))
    return f", which differs in {', '.join(names)}" if names else ""


def sha256_of(*arrays: npt.NDArray[Any] | None) -> str:
    """Hash of types, shapes and values."""
    content = hashlib.sha256()
    for array in arrays:
        if array is None:
            content.update(b"none")
            continue
        content.update(f"{array.dtype}{array.shape}".encode())
        values = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for first in range(0, values.size, PIECE):  # between them Ctrl-C is heard
            content.update(values[first : first + PIECE].data)
    return content.hexdigest()
