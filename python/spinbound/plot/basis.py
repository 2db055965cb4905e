"""What bases keep of energy and bounds, over the number of their vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spinbound.base.errors import InvalidParameter

from .maps import panels_for, plain_log_ticks
from .style import QUANTITIES, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from spinbound.analysis.basis_report import BasisQuality


HIGH = 0.95  # the quantile of the dashed lines
TOP = 100.0  # of the axes, unless even the last median is above


@styled
def basis_report(reports: BasisQuality | Mapping[str, BasisQuality]) -> Figure:
    """Energy lost and CRB(rank)/CRB(full) over the number of vectors, of one basis or of several for comparison.

    Parameters
    ----------
    reports
        What `spinbound.basis_report` returned; or several of them by a name for the legend, with the same unknowns.

    Returns
    -------
    Figure
        A panel for the percentage of the signals' energy that is lost, and one for each unknown with the median
        (solid) and the 95th percentile (dashed) over the tissues. What is infinite or beyond the axis is not drawn.

    Raises
    ------
    InvalidParameter
        If there is no report, or the reports have different unknowns.
    """
    named = dict(reports) if isinstance(reports, Mapping) else {"": reports}
    names = list(next(iter(named.values())).crb) if named else []
    if not names or any(list(report.crb) != names for report in named.values()):
        raise InvalidParameter("reports must be one or more, of the same unknowns")
    figure, (first, *panels) = panels_for(1 + len(names), 1.9)
    for label, report in named.items():
        first.plot(report.ranks, 100 * (1 - report.energy), ".-", label=label)
    first.set(yscale="log", xlabel="number of vectors", ylabel="energy lost (%)")
    finish_log_axis(first)
    for panel, name in zip(panels, names, strict=True):
        draw_ratios(panel, list(named.values()), name)
    figure.suptitle("solid: median over the tissues; dashed: 95th percentile", fontsize=8)
    if any(named):
        figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=len(named))
    return figure


def draw_ratios(panel: Axes, reports: list[BasisQuality], name: str) -> None:
    """One unknown: median and high quantile of each report."""
    top = TOP
    for report in reports:
        median, high = (finite(report.quantiles(q)[name]) for q in (0.5, HIGH))
        (line,) = panel.plot(report.ranks, median, ".-")
        panel.plot(report.ranks, high, "--", color=line.get_color(), linewidth=0.7)
        top = max(top, float(np.nan_to_num(2 * median[-1])))
    panel.axhline(1, color="0.7", linewidth=0.6, zorder=0)
    label = rf"$\mathrm{{CRB}}\,/\,\mathrm{{CRB}}_\mathrm{{full}}$ of ${QUANTITIES[name].symbol}$"
    panel.set(yscale="log", ylim=(0.9, top), xlabel="number of vectors", ylabel=label)
    finish_log_axis(panel)


def finish_log_axis(panel: Axes) -> None:
    """Plain numbers on the vertical axis, whole ones on the horizontal."""
    from matplotlib.ticker import MaxNLocator

    low, high = panel.get_ylim()
    plain_log_ticks(panel.yaxis, high / low)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))


def finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN, which no line shows, for what is infinite."""
    return np.where(np.isfinite(values), values, np.nan)
