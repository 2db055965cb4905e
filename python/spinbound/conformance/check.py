"""One physics check: a computed number, its expected value, the tolerance and the source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """A number that the package must reproduce."""

    what: str
    expected: float
    tolerance: float  # largest absolute difference
    source: str
    compute: Callable[[], float]
