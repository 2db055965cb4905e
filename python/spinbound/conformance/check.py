"""One physics check: what it compares, with what, how closely, and on whose word."""

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
