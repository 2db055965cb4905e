"""Pulse sequences: a train of RF pulses, as a frozen value, and its files."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_number, as_real
from spinbound.base.errors import BoolArray, ComplexArray, FloatArray, InvalidSequence

from .checks import (
    GRADIENT_MOMENTS,
    as_echo,
    as_gradient_moments,
    as_per_pulse,
    as_repetition_times,
    as_shape,
    as_start,
    check_durations,
    check_pulses,
    freeze,
)
from .formats import FIELDS, read_fields, write_fields

GYROMAGNETIC_RATIO = 267.5221874e6  # rad/s/T, 1H (CODATA 2018)

DELAY_TRF = 100e-6  # s, duration of the pulse without RF in a delay

# Numbers beyond these limits are most likely in another unit.
PLAUSIBLE_ALPHA = 2 * pi  # rad
PLAUSIBLE_TRF = (5e-6, 20e-3)  # s
PLAUSIBLE_TR = (0.2e-3, 0.5)  # s


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Sequence:
    """A train of RF pulses.

    Repetition i is: free precession over (TR[i] - TRF[i])/2, the RF phase increment, the pulse, free precession over
    (TR[i] - TRF[i])/2, the echo. The arrays are copies and read-only.

    Parameters
    ----------
    alpha : (n,)
        Flip angles in rad at the nominal transmit field; a negative one is a pulse of opposite phase.
    TRF : (n,)
        Durations of the pulses in s, 0 < TRF < TR and at most 100 s.
    TR : () or (n,)
        Repetition time in s, one or one per pulse.
    gradient_moment
        One word, or one per pulse: ``balanced``, ``crusher`` (a pulse between crusher gradients),
        ``spoiler_dual`` (transverse magnetization spoiled before and after the pulse), ``spoiler_prepulse``
        (before it).
    rf_phase_increment : () or (n,)
        Change of the RF phase from the pulse before to each pulse in rad; the receiver follows it. RF spoiling by psi
        is ``psi * np.arange(n)``.
    start
        ``periodic`` (the train repeats for ever), ``thermal`` (equilibrium before repetition 0), or the
        magnetization (5,) before repetition 0 as xf yf zf xs zs for M0 = 1.
    echo : () or (n,)
        Whether the echoes are recorded: the others are preparations and delays, not samples of the signal.
    shape
        Waveform w of all pulses: None (rectangular), hard-edged samples (k,) of equal duration, complex if the phase
        is modulated, or a smooth callable w(u), 0 < u < 1, which is scaled to mean 1 and sampled at 256 to 4096 points,
        as many as leave the default `rtol` of models. The field is
        B1 alpha/TRF w, so that alpha is the flip angle on resonance where the mean is 1. Only the models that
        integrate the pulse take one (see `spinbound.simulate`).

    Attributes
    ----------
    alpha, TRF, start, shape
        As given.
    TR, rf_phase_increment : float or (n,)
        One number where all are the same.
    gradient_moment : tuple of str
        One word per pulse.
    echo : (n,) bool

    Raises
    ------
    InvalidSequence
        Naming the argument and the pulse.

    References
    ----------
    J. Assländer et al., Magn. Reson. Med. 2022 (arXiv 2107.11000); trains of this kind: arXiv 2207.08259, fig. 1.

    Examples
    --------
    >>> import numpy as np, spinbound as sb
    >>> seq = sb.Sequence(np.full(200, 0.4), np.full(200, 3e-4), 3.5e-3, gradient_moment="balanced")
    >>> seq.n_pulses, round(seq.duration, 6), round(seq.peak_B1)
    (200, 0.7, 1333)
    """

    alpha: FloatArray
    TRF: FloatArray
    TR: float | FloatArray
    gradient_moment: tuple[str, ...]
    rf_phase_increment: float | FloatArray
    start: str | FloatArray
    echo: BoolArray
    shape: ComplexArray | None

    def __init__(
        self,
        alpha: npt.ArrayLike,
        TRF: npt.ArrayLike,
        TR: npt.ArrayLike,
        *,
        gradient_moment: str | Iterable[str],
        rf_phase_increment: npt.ArrayLike = pi,
        start: str | npt.ArrayLike = "periodic",
        echo: npt.ArrayLike = True,
        shape: npt.ArrayLike | Callable[[FloatArray], Any] | None = None,
    ) -> None:
        settle = object.__setattr__
        settle(self, "alpha", as_real("alpha", alpha, InvalidSequence))
        settle(self, "TRF", as_real("TRF", TRF, InvalidSequence))
        check_pulses(self.alpha, self.TRF)
        settle(self, "TR", _collapse(as_repetition_times(TR, self.n_pulses)))
        check_durations(self.TRF, self.repetition_times)

        settle(self, "gradient_moment", as_gradient_moments(gradient_moment, self.n_pulses))
        increments = as_per_pulse("rf_phase_increment", rf_phase_increment, self.n_pulses)
        settle(self, "rf_phase_increment", _collapse(increments))
        settle(self, "start", as_start(start))
        settle(self, "echo", as_echo(echo, self.n_pulses))
        settle(self, "shape", as_shape(shape))

    @classmethod
    def concatenate(cls, sequences: Iterable[Sequence], *, start: str | npt.ArrayLike | None = None) -> Sequence:
        """Make one long acquisition of several trains, played one after the other without a break.

        Parameters
        ----------
        sequences
            The trains, in their order; all pulses have the same waveform.
        start
            Start of the whole; None takes that of the first train.

        Raises
        ------
        InvalidSequence
            If the list is empty, an entry is no `Sequence`, or waveforms differ.

        Examples
        --------
        >>> import spinbound as sb
        >>> train = sb.sequences.load("hybrid-mt-4s")
        >>> pause = sb.Sequence.delay(0.5, spoil=True)
        >>> round(sb.Sequence.concatenate([train, pause, train]).duration - 2 * train.duration, 9)
        0.5
        """
        trains = list(sequences)
        if not trains or not all(isinstance(train, Sequence) for train in trains):
            raise InvalidSequence("concatenate takes at least one Sequence, and nothing else")
        shaped = [train for train in trains if train.alpha.any()] or trains  # without RF a shape means nothing
        if any(_as_bytes(train.shape_samples) != _as_bytes(shaped[0].shape_samples) for train in shaped):
            raise InvalidSequence("the trains have pulses of different shape; one Sequence has one for all of them")

        def join(name: str) -> npt.NDArray[Any]:
            return np.concatenate([np.broadcast_to(getattr(train, name), train.n_pulses) for train in trains])

        return cls(
            **{name: join(name) for name in ("alpha", "TRF", "TR", "rf_phase_increment", "echo")},
            gradient_moment=[word for train in trains for word in train.gradient_moment],
            start=trains[0].start if start is None else start,
            shape=shaped[0].shape,
        )

    @classmethod
    def delay(cls, duration: float, *, spoil: bool = False) -> Sequence:
        """Make a pause of free precession and recovery: a repetition without RF, whose echo is not recorded.

        Parameters
        ----------
        duration
            Time in s, > 0.
        spoil
            Whether the transverse magnetization is spoiled, in the middle; the model hybrid needs it.

        Raises
        ------
        InvalidSequence
            If the duration is not longer than 0 s.
        """
        time = as_number("duration", duration, InvalidSequence)
        if time <= 0:
            raise InvalidSequence(f"duration must be longer than 0 s; given {time:g} s")
        return cls(
            [0.0],
            [min(DELAY_TRF, time / 2)],
            time,
            gradient_moment="spoiler_dual" if spoil else "balanced",
            rf_phase_increment=0.0,
            echo=False,
        )

    @property
    def n_pulses(self) -> int:
        """Number of pulses."""
        return self.alpha.size

    @property
    def n_echoes(self) -> int:
        """Number of recorded echoes, which are the samples of the signal."""
        return int(np.count_nonzero(self.echo))

    @property
    def repetition_times(self) -> FloatArray:
        """(n,) repetition time of each pulse in s."""
        return np.broadcast_to(self.TR, self.n_pulses)

    @property
    def echo_times(self) -> FloatArray:
        """Times of the recorded echoes in s, from the beginning of repetition 0: the end of each repetition."""
        return np.asarray(np.cumsum(self.repetition_times)[self.echo])

    @property
    def duration(self) -> float:
        """Duration of the train in s."""
        return self.n_pulses * self.TR if isinstance(self.TR, float) else float(self.TR.sum())

    @property
    def shape_samples(self) -> ComplexArray:
        """(k,) samples of the waveform; a rectangular pulse has one, 1."""
        return np.ones(1, np.complex128) if self.shape is None else self.shape

    @property
    def omega1(self) -> FloatArray:
        """(n,) RF field of each pulse in rad/s, alpha/TRF: for a shaped pulse the unit of its waveform."""
        return self.alpha / self.TRF

    @property
    def peak_B1(self) -> float:
        """Largest RF field in rad/s."""
        return float(np.abs(self.omega1).max() * np.abs(self.shape_samples).max())

    @property
    def peak_B1_uT(self) -> float:
        """Largest RF field in uT, for protons."""
        return _as_microtesla(self.peak_B1)

    @property
    def rms_B1(self) -> float:
        """Root mean square of the RF field over the whole train in rad/s: sqrt(sum(omega1^2 TRF)/duration)."""
        power = np.sum(self.omega1 * self.alpha) * np.mean(np.abs(self.shape_samples) ** 2)
        return float(np.sqrt(power / self.duration))

    @property
    def rms_B1_uT(self) -> float:
        """Root mean square of the RF field in uT, for protons."""
        return _as_microtesla(self.rms_B1)

    @property
    def sha256(self) -> str:
        """SHA-256 of the contents: equal for equal sequences, whatever file they came from."""
        digest = hashlib.sha256(b"spinbound sequence")
        moments = [GRADIENT_MOMENTS.index(word) for word in self.gradient_moment]
        start = self.start.encode() if isinstance(self.start, str) else _as_bytes(self.start)
        parts = (_as_bytes(self.alpha), _as_bytes(self.TRF), _as_bytes(moments), start)
        for part in (*parts, *map(_as_bytes, (self.TR, self.rf_phase_increment, self.echo, self.shape_samples))):
            digest.update(f"{len(part)}:".encode() + part)
        return digest.hexdigest()

    def replace(self, **changes: Any) -> Sequence:
        """Return the same sequence with some of the constructor's arguments changed."""
        fields = {name: getattr(self, name) for name in FIELDS}
        if (self.echo == self.echo[0]).all():  # for a train of any length
            fields["echo"] = bool(self.echo[0])
        return Sequence(**(fields | changes))

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        TR: npt.ArrayLike | None = None,
        gradient_moment: str | Iterable[str] | None = None,
    ) -> Sequence:
        """Read a sequence from a .npz, .toml, MATLAB (.mat, v5 or v7.3) or Pulseq (.seq) file.

        Variables: `alpha`, `TRF`, and, if there, `TR`, `gradient_moment`, `rf_phase_increment`, `start`, `echo`,
        `shape`, in SI units. In TOML the names carry the unit: ``alpha_rad`` or ``alpha_deg``; ``TRF_s``, ``TRF_ms`` or
        ``TRF_us``; ``TR_s`` or ``TR_ms``; ``rf_phase_increment_rad`` or ``_deg``. Values that look like another
        unit are kept, with a warning.

        Parameters
        ----------
        path
            The file; MATLAB 7.3 needs the extra `io`.
        TR, gradient_moment
            Values that the file lacks; refused where the file says otherwise.

        Raises
        ------
        InvalidSequence
            If something is missing or makes no sense.
        OSError
            If the file cannot be read or is damaged.
        """
        path = Path(path)
        try:
            fields = read_fields(path)
            seq = cls(**_complete(fields, {"TR": TR, "gradient_moment": gradient_moment}))
        except InvalidSequence as problem:
            place = "" if str(path) in str(problem) else f"{path}: "
            raise InvalidSequence(f"{place}{problem}") from None
        _warn_if_implausible(seq, path)
        return seq

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the sequence to a .npz, .toml, .mat (v5) or .seq (Pulseq) file, whole or not at all.

        Raises
        ------
        InvalidSequence
            For another suffix, and for what a Pulseq file cannot say (see `spinbound.sequences.pulseq_file`).
        OSError
            If the file cannot be written.
        """
        write_fields(Path(path), {name: getattr(self, name) for name in FIELDS})

    def __eq__(self, other: object) -> bool:
        """Say whether the contents agree."""
        return self.sha256 == other.sha256 if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        moments = ", ".join(sorted(set(self.gradient_moment), key=self.gradient_moment.index))
        start = self.start if isinstance(self.start, str) else "given"
        TR = f"{self.TR:g}" if isinstance(self.TR, float) else f"{self.TR.min():g}-{self.TR.max():g}"
        return f"Sequence({self.n_pulses} pulses, TR={TR} s, {moments}, start={start})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, tuple(getattr(self, name) for name in FIELDS)


def _rebuild(*values: Any) -> Sequence:
    return Sequence(**dict(zip(FIELDS, values, strict=True)))


def _as_microtesla(omega1: float) -> float:
    return omega1 / GYROMAGNETIC_RATIO * 1e6


def _as_bytes(values: npt.ArrayLike) -> bytes:
    array = np.asarray(values)
    return array.astype("<c16" if array.dtype.kind == "c" else "<f8").tobytes()


def _collapse(values: FloatArray) -> float | FloatArray:
    return float(values[0]) if (values == values[0]).all() else freeze(values)


# Files


def _complete(fields: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Complete the fields of a file with those that the caller gives."""
    fields = dict(fields)
    for name, value in given.items():
        if name not in fields:
            if value is None:
                raise InvalidSequence(f"the file has no {name}; give it: Sequence.load(path, {name}=...)")
            fields[name] = value
        elif value is not None and not _agree(name, fields[name], value, np.size(fields["alpha"])):
            raise InvalidSequence(f"the file has another {name} than the one given ({value!r})")
    return fields


def _agree(name: str, first: Any, second: Any, n_pulses: int) -> bool:
    if name == "TR":
        return bool((as_repetition_times(first, n_pulses) == as_repetition_times(second, n_pulses)).all())
    return as_gradient_moments(first, n_pulses) == as_gradient_moments(second, n_pulses)


def _warn_if_implausible(seq: Sequence, path: Path) -> None:
    checks = (
        (np.abs(seq.alpha).max(), (0.0, PLAUSIBLE_ALPHA), "the largest flip angle", "rad", "degrees"),
        (seq.TRF.max(), PLAUSIBLE_TRF, "the longest pulse", "s", "milli- or microseconds"),
        (float(np.median(seq.repetition_times)), PLAUSIBLE_TR, "TR", "s", "milliseconds"),
    )
    for value, (low, high), what, unit, other in checks:
        if not low <= value <= high:
            warnings.warn(f"{path}: {what} is {value:g} {unit}; is the file in {other}?", UserWarning, stacklevel=3)
