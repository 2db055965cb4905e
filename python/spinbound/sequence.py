"""Pulse sequences: a train of RF pulses with a common repetition time, as a frozen value, and its files."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._sequence_files import FIELDS, read_fields, write_fields
from ._validate import BoolArray, FloatArray, InvalidSequence, as_number, as_real, one_of

# In the order of the core's codes.
GRADIENT_MOMENTS = ("balanced", "crusher", "spoiler_dual", "spoiler_prepulse")
STARTS = ("periodic", "thermal")

GYROMAGNETIC_RATIO = 267.5221874e6  # rad/s/T, 1H (CODATA 2018)

# The tables of the pool's response reach this far for the shortest T2s, with room to spare.
MAX_TRF = 100.0  # s

# Beyond these a file has most likely stated its numbers in another unit.
PLAUSIBLE_ALPHA = 2 * pi  # rad
PLAUSIBLE_TRF = (5e-6, 20e-3)  # s
PLAUSIBLE_TR = (0.2e-3, 0.5)  # s


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Sequence:
    """A train of rectangular RF pulses with a common repetition time.

    Repetition i is: free precession over (TR - TRF[i])/2, the RF phase increment, the pulse, free precession over
    (TR - TRF[i])/2, the echo. The arrays are copies and read-only.

    Parameters
    ----------
    alpha : (n,)
        Flip angles in rad at the nominal transmit field; a negative one is a pulse of opposite phase.
    TRF : (n,)
        Durations of the pulses in s, 0 < TRF < TR and at most 100 s.
    TR
        Repetition time in s.
    gradient_moment
        One word, or one per pulse: ``balanced``, ``crusher`` (a pulse between crusher gradients),
        ``spoiler_dual`` (transverse magnetization spoiled before and after the pulse), ``spoiler_prepulse``
        (before it).
    rf_phase_increment
        Change of the RF phase from each pulse to the next in rad.
    start
        ``periodic`` (the train repeats for ever), ``thermal`` (equilibrium before repetition 0), or the
        magnetization (5,) before repetition 0 as xf yf zf xs zs for M0 = 1.

    Attributes
    ----------
    alpha, TRF, TR, rf_phase_increment, start
        As given.
    gradient_moment : tuple of str
        One word per pulse.

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
    TR: float
    gradient_moment: tuple[str, ...]
    rf_phase_increment: float
    start: str | FloatArray

    def __init__(
        self,
        alpha: npt.ArrayLike,
        TRF: npt.ArrayLike,
        TR: float,
        *,
        gradient_moment: str | Iterable[str],
        rf_phase_increment: float = pi,
        start: str | npt.ArrayLike = "periodic",
    ) -> None:
        settle = object.__setattr__
        settle(self, "alpha", as_real("alpha", alpha, InvalidSequence))
        settle(self, "TRF", as_real("TRF", TRF, InvalidSequence))
        settle(self, "TR", _as_TR(TR))
        _check_pulses(self.alpha, self.TRF, self.TR)
        settle(self, "gradient_moment", _as_gradient_moments(gradient_moment, self.n_pulses))
        settle(self, "rf_phase_increment", as_number("rf_phase_increment", rf_phase_increment, InvalidSequence))
        settle(self, "start", _as_start(start))

    @property
    def n_pulses(self) -> int:
        """Number of pulses, which is also the number of echoes."""
        return self.alpha.size

    @property
    def duration(self) -> float:
        """Duration of the train in s."""
        return self.n_pulses * self.TR

    @property
    def omega1(self) -> FloatArray:
        """(n,) RF field of each pulse in rad/s: alpha/TRF."""
        return self.alpha / self.TRF

    @property
    def peak_B1(self) -> float:
        """Largest RF field in rad/s: ``max(abs(alpha))/TRF``."""
        return float(np.abs(self.omega1).max())

    @property
    def peak_B1_uT(self) -> float:
        """Largest RF field in uT, for protons."""
        return _microtesla(self.peak_B1)

    @property
    def rms_B1(self) -> float:
        """Root mean square of the RF field over the whole train in rad/s: sqrt(sum(omega1^2 TRF)/(n TR))."""
        return float(np.sqrt(np.sum(self.omega1 * self.alpha) / self.duration))

    @property
    def rms_B1_uT(self) -> float:
        """Root mean square of the RF field in uT, for protons."""
        return _microtesla(self.rms_B1)

    @property
    def sha256(self) -> str:
        """SHA-256 of the contents: equal for equal sequences, whatever file they came from."""
        digest = hashlib.sha256(b"spinbound sequence")
        moments = [GRADIENT_MOMENTS.index(word) for word in self.gradient_moment]
        start = self.start.encode() if isinstance(self.start, str) else _bytes(self.start)
        parts = (_bytes(self.alpha), _bytes(self.TRF), _bytes(moments), start)
        for part in (*parts, _bytes([self.TR, self.rf_phase_increment])):
            digest.update(f"{len(part)}:".encode() + part)
        return digest.hexdigest()

    def replace(self, **changes: Any) -> Sequence:
        """The same sequence with some of the constructor's arguments changed."""
        return Sequence(**({name: getattr(self, name) for name in FIELDS} | changes))

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        TR: float | None = None,
        gradient_moment: str | Iterable[str] | None = None,
    ) -> Sequence:
        """Read a sequence from a .npz, .toml or MATLAB (.mat, v5 or v7.3) file.

        Variables: `alpha`, `TRF`, and, if there, `TR`, `gradient_moment`, `rf_phase_increment`, `start`, in SI
        units. In TOML the names carry the unit: ``alpha_rad`` or ``alpha_deg``; ``TRF_s``, ``TRF_ms`` or
        ``TRF_us``; ``TR_s`` or ``TR_ms``; ``rf_phase_increment_rad`` or ``_deg``. Values that look like another
        unit are kept, with a warning.

        Parameters
        ----------
        path
            The file; MATLAB 7.3 needs the extra `io`.
        TR, gradient_moment
            What the file lacks; refused where the file says otherwise.

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
            seq = cls(**_completed(fields, {"TR": TR, "gradient_moment": gradient_moment}))
        except InvalidSequence as problem:
            place = "" if str(path) in str(problem) else f"{path}: "
            raise InvalidSequence(f"{place}{problem}") from None
        _warn_if_implausible(seq, path)
        return seq

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the sequence to a .npz, .toml or .mat (v5) file, whole or not at all.

        Raises
        ------
        InvalidSequence
            For another suffix.
        OSError
            If the file cannot be written.
        """
        write_fields(Path(path), {name: getattr(self, name) for name in FIELDS})

    def __eq__(self, other: object) -> bool:
        """Whether the contents agree."""
        return self.sha256 == other.sha256 if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        moments = ", ".join(sorted(set(self.gradient_moment), key=self.gradient_moment.index))
        start = self.start if isinstance(self.start, str) else "given"
        return f"Sequence({self.n_pulses} pulses, TR={self.TR:g} s, {moments}, start={start})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, tuple(getattr(self, name) for name in FIELDS)


def _rebuilt(*values: Any) -> Sequence:
    return Sequence(**dict(zip(FIELDS, values, strict=True)))


def _microtesla(omega1: float) -> float:
    return omega1 / GYROMAGNETIC_RATIO * 1e6


def _bytes(values: npt.ArrayLike) -> bytes:
    return np.asarray(values, dtype="<f8").tobytes()


# Checks


def _as_TR(TR: npt.ArrayLike) -> float:
    value = as_number("TR", TR, InvalidSequence)
    if value <= 0:
        raise InvalidSequence(f"TR must be longer than 0 s; given {value:g} s")
    return value


def _check_pulses(alpha: FloatArray, TRF: FloatArray, TR: float) -> None:
    if alpha.ndim != 1 or TRF.ndim != 1:
        raise InvalidSequence(f"alpha and TRF must be one-dimensional; given shapes {alpha.shape} and {TRF.shape}")
    if alpha.size != TRF.size:
        raise InvalidSequence(f"alpha has {alpha.size} pulses but TRF has {TRF.size}; they must be as many")
    if alpha.size == 0:
        raise InvalidSequence("a sequence needs at least one pulse; alpha and TRF are empty")
    _refuse(~np.isfinite(alpha), alpha, "alpha must be finite", "rad")
    _refuse(~np.isfinite(TRF), TRF, "TRF must be finite", "s")
    _refuse(TRF <= 0, TRF, "TRF must be longer than 0 s", "s")
    _refuse(TRF > MAX_TRF, TRF, f"TRF must be at most {MAX_TRF:g} s", "s")
    _refuse(TRF >= TR, TRF, f"TRF must be shorter than TR ({TR:g} s)", "s")


def _refuse(wrong: BoolArray, values: FloatArray, rule: str, unit: str) -> None:
    if wrong.any():
        pulse = int(wrong.argmax())
        raise InvalidSequence(f"{rule}; pulse {pulse} is {values[pulse]:g} {unit}")


def _as_gradient_moments(words: str | Iterable[str], n_pulses: int) -> tuple[str, ...]:
    if isinstance(words, str):
        words = (words,) * n_pulses
    try:
        moments = tuple(word if isinstance(word, str) else repr(word) for word in words)
    except TypeError:
        raise InvalidSequence(
            f"gradient_moment must be one word or one per pulse; given {type(words).__name__}"
        ) from None
    if len(moments) != n_pulses:
        raise InvalidSequence(f"gradient_moment has {len(moments)} words for {n_pulses} pulses")
    for pulse, word in enumerate(moments):
        one_of(f"gradient_moment of pulse {pulse}", word, GRADIENT_MOMENTS, InvalidSequence)
    return tuple(str(word) for word in moments)


def _as_start(start: str | npt.ArrayLike) -> str | FloatArray:
    if isinstance(start, str):
        return one_of("start", start, STARTS, InvalidSequence)
    vector = as_real("start", start, InvalidSequence)
    if vector.shape != (5,) or not np.isfinite(vector).all():
        raise InvalidSequence(
            f"start must be {' or '.join(STARTS)}, or five finite numbers xf yf zf xs zs; given {start!r}"
        )
    return vector


# Files


def _completed(fields: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The file's fields, with those that it lacks taken from the caller."""
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
        return _as_TR(first) == _as_TR(second)
    return _as_gradient_moments(first, n_pulses) == _as_gradient_moments(second, n_pulses)


def _warn_if_implausible(seq: Sequence, path: Path) -> None:
    checks = (
        (np.abs(seq.alpha).max(), (0.0, PLAUSIBLE_ALPHA), "the largest flip angle", "rad", "degrees"),
        (seq.TRF.max(), PLAUSIBLE_TRF, "the longest pulse", "s", "milli- or microseconds"),
        (seq.TR, PLAUSIBLE_TR, "TR", "s", "milliseconds"),
    )
    for value, (low, high), what, unit, other in checks:
        if not low <= value <= high:
            warnings.warn(f"{path}: {what} is {value:g} {unit}; is the file in {other}?", UserWarning, stacklevel=3)
