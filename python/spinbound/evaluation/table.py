"""Report cards as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import InvalidParameter
from spinbound.base.parameters import PARAMETERS
from spinbound.base.text import aligned

if TYPE_CHECKING:
    from .card import Evaluation
    from .score import Score


NUMBERS = ("loss", "95 %", "bias part", "variance part")
FURTHER = ("not finite", "without bound", "loss of the mean")
ERRORS = ("RMSE", "unit", "std/sqrt(CRB): 5 %", "50 %", "95 %")


def table_of(report: Evaluation, margin: float) -> str:
    """A block for each SNR."""
    n = report.crb[report.names[0]].size
    title = (
        f"{report.realizations} realisations of {n:,} tissue{'s'[: n != 1]}; the parts of the loss are corrected for "
        "this number; ideal: loss 1, bias part 0"
    )
    verdicts = report.verdicts(margin)
    return "\n\n".join([title, *(_block(report, k, verdicts) for k in range(report.snr.size))])


def _block(report: Evaluation, k: int, verdicts: Mapping[str, tuple[object, ...]]) -> str:
    scores = {**report.scores, "overall": report.overall}
    head = (f"SNR {report.snr[k]:g}", *NUMBERS, *FURTHER)
    rows = [(name, *_numbers(score, k), *_further(score, k)) for name, score in scores.items()]
    errors = [_errors(report, name, k) for name in report.names]
    words = [f"{name}: {verdicts[name][k]}" for name in report.names]
    return "\n".join([*aligned([head, *rows]), *aligned([("", *ERRORS), *errors]), *words])


def _numbers(score: Score, k: int) -> tuple[str, ...]:
    low, high = score.loss_interval[k]
    interval = f"{low:.3g}-{high:.3g}" if np.isfinite(low) else "-"
    parts = (score.bias_part_corrected[k], score.variance_part_corrected[k])
    return (_number(score.loss[k]), interval, *map(_number, parts))


def _further(score: Score, k: int) -> tuple[str, ...]:
    return f"{score.n_not_finite[k]:,}", f"{score.n_unbounded[k]:,}", _number(score.constant_loss[k])


def _errors(report: Evaluation, name: str, k: int) -> tuple[str, ...]:
    rmse = np.sqrt(report.mse(name).total[k])
    return (name, _number(rmse), PARAMETERS[name].unit, *map(_number, report.ratio_quantiles(name)[k]))


def _number(value: float | npt.NDArray[np.float64]) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "-" if np.isnan(value) else f"{value:g}"


# Side by side


def compared(reports: Mapping[str, Evaluation]) -> str:
    """A block for each SNR and parameter that all have, a line for each estimator."""
    cards = list(reports.values())
    names, levels = common(cards)
    blocks = (_side_by_side(reports, name, level) for level in levels for name in (*names, "overall"))
    return "\n\n".join("\n".join(aligned(block)) for block in blocks)


def common(cards: list[Evaluation]) -> tuple[list[str], list[float]]:
    """Parameters and levels of the SNR that all report cards have.

    Raises
    ------
    InvalidParameter
        If there are none.
    """
    names = [name for name in cards[0].names if all(name in card.names for card in cards)] if cards else []
    levels = [float(level) for level in cards[0].snr if all(level in card.snr for card in cards)] if cards else []
    if not names or not levels:
        raise InvalidParameter("reports must be one or more, with a parameter and an SNR that all of them have")
    return names, levels


def _side_by_side(reports: Mapping[str, Evaluation], name: str, level: float) -> Iterator[tuple[str, ...]]:
    yield (f"{name}, SNR {level:g}", *NUMBERS, *FURTHER)
    for label, report in reports.items():
        score, k = (
            report.overall if name == "overall" else report.scores[name],
            int(np.flatnonzero(report.snr == level)[0]),
        )
        yield (label, *_numbers(score, k), *_further(score, k))
