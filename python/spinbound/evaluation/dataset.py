"""Reference sets: tissues in memory with their signals and bounds, to judge estimators by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf, pi, prod
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_complex, as_instance, as_parameter_names
from spinbound.base.errors import ComplexArray, InvalidData, InvalidParameter, Progress
from spinbound.base.progress import show_progress
from spinbound.dictionaries.dictionary import Dictionary
from spinbound.dictionaries.job import describe_configuration
from spinbound.dictionaries.recipe import Recipe, refuse_invalid
from spinbound.sequences.experiment import Experiment, as_trains
from spinbound.sequences.model import Model
from spinbound.signals.basis import Basis
from spinbound.signals.forward import ForwardModel
from spinbound.tissues.prior import Prior
from spinbound.tissues.prior_file import read_grid_shape
from spinbound.tissues.sources import Source, open_source
from spinbound.tissues.tissue import Tissue

FULL_MODEL = ("M0", "m0s", "T1a", "T2f", "Rex", "T2s", "omega0", "B1")
TISSUES = 9056  # of a prior, unless a number is given: the size of the test set of arXiv 2109.10535


@dataclass(frozen=True, eq=False, repr=False)
class ReferenceSet(Dictionary):
    """A `Dictionary` in memory with bounds for noise of sigma = 1, and with tissues that are arranged in maps.

    Attributes
    ----------
    grid_shape : tuple of int
        The shape of maps: that of given tissues, or of the grids of a prior if the tissues are all combinations of
        their values in order; by default (n,).
    noise_covariance : (rank, rank), optional
        That of the noise of coefficients which the bounds are for, in place of sigma = 1.

    Raises
    ------
    InvalidData
        If shapes do not agree.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq, unknowns = sb.sequences.load("hybrid-mt-4s"), ("M0", "m0s", "T2f")
    >>> data = sb.reference_set(seq, sb.Tissue(m0s=[[0.1, 0.2], [0.3, 0.4]]), wrt=unknowns)
    >>> isinstance(data, sb.ReferenceSet), len(data), data.grid_shape, len(data[data.crb["m0s"] < 1e4])
    (True, 4, (2, 2), 4)
    """

    grid_shape: tuple[int, ...] = ()
    noise_covariance: ComplexArray | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        n = len(self.signals)
        object.__setattr__(self, "grid_shape", tuple(self.grid_shape) or (n,))
        if prod(self.grid_shape) != n or np.ndim(self.signals) != 2:
            raise InvalidData(f"signals of shape {np.shape(self.signals)} do not fill a grid of {self.grid_shape}")

    @property
    def wrt(self) -> tuple[str, ...]:
        """The unknowns."""
        return tuple(self.crb)

    @property
    def omega0_period(self) -> float:
        """2 pi/TR where all repetitions take equally long; else infinite."""
        TR = np.concatenate([np.ravel(train.repetition_times) for train in as_trains(self.sequence).sequences])
        return 2 * pi / float(TR[0]) if np.ptp(TR) == 0 else inf

    def __getitem__(self, index: Any) -> ReferenceSet:
        """Return the tissues that a slice, a list of numbers or a mask (n,) selects, in one axis."""
        rows = np.arange(len(self))[index]
        if rows.ndim != 1:
            raise IndexError("a reference set is indexed by a slice, a list of numbers or a mask")
        crb = {name: bound[rows] for name, bound in self.crb.items()}
        configuration = {key: value for key, value in self.configuration.items() if key not in ("n", "first")}
        return replace(
            self,
            tissue=self.tissue[rows],
            signals=self.signals[rows],
            crb=crb,
            configuration=configuration,
            grid_shape=(),
        )

    def __repr__(self) -> str:
        return f"ReferenceSet({len(self)} tissues of {self.n_samples} samples, shape {self.grid_shape})"


def reference_set(
    seq: Experiment,
    source: Prior | Tissue,
    n: int | None = None,
    *,
    basis: Basis | None = None,
    wrt: str | Iterable[str] = FULL_MODEL,
    noise_covariance: npt.ArrayLike | None = None,
    seed: int = 0,
    first: int = 0,
    model: Model | str = "gbloch",
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> ReferenceSet:
    """Simulate tissues with their bounds, drawn from a prior or given, to judge estimators by.

    The numbers are those that `build_dictionary` stores; use that where they do not fit into memory.

    Parameters
    ----------
    seq
        The pulse sequence, or a list of them as in `simulate`.
    source
        A `Prior` to draw from, or the tissues themselves; their M0 is ignored.
    n
        Number of tissues to draw; by default each combination of the prior's grids once, or 9056 if it has none. Not
        for a `Tissue`.
    basis
        Signals are stored as its coefficients, and bounds hold for such data.
    wrt
        The unknowns of the full model, in whose presence each parameter is estimated; by default M0, m0s, T1a, T2f,
        Rex, T2s, omega0 and B1. The estimator may know all other parameters.
    noise_covariance : (rank, rank)
        Covariance E[n n^H]/2 of the noise n of the coefficients that the bounds are for, as in `crb`; white by default.
        At an SNR `evaluate` adds noise of this covariance, divided by the SNR squared.
    seed, first
        Seed of the draw, and the first tissue: tissues `first` to `first + n - 1`, as in `Prior.sample`. Tissues of
        grids become maps if `first` is a multiple of the number of combinations.
    model, threads, progress
        As in `simulate`.

    Returns
    -------
    ReferenceSet
        In memory, with the bounds of noise of sigma = 1.

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
    >>> data = sb.reference_set(sb.sequences.load("hybrid-mt-4s"), plane, wrt=("M0", "m0s", "T1a", "T2f"))
    >>> data.crb["T2f"].reshape(data.grid_shape).shape
    (4, 3)
    """
    forward = ForwardModel.of(seq, model, basis)
    covariance = None if noise_covariance is None else as_complex("noise_covariance", noise_covariance)
    if covariance is not None and covariance.ndim != 2:
        raise InvalidParameter(f"noise_covariance has shape {covariance.shape}; allowed: (rank, rank)")
    recipe = Recipe(forward, as_parameter_names(wrt), ("crb",), 1.0, "real", "complex128", covariance)
    tissues, shape = _open_source(source, n, seed, first)
    refuse_invalid(recipe, tissues)

    tissue = tissues.rows(slice(0, tissues.n))()
    with show_progress(progress, tissues.n, "reference set", "tissue") as advance:
        results = recipe.compute(tissue, threads, advance)

    crb = dict(zip(recipe.wrt, np.ascontiguousarray(results["crb"].T), strict=True))
    content = describe_configuration(recipe, tissues, tissues.n)
    return ReferenceSet(
        seq,
        tissue,
        results["signals"],
        basis,
        crb,
        configuration=content,
        grid_shape=shape,
        noise_covariance=covariance,
    )


def _open_source(source: Prior | Tissue, n: int | None, seed: int, first: int) -> tuple[Source, tuple[int, ...]]:
    """Return the tissues in one axis, and the shape of their maps."""
    if not isinstance(source, Prior):
        return open_source(source, n, seed, first), source.shape or (1,)
    grid = source.grid_shape
    usual = prod(grid) if grid else TISSUES
    tissues = open_source(source, usual if n is None else n, seed, first)
    return tissues, _shape(grid, tissues.n, first)


def _shape(grid: tuple[int, ...], count: int, first: int) -> tuple[int, ...]:
    """Return the shape of maps of a prior's tissues: its grids' if the tissues are all combinations once, in order."""
    return grid if grid and count == prod(grid) and first % count == 0 else (count,)


def _shape_of_store(configuration: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the shape of maps of the tissues on disk."""
    n = int(configuration["n"])
    grid = read_grid_shape(str(configuration["prior"])) if "prior" in configuration else ()
    return _shape(grid, n, int(configuration.get("first", 0)))


def as_reference_set(dataset: object) -> ReferenceSet:
    """Return a reference set, or make that of a dictionary, whose bounds are scaled to sigma = 1.

    Raises
    ------
    InvalidData
        If it is something else, has no bounds, or no tissue that could be simulated.
    """
    dictionary = as_instance("dataset", dataset, Dictionary, error=InvalidData)
    if not isinstance(dictionary, ReferenceSet):
        scale = dictionary.sigma**2
        dictionary = ReferenceSet(
            sequence=dictionary.sequence,
            tissue=dictionary.tissue,
            signals=np.asarray(dictionary.signals, np.complex128),
            basis=dictionary.basis,
            crb={name: np.asarray(bound, np.float64) / scale for name, bound in dictionary.crb.items()},
            configuration=dictionary.configuration,
            grid_shape=_shape_of_store(dictionary.configuration) if "n" in dictionary.configuration else (),
        )
    if not dictionary.crb:
        raise InvalidData(f"{dictionary!r} has no bounds")
    if not dictionary.valid.any():
        raise InvalidData("dataset has no tissue that could be simulated")
    return dictionary
