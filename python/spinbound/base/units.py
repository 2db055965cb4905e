"""Units that files may state, and values that suggest another unit than the one assumed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidData
from .parameters import PARAMETERS

# Factors that convert a unit to SI, by the SI unit of the parameter.
UNITS: Mapping[str, Mapping[str, float]] = {
    "s": {"s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6},
    "1/s": {"1/s": 1, "1/ms": 1e3},
    "rad/s": {"rad/s": 1, "Hz": 2 * pi},
    "1": {"1": 1, "%": 1e-2},
}

# Ranges of tissue at clinical field strengths, in SI, and the unit that values beyond them suggest.
PLAUSIBLE: Mapping[str, tuple[float, float, str]] = {
    "m0s": (0, 0.5, "%"),
    "R1f": (0.1, 20, "1/ms"),
    "R1s": (0.1, 20, "1/ms"),
    "R1a": (0.1, 20, "1/ms"),
    "R2f": (0.3, 1e3, "1/ms"),
    "T1f": (0.05, 10, "ms"),
    "T1s": (0.05, 10, "ms"),
    "T1a": (0.05, 10, "ms"),
    "T2f": (1e-3, 3, "ms"),
    "T2s": (2e-6, 50e-6, "us"),
    "B1": (0.3, 3, "%"),
}


def check_plausible(name: str, values: NDArray[Any], path: Path, advice: str) -> None:
    """Warn where the median suggests another unit; refuse B1 then, as its scale is a matter of convention.

    `advice` says how to state the `{unit}` that seems to be meant.
    """
    low, high, unit = PLAUSIBLE.get(name, (0, np.inf, ""))
    known = np.abs(values[np.isfinite(values)])
    typical = float(np.median(known)) if known.size else low
    if low <= typical <= high:
        return
    si = PARAMETERS[name].unit
    usual = f"{low:g} to {high:g}" + ("" if si == "1" else f" {si}")
    message = f"{path}: the median of {name} is {typical:g}, where {usual} is usual"
    if low <= typical * UNITS[si][unit] <= high:
        message += f"; is it in {unit}? {advice.format(unit=unit)}"
    if name == "B1":
        raise InvalidData(message)

    warnings.warn(message, UserWarning, stacklevel=2)
