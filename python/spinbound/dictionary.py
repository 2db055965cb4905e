"""Dictionaries: signals of many tissues, held in memory, for matching."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._trains import Experiment, as_trains
from ._validate import FloatArray, InvalidParameter, Report, as_count
from .basis import Basis
from .prior import Prior
from .simulate import simulate
from .tissue import Tissue

ATOMS = 20_000  # of a prior, unless a number is given


@dataclass(frozen=True, eq=False, repr=False)
class Dictionary:
    """The signals of n tissues, the atoms, scaled to unit norm.

    Attributes
    ----------
    tissue
        The atoms, of shape (n,), with M0 = 1.
    signals : (n, samples) complex
        Of unit norm; `samples` are echoes, or the vectors of the basis.
    scale : (n,)
        Norm of the signal for M0 = 1.
    basis
        The `Basis` that the signals are compressed to, or None.
    sequence_sha256 : str
        Of the sequence, or of all sequences of a joint experiment.

    Examples
    --------
    >>> import spinbound as sb
    >>> atoms = sb.dictionary(sb.sequences.load("hybrid-mt-4s"), sb.Tissue(m0s=[0.1, 0.2]))
    >>> isinstance(atoms, sb.Dictionary), len(atoms)
    (True, 2)
    """

    tissue: Tissue
    signals: npt.NDArray[np.complex128]
    scale: FloatArray
    basis: Basis | None
    sequence_sha256: str

    def __len__(self) -> int:
        """Number of atoms."""
        return self.scale.size

    @property
    def n_samples(self) -> int:
        """Samples of one signal."""
        return int(self.signals.shape[1])

    def __repr__(self) -> str:
        return f"Dictionary({len(self)} atoms of {self.n_samples} samples)"


def dictionary(
    seq: Experiment,
    source: Prior | Tissue,
    n: int | None = None,
    *,
    seed: int = 0,
    basis: Basis | None = None,
    model: str = "gbloch",
    lineshape: str = "superlorentzian",
    rtol: float = 1e-8,
    threads: int | None = None,
    progress: bool | Report | None = None,
) -> Dictionary:
    """Simulate the signals of tissues that are drawn from a prior, or given.

    Parameters
    ----------
    seq
        The pulse sequence, or a list of them as in `simulate`.
    source
        A `Prior` to draw from, or the tissues themselves: all voxels of a `Tissue`, in one axis; their M0 is left out.
    n
        Number of tissues to draw; 20,000 unless given. Not for a `Tissue`.
    seed
        Of the draw.
    basis
        Signals are kept in its coefficients. A dictionary takes 16 n bytes per sample: 4 MB for 20,000 atoms in 13
        vectors, 370 MB in the time domain of a train of 1142 pulses.
    model, lineshape, rtol, threads, progress
        As in `simulate`.

    Raises
    ------
    InvalidParameter
        If an argument is not accepted, or a tissue cannot be simulated or gives no signal. `Prior.within` keeps a
        prior to what a sequence allows.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> prior = sb.Prior.paper().truncated(B1=(0.5, 1.2))
    >>> sb.dictionary(seq, prior, n=100)
    Dictionary(100 atoms of 1142 samples)
    """
    tissue = tissues_of(source, n, ATOMS, seed)

    def signals_of(voxels: Tissue, **options: Any) -> npt.NDArray[np.complex128]:
        return simulate(seq, voxels, model=model, lineshape=lineshape, rtol=rtol, basis=basis, **options)

    signals = signals_of(tissue, threads=threads, progress=progress)
    scale = np.sqrt(np.sum(np.square(signals.view(np.float64)), axis=-1))
    _refuse_without_signal(tissue, scale, signals_of)
    signals /= scale[:, None]
    for array in (signals, scale):
        array.setflags(write=False)
    return Dictionary(tissue, signals, scale, basis, as_trains(seq).sha256)


def tissues_of(source: Prior | Tissue, n: int | None, default: int, seed: int) -> Tissue:
    """Tissues of M0 = 1, in one axis: n, or a default number, drawn from a prior, or those that are given."""
    if isinstance(source, Prior):
        return source.sample(default if n is None else as_count("n", n, 1), seed).replace(M0=1)
    if not isinstance(source, Tissue):
        raise InvalidParameter(f"source must be a spinbound.Prior or Tissue; given {type(source).__name__}")
    if n is not None:
        raise InvalidParameter(f"n is {n}, but the tissues are given; allowed: None")
    if source.size == 0:
        raise InvalidParameter(f"source has no voxel in shape {source.shape}")
    values = {name: np.broadcast_to(value, source.shape).ravel() for name, value in source.as_dict().items()}
    return Tissue.from_dict(values | {"M0": 1})


def _refuse_without_signal(tissue: Tissue, scale: FloatArray, signals_of: Callable[[Tissue], object]) -> None:
    wrong = np.flatnonzero(~(scale > 0))
    if not wrong.size:
        return
    first = int(wrong[0])
    reason = "its signal is zero" if scale[first] == 0 else "its pulses cannot be integrated to rtol"
    try:
        signals_of(tissue[first])
    except InvalidParameter as problem:
        reason = str(problem)
    raise InvalidParameter(f"{wrong.size} of {scale.size} tissues cannot be atoms; tissue {first}: {reason}")
