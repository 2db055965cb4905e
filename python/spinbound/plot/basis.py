"""Figures of the energy and bounds that bases preserve, over the number of their vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spinbound.base.errors import InvalidParameter

from .maps import make_panels, set_log_ticks
from .style import QUANTITIES, apply_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from spinbound.analysis.basis_report import BasisQuality


HIGH = 0.95  # the quantile of the dashed lines
TOP = 100.0  # of the axes, unless even the last median is above


@apply_style
def basis_report(reports: BasisQuality | Mapping[str, BasisQuality]) -> Figure:
    """Draw the energy lost and CRB(rank)/CRB(full) over the number of vectors, for one basis or several.

    Parameters
    ----------
    reports
        The result of `spinbound.basis_report`; or several results of the same unknowns, by a name for the legend.

    Returns
    -------
    Figure
        A panel for the percentage of the signals' energy that is lost, and one for each unknown with the median
        (solid) and the 95th percentile (dashed) over the tissues. Values that are infinite or off the axis are omitted.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    InvalidParameter
        If `reports` is empty, or its entries have different unknowns.
    """
    named = dict(reports) if isinstance(reports, Mapping) else {"": reports}
    names = list(next(iter(named.values())).crb) if named else []
    if not names or any(list(quality.crb) != names for quality in named.values()):
        raise InvalidParameter("reports must be one or more, of the same unknowns")

    figure, (first, *panels) = make_panels(1 + len(names), 1.9)
    for label, quality in named.items():
        first.plot(quality.ranks, 100 * (1 - quality.energy), ".-", label=label)
    first.set(yscale="log", xlabel="number of vectors", ylabel="energy lost (%)")
    finish_log_axis(first)
    for panel, name in zip(panels, names, strict=True):
        draw_ratios(panel, list(named.values()), name)
    figure.suptitle("solid: median over the tissues; dashed: 95th percentile", fontsize=8)

    if any(named):
        figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=len(named))
    return figure


def draw_ratios(panel: Axes, qualities: list[BasisQuality], name: str) -> None:
    """Draw median and high quantile of one unknown, for each basis."""
    top = TOP
    for quality in qualities:
        median, high = (hide_infinite(quality.quantiles(q)[name]) for q in (0.5, HIGH))
        (line,) = panel.plot(quality.ranks, median, ".-")
        panel.plot(quality.ranks, high, "--", color=line.get_color(), linewidth=0.7)
        top = max(top, float(np.nan_to_num(2 * median[-1])))
    panel.axhline(1, color="0.7", linewidth=0.6, zorder=0)
    label = rf"$\mathrm{{CRB}}\,/\,\mathrm{{CRB}}_\mathrm{{full}}$ of ${QUANTITIES[name].symbol}$"
    panel.set(yscale="log", ylim=(0.9, top), xlabel="number of vectors", ylabel=label)
    finish_log_axis(panel)


def finish_log_axis(panel: Axes) -> None:
    """Write plain numbers on the vertical axis, and whole ones on the horizontal."""
    from matplotlib.ticker import MaxNLocator

    low, high = panel.get_ylim()
    set_log_ticks(panel.yaxis, high / low)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))


def hide_infinite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace infinite values by NaN, which no line shows."""
    return np.where(np.isfinite(values), values, np.nan)
