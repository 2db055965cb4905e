"""The starts of fits: given values, or the best matches of a dictionary and other omega0 beside the best fit.

Wrong minima differ mostly in omega0. In balanced trains with one repetition time the signal is nearly periodic in
omega0, with the period 2 pi/TR (M0 changes its sign); the small differences, from the pulses' duration, tell the
periods apart only after a fit in each. And transients turn by omega0 TR per repetition for as long as T2f, which makes
minima some 2 pi/T2f apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_instance
from spinbound.base.errors import FloatArray, InvalidParameter, Progress
from spinbound.base.parameters import bases, is_reciprocal
from spinbound.dictionaries.build import ATOMS, dictionary
from spinbound.dictionaries.dictionary import Dictionary
from spinbound.estimators.matching.atoms import atoms_of
from spinbound.estimators.matching.match import match
from spinbound.sequences.experiment import as_trains
from spinbound.sequences.limits import find_range
from spinbound.signals.basis import have_same_vectors
from spinbound.tissues.distributions import Distribution, LogUniform, Uniform
from spinbound.tissues.prior import Prior
from spinbound.tissues.tissue import Tissue

from .problem import FITTED, Problem

Start = dict[str, npt.NDArray[Any]]  # by name of the unknowns, and M0 where it is fitted; each (n,)

R1S = (0.5, 8.0)  # 1/s, of tissue
MOST_PERIODS = 4  # of omega0 to either side, 1 kHz at a TR of 4 ms: wider limits take no more starts
AUTO_MATCHES = 5  # at which the default looks
# rad/s, to minima beside the best fit: twice as far as the nearest ones, and 2 pi/0.15 s, where trains of 4 s repeat
BESIDE = (-9.0, 9.0, -17.0, 17.0, -42.0, 42.0, -84.0, 84.0)
BESIDE_IMAGE = (-17.0, 17.0, -42.0, 42.0)
OMEGA0_REACH = 15.0  # rad/s
NEAR = (-8.0, 8.0, -20.0, 20.0, -50.0, 50.0)  # rad/s, to minima beside the right one: 2 pi/T2f is 13 for T2f = 0.5 s


@dataclass(frozen=True)
class Starts:
    """The starts of every voxel of a problem."""

    problem: Problem
    dictionary: Dictionary | None  # None where every start is given
    n_matches: int
    twice: bool = False  # look at the matches and beside the best fit, and go on from what promises most

    def find(self, voxels: npt.NDArray[np.intp], threads: int | None) -> Iterator[Start]:
        """Yield starts of some of the voxels, the most likely first; within the limits, or NaN."""
        given = {name: self._select_given(name, voxels) for name in self.problem.start}
        if self.dictionary is None:
            yield given
            return

        signals, maps = self.problem.signals(voxels), self._select_maps(voxels)
        found = match(signals, self.dictionary, self.n_matches, restrict=maps, check_data=False, threads=threads)
        for k in range(self.n_matches):
            yield self._move_into_bounds({name: found.tissue[name][:, k] for name in self.problem.unknowns} | given)

    @property
    def rounds(self) -> tuple[tuple[tuple[float, ...], bool], ...]:
        """Further starts, as shifts of the best fit's omega0, where omega0 is unknown and has no given start.

        Each shift goes with the other unknowns of that fit (False) or of every match (True). A fit in a wrong period
        finds most other unknowns, and helps in the right period; a fit beside the right omega0 has bent them.
        """
        if not self._seeks_omega0:
            return ()

        images = self.images
        nearby = tuple(image + shift for image in (0.0, *images) for shift in NEAR)
        return ((images, False), (nearby, False), ((0.0, *images), True), (NEAR, False))

    @property
    def beside(self) -> tuple[float, ...]:
        """Shifts of the best fit's omega0 at which a second look is taken."""
        if not self._seeks_omega0:
            return ()
        return (*BESIDE, *(image + shift for image in self.images for shift in (0.0, *BESIDE_IMAGE)))

    @cached_property
    def reach(self) -> FloatArray:
        """How far (P,) a look trusts its linearised model: the spread of each unknown over the atoms.

        For omega0 it is the distance between minima, and where all atoms have one value a part of the limits.
        """
        return np.array([self._find_reach(name) for name in self.problem.unknowns])

    def _find_reach(self, name: str) -> float:
        low, high = self.problem.bounds[name]
        if name == "omega0":
            return OMEGA0_REACH
        spread = 0.0 if self.dictionary is None else float(np.nanstd(atoms_of(self.dictionary).values(name)))
        return spread if 0 < spread < high - low else (high - low) / 4

    @property
    def _seeks_omega0(self) -> bool:
        """Whether other omega0 are starts: it is unknown, and its start is not given."""
        return self.n_matches > 1 and "omega0" in self.problem.bounds and "omega0" not in self.problem.start

    def shift_omega0(self, start: Start, shift: float) -> Start:
        """Return a start with its omega0 shifted; NaN out of its limits."""
        return self.move_omega0(start, start["omega0"] + shift) if shift else start

    def move_omega0(self, start: Start, omega0: FloatArray) -> Start:
        """Return a start with another omega0; NaN out of its limits."""
        low, high = self.problem.bounds["omega0"]
        return start | {"omega0": np.where((omega0 >= low) & (omega0 <= high), omega0, np.nan)}

    def _select_given(self, name: str, voxels: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        """Select a start from the caller, NaN where it is outside its limits."""
        value = self.problem.select(self.problem.start[name], voxels)
        if name == "M0":
            return value
        low, high = self.problem.bounds[name]
        return np.where((low <= value) & (value <= high), value, np.nan)

    def _select_maps(self, voxels: npt.NDArray[np.intp]) -> dict[str, FloatArray] | None:
        """Select the known maps that choose among the atoms."""
        fixed = {name: value for name, value in self.problem.fixed.as_dict().items() if value.ndim and name != "M0"}
        return {name: self.problem.select(value, voxels) for name, value in fixed.items()} or None

    @property
    def images(self) -> tuple[float, ...]:
        """Shifts to the other periods of omega0 that its limits may hold, the nearest first."""
        if not self._seeks_omega0 or not (period := self.problem.omega0_period):
            return ()
        low, high = self.problem.bounds["omega0"]
        n = min(int((high - low) / period), MOST_PERIODS)
        return tuple(sign * k * period for k in range(1, n + 1) for sign in (-1, 1))

    def _move_into_bounds(self, start: Start) -> Start:
        """Move a start into the limits: omega0 by periods, which change the signal least."""
        bounds = self.problem.bounds
        if "omega0" in bounds and (period := self.problem.omega0_period):
            low, high = bounds["omega0"]
            omega0 = start["omega0"]
            folded = omega0 - period * np.round((omega0 - (low + high) / 2) / period)
            start = start | {"omega0": np.where((omega0 < low) | (omega0 > high), folded, omega0)}
        return {name: np.clip(value, *bounds[name]) if name in bounds else value for name, value in start.items()}


def make_starts(
    problem: Problem,
    given: Dictionary | Prior | None,
    multi_start: int | None,
    threads: int | None,
    progress: bool | Progress | None,
) -> Starts:
    """Make the starts of a problem; they need a dictionary only if starts are missing or more than one is wanted.

    Raises
    ------
    InvalidParameter
        If it is no dictionary, or of another sequence or basis.
    InvalidData
        If it is on disk and not complete.
    """
    all_given = all(name in problem.start for name in problem.unknowns)
    if multi_start is not None and multi_start > 1:
        _check_several(problem, multi_start, all_given)
    if all_given:
        return Starts(problem, None, 1)
    if isinstance(given, Dictionary):
        return _start_from(problem, given, multi_start)
    if given is not None:
        as_instance("dictionary", given, Dictionary, Prior)
    if not problem.voxels.size:
        return Starts(problem, None, 1)

    atoms = dictionary(
        problem.forward.sequence,
        plausible_tissues(problem) if given is None else given,
        basis=problem.forward.basis,
        model=problem.forward.model,
        threads=threads,
        progress=progress is True,
    )
    return _start_from(problem, atoms, multi_start)


def _check_several(problem: Problem, multi_start: int, all_given: bool) -> None:
    if all_given:
        raise InvalidParameter(f"multi_start is {multi_start}, but every start is given; leave some out, or allowed: 1")
    if problem.M0 == FITTED:
        raise InvalidParameter("multi_start needs variable projection: a match has its own M0 for every start")


def _start_from(problem: Problem, atoms: Dictionary, multi_start: int | None) -> Starts:
    """Make starts from a dictionary; a fitted M0 has the start that is given, and no second look."""
    n = (1 if problem.M0 == FITTED else min(AUTO_MATCHES, len(atoms))) if multi_start is None else multi_start
    _check_dictionary(problem, atoms, n)
    return Starts(problem, atoms, n, twice=multi_start is None and n > 1)


def _check_dictionary(problem: Problem, atoms: Dictionary, multi_start: int) -> None:
    if not as_trains(atoms.sequence).has_identity(problem.forward.trains.identity):
        raise InvalidParameter("the dictionary belongs to another sequence")
    if not have_same_vectors(atoms.basis, problem.forward.basis):
        raise InvalidParameter(f"the dictionary has the basis {atoms.basis}, the fit {problem.forward.basis}")
    if multi_start > len(atoms):
        raise InvalidParameter(f"multi_start is {multi_start}; allowed: 1 to {len(atoms)}, the atoms of the dictionary")
    for name in problem.unknowns:
        if len(bases(name)) > 1:
            atoms_of(atoms).values(name)  # refused where the atoms have no single value of it: R1f and R1s differ


def plausible_tissues(problem: Problem) -> Tissue:
    """Draw tissues like those of `Prior.paper`, within the limits; a parameter with one known value has that value."""
    apparent = any(name in ("R1a", "T1a") for name in problem.unknowns)
    known = {name: value for name, value in problem.fixed.as_dict().items() if _find_owner(problem, name) is None}
    numbers = {name: value for name, value in known.items() if value.ndim == 0 and name != "M0"}

    drawn = {}
    for name, (title, distribution) in _tissue_distributions(problem).items():
        if name not in numbers and not (apparent and name == "R1s"):
            drawn[title] = _truncate(distribution, *_find_limits(problem, name, title))
    atoms = Prior(**drawn).sample(ATOMS)
    return atoms.replace(**numbers, **({"R1a": atoms["R1f"]} if apparent else {}))


def _tissue_distributions(problem: Problem) -> dict[str, tuple[str, Distribution]]:
    """Return, for each parameter of the core, the name by which it is drawn, and its distribution in tissue."""
    paper = Prior.paper(max(float(seq.repetition_times.max()) for seq in problem.forward.trains.sequences))
    spread = {name: (name, paper[name]) for name in ("m0s", "Rex", "T2s", "omega0", "B1")}
    T2f = replace(cast(Any, paper["T2f"]), high=np.inf)
    return spread | {"R1f": ("T1f", paper["T1a"]), "R2f": ("T2f", T2f), "R1s": ("R1s", LogUniform(*R1S))}


def _find_owner(problem: Problem, name: str) -> str | None:
    """Find the unknown that determines a parameter of the core."""
    return next((unknown for unknown in problem.unknowns if name in bases(unknown)), None)


def _find_limits(problem: Problem, name: str, title: str) -> tuple[float, float]:
    """Find the limits between which a parameter of the core is drawn, under the name `title`."""
    owner = _find_owner(problem, name)
    low, high = find_range(name, problem.forward.limits) if owner is None else problem.bounds[owner]
    turned = is_reciprocal(title) != (owner is not None and is_reciprocal(owner))
    return (1 / high, 1 / low) if turned else (low, high)


def _truncate(distribution: Distribution, low: float, high: float) -> Distribution:
    """Truncate a distribution to limits; return a uniform one if it lies elsewhere."""
    if distribution.low < high and low < distribution.high:  # type: ignore[operator]
        return distribution.truncated(low, high)
    return Uniform(low, high)
