"""The quality of a basis: the energy of signals and the bounds that it keeps, by the number of its vectors.

The compressed bound of the first r vectors is that of the first r coefficients of the Jacobian U^H J: one projection
of each tissue's Jacobian serves all ranks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_count, as_parameter_names
from spinbound.base.errors import FloatArray, InvalidParameter, Progress
from spinbound.base.parameters import ALL
from spinbound.base.progress import show_progress
from spinbound.base.text import align_columns
from spinbound.sequences.experiment import Experiment
from spinbound.sequences.model import Model
from spinbound.signals.basis import Basis
from spinbound.signals.crb import crb
from spinbound.signals.forward import ForwardModel
from spinbound.signals.simulate import sensitivities, simulate
from spinbound.tissues.prior import Prior
from spinbound.tissues.sources import as_tissues
from spinbound.tissues.tissue import Tissue

from .directions import Directions, columns_of, real_columns, triangular
from .voxels import Slab, voxels_valid_in_all

TISSUES = 2000  # of a prior, unless a number is given


@dataclass(frozen=True, eq=False, repr=False)
class BasisQuality:
    """The signal energy and the bounds that the first vectors of a basis keep; as text, a table of medians.

    Attributes
    ----------
    ranks : tuple of int
        Numbers of vectors, rising.
    energy : (len(ranks),)
        Fraction of the energy of all signals that the vectors keep.
    crb : dict of str to (len(ranks), n)
        CRB(rank)/CRB(full) of each unknown and tissue, a ratio of variances, at least 1. inf: the vectors do not
        determine the parameter; NaN: the whole signal does not, or the tissue cannot be simulated.
    n_left_out : int
        Tissues that cannot be simulated.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq, prior = sb.sequences.load("hybrid-mt-4s"), sb.Prior.paper().truncated(B1=(0.5, 1.2))
    >>> basis = sb.build_basis(seq, prior, n=100, rank=8)
    >>> quality = sb.basis_report(basis, seq, prior, n=50, wrt=("M0", "m0s", "R1a"), ranks=(4, 8))
    >>> isinstance(quality, sb.BasisQuality), quality.crb["m0s"].shape
    (True, (2, 50))
    """

    ranks: tuple[int, ...]
    energy: FloatArray
    crb: Mapping[str, FloatArray]
    n_left_out: int

    def quantiles(self, q: float) -> dict[str, FloatArray]:
        """Return quantile q, 0 to 1, of CRB(rank)/CRB(full) of each unknown (len(ranks),); NaN if no tissue has one.

        Parameters
        ----------
        q
            Share of the tissues whose ratio is not larger, 0 to 1.

        Returns
        -------
        dict of str to (len(ranks),)
            By the name of the unknown.
        """
        return {name: np.array([_quantile(row, q) for row in ratio]) for name, ratio in self.crb.items()}

    def __str__(self) -> str:
        n = len(next(iter(self.crb.values()))[0])
        title = f"{n:,} tissues, {self.n_left_out:,} left out; median of CRB(rank)/CRB(full)"
        medians = self.quantiles(0.5)
        rows = (
            [str(rank), f"{1 - self.energy[k]:.2g}", *(f"{median[k]:.3g}" for median in medians.values())]
            for k, rank in enumerate(self.ranks)
        )
        return "\n".join([title, *align_columns([("rank", "energy lost", *medians), *rows])])

    def __repr__(self) -> str:
        return f"BasisQuality(ranks {self.ranks[0]} to {self.ranks[-1]}, {', '.join(self.crb)})"


def _quantile(values: FloatArray, q: float) -> float:
    """Return a quantile of all values but NaN; it is itself among the values, as inf has no mean."""
    known = values[~np.isnan(values)]
    return float(np.quantile(known, q, method="inverted_cdf")) if known.size else np.nan


def basis_report(
    basis: Basis,
    seq: Experiment,
    source: Prior | Tissue,
    n: int | None = None,
    wrt: str | Iterable[str] = ALL,
    ranks: Iterable[int] | None = None,
    *,
    seed: int = 1,
    model: Model | str = "gbloch",
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> BasisQuality:
    """Measure what the first vectors of a basis keep of the energy of signals and of Cramér-Rao bounds.

    Parameters
    ----------
    basis
        The basis to judge.
    seq
        The pulse sequence that the basis belongs to.
    source
        A `Prior` to draw from, or the tissues themselves.
    n
        Number of tissues to draw; 2,000 unless given. Not for a `Tissue`.
    wrt
        The unknowns of the bounds, as in `crb`.
    ranks
        Numbers of vectors; by default all that give at least as many real numbers as there are unknowns.
    seed
        Seed of the draw; by default another than that of `build_basis`, so that other tissues judge a basis than those
        that it was built from.
    model, threads, progress
        As in `simulate`.

    Returns
    -------
    BasisQuality
        As text, a table of medians over the tissues.

    Raises
    ------
    InvalidParameter
        If an argument is not accepted, or no tissue can be simulated.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq, prior = sb.sequences.load("hybrid-mt-4s"), sb.Prior.paper().truncated(B1=(0.5, 1.2))
    >>> basis = sb.build_basis(seq, prior, n=100, rank=8)
    >>> sb.basis_report(basis, seq, prior, n=50, wrt=("M0", "m0s", "R1a"), ranks=(4, 8)).ranks
    (4, 8)
    """
    names, chosen = as_parameter_names(wrt), _as_ranks(ranks, basis, columns_of(as_parameter_names(wrt))[-1].stop)
    tissue = as_tissues(source, n, TISSUES, seed)
    forward = ForwardModel.of(seq, model, basis)

    voxels = voxels_valid_in_all([forward], tissue, names, threads=threads, progress=progress)
    options: dict[str, Any] = {"model": forward.model, "basis": basis, "threads": threads}
    kept, ratios = _Energies(np.zeros(basis.rank)), np.full((len(names), len(chosen), tissue.size), np.nan)
    with show_progress(progress, tissue.size, "report") as advance:
        for slab in voxels.slabs(2 * forward.trains.n_echoes, 3, advance):
            ratios[..., slab.index] = _compare_slab(slab, seq, names, chosen, options, kept)

    crb_ratios = dict(zip(names, ratios, strict=True))
    return BasisQuality(chosen, kept.fraction[np.array(chosen) - 1], crb_ratios, tissue.size - kept.n_tissues)


def _as_ranks(ranks: Iterable[int] | None, basis: Basis, unknowns: int) -> tuple[int, ...]:
    """Return rising numbers of vectors, by default from the first that gives as many real numbers as unknowns."""
    if ranks is None:
        return tuple(range(min(-(-unknowns // 2), basis.rank), basis.rank + 1))
    chosen = tuple(sorted({as_count("a rank", rank, 1) for rank in ranks}))
    if not chosen or chosen[-1] > basis.rank:
        raise InvalidParameter(f"ranks are {chosen}; allowed: at least one, 1 to {basis.rank}")
    return chosen


@dataclass
class _Energies:
    """The energy of signals, whole and in each coefficient."""

    of_vectors: FloatArray  # (rank,)
    whole: float = 0.0
    n_tissues: int = 0

    def add(self, s: npt.NDArray[Any], c: npt.NDArray[Any]) -> None:
        self.of_vectors += np.sum(np.abs(c) ** 2, axis=0)
        self.whole += float(np.sum(np.abs(s) ** 2))
        self.n_tissues += len(s)

    @property
    def fraction(self) -> FloatArray:
        """(rank,) fraction of the energy that the first vectors keep together."""
        return np.asarray(np.cumsum(self.of_vectors) / self.whole)


def _compare_slab(
    slab: Slab,
    seq: Experiment,
    names: tuple[str, ...],
    ranks: tuple[int, ...],
    options: dict[str, Any],
    kept: _Energies,
) -> FloatArray:
    """Return CRB(rank)/CRB(full) (names, ranks, N) of a slab's tissues, and add their energies to `kept`."""
    in_time = options | {"basis": None}
    s = simulate(seq, slab.tissue, **in_time, progress=slab.progress[0])
    full = crb(seq, slab.tissue, names, **in_time, progress=slab.progress[1])
    c, J = sensitivities(seq, slab.tissue, names, **options, progress=slab.progress[2])
    sound = np.isfinite(s).all(axis=-1)  # not where a pulse is out of reach of rtol
    kept.add(s[sound], c[sound])

    ratios = np.full((len(names), len(ranks), len(s)), np.nan)
    for k, rank in enumerate(ranks):
        with np.errstate(invalid="ignore"):
            ratios[:, k, sound] = _compute_bounds(J[sound, :rank], names) / [full[name][sound] for name in names]
    return ratios


def _compute_bounds(J: npt.NDArray[Any], names: tuple[str, ...]) -> FloatArray:
    """Return bounds (names, N) of Jacobians (N, r, P), noise of unit variance; that of M0 sums over Re M0 and Im M0."""
    variances = Directions.of(triangular(real_columns(J, names))).variances()
    return np.array([variances[:, columns].sum(axis=-1) for columns in columns_of(names)])
