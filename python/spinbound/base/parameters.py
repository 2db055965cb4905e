"""The unknowns of a voxel: names, units and accepted ranges, as the compiled core states them.

=========  =====  ==========================================================
name       unit   meaning
=========  =====  ==========================================================
M0         1      complex scale of the signal
m0s        1      fractional size of the semi-solid pool, m0f = 1 - m0s
R1f, R2f   1/s    relaxation rates of the free pool
Rex        1/s    exchange rate
R1s        1/s    longitudinal relaxation rate of the semi-solid pool
T2s        s      transverse relaxation time of the semi-solid pool
omega0     rad/s  off-resonance frequency
B1         1      transmit field relative to its nominal value
R1a, T1a   1/s, s apparent longitudinal relaxation, R1f = R1s = R1a = 1/T1a
T1f, T1s   s      1/R1f, 1/R1s
T2f        s      1/R2f
=========  =====  ==========================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

import spinbound._core as _core


@dataclass(frozen=True, slots=True)
class Parameter:
    """One unknown of a voxel and the values it may take."""

    name: str
    unit: str
    description: str
    low: float
    high: float
    low_included: bool
    high_included: bool
    code: int

    def contains(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return which values are accepted; NaN and infinities never are."""
        accepted: npt.NDArray[np.bool_] = np.isfinite(values)
        if values.dtype.kind == "c":
            return accepted
        above = values >= self.low if self.low_included else values > self.low
        below = values <= self.high if self.high_included else values < self.high
        accepted &= above & below
        return accepted

    @property
    def least(self) -> float:
        """The least accepted number."""
        return self.low if self.low_included else float(np.nextafter(self.low, np.inf))

    @property
    def largest(self) -> float:
        """The largest accepted number."""
        return self.high if self.high_included else float(np.nextafter(self.high, -np.inf))

    @property
    def allowed(self) -> str:
        """The accepted range in words, with its unit: ``2e-06 <= T2s <= 5e-05 s``."""
        unit = "" if self.unit == "1" else f" {self.unit}"
        if np.isinf(self.low) and np.isinf(self.high):
            return f"{self.name} finite"
        if np.isinf(self.high):
            return f"{self.name} {'>=' if self.low_included else '>'} {self.low:g}{unit}"
        low, high = ("<=" if included else "<" for included in (self.low_included, self.high_included))
        return f"{self.low:g} {low} {self.name} {high} {self.high:g}{unit}"


PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {record["name"]: Parameter(**record, code=code) for code, record in enumerate(_core.parameters)}
)

# The core computes with these; every other parameter is derived from them.
ALL: tuple[str, ...] = tuple(PARAMETERS)[:9]

# The rows of the core's tissue matrix: all but M0.
TISSUE: tuple[str, ...] = ALL[1:]

# A derived parameter stands for rates of the same value, or of its reciprocal where it is a time.
DERIVED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"R1a": ("R1f", "R1s"), "T1a": ("R1f", "R1s"), "T1f": ("R1f",), "T1s": ("R1s",), "T2f": ("R2f",)}
)


def bases(name: str) -> tuple[str, ...]:
    """Return the base parameters that `name` determines: itself, or those that it is derived from.

    Parameters
    ----------
    name
        A parameter, base or derived.

    Returns
    -------
    tuple of str
        Names of one or two base parameters.
    """
    return DERIVED.get(name, (name,))


def is_reciprocal(name: str) -> bool:
    """Say whether `name` is a relaxation time that stands for a rate.

    Parameters
    ----------
    name
        A parameter, base or derived.

    Returns
    -------
    bool
        False for T2s, which is a base parameter.
    """
    return name in DERIVED and name.startswith("T")
