"""Coerce and check the arguments of a `Sequence`; every refusal names the argument and the pulse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial.legendre import leggauss

from spinbound.base.checks import as_array, as_complex, as_one_of, as_real
from spinbound.base.errors import BoolArray, ComplexArray, FloatArray, InvalidSequence

# In the order of the core's codes.
GRADIENT_MOMENTS = ("balanced", "crusher", "spoiler_dual", "spoiler_prepulse")
STARTS = ("periodic", "thermal")

# The tables of the pool's response reach this far for the shortest T2s, with room to spare.
MAX_TRF = 100.0  # s

FEWEST_SAMPLES = 256  # taken of a callable; doubled until they are accurate
SHAPE_ERROR = 5e-9  # of a callable's samples, half of the default rtol of models
MAX_SAMPLES = 4096  # the most of a waveform: the models integrate every one
SMALLEST_MEAN = 1e-3  # least mean of a callable's waveform, relative to its peak


def as_repetition_times(TR: npt.ArrayLike, n_pulses: int) -> FloatArray:
    """Return (n,) repetition times in s, from one for all or one per pulse."""
    times = as_per_pulse("TR", TR, n_pulses)
    _refuse(times <= 0, times, "TR must be longer than 0 s", "s")
    return times


def as_per_pulse(name: str, value: npt.ArrayLike, n_pulses: int) -> FloatArray:
    """Return (n,) finite numbers, from one for all or one per pulse."""
    array = as_real(name, value, InvalidSequence)
    if array.shape not in ((), (n_pulses,)):
        raise InvalidSequence(f"{name} must be one number or one per pulse ({n_pulses}); given shape {array.shape}")
    numbers = np.broadcast_to(array, (n_pulses,))
    _refuse(~np.isfinite(numbers), numbers, f"{name} must be finite", "")
    return numbers


def check_pulses(alpha: FloatArray, TRF: FloatArray) -> None:
    """Refuse flip angles and durations that make no train."""
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


def check_durations(TRF: FloatArray, TR: FloatArray) -> None:
    """Refuse pulses that do not fit into their repetitions."""
    too_long = TRF >= TR
    if too_long.any():
        pulse = int(too_long.argmax())
        raise InvalidSequence(f"TRF must be shorter than TR ({TR[pulse]:g} s); pulse {pulse} is {TRF[pulse]:g} s")


def _refuse(wrong: BoolArray, values: FloatArray, rule: str, unit: str) -> None:
    if wrong.any():
        pulse = int(wrong.argmax())
        raise InvalidSequence(f"{rule}; pulse {pulse} is {values[pulse]:g} {unit}".rstrip())


def as_gradient_moments(words: str | Iterable[str], n_pulses: int) -> tuple[str, ...]:
    """Return one word per pulse."""
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
        as_one_of(f"gradient_moment of pulse {pulse}", word, GRADIENT_MOMENTS, InvalidSequence)

    return tuple(str(word) for word in moments)


def as_start(start: str | npt.ArrayLike) -> str | FloatArray:
    """Return a word, or the magnetization (5,) before the train."""
    if isinstance(start, str):
        return as_one_of("start", start, STARTS, InvalidSequence)
    vector = as_real("start", start, InvalidSequence)
    if vector.shape != (5,) or not np.isfinite(vector).all():
        raise InvalidSequence(
            f"start must be {' or '.join(STARTS)}, or five finite numbers xf yf zf xs zs; given {start!r}"
        )
    return vector


def as_echo(echo: npt.ArrayLike, n_pulses: int) -> BoolArray:
    """Return (n,) booleans: whether the echo of each repetition is recorded."""
    array = as_array("echo", echo, InvalidSequence)
    if array.dtype.kind in "iu" and np.isin(array, (0, 1)).all():  # as files hold them
        array = array.astype(np.bool_)
    if array.dtype != np.bool_ or array.shape not in ((), (n_pulses,)):
        raise InvalidSequence(
            f"echo must be True, False or one of them per pulse ({n_pulses}); "
            f"given an array of {array.dtype} and shape {array.shape}"
        )

    return freeze(np.broadcast_to(array, (n_pulses,)))


def as_shape(shape: npt.ArrayLike | Callable[[FloatArray], Any] | None) -> ComplexArray | None:
    """Return (k,) samples of a waveform, or None for a rectangular one; a callable is sampled, and scaled to mean 1."""
    if shape is None:
        return None
    samples = _sample(shape) if callable(shape) else as_complex("shape", shape, InvalidSequence)
    if samples.ndim != 1 or samples.size == 0 or not np.isfinite(samples).all() or not samples.any():
        raise InvalidSequence(
            f"shape must be a row of finite samples, not all zero; given an array of shape {samples.shape}"
        )
    if samples.size > MAX_SAMPLES:
        raise InvalidSequence(f"shape has {samples.size} samples; allowed: at most {MAX_SAMPLES}")
    return samples


def _sample(function: Callable[[FloatArray], Any]) -> ComplexArray:
    """Sample a callable to `SHAPE_ERROR` of its integral, and scale it to mean 1."""
    n, error = FEWEST_SAMPLES // 2, np.inf
    while error > SHAPE_ERROR:
        n *= 2
        if n > MAX_SAMPLES:
            raise InvalidSequence(
                f"shape(u) is not smooth: {MAX_SAMPLES} samples leave an error of {error:.1g} of its integral; "
                f"allowed: {SHAPE_ERROR:g}; give samples, with edges where the pulse has them"
            )
        samples, error = _sample_pairs(function, n // 2)
    mean = samples.mean()
    if abs(mean) <= SMALLEST_MEAN * np.abs(samples).max():
        raise InvalidSequence("the mean of shape(u) nearly vanishes, so that alpha has no meaning; give samples")
    return freeze(samples / mean)


def _sample_pairs(function: Callable[[FloatArray], Any], n_cells: int) -> tuple[ComplexArray, float]:
    """Return two samples of each cell that act as the waveform does to fourth order (theory, (12.6)), and their error.

    The error is that of the integral over each cell, by two nodes instead of five, relative to the whole.
    """
    nodes = np.concatenate([leggauss(2)[0], leggauss(5)[0]])
    values = _evaluate(function, (np.arange(n_cells)[:, None] + (1 + nodes) / 2) / n_cells)
    few, many = values[:, :2], values[:, 2:]
    near, far = 1 / 4 + np.sqrt(3) / 6, 1 / 4 - np.sqrt(3) / 6
    samples = 2 * (few @ np.array([[near, far], [far, near]])).ravel()
    wrong = np.abs(few.mean(axis=1) - many @ leggauss(5)[1] / 2)
    return samples, float(wrong.sum() / max(np.abs(many).mean(axis=1).sum(), np.finfo(float).tiny))


def _evaluate(function: Callable[[FloatArray], Any], u: FloatArray) -> ComplexArray:
    values = np.array(as_complex("shape(u)", function(u.ravel()), InvalidSequence))
    if values.shape != (u.size,) or not np.isfinite(values).all():
        raise InvalidSequence(f"shape(u) must give one finite number for each u; given shape {values.shape}")
    return values.reshape(u.shape)


def freeze(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only copy."""
    copy = np.array(values)
    copy.setflags(write=False)
    return copy
