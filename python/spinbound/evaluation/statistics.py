"""Numbers over all tissues, their intervals and a verdict, from bias and variance of every tissue.

With N realisations, s^2 = N var/(N - 1), and bias, variance in units of the bound, these have the expectations

    B = bias^2 - s^2/N                          b^2: the mean of N estimates scatters by sigma^2/N
    V = s^2                                     sigma^2
    D = V^2 (N - 1)/(N + 1) - 2 V + 1           (sigma^2 - 1)^2, of normal estimates
    L = B + V = bias^2 + var                    b^2 + sigma^2, the loss (eq. 4)

where b and sigma^2 are the true bias and variance (theory, section 17).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import BoolArray, FloatArray

RESAMPLES, SEED = 1000, 0
LEVELS = (0.025, 0.975)  # 95 % of the resamples lie between them
MIN_TISSUES = 10  # resamples of fewer tissues are too much alike for a bootstrap


class Statistics(NamedTuple):
    """Statistics of the estimates of each tissue, all of one shape: (S, n, P), or a selection of it."""

    bias: FloatArray
    variance: FloatArray
    n_finite: npt.NDArray[np.int32]
    bound: FloatArray

    def select(self, index: Any) -> Statistics:
        """Select the statistics at an index."""
        return Statistics(self.bias[index], self.variance[index], self.n_finite[index], self.bound[index])

    @property
    def is_bounded(self) -> BoolArray:
        """Whether the bound can be a divisor."""
        return np.asarray(np.isfinite(self.bound) & (self.bound > 0))

    @property
    def used(self) -> BoolArray:
        """Whether there is a bound, and at least two estimates."""
        return self.is_bounded & (self.n_finite > 1)


@dataclass(frozen=True)
class LossParts:
    """Parts of the loss of every tissue in units of the bound, each (S, n, P), zero where `used` is False."""

    loss: FloatArray
    bias: FloatArray
    variance: FloatArray
    deviation: FloatArray
    used: BoolArray

    @property
    def stacked(self) -> FloatArray:
        """(n, 5, S, P): loss, bias, variance and deviation, and 1 where they are used."""
        numbers = (self.loss, self.bias, self.variance, self.deviation, self.used.astype(np.float64))
        return np.ascontiguousarray(np.stack(numbers).transpose(2, 0, 1, 3))


def compute_parts(found: Statistics) -> LossParts:
    """Compute B, V, D and L."""
    used = found.used
    N = np.where(used, found.n_finite, 2)
    bound = np.where(used, found.bound, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        squared, var = (np.where(used, values, 0) / bound for values in (found.bias**2, found.variance))
        V = var * N / (N - 1)
        D = V**2 * (N - 1) / (N + 1) - 2 * V + 1
        return LossParts(squared + var, squared - V / N, V, np.where(used, D, 0), used)


# Means over tissues, and their intervals


class Means(NamedTuple):
    """Means over tissues, each (4, S, P + 1): of L, B, V and D, of every parameter and, last, of all together."""

    means: FloatArray
    low: FloatArray
    high: FloatArray


def bootstrap_means(parts: LossParts) -> Means:
    """Compute means with 95 % intervals by a bootstrap over tissues, NaN where these are fewer than 10."""
    values = parts.stacked
    sums = values.sum(axis=0)
    resampled = np.stack(list(_resamples(values)), axis=1)
    with np.errstate(invalid="ignore"):
        low, high = np.quantile(_means(resampled), LEVELS, axis=1)

    enough = _append_total(sums[-1]) >= MIN_TISSUES
    return Means(_means(sums), np.where(enough, low, np.nan), np.where(enough, high, np.nan))


def _resamples(values: FloatArray) -> Iterator[FloatArray]:
    """Yield sums (5, S, P) over as many tissues as there are, drawn with replacement: all numbers of the same draw.

    `scipy.stats.bootstrap` would draw again for each of them, and hold a copy of every resample.
    """
    n, rng = len(values), np.random.default_rng(SEED)
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)
        yield np.einsum("n,nkij->kij", times, values)  # not by BLAS, whose bits depend on its threads


def _means(sums: FloatArray) -> FloatArray:
    """Return means (4, ..., S, P + 1) from sums (5, ..., S, P)."""
    *totals, count = (_append_total(each) for each in sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.stack(totals) / count)


def _append_total(values: FloatArray) -> FloatArray:
    return np.concatenate([values, values.sum(axis=-1, keepdims=True)], axis=-1)


# Tests


@dataclass(frozen=True)
class Verdict:
    """The answer whether the estimates of a parameter are efficient and unbiased, at one SNR.

    Attributes
    ----------
    name, snr
        Name of the parameter, and level of the SNR.
    p_bias, p_variance, p_spread : float
        Probabilities, times the number of all tests but at most 1, of results as extreme as these if the estimates were
        normal, unbiased and of the bound's variance: of the biases of all tissues, of the mean variance, and of
        variances that are too different from tissue to tissue.
    bias_limit : float
        The upper end of the interval of the bias part, corrected for the number of realisations.
    spread_limit : float
        The upper end of the interval of the root mean square of variance/CRB - 1 over the tissues; not less than the
        distance from 1 of either end of that of the mean of variance/CRB, which holds whatever the distribution.
    n_not_finite : int
        Number of estimates that are not finite, of tissues with a bound; unless it is 0, both answers are no.
    level, margin : float
        The level of the tests, and the margin of the verdict, as given.

    Examples
    --------
    >>> import numpy as np, spinbound as sb
    >>> data = sb.reference_set(sb.sequences.load("hybrid-mt-4s"), sb.Tissue(m0s=[0.1, 0.2]), wrt=("M0", "m0s"))
    >>> report = sb.evaluate(lambda signals: {"m0s": np.full(len(signals), 0.15)}, data, snr=50, realizations=5)
    >>> verdict = report.verdicts()["m0s"][0]
    >>> isinstance(verdict, sb.Verdict), verdict.detected
    (True, ('bias', 'variance', 'spread'))
    """

    name: str
    snr: float
    p_bias: float
    p_variance: float
    p_spread: float
    bias_limit: float
    spread_limit: float
    n_not_finite: int
    level: float
    margin: float

    @property
    def detected(self) -> tuple[str, ...]:
        """The significant deviations: bias, variance, spread."""
        found = {"bias": self.p_bias, "variance": self.p_variance, "spread": self.p_spread}
        return tuple(name for name, p in found.items() if p < self.level)

    @property
    def no_deviation(self) -> bool:
        """Whether no test finds a deviation; with few data there may still be one."""
        return min(self.p_bias, self.p_variance, self.p_spread) >= self.level and self.n_not_finite == 0

    @property
    def within_margin(self) -> bool:
        """Whether bias and variance are shown to be within the margin of an efficient unbiased estimator's.

        bias^2/CRB adds less than the margin to the loss, and variance/CRB is 1 up to the margin (root mean square over
        tissues), each with the upper end of its 95 % interval.
        """
        return self.bias_limit <= self.margin and self.spread_limit <= self.margin and self.n_not_finite == 0

    def __str__(self) -> str:
        near = f"within {100 * self.margin:g} % of the bound"
        if self.n_not_finite:
            return f"no: {self.n_not_finite:,} estimate{'s are' if self.n_not_finite > 1 else ' is'} not finite"
        if self.within_margin:
            return f"yes: {near}, " + (
                f"though deviations are detectable ({', '.join(self.detected)})"
                if self.detected
                else "no deviation detectable"
            )
        if not self.detected:
            found = "no deviation detectable" if self.no_deviation else "there is no tissue to judge by"
            return f"open: {found}, not shown to be {near}"
        return f"no: deviations are detectable ({', '.join(self.detected)}), not shown to be {near}"


def p_values(found: Statistics, realizations: int) -> tuple[float, float, float]:
    """Return p values of one parameter at one SNR, (n,) each, from the tissues whose estimates are all finite.

    For normal estimates, t = bias/(s/sqrt(N)) has Student's distribution and N var/CRB is chi^2 with N - 1 degrees of
    freedom. Both are turned into the square of a standard normal number of the same two-sided probability, the sum of
    which over n tissues is chi^2 with n degrees; the sum of N var/CRB itself has n (N - 1).
    """
    from scipy import special

    whole = found.is_bounded & (found.n_finite == realizations)
    if not whole.any():
        return np.nan, np.nan, np.nan

    bias, variance, _, bound = found.select(whole)
    n, N = int(whole.sum()), realizations
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        t_squared = np.where(bias == 0, 0, bias**2 * (N - 1) / variance)
        ratios = N * variance / bound
    of_bias = special.fdtrc(1, N - 1, t_squared)
    of_spread = _two_sided(special.chdtr(N - 1, ratios), special.chdtrc(N - 1, ratios))
    total, degrees = ratios.sum(), n * (N - 1)
    return (
        float(special.chdtrc(n, special.chdtri(1, of_bias).sum())),
        float(_two_sided(special.chdtr(degrees, total), special.chdtrc(degrees, total))),
        float(special.chdtrc(n, special.chdtri(1, of_spread).sum())),
    )


def _two_sided(below: npt.NDArray[np.float64], above: npt.NDArray[np.float64]) -> FloatArray:
    return np.asarray(np.minimum(1, 2 * np.minimum(below, above)))
