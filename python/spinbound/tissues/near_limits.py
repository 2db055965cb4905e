"""Functions that keep their digits between limits that are very near or very far."""

from __future__ import annotations

import numpy as np

from spinbound.base.errors import FloatArray


def invert_exponential(u: FloatArray, tilt: FloatArray) -> FloatArray:
    """Return x between 0 and 1 below which lies a share u of the density exp(tilt x)."""
    rise = np.abs(tilt)
    v = np.where(tilt < 0, 1 - u, u)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gentle = np.where(rise > 0, np.log1p(v * np.expm1(np.minimum(rise, 1))) / rise, v)
        steep = 1 + np.log(v + (1 - v) * np.exp(-rise)) / rise
    x = np.where(rise < 1, gentle, steep)
    return np.asarray(np.where(tilt < 0, 1 - x, x))


def log_ratio(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return log(high/low), exact for limits next to each other, and finite for those whose ratio is not."""
    with np.errstate(over="ignore"):
        return np.where(high < 2 * low, np.log1p((high - low) / low), np.log(high) - np.log(low))
