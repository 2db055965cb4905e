"""Limits that each model sets to a train and to the tissue in it."""

from __future__ import annotations

from math import pi

import numpy as np
import numpy.typing as npt

import spinbound._core as _core
from spinbound.base.errors import BoolArray, FloatArray, InvalidParameter, InvalidSequence
from spinbound.base.parameters import PARAMETERS

from .model import MODELS, Model
from .sequence import Sequence


def _check_sequence(model: Model, seq: Sequence) -> None:
    if seq.shape is not None and not model.traits.shapes:
        able = ", ".join(name for name, known in MODELS.items() if known.shapes)
        raise InvalidSequence(f"the model {model.name} knows rectangular pulses only; allowed for a shape: {able}")
    if model.name == "hybrid":
        _check_hybrid(seq)
    if model.name == "bloch" and not isinstance(seq.start, str) and seq.start[3:].any():
        raise InvalidSequence(f"the model bloch has no semi-solid pool, but start is {seq.start}; xs and zs must be 0")


def _check_hybrid(seq: Sequence) -> None:
    """Refuse trains without the axis of the hybrid state, that of balanced repetitions whose RF phase alternates."""
    moments = np.array(seq.gradient_moment)
    if (moments == "spoiler_prepulse").any():
        pulse = int((moments == "spoiler_prepulse").argmax())
        raise InvalidSequence(f"the model hybrid has no spoiler_prepulse, as pulse {pulse} has; allowed: the others")
    turn = np.broadcast_to(seq.rf_phase_increment, seq.n_pulses)
    wrong = (moments != "spoiler_dual") & (np.abs(np.exp(1j * (turn - pi)) - 1) > 1e-9)
    if wrong.any():
        pulse = int(wrong.argmax())
        raise InvalidSequence(
            f"the model hybrid needs an RF phase that alternates; rf_phase_increment of pulse {pulse} is "
            f"{turn[pulse]:g} rad, allowed: pi"
        )
    if not isinstance(seq.start, str) and seq.start[:2].any():
        raise InvalidSequence(f"the model hybrid starts from longitudinal magnetization; given start {seq.start}")


class Limits:
    """The limits of a model for the tissue in a train, each with the pulse that sets it."""

    def __init__(self, model: Model, seq: Sequence) -> None:
        known, flip = model.traits, np.abs(seq.alpha) * np.abs(seq.shape_samples).mean()
        is_crusher = np.array([word == "crusher" for word in seq.gradient_moment])
        crusher_flip = "max_crusher_flip" if known.lanes else known.flip
        self.flips = (  # largest flip angle, its limit, its pulse, what it is
            self._find_flip(np.where(is_crusher, 0, flip), known.flip, "a pulse that is not a crusher"),
            self._find_flip(np.where(is_crusher, flip, 0), crusher_flip, "a crusher pulse"),
        )
        self.pulses = (int(seq.TRF.argmin()), int(np.where(seq.alpha == 0, 0, seq.TRF).argmax()))
        self.TRF = tuple(float(seq.TRF[pulse]) for pulse in self.pulses)
        self.shortest = 0.0 if known.shortest is None else float(_core.limits[known.shortest])
        self.longest = np.inf if known.longest is None else float(_core.limits[known.longest])
        self.one_pool = model.name == "bloch"
        self.model, self.shaped = model.name, seq.shape is not None

    @staticmethod
    def _find_flip(flip: FloatArray, limit: str, what: str) -> tuple[float, float, int, str]:
        pulse = int(flip.argmax())
        return float(flip[pulse]), float(_core.limits[limit]), pulse, what

    def accepts(self, m0s: npt.NDArray[np.float64], T2s: npt.NDArray[np.float64], B1: FloatArray) -> BoolArray:
        """Return which of the voxels are accepted."""
        accepted = (self.shortest * T2s <= self.TRF[0]) & (self.longest * T2s >= self.TRF[1])
        if self.one_pool:
            accepted &= m0s == 0
        for flip, limit, _, _ in self.flips:
            accepted &= B1 * flip <= limit
        return np.asarray(accepted)

    def find_extremes(self) -> tuple[float, float, float]:
        """Return the largest B1, the least T2s and the largest T2s that are accepted."""
        most_B1 = min((limit / flip for flip, limit, _, _ in self.flips if flip > 0), default=np.inf)
        most_T2s = self.TRF[0] / self.shortest if self.shortest else np.inf
        inside = [float(np.nextafter(value, 0)) for value in (most_B1, most_T2s)]  # the quotients are rounded
        return inside[0], float(np.nextafter(self.TRF[1] / self.longest, np.inf)), inside[1]

    def explain(self, m0s: float, T2s: float, B1: float, where: str) -> str:
        """Explain why a voxel is not accepted."""
        if self.one_pool and m0s != 0:
            return f"m0s is {m0s:g}{where}; the model bloch has one pool, allowed: m0s = 0"
        for flip, limit, pulse, what in self.flips:
            if not B1 * flip <= limit:
                hint = " (B1 is relative to its nominal value, 1, not in percent)" if B1 > 3 else ""
                return (
                    f"B1 is {B1:g}{where}: pulse {pulse} has a flip angle B1 alpha of {B1 * flip:g} rad; "
                    f"allowed: at most {limit:g} rad for {what}{hint}"
                )

        if not self.shortest * T2s <= self.TRF[0]:
            end, size, rule = 0, "short", f"TRF >= {self.shortest:g} T2s"
        else:
            end, size, rule = 1, "long", f"TRF <= {self.longest:g} T2s"
        return (
            f"T2s is {T2s:g} s{where}: pulse {self.pulses[end]} of {self.TRF[end]:g} s is too {size} for {self.model}; "
            f"allowed: {rule}, or the model {self._find_other(f'{size}est')}"
        )

    def _find_other(self, limit: str) -> str:
        """Return the first model of two pools that takes the train's pulses and lacks a limit of their duration."""
        able = (name for name, known in MODELS.items() if known.shapes or not self.shaped)
        return next(name for name in able if name != "bloch" and getattr(MODELS[name], limit) is None)


def find_limits(model: Model, seq: Sequence) -> Limits:
    """Return the limits of a model in a train that it can simulate; the sequence, which never changes, keeps them.

    Raises
    ------
    InvalidSequence
        If the model does not know something in the train.
    """
    kept = vars(seq).setdefault("_limits", {})
    if model.name not in kept:
        _check_sequence(model, seq)
        kept[model.name] = Limits(model, seq)
    limits: Limits = kept[model.name]
    return limits


def find_range(name: str, limits: list[Limits]) -> tuple[float, float]:
    """Return the least and the largest value that the parameter's range and the models' limits allow.

    Raises
    ------
    InvalidParameter
        If there is none.
    """
    low, high = PARAMETERS[name].least, PARAMETERS[name].largest
    for limit in limits:
        most_B1, least_T2s, most_T2s = limit.find_extremes()
        if name == "B1":
            high = min(high, most_B1)
        if name == "T2s":
            low, high = max(low, least_T2s), min(high, most_T2s)
    if not low <= high:
        nearest = PARAMETERS[name].least if high < PARAMETERS[name].least else PARAMETERS[name].largest
        raise InvalidParameter(f"no {name} is accepted{explain_value(name, nearest, limits)}")
    return low, high


def explain_value(name: str, value: float, limits: list[Limits]) -> str:
    """Explain, as the end of a message, which pulse makes a model refuse a value of B1 or T2s; empty if none does."""
    if name not in ("B1", "T2s") or not np.isfinite(value):
        return ""
    for limit in limits:
        most_B1, least_T2s, most_T2s = limit.find_extremes()
        tissue = {"m0s": 0.0, "T2s": float(np.clip(1e-5, least_T2s, most_T2s)), "B1": min(1.0, most_B1)}
        tissue[name] = value
        if not limit.accepts(*map(np.asarray, tissue.values())):
            return f": {limit.explain(**tissue, where='')}"
    return ""
