"""The estimators that a command can name: fits, matches, and networks from files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from cyclopts import Parameter

from spinbound.base.errors import InvalidData
from spinbound.base.parameters import bases
from spinbound.dictionaries.build import ATOMS, dictionary
from spinbound.dictionaries.dictionary import Dictionary
from spinbound.dictionaries.store import StoredDictionary, open_dictionary
from spinbound.estimators.fitting.fit import fit
from spinbound.estimators.fitting.result import Fit
from spinbound.estimators.matching.match import Match, match
from spinbound.evaluation.dataset import ReferenceSet
from spinbound.sequences.experiment import as_trains
from spinbound.sequences.model import Model
from spinbound.signals.basis import have_same_vectors
from spinbound.tissues.prior import Prior
from spinbound.tissues.tissue import Tissue

from .arguments import Count, UsageError
from .fit_unknowns import MultiStart

WORDS = ("nlls", "match", "interpolate")
CHECKPOINT = ".safetensors"
OTHER_SEED = 1  # atoms must not be the tissues that are judged


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Choices:
    """Options of an estimator.

    Parameters
    ----------
    atoms
        A dictionary, NAME.zarr, for matches and the starts of fits; by default atoms drawn from the prior.
    n_atoms
        Number of atoms to draw.
    start_at_truth
        Start fits at the true values: this judges their best minimum, whether or not a start would find it.
    multi_start
        Number of matches that a fit starts from, or "auto".
    """

    atoms: Path | None = None
    n_atoms: Count = ATOMS
    start_at_truth: bool = False
    multi_start: MultiStart = "auto"


@dataclass(frozen=True)
class Fitting:
    """Non-linear least squares: all unknowns of the reference set are free, and all other parameters are known."""

    data: ReferenceSet  # without tissues
    limits: tuple[float, float] | None  # of omega0
    dictionary: Dictionary | None
    choices: Choices
    model: Model

    def __call__(self, signals: np.ndarray[Any, Any], truth: Tissue, threads: int | None) -> Fit:
        """Fit data."""
        free = self.data.wrt
        unknown = {base for name in free for base in bases(name)}
        known = {name: value for name, value in truth.as_dict().items() if name not in unknown}
        start = {name: truth[name] for name in free if name != "M0"} if self.choices.start_at_truth else None
        return fit(
            signals,
            self.data.sequence,
            self.data.basis,
            free=free,
            start=start,
            bounds={"omega0": self.limits} if self.limits and "omega0" in free else None,
            fixed=known,
            multi_start=self.choices.multi_start,
            dictionary=self.dictionary,
            check_data=False,  # simulated, of any tissues
            threads=threads,
            model=self.model,
        )


@dataclass(frozen=True)
class Matching:
    """The best atoms of a dictionary, or an interpolation between them."""

    dictionary: Dictionary
    interpolate: bool

    def __call__(self, signals: np.ndarray[Any, Any], threads: int | None) -> Match:
        """Match data."""
        return match(signals, self.dictionary, interpolate=self.interpolate, check_data=False, threads=threads)


@dataclass(frozen=True)
class Checkpoint:
    """A trained network; every process reads its file itself."""

    path: Path

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that the network estimates."""
        return tuple(_load_network(self.path).names)

    def __call__(self, signals: np.ndarray[Any, Any], threads: int | None) -> Any:
        """Estimate with the network."""
        return _load_network(self.path).estimate(signals, novelty=False, threads=threads)


@cache
def _load_network(path: Path) -> Any:
    from spinbound.nn import Estimator

    return Estimator.load(path)


def check_word(word: str) -> None:
    """Refuse, before any work, a word that names no estimator.

    Raises
    ------
    UsageError
        If it is neither one of `WORDS` nor the name of a checkpoint.
    """
    if word not in WORDS and Path(word).suffix.lower() != CHECKPOINT:
        raise UsageError(f"{word!r} is no estimator; allowed: {', '.join(WORDS)}, or a file NAME{CHECKPOINT}")


def make_estimator(
    word: str, data: ReferenceSet, prior: Callable[[], Prior], choices: Choices, model: Model
) -> Callable[..., Any]:
    """Make the callable that `evaluate` takes, from a word or a checkpoint; atoms are drawn from the prior."""
    if Path(word).suffix.lower() == CHECKPOINT:
        _load_network(Path(word)).check(data.sequence, data.basis)
        return Checkpoint(Path(word))

    def make_atoms() -> Dictionary:
        if choices.atoms is not None:
            return _refuse_other_atoms(open_dictionary(choices.atoms), data)
        return dictionary(data.sequence, prior(), choices.n_atoms, seed=OTHER_SEED, basis=data.basis, model=model)

    if word != "nlls":
        return Matching(make_atoms(), word == "interpolate")
    return Fitting(data[:0], _limit_omega0(data), None if choices.start_at_truth else make_atoms(), choices, model)


def _refuse_other_atoms(atoms: StoredDictionary, data: ReferenceSet) -> Dictionary:
    """Refuse atoms of another sequence or basis, because a match checks the number of samples alone."""
    if not as_trains(data.sequence).has_identity(as_trains(atoms.sequence).identity):
        raise InvalidData(f"--atoms: {atoms.path} is of another sequence than the reference set")
    if not have_same_vectors(atoms.basis, data.basis):
        raise InvalidData(f"--atoms: {atoms.path} is of another basis than the reference set")
    return atoms


def _limit_omega0(data: ReferenceSet) -> tuple[float, float] | None:
    """Return limits of omega0 if a tissue is beyond a period: in a wrong period a fit gets other parameters wrong."""
    largest = float(np.nanmax(np.abs(data.tissue["omega0"]), initial=0))
    return (-1.25 * largest, 1.25 * largest) if largest > data.omega0_period / 2 else None
