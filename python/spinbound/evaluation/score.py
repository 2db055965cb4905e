"""The numbers of an evaluation over all tissues: of one parameter, or of all together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import FloatArray


@dataclass(frozen=True)
class Score:
    """Numbers over all tissues, of one parameter or of all together; each (S,), an interval (S, 2).

    Attributes
    ----------
    loss, loss_interval
        Mean squared error in units of the bound (eqs. 4, 5): 1 for an efficient unbiased estimator.
    bias_part, variance_part
        The two parts of the loss, as eq. (4) defines them.
    bias_part_corrected, bias_interval, variance_part_corrected, variance_interval
        The two parts, corrected for the number N of realisations: the mean of N estimates scatters, which adds
        variance/N to the bias part and removes it from the variance part.
    spread
        Root mean square of variance/CRB - 1 over the tissues. It shows too small and too large variances, which
        compensate in a mean.
    achievable_loss
        About the least loss that the prior of the tissues allows: less than 1, since an estimator that knows the prior
        buys less error with bias. A loss between it and 1 is no merit in itself.
    constant_loss
        The loss of the predictor that always answers the mean of the true values of the reference set.
    n_tissues, n_unbounded, n_failed : (S,) int
        Numbers of tissues: those that count (of all parameters together for the overall score), those that are left
        out because their bound is not finite, and those with a bound but fewer than two finite estimates.
    n_not_finite : (S,) int
        Number of estimates that are not finite, over all tissues for which the estimator was asked.

    Examples
    --------
    >>> import numpy as np, spinbound as sb
    >>> data = sb.reference_set(sb.sequences.load("hybrid-mt-4s"), sb.Tissue(m0s=[0.1, 0.2]), wrt=("M0", "m0s"))
    >>> report = sb.evaluate(lambda signals: {"m0s": np.full(len(signals), 0.15)}, data, snr=50, realizations=5)
    >>> isinstance(report.overall, sb.Score), (report.overall.loss / report.overall.constant_loss).round(6).tolist()
    (True, [1.0])
    """

    loss: FloatArray
    loss_interval: FloatArray
    bias_part: FloatArray
    variance_part: FloatArray
    bias_part_corrected: FloatArray
    bias_interval: FloatArray
    variance_part_corrected: FloatArray
    variance_interval: FloatArray
    spread: FloatArray
    spread_interval: FloatArray
    achievable_loss: FloatArray
    constant_loss: FloatArray
    n_tissues: npt.NDArray[np.int64]
    n_unbounded: npt.NDArray[np.int64]
    n_failed: npt.NDArray[np.int64]
    n_not_finite: npt.NDArray[np.int64]


@dataclass(frozen=True)
class SquaredError:
    """Mean squared error of a parameter over all tissues with estimates, in its unit squared, and its parts: (S,).

    Examples
    --------
    >>> import numpy as np, spinbound as sb
    >>> data = sb.reference_set(sb.sequences.load("hybrid-mt-4s"), sb.Tissue(m0s=[0.1, 0.2]), wrt=("M0", "m0s"))
    >>> report = sb.evaluate(lambda signals: {"m0s": np.full(len(signals), 0.1)}, data, snr=50, realizations=5)
    >>> isinstance(report.mse("m0s"), sb.SquaredError), report.mse("m0s").bias.round(6).tolist()
    (True, [0.005])
    """

    total: FloatArray
    bias: FloatArray
    variance: FloatArray
