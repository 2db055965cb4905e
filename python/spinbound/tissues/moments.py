"""Mean and covariance of a prior, whose parameters may limit each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from spinbound.base.errors import FloatArray

POINTS = 1 << 15  # of a Sobol sequence: variances of the paper's prior are right to 1e-3


def find_moments(
    names: tuple[str, ...], draw: Callable[[Callable[[str], FloatArray]], Mapping[str, Any]]
) -> tuple[FloatArray, FloatArray]:
    """Return the mean (P,) and the covariance (P, P) of the values that `draw` makes of each parameter's u.

    The u are points of a Sobol sequence, moved into the middles of their cells.
    """
    from scipy.stats.qmc import Sobol

    points = Sobol(len(names), scramble=False).random(POINTS) + 0.5 / POINTS
    u = dict(zip(names, points.T, strict=True))
    values = draw(u.__getitem__)
    samples = np.array([values[name] for name in names])
    return samples[:, 0] + (samples - samples[:, :1]).mean(axis=1), find_covariance(samples)


def find_covariance(samples: FloatArray) -> FloatArray:
    """Return the covariance (P, P) of samples (P, n); what never varies has zeros, without rounding errors."""
    return np.cov(samples - samples[:, :1], bias=True).reshape(len(samples), len(samples))
