"""The paper's statements on its results, in its own numbers, beside our results.

X. Zhang, Q. Duchemin et al., arXiv 2109.10535: section 3 and the captions and text of the supplement. Where it gives no
number we quote its words. Our results come from other tissues, other ranges of the slices and, in Fig. 7, a simulated
phantom, so they need not be equal.
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

from .judged import AllCards
from .measured import NLLS, Maps
from .settings import ESTIMATED, Settings
from .work import Arrays

CRB, MSE = "NN-CRB", "NN-MSE"
BOTH = (CRB, MSE)
WHITE_MATTER = (1.2, 1.6)  # s: T1a by NLLS; chosen around the lowest peak of its histogram in a healthy brain at 3 T
DOMINANT = {True: ("variance dominates", "bias dominates"), False: ("bias dominates", "bias dominates")}  # in training
# Mean |bias| on a slice: the figure, the parameter, the slice, the words for NN-CRB and NN-MSE.
MEAN_BIASES = (
    ("2", "T2f", "T1-T2f", ("5.23 ms", "14.1 ms")),
    ("9", "m0s", "T1-m0s", ("0.0053", "0.0065")),
    ("10", "T1a", "T1-T2f", ("0.11 s", "0.07 s")),
    ("10", "T1a", "T1-m0s", ("0.11 s", "0.07 s")),
)
WORDS = {"m0s": "m0s", "T1a": "T1", "T2f": "T2f"}


@dataclass(frozen=True)
class Row:
    """One statement: the figure, the quantity, the value of the paper for each network, and ours."""

    where: str
    what: str
    paper: tuple[str, str]
    ours: Sequence[str]

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of a table: figure, quantity, paper and ours of NN-CRB, paper and ours of NN-MSE."""
        return (self.where, self.what, self.paper[0], self.ours[0], self.paper[1], self.ours[1])


HEAD = ("figure", "what", "NN-CRB: paper", "NN-CRB: ours", "NN-MSE: paper", "NN-MSE: ours")


# Simulations


def compare_convergence(curves: Mapping[str, Arrays]) -> Iterator[Row]:
    """Yield the row of Fig. 1."""
    least = [f"{np.nanmin(curves[label]['validation_crb_loss']):.3g}" for label in BOTH]
    yield Row("1", "least CRB loss of the validation set", ("approximately 1", "not told"), least)


def compare_slices(judged: AllCards) -> Iterator[Row]:
    """Yield the rows of Figs. 2, 9 and 10; T1 is in both slices, as the paper does not tell in which it is."""
    for where, name, plane, paper in MEAN_BIASES:
        ours = [format_with_unit(name, compute_mean_bias(judged.slices[plane][label], name)) for label in BOTH]
        yield Row(where, f"mean |bias| of {WORDS[name]} on the slice {plane}", paper, ours)


def compare_random_tissues(judged: AllCards, settings: Settings) -> Iterator[Row]:
    """Yield the rows of Figs. 3 to 6, on random tissues."""
    level = settings.snr_levels.index(settings.snr)
    at, cards = f"at SNR {settings.snr:g}", [judged.test[label] for label in BOTH]
    for name in ESTIMATED:
        ours = [format_with_unit(name, compute_mean_bias(card, name, level)) for card in cards]
        yield Row("3", f"mean |bias| of {WORDS[name]} {at}", ("smaller", "larger"), ours)
    for name in ESTIMATED:
        ours = [f"{card.ratio_quantiles(name)[level, 1]:.3g}" for card in cards]
        yield Row("4", f"median of std/sqrt(CRB) of {WORDS[name]} {at}", ("near 1", "less near"), ours)
        ours = [as_percent(compute_share_near_bound(card, name, level)) for card in cards]
        yield Row("4", f"tissues whose std/sqrt(CRB) of {WORDS[name]} is 0.9 to 1.1 {at}", ("not told",) * 2, ours)
    low, high = settings.trained_snr
    for k, snr in enumerate(settings.snr_levels):
        ours = [f"{card.overall.bias_part[k]:.3g} + {card.overall.variance_part[k]:.3g}" for card in cards]
        yield Row("5", f"CRB loss at SNR {snr:g}, bias + variance part", DOMINANT[low <= snr <= high], ours)
    ours = [as_percent(compute_bias_share(card, level)) for card in cards]
    yield Row("5", f"share of the bias in the mean squared error {at}, SI units", ("not told", "bias dominates"), ours)
    for name in ESTIMATED:
        ours = [f"{card.scores[name].bias_part[level]:.3g}" for card in cards]
        words = "smaller" if name == "m0s" else "smaller but at high CRB"
        yield Row("6", f"bias part of the CRB loss of {WORDS[name]} {at}", (words, "larger"), ours)


def compute_mean_bias(card: Evaluation, name: str, level: int = 0) -> float:
    """Return the mean of |bias| over the tissues, in SI units."""
    return float(np.nanmean(np.abs(card.bias[name][level])))


def compute_bias_share(card: Evaluation, level: int) -> float:
    """Return the share of the squared bias in the squared error of all parameters in SI units."""
    errors = [card.mse(name) for name in card.names]
    return float(sum(error.bias[level] for error in errors) / sum(error.total[level] for error in errors))


def compute_share_near_bound(card: Evaluation, name: str, level: int) -> float:
    """Return the share of the tissues whose standard deviation is within 10 % of the root of the bound."""
    ratio = card.std_ratio(name)[level]
    known = ratio[np.isfinite(ratio)]
    return float(np.mean((known > 0.9) & (known < 1.1)))


# Voxels


def compare_phantom(maps: Maps, phantom: Phantom) -> Iterator[Row]:
    """Yield the rows of Fig. 7: distances of the tubes' medians from NLLS, and how often NN-CRB is nearer."""
    for name in ESTIMATED:
        gaps = [
            np.abs(_find_medians(maps[label], name, phantom) - _find_medians(maps[NLLS], name, phantom))
            for label in BOTH
        ]
        paper = ("nearer for virtually all", "farther")
        ours = [format_with_unit(name, float(gap.mean())) for gap in gaps]
        nearer = f"; nearer in {int((gaps[0] < gaps[1]).sum())} of {len(gaps[0])}"
        what = f"mean distance of the tubes' medians of {WORDS[name]} from NLLS"
        yield Row("7", what, paper, (ours[0] + nearer, ours[1]))


def _find_medians(maps: Arrays, name: str, phantom: Phantom) -> FloatArray:
    return np.array([np.nanmedian(maps[name][mask]) for mask in phantom.masks.values()])


def compare_in_vivo(maps: Maps) -> Iterator[Row]:
    """Yield the rows of Fig. 8: deviations from NLLS, everywhere and where T1 is that of white matter."""
    paper = {
        "m0s": ("approximately 10 %", "slightly larger"),
        "T1a": ("slightly larger", "slightly smaller"),
        "T2f": ("substantially smaller", "substantially larger"),
    }
    for place, mask in (("the slice", np.isfinite(maps[NLLS]["T1a"])), ("white matter", find_white_matter(maps))):
        for name in ESTIMATED:
            ours = [as_percent(compute_median_deviation(maps[label], maps[NLLS], name, mask)) for label in BOTH]
            yield Row("8", f"median |deviation| of {WORDS[name]} from NLLS in {place}", paper[name], ours)


def find_white_matter(maps: Maps) -> BoolArray:
    """Find the voxels (rows, columns) in which NLLS finds a T1 of white matter."""
    low, high = WHITE_MATTER
    return np.asarray((maps[NLLS]["T1a"] > low) & (maps[NLLS]["T1a"] < high))


def compute_median_deviation(maps: Arrays, reference: Arrays, name: str, mask: BoolArray) -> float:
    """Return the median of the relative absolute deviation over a mask; NaN if there is no value."""
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.abs(maps[name] / reference[name] - 1)[mask]
    known = relative[np.isfinite(relative)]
    return float(np.median(known)) if known.size else float("nan")


def format_with_unit(name: str, value: float, spread: float | None = None) -> str:
    """Format a value of a parameter, given in SI units, and its spread if there is one, with the unit."""
    _, unit, scale = QUANTITIES[name]
    numbers = " ± ".join(f"{scale * number:.3g}" for number in (value, spread) if number is not None)
    return f"{numbers} {unit}".rstrip()
