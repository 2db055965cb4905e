"""Scores of report cards as text, for one estimator at a level of the SNR, or for several side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from spinbound.base.parameters import PARAMETERS
from spinbound.base.text import align_columns

from .score import Score

NUMBERS = ("loss", "95 %", "bias part", "variance part")
FURTHER = ("not finite", "without bound", "achievable", "loss of the mean")
ERRORS = ("RMSE", "unit", "std/sqrt(CRB): 5 %", "50 %", "95 %")

Scores = Mapping[str, tuple[Score, int]]  # by the label of a line, each with its level of the SNR


def make_title(realizations: int, n: int, prior: str) -> str:
    """Return the line above the blocks of a report card."""
    return (
        f"{realizations} realisations of {n:,} tissue{'s'[: n != 1]}; the parts of the loss are corrected for this "
        f"number; loss 1, bias part 0: efficient and unbiased; achievable: about the least loss with {prior}"
    )


def level_table(head: str, scores: Scores, errors: Mapping[str, tuple[float, ...]], verdicts: Mapping[str, str]) -> str:
    """Format the scores of an estimator, its errors and quantiles by parameter, and the verdicts on them."""
    rows = [(name, _number(rmse), PARAMETERS[name].unit, *map(_number, rest)) for name, (rmse, *rest) in errors.items()]
    words = [f"{name}: {verdict}" for name, verdict in verdicts.items()]
    return "\n".join([score_table(head, scores), *align_columns([("", *ERRORS), *rows]), *words])


def score_table(head: str, scores: Scores) -> str:
    """Format scores, one per line."""
    rows = ((label, *_numbers(score, k), *_further(score, k)) for label, (score, k) in scores.items())
    return "\n".join(align_columns([(head, *NUMBERS, *FURTHER), *rows]))


def _numbers(score: Score, k: int) -> tuple[str, ...]:
    low, high = score.loss_interval[k]
    interval = f"{low:.3g}-{high:.3g}" if np.isfinite(low) else "-"
    parts = (score.bias_part_corrected[k], score.variance_part_corrected[k])
    return (_number(score.loss[k]), interval, *map(_number, parts))


def _further(score: Score, k: int) -> tuple[str, ...]:
    losses = (score.achievable_loss[k], score.constant_loss[k])
    return (f"{score.n_not_finite[k]:,}", f"{score.n_unbounded[k]:,}", *map(_number, losses))


def _number(value: float | npt.NDArray[np.float64]) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "-" if np.isnan(value) else f"{value:g}"
