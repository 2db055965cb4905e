"""Report cards of estimators: histograms of bias and standard deviation, and the parts of the loss.

Every function takes one `Evaluation`, or several by the names of their estimators, which are drawn side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from spinbound.base.errors import FloatArray, InvalidParameter
from spinbound.evaluation.card import find_common

from .maps import make_panels, set_log_ticks
from .style import QUANTITIES, WIDTH, Quantity, apply_style, make_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from spinbound.evaluation.card import Evaluation

    Cards = Mapping[str, Evaluation]
    OneOrMore = Evaluation | Cards

BINS = 60  # of a histogram
TISSUES_PER_BIN = 30  # least number of tissues in a bin, where tissues are sorted by their bound
CRB_BINS = 12  # largest number of such bins
CENTRAL = (1, 99)  # percentiles between which histograms lie, as few tissues are far beyond
LOWEST = 1e-4  # least part of a loss that is drawn


@apply_style
def bias_histograms(reports: OneOrMore, snr: float | None = None) -> Figure:
    r"""Draw histograms of the bias over the tissues, in units of the parameter: Fig. 3 of arXiv 2109.10535.

    Parameters
    ----------
    reports
        One report card or several.
    snr
        The level of the SNR; by default the first that all report cards have.

    Returns
    -------
    Figure
        A panel per parameter. Its bins lie between the 1st and the 99th percentile of all biases; biases beyond count
        in the last bins.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    InvalidParameter
        If the report cards have no parameter or level in common.
    """
    cards, level = select_cards(reports, snr)

    def values(card: Evaluation, name: str) -> FloatArray:
        return QUANTITIES[name].scale * select_level(card, level, card.bias[name])

    return draw_histograms(cards, level, values, 0, lambda quantity: f"bias of {quantity.label}")


@apply_style
def std_histograms(reports: OneOrMore, snr: float | None = None) -> Figure:
    r"""Draw histograms of the standard deviation over the root of the Cramér-Rao bound: Fig. 4 of arXiv 2109.10535.

    Parameters
    ----------
    reports
        One report card or several.
    snr
        The level of the SNR; by default the first that all report cards have.

    Returns
    -------
    Figure
        A panel per parameter; a line at 1, that of an efficient unbiased estimator. Bins as in `bias_histograms`.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    InvalidParameter
        If the report cards have no parameter or level in common.
    """
    cards, level = select_cards(reports, snr)

    def values(card: Evaluation, name: str) -> FloatArray:
        return select_level(card, level, card.std_ratio(name))

    return draw_histograms(
        cards, level, values, 1, lambda quantity: rf"std of ${quantity.symbol}\,/\,\sqrt{{\mathrm{{CRB}}}}$"
    )


@apply_style
def loss_over_snr(reports: OneOrMore, trained: tuple[float, float] | None = None) -> Figure:
    """Draw the loss of all parameters and its parts over the SNR: Fig. 5 of arXiv 2109.10535.

    Parameters
    ----------
    reports
        One report card or several, which need not have the same levels.
    trained
        The range of the SNR that an estimator was trained for; it is shaded.

    Returns
    -------
    Figure
        A panel per report card: the parts of eq. (5), corrected for the number of realisations, with the 95 % interval
        of the loss; dotted, the loss that is achievable with the prior. A part below the axis, or negative, is not
        drawn.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    InvalidParameter
        If there is no report card.
    """
    cards, _ = select_cards(reports, None, any_level=True)
    figure, panels = make_panels(len(cards), 2.4)
    for panel, (label, card) in zip(panels, cards.items(), strict=True):
        draw_parts(panel, card)
        if trained:
            panel.axvspan(*trained, color="0.9", zorder=-1)
        panel.set(title=label, xlabel="SNR $|M_0|/\\sigma$", ylabel="loss in units of the bound")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return share_vertical(figure, panels)


@apply_style
def loss_over_crb(reports: OneOrMore, snr: float | None = None) -> Figure:
    r"""Draw the parts of the loss over the Cramér-Rao bound, parameter by parameter: Fig. 6 of arXiv 2109.10535.

    Parameters
    ----------
    reports
        One report card or several.
    snr
        The level of the SNR; by default the first that all report cards have.

    Returns
    -------
    Figure
        A row per report card, a panel per parameter: means of bias^2/CRB (corrected for the number of realisations)
        and variance/CRB of tissues with similar bounds, in bins of equally many.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    InvalidParameter
        If the report cards have no parameter or level in common.
    """
    cards, level = select_cards(reports, snr)
    names = find_common_names(cards)
    figure = make_figure(2.0 * len(cards) + 0.5, WIDTH if len(names) > 1 else WIDTH / 2)
    panels = figure.subplots(len(cards), len(names), squeeze=False)
    for row, (label, card) in zip(panels, cards.items(), strict=True):
        for panel, name in zip(row, names, strict=True):
            draw_by_bound(panel, card, name, level)
            panel.set_xlabel(rf"$\sqrt{{\mathrm{{CRB}}}}$ of {QUANTITIES[name].label}")
        row[0].set_ylabel(f"{label}\nloss in units of the bound" if label else "loss in units of the bound")
    for column in panels.T:
        share_vertical(figure, list(column))
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle(f"SNR $|M_0|/\\sigma$ = {level:g}", fontsize=8)
    return figure


# The report cards and their level


def select_cards(
    reports: OneOrMore, snr: float | None, name: str | None = None, *, any_level: bool = False
) -> tuple[dict[str, Evaluation], float]:
    """Return the report cards by their labels, the empty label for one alone, and the level."""
    cards = dict(reports) if isinstance(reports, Mapping) else {"": reports}
    if any_level and cards:
        return cards, 0.0
    names, levels = find_common(list(cards.values()))
    if name is not None and name not in names:
        raise InvalidParameter(f"{name} was not judged; allowed: {', '.join(names)}")
    if snr is not None and snr not in levels:
        allowed = ", ".join(f"{level:g}" for level in levels)
        raise InvalidParameter(f"snr is {snr:g}; the report cards have in common: {allowed}")
    return cards, levels[0] if snr is None else float(snr)


def find_common_names(cards: Cards) -> list[str]:
    """Find the parameters that all report cards have."""
    return find_common(list(cards.values()))[0]


def select_level(card: Evaluation, level: float, values: FloatArray) -> FloatArray:
    """Select the maps (...) of one level from those of all levels (S, ...)."""
    return np.asarray(values[int(np.flatnonzero(card.snr == level)[0])])


# Histograms


def draw_histograms(
    cards: Cards,
    level: float,
    values_of: Callable[[Evaluation, str], FloatArray],
    efficient: float,
    label_of: Callable[[Quantity], str],
) -> Figure:
    """Draw a panel per parameter: a line per report card, all with the same bins, and one at the efficient value."""
    names = find_common_names(cards)
    figure, panels = make_panels(len(names), 2.2)
    for panel, name in zip(panels, names, strict=True):
        values = {label: values_of(card, name).ravel() for label, card in cards.items()}
        finite = np.concatenate([each[np.isfinite(each)] for each in values.values()])
        low, high = np.percentile(finite, CENTRAL) if finite.size else (0.0, 1.0)
        edges = np.linspace(low, high if high > low else low + (abs(low) or 1.0), BINS + 1)
        for label, each in values.items():
            inside = np.clip(each[np.isfinite(each)], edges[0], edges[-1])
            panel.stairs(np.histogram(inside, edges)[0], edges, label=label or None, linewidth=1.0)
        panel.axvline(efficient, color="0.7", linewidth=0.6, zorder=0)
        panel.set(xlabel=label_of(QUANTITIES[name]), ylabel="tissues")
    figure.suptitle(f"SNR $|M_0|/\\sigma$ = {level:g}", fontsize=8)
    if any(cards):
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(cards))
    return figure


# The parts of the loss


def draw_parts(panel: Axes, card: Evaluation) -> None:
    """Draw both parts and the loss of all parameters over the SNR."""
    order = np.argsort(card.snr)
    score, levels = card.overall, card.snr[order]
    low, high = score.loss_interval[order].T
    panel.fill_between(levels, low, high, color="0.8", linewidth=0)
    panel.plot(levels, score.loss[order], "k.-", label="loss")
    panel.plot(levels, score.bias_part_corrected[order], ".-", label="bias part")
    panel.plot(levels, score.variance_part_corrected[order], ".-", label="variance part")
    panel.plot(levels, score.achievable_loss[order], "k:", label="achievable")
    finish_loss(panel)


def draw_by_bound(panel: Axes, card: Evaluation, name: str, level: float) -> None:
    """Draw both parts of the loss of one parameter over the root of the bound."""
    root = QUANTITIES[name].scale * np.sqrt(select_level(card, level, card.bound(name))).ravel()
    parts = {
        "bias part": select_level(card, level, card.bias_part(name, corrected=True)).ravel(),
        "variance part": select_level(card, level, card.variance_part(name, corrected=True)).ravel(),
    }
    usable = np.flatnonzero(np.isfinite(root) & np.isfinite(parts["variance part"]))
    order = usable[np.argsort(root[usable], kind="stable")]
    bins = np.array_split(order, max(1, min(CRB_BINS, order.size // TISSUES_PER_BIN)))
    for label, values in parts.items():
        points = [(np.median(root[rows]), np.mean(values[rows])) for rows in bins if rows.size]
        panel.plot(*np.reshape(points, (-1, 2)).T, ".-", label=label)
    finish_loss(panel)


def finish_loss(panel: Axes) -> None:
    """Make the axes logarithmic, and draw a line at the loss of an efficient unbiased estimator."""
    panel.axhline(1, color="0.7", linewidth=0.6, zorder=0)
    panel.set_yscale("log")
    panel.set_ylim(bottom=max(panel.get_ylim()[0], LOWEST))
    if np.isfinite(panel.dataLim.minposx):  # there are points
        panel.set_xscale("log")
        low, high = panel.get_xlim()
        set_log_ticks(panel.xaxis, high / low)


def share_vertical(figure: Figure, panels: list[Axes]) -> Figure:
    """Give all panels the same vertical axis."""
    limits = [panel.get_ylim() for panel in panels]
    for panel in panels:
        panel.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    return figure
