"""Priors: distributions of tissues, from which any tissue can be drawn by its number.

Tissue k takes the k-th number of a stream of each parameter: a Philox generator whose key is the sha256 of the seed and
the parameter's name, and whose counter is k // 4 (a step makes four numbers). So a tissue depends on the seed and on k
alone, and a parameter's values on no other's but those that are its limits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from math import inf, isfinite, pi
from typing import Any

import numpy as np
import numpy.typing as npt

from ._distributions import Constant, Distribution, LogUniform, TruncatedNormal, Uniform
from ._validate import FloatArray, InvalidParameter, as_count, as_number, parameter_named, refuse_conflicts
from .parameters import PARAMETERS
from .tissue import Tissue

__all__ = ["Constant", "LogUniform", "Prior", "TruncatedNormal", "Uniform"]

PER_STEP = 4  # numbers of 64 bits that Philox makes of one value of its counter


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Prior:
    """Independent distributions of parameters, some of which may limit others.

    Parameters
    ----------
    **distributions
        A distribution by the name of its parameter, base or derived: `TruncatedNormal`, `Uniform`, `LogUniform` or
        `Constant`. An infinite limit becomes that of the parameter (m0s < 1); a limit that is the name of another
        parameter of the prior is its value in the same tissue: ``T2f=sb.TruncatedNormal(0.1, 0.2, 0.005, "T1a")``.
        Parameters without a distribution have the value that `Tissue` gives them.

    Raises
    ------
    InvalidParameter
        For names as in `Tissue`, what is no distribution, limits outside the range of a parameter, limits that
        depend on each other in a circle, and those that could cross.

    Examples
    --------
    >>> import spinbound as sb
    >>> prior = sb.Prior(m0s=sb.TruncatedNormal(0.12, 0.08, low=0), B1=sb.Uniform(0.8, 1.2))
    >>> prior.sample(1000).shape, prior.bounds["B1"]
    ((1000,), (0.8, 1.2))
    >>> prior.sample(10, first=990) == prior.sample(1000)[990:]
    True
    """

    _distributions: dict[str, Distribution]
    _bounds: dict[str, tuple[float, float]]  # in an order in which limits come before what they limit

    def __init__(self, **distributions: Distribution) -> None:
        if not distributions:
            raise InvalidParameter("the prior is empty; give at least one distribution")
        refuse_conflicts(distributions, "the prior")
        for name, distribution in distributions.items():
            if not isinstance(distribution, Distribution):
                raise InvalidParameter(f"{name} must be a distribution; given {type(distribution).__name__}")
        object.__setattr__(self, "_distributions", distributions)
        object.__setattr__(self, "_bounds", _supports(distributions))

    @classmethod
    def paper(cls, TR: float = 3.5e-3) -> Prior:
        """The tissues that the CRB-weighted loss was trained with, of equal R1 in both pools.

        m0s 0.12 +- 0.08 (>= 0), T1a 1.6 +- 0.8 s, T2f 0.1 +- 0.2 s (<= T1a), Rex 44 +- 20 /s (>= 0), B1 1 +- 0.3, all
        of them normal before they are truncated; omega0 uniform between -2 pi/TR and 2 pi/TR. The paper leaves the rest
        open; chosen here:

        - T2s uniform between 5 and 20 us, the range that fits of brains leave it.
        - T1a >= 0.2 s: half that of fat at 3 T, the shortest in a head.
        - T2f >= 5 ms: half that of myelin water, the shortest of a free pool.
        - B1 from 0.1 to 1.9, three standard deviations, so that it stays positive.

        A model takes pulses up to a flip angle B1 alpha only; `truncated` adapts B1 to a sequence.

        Parameters
        ----------
        TR
            Repetition time in s.

        Raises
        ------
        InvalidParameter
            If TR is not positive.

        References
        ----------
        X. Zhang et al., Cramér-Rao bound-informed training of neural networks for quantitative MRI (arXiv 2109.10535),
        section 2.4.
        """
        if not as_number("TR", TR) > 0:
            raise InvalidParameter(f"TR is {TR:g}; allowed: TR > 0 s")
        return cls(
            m0s=TruncatedNormal(0.12, 0.08, low=0),
            T1a=TruncatedNormal(1.6, 0.8, low=0.2),
            T2f=TruncatedNormal(0.1, 0.2, low=5e-3, high="T1a"),
            Rex=TruncatedNormal(44, 20, low=0),
            T2s=Uniform(5e-6, 20e-6),
            omega0=Uniform(-2 * pi / TR, 2 * pi / TR),
            B1=TruncatedNormal(1, 0.3, low=0.1, high=1.9),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that have a distribution."""
        return tuple(self._distributions)

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """The limits between which all values of each parameter lie."""
        return {name: self._bounds[name] for name in self.names}

    def __getitem__(self, name: str) -> Distribution:
        """The distribution of a parameter."""
        if parameter_named(name).name not in self._distributions:
            raise InvalidParameter(f"the prior has no {name}; it has: {', '.join(self.names)}")
        return self._distributions[name]

    def sample(self, n: int, seed: int = 0, first: int = 0) -> Tissue:
        """Tissues `first` to `first + n - 1`; each depends on its number and on the seed alone.

        Parameters
        ----------
        n
            How many, of shape (n,).
        seed
            Any integer >= 0.
        first
            Number of the first.

        Raises
        ------
        InvalidParameter
            If one of them is no integer or negative.
        """
        n, seed, first = as_count("n", n, 0), as_count("seed", seed, 0), as_count("first", first, 0)
        values: dict[str, Any] = {}
        for name in self._bounds:
            low, high = self._limits(name, values)
            values[name] = self[name].between(_uniforms(name, n, seed, first), low, high)
        return Tissue(**values)

    def _limits(self, name: str, values: Mapping[str, FloatArray]) -> tuple[npt.ArrayLike, npt.ArrayLike]:
        """Those of each tissue, of the parameters that are known so far."""
        least, largest = self._bounds[name]
        low, high = (values[limit] if isinstance(limit, str) else limit for limit in (self[name].low, self[name].high))
        return np.maximum(low, least), np.minimum(high, largest)

    def truncated(self, **limits: tuple[float | None, float | None]) -> Prior:
        """The prior with narrower limits of some parameters.

        Parameters
        ----------
        **limits
            (low, high) by the name of the parameter; None leaves a limit as it is.

        Raises
        ------
        InvalidParameter
            If the prior lacks the parameter, nothing remains of it, or its limit is another parameter.

        Examples
        --------
        >>> import spinbound as sb
        >>> sb.Prior.paper().truncated(B1=(0.5, 1.3)).bounds["B1"]
        (0.5, 1.3)
        """
        changed = {name: self._truncated(name, pair) for name, pair in limits.items()}
        return Prior(**(self._distributions | changed))

    def _truncated(self, name: str, pair: Any) -> Distribution:
        distribution = self[name]
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InvalidParameter(f"{name} must be a pair (low, high); given {pair!r}")
        try:
            return distribution.truncated(*pair)
        except InvalidParameter as problem:
            raise InvalidParameter(f"{name}: {problem}") from None

    @property
    def sha256(self) -> str:
        """Hash of the contents, whatever the order of the parameters."""
        content = ", ".join(f"{name}={self[name]!r}" for name in sorted(self.names))
        return hashlib.sha256(content.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        """Whether all distributions agree."""
        return self._distributions == other._distributions if isinstance(other, Prior) else NotImplemented

    def __repr__(self) -> str:
        return f"Prior({', '.join(f'{name}={self[name]!r}' for name in self.names)})"


def _uniforms(name: str, n: int, seed: int, first: int) -> FloatArray:
    """Numbers `first` to `first + n - 1` of a parameter's stream: odd multiples of 2^-53, so that none is 0 or 1."""
    key = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:16], "little")
    skipped = first % PER_STEP
    raw = np.random.Philox(key=key, counter=first // PER_STEP).random_raw(skipped + n)[skipped:]
    return ((raw >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def _supports(distributions: Mapping[str, Distribution]) -> dict[str, tuple[float, float]]:
    """The limits of all values of each parameter; those that limit others first."""
    bounds: dict[str, tuple[float, float]] = {}
    for name in _ordered(distributions):
        low, high = distributions[name].low, distributions[name].high
        lows, highs = _range(name, low, bounds), _range(name, high, bounds)
        least, largest = _accepted(name)
        bounds[name] = (max(lows[0], least), min(highs[1], largest))
        if not max(lows[1], least) <= min(highs[0], largest):
            raise InvalidParameter(f"{name}: its limits {low} and {high} could cross; {_stated(low, high, bounds)}")
    return bounds


def _accepted(name: str) -> tuple[float, float]:
    """The least and the largest value of a parameter, or infinity."""
    parameter = PARAMETERS[name]
    least = parameter.least if isfinite(parameter.low) else -inf
    return least, parameter.largest if isfinite(parameter.high) else inf


def _range(name: str, limit: float | str, bounds: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    """The values that a limit may have; a finite number must be one of the parameter."""
    if isinstance(limit, str):
        return bounds[limit]
    if isfinite(limit) and not PARAMETERS[name].contains(np.asarray(limit)):
        raise InvalidParameter(f"{name} of the prior is limited by {limit:g}; allowed: {PARAMETERS[name].allowed}")
    return limit, limit


def _stated(low: float | str, high: float | str, bounds: Mapping[str, tuple[float, float]]) -> str:
    names = [limit for limit in (low, high) if isinstance(limit, str)]
    return " and ".join(f"{name} is between {bounds[name][0]:g} and {bounds[name][1]:g}" for name in names)


def _ordered(distributions: Mapping[str, Distribution]) -> tuple[str, ...]:
    """The names, each after those that limit it."""
    limits = {name: [side for side in (d.low, d.high) if isinstance(side, str)] for name, d in distributions.items()}
    for name, others in limits.items():
        for other in others:
            if other not in distributions:
                raise InvalidParameter(f"{name} is limited by {other}, which has no distribution in the prior")
    try:
        return tuple(TopologicalSorter(limits).static_order())
    except CycleError as problem:
        raise InvalidParameter(f"limits depend on each other in a circle: {' < '.join(problem.args[1])}") from None
