"""The novelty of data, computed from their distance to the nearest plane: theory, (18.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import FloatArray, Progress
from spinbound.estimators.matching.search import normalise

from .charts import Charts


@dataclass(frozen=True, eq=False)
class Measure:
    """A measure of novelty by atoms, their floor and the usual noise.

    Attributes
    ----------
    charts
        The atoms.
    floor : (n,)
        |r|/|M0| of each atom from the planes of the others.
    assumed : float
        sigma/|M0| of data whose noise is not known.
    """

    charts: Charts
    floor: FloatArray
    assumed: float

    def compute(
        self, rows: npt.NDArray[Any], sigma: FloatArray, n_threads: int, progress: Progress | None = None
    ) -> FloatArray:
        """Compute the novelty of data (n, samples), finite and not zero; sigma (n,) is NaN where it is not known."""
        charts, scale = self.charts, self.charts.block.scale
        _, norm, exponent = normalise(rows)
        with np.errstate(over="ignore", under="ignore"):
            noise = np.ldexp(sigma / norm[:, 0], -exponent[:, 0])
        usual = self.assumed / float(np.median(scale))
        found = charts.find_nearest(rows, np.where(np.isnan(noise), usual, noise), n_threads, progress)
        noise = np.where(np.isnan(noise), self.assumed * found.M / found.scale, noise)
        floor = found.M * np.median((self.floor / scale)[found.index], axis=1)

        return np.asarray(found.residual / np.sqrt(charts.degrees_of_freedom * noise**2 + floor**2))
