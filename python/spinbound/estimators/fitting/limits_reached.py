"""Estimates at limits: how many, of which unknown, on which side, and what to do where they are many."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import BoolArray
from spinbound.base.parameters import PARAMETERS
from spinbound.base.text import as_percent, join_words

MANY = 0.2  # of the voxels

Sides = dict[str, tuple[int, int]]  # voxels at the lower and at the upper limit, by name


def count_sides(at_bound: BoolArray, values: npt.NDArray[np.float64], limits: tuple[float, float]) -> tuple[int, int]:
    """Count the voxels at the lower and at the upper limit, which a reciprocal may have moved by a last bit."""
    is_low = np.abs(values - limits[0]) < np.abs(values - limits[1])
    return int(np.count_nonzero(at_bound & is_low)), int(np.count_nonzero(at_bound & ~is_low))


def advise(counts: Mapping[str, tuple[int, int]], limits: Mapping[str, tuple[float, float]], n_voxels: int) -> str:
    """Advise in one line on unknowns that are at a limit in many voxels; an empty text where none is."""
    sides = [
        f"{name} at {limit:.3g}{_unit(name)} in {as_percent(n / n_voxels)}"
        for name, pair in counts.items()
        for n, limit in zip(pair, limits[name], strict=True)
        if n_voxels and n / n_voxels > MANY
    ]
    if not sides:
        return ""
    return (
        f"many estimates are at a limit: {join_words(sides)} of the voxels; the data want more or do not tell: "
        "widen its bounds, fix it, or give it a prior"
    )


def _unit(name: str) -> str:
    unit = PARAMETERS[name].unit
    return "" if unit == "1" else f" {unit}"
