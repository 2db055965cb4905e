"""Test sets: tissues in memory with their signals and bounds, that estimators are judged by."""

# ruff: noqa: PT028  `test_set` is no test

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf, pi, prod
from typing import Any

import numpy as np

from spinbound.base.checks import as_count, parameter_names
from spinbound.base.errors import BoolArray, ComplexArray, FloatArray, InvalidData, Report
from spinbound.base.progress import reporting
from spinbound.dictionaries.recipe import Recipe, refuse_invalid
from spinbound.dictionaries.store import Block, DictionaryStore
from spinbound.sequences.experiment import Experiment, as_trains
from spinbound.sequences.model import Model
from spinbound.signals.basis import Basis
from spinbound.signals.forward import ForwardModel
from spinbound.tissues.prior import Prior
from spinbound.tissues.prior_file import grid_shape_of
from spinbound.tissues.sources import Drawn, Given, Source, tissues_of
from spinbound.tissues.tissue import Tissue

FULL_MODEL = ("M0", "m0s", "T1a", "T2f", "Rex", "T2s", "omega0", "B1")
TISSUES = 9056  # of a prior, unless a number is given: as many as arXiv 2109.10535 has in its test set
BLOCK = 4096  # tissues


@dataclass(frozen=True, eq=False, repr=False)
class TestSet:
    """Tissues of M0 = 1, their noise-free signals, and their bounds for noise of sigma = 1.

    Attributes
    ----------
    sequence
        The sequence, or the list of them.
    basis
        The basis of the signals; None in the time domain.
    tissue
        Of shape (n,), with M0 = 1.
    signals : (n, samples) complex
        For M0 = 1; NaN where the tissue could not be simulated.
    crb : dict of str to (n,)
        Cramér-Rao bounds by the name of the unknown, in its unit squared.
    wrt : tuple of str
        The unknowns.
    grid_shape : tuple of int
        The shape of maps: that of the tissues that were given, or of the grids of a prior if the tissues are all of
        their combinations in order; else (n,).

    Raises
    ------
    InvalidData
        If shapes or names do not agree.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq, unknowns = sb.sequences.load("hybrid-mt-4s"), ("M0", "m0s", "T2f")
    >>> data = sb.test_set(seq, sb.Tissue(m0s=[[0.1, 0.2], [0.3, 0.4]]), wrt=unknowns)
    >>> isinstance(data, sb.TestSet), len(data), data.grid_shape, len(data[data.crb["m0s"] < 1e4])
    (True, 4, (2, 2), 4)
    """

    __test__ = False  # pytest takes what is called Test... for tests

    sequence: Experiment
    basis: Basis | None
    tissue: Tissue
    signals: ComplexArray
    crb: Mapping[str, FloatArray]
    wrt: tuple[str, ...]
    grid_shape: tuple[int, ...]

    def __post_init__(self) -> None:
        n = len(self.signals)
        lengths = {"tissue": self.tissue.shape, **{f"crb of {name}": np.shape(self.crb[name]) for name in self.crb}}
        for what, shape in lengths.items():
            if shape != (n,):
                raise InvalidData(f"{what} has shape {shape}; allowed: ({n},), one for each signal")
        if prod(self.grid_shape) != n or np.ndim(self.signals) != 2:
            raise InvalidData(f"signals of shape {np.shape(self.signals)} do not fill a grid of {self.grid_shape}")
        if missing := [name for name in self.wrt if name not in self.crb]:
            raise InvalidData(f"wrt has {missing[0]}, but crb has: {', '.join(self.crb)}")

    def __len__(self) -> int:
        """Number of tissues."""
        return len(self.signals)

    @property
    def n_samples(self) -> int:
        """Samples of one signal."""
        return int(self.signals.shape[1])

    @property
    def valid(self) -> BoolArray:
        """(n,) whether each tissue could be simulated."""
        return np.asarray(np.isfinite(self.signals).all(axis=1))

    @property
    def omega0_period(self) -> float:
        """2 pi/TR where all repetitions take equally long; else infinite."""
        TR = np.concatenate([np.ravel(train.repetition_times) for train in as_trains(self.sequence).sequences])
        return 2 * pi / float(TR[0]) if np.ptp(TR) == 0 else inf

    def __getitem__(self, index: Any) -> TestSet:
        """The tissues that a slice, a list of numbers or a mask (n,) selects, in one axis."""
        rows = np.arange(len(self))[index]
        if rows.ndim != 1:
            raise IndexError("a test set is indexed by a slice, a list of numbers or a mask")
        crb = {name: bound[rows] for name, bound in self.crb.items()}
        tissue, shape = self.tissue[rows], (rows.size,)
        return TestSet(self.sequence, self.basis, tissue, self.signals[rows], crb, self.wrt, shape)

    def blocks(self) -> Iterator[Block]:
        """All tissues, some thousands at a time, as those of a `DictionaryStore`."""
        for first in range(0, len(self), BLOCK):
            part = self[first : first + BLOCK]
            yield Block(first, part.tissue, part.valid, part.signals, part.crb, None, None)

    def __repr__(self) -> str:
        return f"TestSet({len(self)} tissues of {self.n_samples} samples, shape {self.grid_shape})"


def test_set(
    seq: Experiment,
    source: Prior | Tissue,
    n: int | None = None,
    *,
    basis: Basis | None = None,
    wrt: str | Iterable[str] = FULL_MODEL,
    seed: int = 0,
    first: int = 0,
    model: Model | str = "gbloch",
    threads: int | None = None,
    progress: bool | Report | None = None,
) -> TestSet:
    """Simulate tissues with their bounds, drawn from a prior or given, to judge estimators by.

    The numbers are those that `build_dictionary` stores; use that where they do not fit into memory.

    Parameters
    ----------
    seq
        The pulse sequence, or a list of them as in `simulate`.
    source
        A `Prior` to draw from, or the tissues themselves; their M0 is left out.
    n
        Number of tissues to draw; by default each combination of the prior's grids once, or 9056 if it has none. Not
        for a `Tissue`.
    basis
        Signals are kept in its coefficients, and bounds are those of such data.
    wrt
        The unknowns of the full model, in whose presence each parameter is estimated; by default M0, m0s, T1a, T2f,
        Rex, T2s, omega0 and B1. The estimator is told all other parameters.
    seed, first
        Of the draw: tissues `first` to `first + n - 1`, as in `Prior.sample`. Those of grids become maps if `first` is
        a multiple of the number of combinations.
    model, threads, progress
        As in `simulate`.

    Raises
    ------
    InvalidParameter, InvalidSequence
        If an argument is not accepted, or no tissue can be simulated.
    KeyboardInterrupt
        Within 0.2 s of Ctrl-C.

    References
    ----------
    X. Zhang et al., arXiv 2109.10535, section 2.4: random tissues, and slices of two parameters.

    Examples
    --------
    >>> import numpy as np, spinbound as sb
    >>> plane = sb.Prior(T1a=sb.Grid(np.geomspace(0.5, 3, 4)), T2f=sb.Grid([0.05, 0.1, 0.2]), T2s=sb.Constant(12e-6))
    >>> data = sb.test_set(sb.sequences.load("hybrid-mt-4s"), plane, wrt=("M0", "m0s", "T1a", "T2f"))
    >>> data.crb["T2f"].reshape(data.grid_shape).shape
    (4, 3)
    """
    recipe = Recipe(
        forward=ForwardModel.of(seq, model, basis),
        wrt=parameter_names(wrt),
        derivatives=("crb",),
        sigma=1.0,
        form="real",
        dtype="complex128",
    )
    tissues, shape = _source(source, n, seed, first)
    refuse_invalid(recipe, tissues)
    tissue = tissues.rows(slice(0, tissues.n))()
    with reporting(progress, tissues.n, "test set", "tissue") as report:
        results = recipe.computed(tissue, threads, report)
    crb = dict(zip(recipe.wrt, np.ascontiguousarray(results["crb"].T), strict=True))
    return TestSet(seq, basis, tissue, results["signals"], crb, recipe.wrt, shape)


test_set.__test__ = False  # type: ignore[attr-defined]  # pytest takes what is called test_... for tests


def _source(source: Prior | Tissue, n: int | None, seed: int, first: int) -> tuple[Source, tuple[int, ...]]:
    """The tissues in one axis, and the shape of their maps."""
    if not isinstance(source, Prior):
        tissue = tissues_of(source, n, TISSUES, 0)
        return Given(tissue), source.shape or (1,)
    grid = source.grid_shape
    count = (prod(grid) if grid else TISSUES) if n is None else as_count("n", n, 1)
    tissues = Drawn(source, count, as_count("seed", seed, 0), as_count("first", first, 0))
    return tissues, _shape(grid, count, tissues.first)


def _shape(grid: tuple[int, ...], count: int, first: int) -> tuple[int, ...]:
    """That of the maps of tissues of a prior: of its grids, if they are each of the combinations once and in order."""
    return grid if grid and count == prod(grid) and first % count == 0 else (count,)


def _shape_of_store(configuration: Mapping[str, Any]) -> tuple[int, ...]:
    """That of the maps of the tissues on disk."""
    n = int(configuration["n"])
    grid = grid_shape_of(str(configuration["prior"])) if "prior" in configuration else ()
    return _shape(grid, n, int(configuration.get("first", 0)))


def as_test_set(dataset: object) -> TestSet:
    """A test set, or that of a store, whose bounds are brought to sigma = 1.

    Raises
    ------
    InvalidData
        If it is something else, has no bounds, or no tissue that could be simulated.
    """
    if isinstance(dataset, DictionaryStore):
        configuration = dataset.configuration
        dataset = TestSet(
            sequence=dataset.sequence,
            basis=dataset.basis,
            tissue=dataset.tissue,
            signals=np.asarray(dataset.signals, np.complex128),
            crb={name: np.float64(bound) / configuration["sigma"] ** 2 for name, bound in dataset.crb.items()},
            wrt=tuple(configuration["wrt"]),
            grid_shape=_shape_of_store(configuration),
        )
    if not isinstance(dataset, TestSet):
        raise InvalidData(f"dataset must be a spinbound.TestSet or DictionaryStore; given {type(dataset).__name__}")
    if not dataset.valid.any():
        raise InvalidData("dataset has no tissue that could be simulated")
    return dataset
