"""What the paper states of its results, in its own numbers, beside ours.

X. Zhang, Q. Duchemin et al., arXiv 2109.10535: section 3 and the captions and text of the supplement. Where it gives no
number its words stand. Ours come from other tissues, other ranges of the slices and, in Fig. 7, a simulated phantom, so
that they need not be equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spinbound.base.errors import BoolArray, FloatArray
from spinbound.base.text import as_percent
from spinbound.evaluation.card import Evaluation
from spinbound.plot.style import QUANTITIES
from spinbound.tissues.phantom import Phantom

from .judged import Judged
from .measured import NLLS, Maps
from .settings import ESTIMATED, Settings
from .work import Arrays

CRB, MSE = "NN-CRB", "NN-MSE"
BOTH = (CRB, MSE)
WHITE_MATTER = (1.2, 1.6)  # s: T1a by NLLS; chosen around the lowest peak of its histogram in a healthy brain at 3 T
DOMINANT = {True: ("variance dominates", "bias dominates"), False: ("bias dominates", "bias dominates")}  # in training
WORDS = {"m0s": "m0s", "T1a": "T1", "T2f": "T2f"}


@dataclass(frozen=True)
class Row:
    """One statement: where and of what, the paper's for each network, and ours."""

    where: str
    what: str
    paper: tuple[str, str]
    ours: Sequence[str]

    @property
    def cells(self) -> tuple[str, ...]:
        """As a table has them: figure, what, paper and ours of NN-CRB, paper and ours of NN-MSE."""
        return (self.where, self.what, self.paper[0], self.ours[0], self.paper[1], self.ours[1])


HEAD = ("figure", "what", "NN-CRB: paper", "NN-CRB: ours", "NN-MSE: paper", "NN-MSE: ours")


# Simulations


def convergence_rows(curves: Mapping[str, Arrays]) -> Iterator[Row]:
    """Of Fig. 1."""
    least = [f"{np.nanmin(curves[label]['validation_crb_loss']):.3g}" for label in BOTH]
    yield Row("1", "least CRB loss of the validation set", ("approximately 1", "not told"), least)


def slice_rows(judged: Judged) -> Iterator[Row]:
    """Of Figs. 2, 9 and 10, and of T1 in the other slice, as the paper does not tell in which it is."""
    stated = [
        ("2", "T2f", "T1-T2f", ("5.23 ms", "14.1 ms")),
        ("9", "m0s", "T1-m0s", ("0.0053", "0.0065")),
        ("10", "T1a", "T1-T2f", ("0.11 s", "0.07 s")),
        ("10", "T1a", "T1-m0s", ("0.11 s", "0.07 s")),
    ]
    for where, name, plane, paper in stated:
        ours = [with_unit(name, mean_bias(judged.slices[plane][label], name)) for label in BOTH]
        yield Row(where, f"mean |bias| of {WORDS[name]} on the slice {plane}", paper, ours)


def test_rows(judged: Judged, settings: Settings) -> Iterator[Row]:
    """Of Figs. 3 to 6, on random tissues."""
    level = settings.snr_levels.index(settings.snr)
    at, cards = f"at SNR {settings.snr:g}", [judged.test[label] for label in BOTH]
    for name in ESTIMATED:
        ours = [with_unit(name, mean_bias(card, name, level)) for card in cards]
        yield Row("3", f"mean |bias| of {WORDS[name]} {at}", ("smaller", "larger"), ours)
    for name in ESTIMATED:
        ours = [f"{card.ratio_quantiles(name)[level, 1]:.3g}" for card in cards]
        yield Row("4", f"median of std/sqrt(CRB) of {WORDS[name]} {at}", ("near 1", "less near"), ours)
        ours = [as_percent(near_bound(card, name, level)) for card in cards]
        yield Row("4", f"tissues whose std/sqrt(CRB) of {WORDS[name]} is 0.9 to 1.1 {at}", ("not told",) * 2, ours)
    low, high = settings.trained_snr
    for k, snr in enumerate(settings.snr_levels):
        ours = [f"{card.overall.bias_part[k]:.3g} + {card.overall.variance_part[k]:.3g}" for card in cards]
        yield Row("5", f"CRB loss at SNR {snr:g}, bias + variance part", DOMINANT[low <= snr <= high], ours)
    ours = [as_percent(bias_share(card, level)) for card in cards]
    yield Row("5", f"share of the bias in the mean squared error {at}, SI units", ("not told", "bias dominates"), ours)
    for name in ESTIMATED:
        ours = [f"{card.scores[name].bias_part[level]:.3g}" for card in cards]
        words = "smaller" if name == "m0s" else "smaller but at high CRB"
        yield Row("6", f"bias part of the CRB loss of {WORDS[name]} {at}", (words, "larger"), ours)


def mean_bias(card: Evaluation, name: str, level: int = 0) -> float:
    """Mean of |bias| over the tissues, in SI units."""
    return float(np.nanmean(np.abs(card.bias[name][level])))


def bias_share(card: Evaluation, level: int) -> float:
    """Share of the squared bias in the squared error of all parameters in SI units."""
    errors = [card.mse(name) for name in card.names]
    return float(sum(error.bias[level] for error in errors) / sum(error.total[level] for error in errors))


def near_bound(card: Evaluation, name: str, level: int) -> float:
    """Share of the tissues whose standard deviation is within 10 % of the root of the bound."""
    ratio = card.std_ratio(name)[level]
    known = ratio[np.isfinite(ratio)]
    return float(np.mean((known > 0.9) & (known < 1.1)))


# Voxels


def phantom_rows(maps: Maps, phantom: Phantom) -> Iterator[Row]:
    """Of Fig. 7: how far the medians of the tubes are from those of NLLS, and in how many tubes a network is nearer."""
    for name in ESTIMATED:
        gaps = [np.abs(_medians(maps[label], name, phantom) - _medians(maps[NLLS], name, phantom)) for label in BOTH]
        paper = ("nearer for virtually all", "farther")
        ours = [with_unit(name, float(gap.mean())) for gap in gaps]
        nearer = f"; nearer in {int((gaps[0] < gaps[1]).sum())} of {len(gaps[0])}"
        what = f"mean distance of the tubes' medians of {WORDS[name]} from NLLS"
        yield Row("7", what, paper, (ours[0] + nearer, ours[1]))


def _medians(maps: Arrays, name: str, phantom: Phantom) -> FloatArray:
    return np.array([np.nanmedian(maps[name][mask]) for mask in phantom.masks.values()])


def in_vivo_rows(maps: Maps) -> Iterator[Row]:
    """Of Fig. 8: how far the networks are from NLLS, everywhere and where T1 is that of white matter."""
    paper = {
        "m0s": ("approximately 10 %", "slightly larger"),
        "T1a": ("slightly larger", "slightly smaller"),
        "T2f": ("substantially smaller", "substantially larger"),
    }
    for place, mask in (("the slice", np.isfinite(maps[NLLS]["T1a"])), ("white matter", white_matter(maps))):
        for name in ESTIMATED:
            ours = [as_percent(deviation(maps[label], maps[NLLS], name, mask)) for label in BOTH]
            yield Row("8", f"median |deviation| of {WORDS[name]} from NLLS in {place}", paper[name], ours)


def white_matter(maps: Maps) -> BoolArray:
    """(rows, columns) where NLLS finds a T1 of white matter."""
    low, high = WHITE_MATTER
    return np.asarray((maps[NLLS]["T1a"] > low) & (maps[NLLS]["T1a"] < high))


def deviation(maps: Arrays, reference: Arrays, name: str, mask: BoolArray) -> float:
    """Median of the relative absolute deviation over a mask; NaN where there is nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.abs(maps[name] / reference[name] - 1)[mask]
    known = relative[np.isfinite(relative)]
    return float(np.median(known)) if known.size else float("nan")


def with_unit(name: str, value: float, spread: float | None = None) -> str:
    """A value of a parameter in SI units, and its spread if there is one, in words."""
    _, unit, scale = QUANTITIES[name]
    numbers = " ± ".join(f"{scale * number:.3g}" for number in (value, spread) if number is not None)
    return f"{numbers} {unit}".rstrip()
