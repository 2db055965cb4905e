"""Limits of the parameters of a prior, where some of them limit others."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from math import inf, isfinite

import numpy as np

from spinbound.base.errors import InvalidParameter
from spinbound.base.parameters import PARAMETERS

from .distributions import Distribution
from .mixture import Mixture


def find_supports(distributions: Mapping[str, Distribution]) -> dict[str, tuple[float, float]]:
    """Find the limits of all values of each parameter, in an order in which limits come before what they limit.

    Raises
    ------
    InvalidParameter
        For limits outside the range of a parameter, those that depend on each other in a circle, and those that could
        cross or leave nothing of a mixture between them.
    """
    ranges: dict[str, tuple[float, float]] = {}
    for name in _order(distributions):
        distribution = distributions[name]
        low, high = distribution.low, distribution.high
        lows, highs = _find_range(name, low, ranges), _find_range(name, high, ranges)
        least, largest = find_accepted_range(name)
        ranges[name] = (max(lows[0], least), min(highs[1], largest))
        inner = max(lows[1], least), min(highs[0], largest)
        if not inner[0] <= inner[1]:
            raise InvalidParameter(
                f"{name}: its limits {low} and {high} could cross; {_describe_limits(low, high, ranges)}"
            )
        if isinstance(distribution, Mixture) and distribution.is_empty(*inner):
            raise InvalidParameter(
                f"{name}: its limits {low} and {high} could leave nothing of its mixture, "
                f"as between {inner[0]:g} and {inner[1]:g}"
            )
    return ranges


def find_accepted_range(name: str) -> tuple[float, float]:
    """Return the least and the largest accepted value of a parameter, or infinity."""
    parameter = PARAMETERS[name]
    least = parameter.least if isfinite(parameter.low) else -inf
    return least, parameter.largest if isfinite(parameter.high) else inf


def _find_range(name: str, limit: float | str, ranges: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    """Return the range of values of a limit; a finite number must be a value of the parameter."""
    if isinstance(limit, str):
        return ranges[limit]
    if isfinite(limit) and not PARAMETERS[name].contains(np.asarray(limit)):
        raise InvalidParameter(f"{name} of the prior is limited by {limit:g}; allowed: {PARAMETERS[name].allowed}")
    return limit, limit


def _describe_limits(low: float | str, high: float | str, ranges: Mapping[str, tuple[float, float]]) -> str:
    names = [limit for limit in (low, high) if isinstance(limit, str)]
    return " and ".join(f"{name} is between {ranges[name][0]:g} and {ranges[name][1]:g}" for name in names)


def _order(distributions: Mapping[str, Distribution]) -> tuple[str, ...]:
    """Return the names, each after those that limit it."""
    limits = {name: [side for side in (d.low, d.high) if isinstance(side, str)] for name, d in distributions.items()}
    for name, others in limits.items():
        for other in others:
            if other not in distributions:
                raise InvalidParameter(f"{name} is limited by {other}, which has no distribution in the prior")
    try:
        return tuple(TopologicalSorter(limits).static_order())
    except CycleError as problem:
        raise InvalidParameter(f"limits depend on each other in a circle: {' < '.join(problem.args[1])}") from None
