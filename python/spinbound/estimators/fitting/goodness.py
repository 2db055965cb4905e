"""The goodness of a fit: how much of the data the fitted signals leave, and whether noise explains it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import nan

import numpy as np

from spinbound.base.errors import FloatArray
from spinbound.base.text import as_percent

LARGEST_RESIDUAL = 0.1  # of the median voxel, unless noise explains it
LARGEST_CHI_SQUARED = 2.0  # per degree of freedom, that still counts as noise
NOISE_MARGIN = 1.25  # of the energy of noise, where it is estimated


@dataclass(frozen=True)
class Goodness:
    """The goodness of the fits of many voxels; NaN where none has a result.

    Attributes
    ----------
    median_residual, residual_95
        Median and 95th percentile over the voxels of ``|y - M0 s|/|y|``.
    median_chi_squared : float or None
        Median of chi^2 per degree of freedom, about 1 if the data are a signal and the given noise; None where the
        noise is not given.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> data = sb.simulate(seq, sb.Tissue(m0s=[0.1, 0.2]))
    >>> fit = sb.fit(data, seq, free=("M0", "m0s"), start={"m0s": 0.15})
    >>> fit.goodness.median_residual < 1e-6, fit.goodness.median_chi_squared
    (True, None)
    """

    median_residual: float
    residual_95: float
    median_chi_squared: float | None

    @classmethod
    def of(cls, residual: FloatArray, chi_squared: FloatArray | None) -> Goodness:
        """Summarise maps (...) of the residual and of chi^2 per degree of freedom."""
        chi = None if chi_squared is None else _percentile(chi_squared, 50)
        return cls(_percentile(residual, 50), _percentile(residual, 95), chi)

    def is_misfit(self, noise: float = 0.0) -> bool:
        """Say whether half of the voxels leave more than 10 % that noise, given or such a share, does not explain."""
        if self.median_chi_squared is not None and self.median_chi_squared <= LARGEST_CHI_SQUARED:
            return False
        share = noise if self.median_chi_squared is None else 0.0
        return self.median_residual**2 > LARGEST_RESIDUAL**2 + NOISE_MARGIN * share

    @property
    def lines(self) -> list[str]:
        """The goodness in words, a line for the residual and one for chi^2 if the noise is given."""
        residual = f"residual: median {as_percent(self.median_residual)}, 95 % of voxels below "
        chi = [] if self.median_chi_squared is None else [f"chi^2 per degree of freedom: {self.median_chi_squared:.3g}"]
        return [residual + as_percent(self.residual_95), *chi]

    def as_dict(self) -> Mapping[str, float | None]:
        """Return the numbers by their names."""
        return asdict(self)


def warn_of_misfit(goodness: Goodness, noise: float) -> None:
    """Warn, in the name of the caller's caller, of data that are not explained, of which noise has that share."""
    if not goodness.is_misfit(noise):
        return
    known = "" if goodness.median_chi_squared is None else f" (chi^2/dof {goodness.median_chi_squared:.3g})"
    reason = "" if known else "unless the noise is that large, which sigma= would tell, "
    warnings.warn(
        f"the fit leaves {as_percent(goodness.median_residual)} of the data in the median voxel{known}: {reason}data, "
        "sequence and basis do not belong together, fixed parameters or bounds are wrong, or minima are (multi_start)",
        stacklevel=3,
    )


def _percentile(values: FloatArray, share: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.percentile(known, share)) if known.size else nan
