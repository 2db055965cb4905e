"""Distributions of one parameter, by their inverse cumulative functions: theta = F^-1(u), u uniform in (0, 1).

A limit may be the name of another parameter of the prior. A sample is the inverse between the limits that hold for its
tissue: nothing is rejected, and a tissue needs one u per parameter. Parts of a `Mixture` are invertible,
the mixture itself need not be.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, isfinite, isnan
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_number, as_parameter, as_positive, as_real
from spinbound.base.errors import BoolArray, FloatArray, InvalidParameter

from .near_limits import invert_exponential, log_ratio

Limit = float | str
NARROW = 1e-5  # standard deviations between limits


class Distribution(ABC):
    """A distribution of one parameter."""

    low: Limit
    high: Limit

    @abstractmethod
    def between(self, u: FloatArray, low: npt.ArrayLike, high: npt.ArrayLike) -> FloatArray:
        """Return a value for each u (...), 0 < u < 1, within limits (one, or one per u) inside the distribution's own.

        If u is uniform, the values follow the distribution, given that they lie between the limits.
        """

    def truncated(self, low: float | None, high: float | None) -> Distribution:
        """Return the distribution within narrower limits; None leaves a limit as it is.

        Raises
        ------
        InvalidParameter
            If nothing remains, or a limit is the name of another parameter already.
        """
        narrower = self._narrow("low", low, max) | self._narrow("high", high, min)
        return cast(Distribution, replace(cast(Any, self), **narrower))

    def _narrow(self, side: str, limit: float | None, choose: Callable[[float, float], float]) -> dict[str, float]:
        own = getattr(self, side)
        if limit is None:
            return {}
        if isinstance(own, str):
            raise InvalidParameter(f"{side} is {own}; allowed beside it: None")
        return {side: choose(own, as_number(side, limit))}


class Invertible(Distribution):
    """A distribution whose values rise with u."""

    def quantile(self, u: npt.ArrayLike) -> FloatArray:
        """Return the values (...) below which lies a share u (...) of the distribution, 0 <= u <= 1.

        Raises
        ------
        InvalidParameter
            If u is out of range, or a limit is a name, whose value only a `Prior` knows.
        """
        share = as_real("u", u)
        if not ((share >= 0) & (share <= 1)).all():
            raise InvalidParameter("u must be between 0 and 1")
        if isinstance(self.low, str) or isinstance(self.high, str):
            raise InvalidParameter(f"{self} depends on another parameter; only a prior can sample it")
        return self.between(share, self.low, self.high)

    def between(self, u: FloatArray, low: npt.ArrayLike, high: npt.ArrayLike) -> FloatArray:
        """Return the quantiles within limits."""
        low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
        return np.asarray(np.clip(self._invert(u, low, high), low, high))

    @abstractmethod
    def _invert(self, u: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """Return F^-1(u), but for rounding at the limits."""

    def log_share(self, low: npt.ArrayLike, high: npt.ArrayLike) -> FloatArray:
        """Return the logarithm of the share (...) of the distribution between limits (...); its own must be numbers."""
        least, largest = np.asarray(self.low, np.float64), np.asarray(self.high, np.float64)
        low, high = np.maximum(low, least), np.minimum(high, largest)
        is_empty = ~(low <= high)
        with np.errstate(divide="ignore", invalid="ignore"):  # limits too far out for a float enclose no share
            inside = self._measure_log(np.where(is_empty, least, low), np.where(is_empty, largest, high))
            share = inside - self._measure_log(least, largest)
        return np.where(is_empty | ~(inside > -inf), -inf, share)

    @abstractmethod
    def _measure_log(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """Return the logarithm of the probability between limits, low <= high, but for a constant factor."""

    def _settle(self) -> None:
        """Convert the fields to float or the names of parameters; refuse limits that enclose nothing."""
        for name, value in vars(self).items():
            as_wanted = as_limit if name in ("low", "high") else as_number
            object.__setattr__(self, name, as_wanted(name, value))
        if isinstance(self.low, float) and isinstance(self.high, float) and not self.low < self.high:
            raise InvalidParameter(f"low is {self.low:g} and high {self.high:g}; allowed: low < high")

    def _refuse_numbers(self, accepted: Callable[[float], bool], allowed: str) -> None:
        """Refuse a limit that is a number, but not an accepted one."""
        for side in ("low", "high"):
            limit = getattr(self, side)
            if not isinstance(limit, str) and not accepted(limit):
                raise InvalidParameter(f"{side} is {limit:g}; allowed: {allowed} or the name of a parameter")


def as_limit(side: str, value: npt.ArrayLike) -> Limit:
    """Return a number, which may be infinite, or the name of a parameter."""
    if isinstance(value, str):
        return as_parameter(value, side).name
    number = as_real(side, value)
    if number.ndim or isnan(number):
        raise InvalidParameter(f"{side} must be one number or the name of a parameter; given {value}")
    return float(number)


@dataclass(frozen=True)
class TruncatedNormal(Invertible):
    """A normal distribution between limits.

    The inverse is taken of the mixture of logarithms log((1 - u) Phi(a) + u Phi(b)), a and b the limits in standard
    deviations from the mean; limits above the mean are mirrored to below it, where no digits cancel.

    Parameters
    ----------
    mean, std
        Mean and standard deviation of the distribution without limits; std > 0.
    low, high
        Its limits: numbers, or names of other parameters of the prior.

    Raises
    ------
    InvalidParameter
        For numbers that are not finite (limits may be infinite), std <= 0 and low >= high.

    Examples
    --------
    >>> import spinbound as sb
    >>> m0s = sb.TruncatedNormal(0.12, 0.08, low=0)
    >>> m0s.quantile([0, 0.5, 1]).round(4).tolist()
    [0.0, 0.1267, inf]
    """

    mean: float
    std: float
    low: Limit = -inf
    high: Limit = inf

    def __post_init__(self) -> None:
        self._settle()
        as_positive("std", self.std)

    def _invert(self, u: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        from scipy.special import log_ndtr, ndtri_exp

        a, b, above = self._mirror(low, high)
        v = np.where(above, 1 - u, u)
        with np.errstate(divide="ignore", over="ignore"):  # u is 0 or 1; std is the least of all numbers
            z = ndtri_exp(np.logaddexp(np.log1p(-v) + log_ndtr(a), np.log(v) + log_ndtr(b)))
            wide = self.mean + self.std * np.where(above, -z, z)
        narrow, tilt = self._find_tilt(low, high)
        return np.where(narrow, low + np.where(narrow, high - low, 0) * invert_exponential(u, tilt), wide)

    def _measure_log(self, low: FloatArray, high: FloatArray) -> FloatArray:
        from scipy.special import log_ndtr

        a, b, _ = self._mirror(low, high)
        with np.errstate(divide="ignore", invalid="ignore"):  # narrow limits, of which the rest takes care
            wide = log_ndtr(b) + np.log(-np.expm1(log_ndtr(a) - log_ndtr(b)))
        narrow, tilt = self._find_tilt(low, high)
        half = np.abs(tilt) / 2
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            sinhc = np.where(half < 1e-4, half**2 / 6, half + np.log(-np.expm1(-2 * half) / (2 * half)))
            density = -(((a + b) / 2) ** 2 + np.log(2 * np.pi)) / 2 - np.log(self.std)
            return np.asarray(np.where(narrow, np.log(high - low) + density + sinhc, wide))

    def _find_tilt(self, low: FloatArray, high: FloatArray) -> tuple[BoolArray, FloatArray]:
        """Find where limits are so near, in standard deviations, that probabilities between them lose their digits.

        There the density is exp(tilt x) at the share x of the way between them, to 1e-11.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            width = (high - low) / self.std
            narrow = width < NARROW
            tilt = np.where(narrow, (self.mean - low / 2 - high / 2) / self.std * width, 0)
        return narrow, np.where(np.isnan(tilt), 0, tilt)

    def _mirror(self, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Return the limits in standard deviations, mirrored where they are above the mean, and where that is."""
        with np.errstate(over="ignore"):
            a, b = (low - self.mean) / self.std, (high - self.mean) / self.std
        above = a > 0
        return np.where(above, -b, a), np.where(above, -a, b), above


@dataclass(frozen=True)
class Uniform(Invertible):
    """All values between two limits, equally likely.

    Parameters
    ----------
    low, high
        The limits: finite numbers, or names of other parameters of the prior.

    Raises
    ------
    InvalidParameter
        For low >= high and limits that are not finite.

    Examples
    --------
    >>> import spinbound as sb
    >>> sb.Uniform(5e-6, 20e-6).quantile(0.5).tolist()
    1.25e-05
    """

    low: Limit
    high: Limit

    def __post_init__(self) -> None:
        self._settle()
        self._refuse_numbers(isfinite, "a finite number")

    def _invert(self, u: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        return (1 - u) * low + u * high

    def _measure_log(self, low: FloatArray, high: FloatArray) -> FloatArray:
        return np.log(high - low)


@dataclass(frozen=True)
class LogUniform(Invertible):
    """All orders of magnitude between two limits, equally likely: the logarithm is uniform.

    Parameters
    ----------
    low, high
        The limits: positive finite numbers, or names of other parameters of the prior.

    Raises
    ------
    InvalidParameter
        For low >= high and limits that are not positive and finite.

    Examples
    --------
    >>> import spinbound as sb
    >>> sb.LogUniform(0.01, 1).quantile(0.5).round(12).tolist()
    0.1
    """

    low: Limit
    high: Limit

    def __post_init__(self) -> None:
        self._settle()
        self._refuse_numbers(lambda limit: 0 < limit < inf, "a positive finite number")

    def _invert(self, u: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            ratio = log_ratio(low, high)
            return np.asarray(np.where(ratio < 1, low * np.exp(u * ratio), np.exp(np.log(low) + u * ratio)))

    def _measure_log(self, low: FloatArray, high: FloatArray) -> FloatArray:
        return np.log(log_ratio(low, high))


@dataclass(frozen=True)
class Constant(Invertible):
    """A parameter that is the same in all tissues.

    Parameters
    ----------
    value
        A finite number.

    Raises
    ------
    InvalidParameter
        For anything else.

    Examples
    --------
    >>> import spinbound as sb
    >>> sb.Constant(1.0).quantile([0.1, 0.9]).tolist()
    [1.0, 1.0]
    """

    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", as_number("value", self.value))

    @property
    def low(self) -> float:  # type: ignore[override]
        """The value."""
        return self.value

    @property
    def high(self) -> float:  # type: ignore[override]
        """The value."""
        return self.value

    def _invert(self, u: FloatArray, _low: FloatArray, _high: FloatArray) -> FloatArray:
        return np.full(u.shape, self.value)

    def _measure_log(self, low: FloatArray, _high: FloatArray) -> FloatArray:
        return np.zeros(low.shape)

    def truncated(self, low: float | None, high: float | None) -> Distribution:
        """Return the constant itself, if it lies between the limits."""
        least, largest = _as_interval(low, high)
        if not least <= self.value <= largest:
            raise InvalidParameter(f"the value is {self.value:g}, not between {least:g} and {largest:g}")
        return self


@dataclass(frozen=True, init=False)
class Grid(Distribution):
    """Values that take turns instead of being drawn.

    The grids of a prior make all combinations of their values, one tissue after the other: the first named changes
    slowest, the last named with every tissue. After the last combination comes the first again.

    Parameters
    ----------
    values : (m,)
        Finite numbers in the order of their turns.

    Raises
    ------
    InvalidParameter
        For anything else.

    Examples
    --------
    >>> import numpy as np, spinbound as sb
    >>> prior = sb.Prior(B1=sb.Grid([0.9, 1.1]), m0s=sb.Grid(np.linspace(0, 0.2, 3)))
    >>> prior.grid_shape, prior.sample(6)["m0s"].reshape(prior.grid_shape).tolist()
    ((2, 3), [[0.0, 0.1, 0.2], [0.0, 0.1, 0.2]])
    """

    values: tuple[float, ...]

    def __init__(self, values: npt.ArrayLike) -> None:
        array = as_real("values", values)
        if array.ndim != 1 or array.size == 0:
            raise InvalidParameter(f"values must be a list of numbers; given shape {array.shape}")
        if not np.isfinite(array).all():
            raise InvalidParameter(f"values must be finite; value {int(np.isfinite(array).argmin())} is not")
        object.__setattr__(self, "values", tuple(array.tolist()))

    @property
    def low(self) -> float:  # type: ignore[override]
        """The least value."""
        return min(self.values)

    @property
    def high(self) -> float:  # type: ignore[override]
        """The largest value."""
        return max(self.values)

    def between(self, u: FloatArray, low: npt.ArrayLike, high: npt.ArrayLike) -> FloatArray:  # noqa: ARG002
        """Return the value in whose share of the turns u lies, whatever the limits."""
        turn = (u * len(self.values)).astype(np.intp)
        return np.asarray(self.values)[np.minimum(turn, len(self.values) - 1)]

    def truncated(self, low: float | None, high: float | None) -> Distribution:
        """Return the grid of the values that lie between the limits."""
        least, largest = _as_interval(low, high)
        kept = [value for value in self.values if least <= value <= largest]
        if not kept:
            raise InvalidParameter(f"no value of the grid is between {least:g} and {largest:g}")
        return Grid(kept)


def _as_interval(low: float | None, high: float | None) -> tuple[float, float]:
    """Return limits as numbers; None becomes infinite."""
    return (-inf if low is None else as_number("low", low)), (inf if high is None else as_number("high", high))
