"""Mixtures of distributions, exact between any limits and without a search for roots."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_number, as_pair
from spinbound.base.errors import FloatArray, InvalidParameter

from .distributions import Distribution, Invertible, Limit, as_limit

EDGE = 2.0**-53  # half the distance of the numbers of a stream, which are never nearer to 0 and 1


@dataclass(frozen=True, init=False)
class Mixture(Distribution):
    """Several distributions, from one of which each tissue is drawn.

    A uniform u chooses the part in whose share of the weights it lies, and its place in that share is the u of the
    part. Between limits, the weight of a part counts by the share of it that lies between them, so that the tissues
    follow the density of the whole mixture there.

    Parameters
    ----------
    parts
        Pairs (weight, distribution): positive weights relative to their sum, and `TruncatedNormal`, `Uniform`,
        `LogUniform` or `Constant`, limited by numbers only.
    low, high
        Limits of the whole: numbers, or names of other parameters of the prior. A number beyond all parts becomes
        the outermost limit of the parts.

    Raises
    ------
    InvalidParameter
        For anything else, and where nothing of the mixture is between its limits.

    Examples
    --------
    >>> import spinbound as sb
    >>> myelin, other = sb.TruncatedNormal(0.015, 0.005, low=0.005), sb.TruncatedNormal(0.08, 0.03, low=0.005)
    >>> prior = sb.Prior(T2f=sb.Mixture([(0.15, myelin), (0.85, other)], high="T1f"), T1f=sb.Uniform(0.5, 3))
    >>> prior["T2f"].low, bool((prior.sample(1000)["T2f"] < prior.sample(1000)["T1f"]).all())
    (0.005, True)
    """

    parts: tuple[tuple[float, Invertible], ...]
    low: Limit = -inf
    high: Limit = inf

    def __init__(self, parts: Iterable[tuple[float, Invertible]], low: Limit = -inf, high: Limit = inf) -> None:
        object.__setattr__(self, "parts", _as_parts(parts))
        least = min(_find_limits(part)[0] for _, part in self.parts)
        largest = max(_find_limits(part)[1] for _, part in self.parts)
        low, high = as_limit("low", low), as_limit("high", high)
        object.__setattr__(self, "low", low if isinstance(low, str) else max(low, least))
        object.__setattr__(self, "high", high if isinstance(high, str) else min(high, largest))
        if not (isinstance(self.low, str) or isinstance(self.high, str)) and self.is_empty(self.low, self.high):
            raise InvalidParameter(f"nothing of the mixture is between low = {low} and high = {high}")

    def is_empty(self, low: float, high: float) -> bool:
        """Say whether nothing of the mixture is between two limits."""
        return bool(np.isneginf(self._take_log_weights(low, high)).all())

    def _take_log_weights(self, low: npt.ArrayLike, high: npt.ArrayLike) -> FloatArray:
        """Return the logarithms of the weights (parts, ...) between limits (...)."""
        return np.stack([np.log(weight) + part.log_share(low, high) for weight, part in self.parts])

    def between(self, u: FloatArray, low: npt.ArrayLike, high: npt.ArrayLike) -> FloatArray:
        """Return a value of the part that u chooses; it rises with u only within each part."""
        low, high = np.broadcast_to(low, u.shape), np.broadcast_to(high, u.shape)
        weights = self._take_log_weights(low, high)
        ends = np.cumsum(np.exp(weights - weights.max(axis=0)), axis=0)
        ends /= ends[-1]
        starts = np.concatenate([np.zeros_like(ends[:1]), ends[:-1]])
        chosen = (u >= starts).sum(axis=0) - 1
        values = np.empty(u.shape)
        for number, (_, part) in enumerate(self.parts):
            own = chosen == number
            place = (u[own] - starts[number, own]) / (ends[number, own] - starts[number, own])
            least, largest = _find_limits(part)
            place = np.clip(place, EDGE, 1 - EDGE)
            values[own] = part.between(place, np.maximum(low[own], least), np.minimum(high[own], largest))

        return values


def _find_limits(part: Invertible) -> tuple[float, float]:
    return cast(float, part.low), cast(float, part.high)


def _as_parts(parts: Any) -> tuple[tuple[float, Invertible], ...]:
    """Return pairs of a positive weight and a distribution that is limited by numbers, at least one."""
    if not isinstance(parts, Iterable):
        raise InvalidParameter(f"parts must be pairs (weight, distribution); given {type(parts).__name__}")
    known = tuple(_as_part(number, part) for number, part in enumerate(parts))
    if not known:
        raise InvalidParameter("the mixture has no parts; give at least one")
    return known


def _as_part(number: int, pair: Any) -> tuple[float, Invertible]:
    weight, part = as_pair(f"part {number}", pair, "weight, distribution")
    weight = as_number(f"the weight of part {number}", weight)
    if weight <= 0:
        raise InvalidParameter(f"the weight of part {number} is {weight:g}; allowed: > 0")
    if not isinstance(part, Invertible):
        allowed = ", ".join(kind.__name__ for kind in Invertible.__subclasses__())
        raise InvalidParameter(f"part {number} is a {type(part).__name__}; allowed: {allowed}")
    names = [limit for limit in (part.low, part.high) if isinstance(limit, str)]
    if names:
        raise InvalidParameter(f"part {number} is limited by {names[0]}; names may limit the whole mixture only")

    return weight, part
