"""Bases of signals, and of the directions that the Cramér-Rao bound needs, built while simulating (theory, section 16).

Tissues are simulated in slabs, and only sums over each slab are stored (`gram`). How tissues are divided into slabs
depends on the train and on the unknowns alone, and slabs are added in their order.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.blas import use_one_thread
from spinbound.base.checks import as_count, as_number, as_one_of, as_parameter_names
from spinbound.base.errors import FloatArray, InvalidParameter, Progress
from spinbound.base.parameters import ALL
from spinbound.base.progress import shift_progress, show_progress
from spinbound.sequences.experiment import Experiment, as_trains
from spinbound.sequences.model import Model
from spinbound.signals.basis import Basis, with_fixed_phase
from spinbound.signals.forward import ForwardModel
from spinbound.signals.simulate import sensitivities, simulate
from spinbound.tissues.prior import Prior
from spinbound.tissues.sources import as_tissues
from spinbound.tissues.tissue import Tissue

from .directions import Directions, columns_of, real_columns, triangular
from .gram import Gram, Sketch, eigen, left_singular, random_columns
from .voxels import Slab, Voxels, voxels_valid_in_all

TISSUES = 10_000  # of a prior, unless a number is given
LONGEST = 4096  # echoes of a Gram matrix, which then takes 134 MB, twice that if it is complex
PASSES = 3  # through all tissues where the train is longer

Sum = Gram | Sketch


def build_basis(
    seq: Experiment,
    source: Prior | Tissue,
    n: int | None = None,
    rank: int = 13,
    *,
    real: bool = False,
    bounds: str | Iterable[str] | None = None,
    wrt: str | Iterable[str] = ALL,
    weight: float = 0.02,
    seed: int = 0,
    model: Model | str = "gbloch",
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> Basis:
    """Build a basis of the signals of a prior's tissues, without ever holding the signals.

    Parameters
    ----------
    seq
        The pulse sequence, or a list of them as in `simulate`.
    source
        A `Prior` to draw from, or the tissues themselves: all voxels of a `Tissue`; their M0 is ignored.
    n
        Number of tissues to draw; 10,000 unless given, or each once where all parameters are grids or constants. Not
        for a `Tissue`.
    rank
        Number of vectors.
    real
        Build real vectors, from the real and imaginary parts as separate signals. They fit priors in which omega0 and
        -omega0 are equally frequent, because the signals of the two are each other's conjugates.
    bounds
        Names in `wrt` whose Cramér-Rao bounds the basis should keep low. With the signals it then describes, for each
        tissue and each of the names, the direction in which the signal changes with that parameter and with no other
        unknown, as a vector of unit length. A parameter that a tissue does not determine adds none.
    wrt
        The unknowns of these bounds, as in `crb`. R1a or T1a go with priors that have equal rates in both pools.
    weight
        Share of these directions in the energy of the whole, between 0 and 1.
    seed
        Seed of the draw.
    model, threads, progress
        As in `simulate`.

    Returns
    -------
    Basis
        Its singular values are those of the signals, or of signals and directions, as far as they exceed rounding
        errors.

    Raises
    ------
    InvalidParameter
        If an argument is not accepted, no tissue can be simulated, or the signals have fewer directions than `rank`.
    KeyboardInterrupt
        Within 0.2 s of Ctrl-C while simulating.

    Warns
    -----
    UserWarning
        If tissues cannot be simulated: they are left out. `Prior.within` keeps a prior within what a sequence
        allows.

    Notes
    -----
    Memory is that of matrices n x n, n the number of echoes, and of 0.2 GB for signals on their way; beyond 4096 echoes
    that of n x (2 rank + 10), and the tissues are simulated three times. Neither `threads` nor `progress` nor
    the number of threads of the linear algebra library, which works in one, changes the result; another library may
    give other last bits.

    References
    ----------
    A. Mao et al., Cramér-Rao bound optimized subspace reconstruction in quantitative MRI (arXiv 2305.00326): the idea
    of `bounds`. N. Halko, P. G. Martinsson, J. A. Tropp, SIAM Rev. 53, 217 (2011), algorithm 4.4: long trains.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq, prior = sb.sequences.load("hybrid-mt-4s"), sb.Prior.paper().truncated(B1=(0.5, 1.2))
    >>> sb.build_basis(seq, prior, n=100, rank=8, real=True)
    Basis(1142 echoes, rank 8, float64)
    >>> unknown = ("M0", "m0s", "R1a", "T2f")
    >>> sb.build_basis(seq, prior, n=100, rank=8, bounds=unknown[1:], wrt=unknown)
    Basis(1142 echoes, rank 8, complex128)
    """
    names, n_echoes = as_parameter_names(wrt), as_trains(seq).n_echoes
    kept = () if bounds is None else _check_bounds(bounds, names)
    if as_count("rank", rank, 1) > n_echoes:
        raise InvalidParameter(f"rank is {rank}; allowed: 1 to {n_echoes}, the number of echoes")
    if not 0 < as_number("weight", weight) < 1:
        raise InvalidParameter(f"weight is {weight:g}; allowed: 0 < weight < 1")

    tissue = as_tissues(source, n, TISSUES, seed)
    forward = ForwardModel.of(seq, model)
    voxels = voxels_valid_in_all([forward], tissue, names if kept else (), threads=threads, progress=progress)

    stream = Stream(forward, voxels, names, kept, threads)
    with use_one_thread():
        vectors, values = _singular_vectors(stream, n_echoes, rank, bool(real), weight, progress)
    _warn_of_left_out(stream.n_left_out, tissue.size)

    if rank > values.size:
        raise InvalidParameter(
            f"rank is {rank}; the signals of {tissue.size - stream.n_left_out} tissues have {values.size} directions "
            "that can be told from rounding errors"
        )
    return Basis(with_fixed_phase(vectors[:, :rank]), values, seq=seq)


def _check_bounds(bounds: str | Iterable[str], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(as_one_of("a name in bounds", name, names) for name in as_parameter_names(bounds, "bounds"))


def _warn_of_left_out(count: int, of: int) -> None:
    if count:
        warnings.warn(f"{count} of {of} tissues cannot be simulated and are left out", stacklevel=3)


def _singular_vectors(
    stream: Stream, n_echoes: int, rank: int, is_real: bool, weight: float, progress: bool | Progress | None
) -> tuple[npt.NDArray[Any], FloatArray]:
    """Return left singular vectors of signals and directions, and singular values, largest first."""
    if n_echoes <= LONGEST:
        (sums,) = stream.passes(1, lambda: Gram.empty(n_echoes, is_real), progress)
        return eigen(_add_weighted(sums, weight))

    total = random_columns(n_echoes, min(n_echoes, 2 * rank + 10), is_real)

    def columns() -> Sketch:
        return Sketch.of(np.linalg.qr(total)[0])

    for sums in stream.passes(PASSES, columns, progress):
        total = _add_weighted(sums, weight)
    return left_singular(total)


def _add_weighted(sums: list[Sum], weight: float) -> npt.NDArray[Any]:
    """Add the sum of the directions to that of the signals, scaled to its share of the energy."""
    total = sums[0].total
    for other in sums[1:]:
        if other.energy == 0:
            raise InvalidParameter("no tissue determines a parameter in bounds")
        total = total + weight / (1 - weight) * (sums[0].energy / other.energy) * other.total
    return total


@dataclass
class Stream:
    """The signals of tissues and the directions of parameters, simulated on request."""

    forward: ForwardModel
    voxels: Voxels
    names: tuple[str, ...]  # the unknowns
    kept: tuple[str, ...]  # the unknowns whose directions are wanted
    threads: int | None
    n_left_out: int = 0  # tissues, in the last pass

    def passes(self, count: int, empty: Callable[[], Sum], progress: bool | Progress | None) -> Iterator[list[Sum]]:
        """Yield, for each pass through all tissues, the sum over signals and, if wanted, that over directions."""
        size = self.voxels.valid.size
        with show_progress(progress, count * size, "basis") as advance:
            for number in range(count):
                sums = [empty() for _ in range(1 + bool(self.kept))]
                of_pass = shift_progress(advance, number * size, count * size)
                self.n_left_out = size - int(self.voxels.valid.sum())
                for slab in self.voxels.slabs(self._values_per_voxel(), 1, of_pass):
                    for total, rows in zip(sums, self._make_rows(slab), strict=True):
                        total.add(rows)
                yield sums

    def _values_per_voxel(self) -> int:
        return 2 * self.forward.trains.n_echoes * (columns_of(self.names)[-1].stop if self.kept else 1)

    def _make_rows(self, slab: Slab) -> list[FloatArray]:
        """Make the signals of a slab as `Gram.add` takes them and, if wanted, the directions."""
        seq = self.forward.sequence
        options: dict[str, Any] = {"model": self.forward.model, "threads": self.threads}
        if not self.kept:
            s = simulate(seq, slab.tissue, **options, progress=slab.progress[0])
            return [_as_parts(real_columns(s[self._find_sound(s), :, None], ("",)))]

        s, J = sensitivities(seq, slab.tissue, self.names, **options, progress=slab.progress[0])
        sound = self._find_sound(s)
        A = real_columns(J[sound], self.names)
        wanted = [columns_of(self.names)[self.names.index(name)] for name in self.kept]
        weights = Directions.of(triangular(A)).apart[..., np.r_[*wanted]]
        return [_as_parts(real_columns(s[sound, :, None], ("",))), _as_parts(A @ weights)]

    def _find_sound(self, s: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Say which signals are finite: all but those with a pulse out of reach of rtol."""
        sound = np.isfinite(s).all(axis=-1)
        self.n_left_out += int(np.size(sound) - np.sum(sound))
        return np.asarray(sound)


def _as_parts(A: FloatArray) -> FloatArray:
    """Return real and imaginary parts as rows (2, N C, n), from columns (N, 2 n, C) of both."""
    N, n2, C = A.shape
    return np.ascontiguousarray(A.reshape(N, 2, n2 // 2, C).transpose(1, 0, 3, 2)).reshape(2, N * C, n2 // 2)
