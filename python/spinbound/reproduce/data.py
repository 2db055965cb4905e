"""The data that the networks learn from and are judged by: the basis, three sets of tissues, and slices of tissues.

The sets are consecutive tissues of one seed and so have no tissue in common; slices have grids over two parameters and
the means of the prior's normal distributions in all other parameters (arXiv 2109.10535, section 2.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spinbound.analysis.build_basis import build_basis
from spinbound.base.errors import FloatArray, InvalidData, Progress
from spinbound.dictionaries.build import build_dictionary
from spinbound.dictionaries.dictionary import Dictionary
from spinbound.sequences.model import Model
from spinbound.sequences.sequence import Sequence
from spinbound.signals.basis import Basis
from spinbound.tissues.distributions import Constant, TruncatedNormal
from spinbound.tissues.prior import Prior
from spinbound.tissues.tissue import Tissue

from .settings import UNKNOWN, Settings
from .work import Work

SETS = ("training", "validation", "test")
SPAN = {"m0s": (0.01, 0.3), "T1a": (0.5, 3.5), "T2f": (0.01, 0.3)}  # chosen: the paper does not tell its ranges


@dataclass(frozen=True, kw_only=True)
class PaperProblem:
    """The acquisition, its tissues, and the options of the computation."""

    seq: Sequence
    prior: Prior
    model: Model
    threads: int | None = None
    device: str | None = None  # of the networks; None: a GPU if there is one
    progress: bool | Progress | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The options of a batch call."""
        return {"model": self.model, "threads": self.threads, "progress": self.progress}


def prepare_basis(work: Work, problem: PaperProblem, settings: Settings, given: Basis | None) -> Basis:
    """Return the first vectors of the given basis; otherwise build one from signals of the prior, once."""
    if given is not None:
        if given.rank < settings.rank:
            raise InvalidData(f"the basis has {given.rank} vectors; at least {settings.rank} are needed")
        return given.truncate(settings.rank)
    path = work.path("basis.npz")
    with work.step("basis"):
        if not path.exists():
            options = {"real": True, "seed": settings.seed, **problem.options}
            build_basis(problem.seq, problem.prior, settings.n_basis, settings.rank, **options).save(path)
    return Basis.load(path)


@dataclass(frozen=True)
class PaperRun:
    """The folder, the acquisition, the settings and the basis that every further step needs."""

    work: Work
    problem: PaperProblem
    settings: Settings
    basis: Basis

    @property
    def threads(self) -> int | None:
        """Threads of the networks: layers of the small one are too small for two, which would mostly wait."""
        return 1 if self.settings.architecture == "small" else self.problem.threads

    @property
    def network_options(self) -> dict[str, Any]:
        """The options of `Estimator.estimate`."""
        return {"novelty": False, "threads": self.threads, "device": self.problem.device}


def build_sets(run: PaperRun) -> dict[str, Dictionary]:
    """Build the training, validation and test set, each in its store."""
    stores: dict[str, Dictionary] = {}
    problem, first = run.problem, 0
    options = {"basis": run.basis, "wrt": UNKNOWN, "seed": run.settings.seed, **problem.options}
    for name in SETS:
        n, path = getattr(run.settings, f"n_{name}"), run.work.path(f"{name}.zarr")
        with run.work.step(f"{name} set"):
            stores[name] = build_dictionary(problem.seq, problem.prior, n, path, first=first, **options)
        first += n
    return stores


def find_middle(prior: Prior) -> dict[str, float]:
    """Find the centre of slices: means before truncation, or otherwise the middle of the limits."""
    found = {}
    for name in prior.names:
        distribution = prior[name]
        low, high = prior.bounds[name]
        if isinstance(distribution, TruncatedNormal):
            found[name] = distribution.mean
        else:
            found[name] = distribution.value if isinstance(distribution, Constant) else (low + high) / 2
    return found


def make_plane(prior: Prior, axes: tuple[str, str], shape: tuple[int, int]) -> Tissue:
    """Make the tissues of a slice of the given shape: the first of `axes` varies along axis 0."""
    values: dict[str, Any] = {**find_middle(prior), "M0": 1}
    for axis, (name, n) in enumerate(zip(axes, shape, strict=True)):
        values[name] = _make_ruler(name, n).reshape((n, 1) if axis == 0 else (1, n))
    return Tissue.from_dict(values)


def _make_ruler(name: str, n: int) -> FloatArray:
    """Make the values along an axis, in equal factors for T2f and in equal steps for all others."""
    low, high = SPAN[name]
    return np.geomspace(low, high, n) if name == "T2f" else np.linspace(low, high, n)


def draw_noise(shape: tuple[int, ...], sigma: float, seed: int) -> np.ndarray[Any, np.dtype[np.complex128]]:
    """Draw complex noise of standard deviation sigma in the real and in the imaginary part each."""
    parts = np.random.default_rng(seed).normal(size=(*shape, 2)) * sigma
    return np.ascontiguousarray(parts).view(np.complex128)[..., 0]
