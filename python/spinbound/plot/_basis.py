"""What bases keep of energy and bounds, over the number of their vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .._validate import InvalidParameter
from ._maps import panels_for, plain_log_ticks
from ._style import QUANTITIES, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .._basis_report import BasisReport

LOW, HIGH = 0.05, 0.95  # quantiles that the bands reach to


@styled
def basis_report(reports: BasisReport | Mapping[str, BasisReport]) -> Figure:
    """Energy lost and CRB(rank)/CRB(full) over the number of vectors, of one basis or of several for comparison.

    Parameters
    ----------
    reports
        What `Basis.report` returned; or several of them by a name for the legend, with the same unknowns.

    Returns
    -------
    Figure
        A panel for the fraction of the signals' energy that is lost, and one for each unknown: the median over the
        tissues as a line, from the 5th to the 95th percentile as a band. Where more than half of the tissues are not
        determined the line ends.

    Raises
    ------
    InvalidParameter
        If there is no report, or the reports have different unknowns.
    """
    named = dict(reports) if isinstance(reports, Mapping) else {"": reports}
    names = list(next(iter(named.values())).crb) if named else []
    if not names or any(list(report.crb) != names for report in named.values()):
        raise InvalidParameter("reports must be one or more, of the same unknowns")
    figure, panels = panels_for(1 + len(names), 1.9)
    for label, report in named.items():
        panels[0].plot(report.ranks, 1 - report.energy, ".-", label=label)
        for panel, name in zip(panels[1:], names, strict=True):
            draw_ratio(panel, report, name)
    panels[0].set(yscale="log", xlabel="number of vectors", ylabel="energy lost")
    for panel, name in zip(panels[1:], names, strict=True):
        finish_ratio(panel, f"$\\mathrm{{CRB}}/\\mathrm{{CRB}}_\\mathrm{{full}}$ of ${QUANTITIES[name].symbol}$")
    if any(named):
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(named))
    return figure


def draw_ratio(panel: Axes, report: BasisReport, name: str) -> None:
    """Median and band of one unknown; what is infinite is left out."""
    low, middle, high = (report.quantiles(q)[name] for q in (LOW, 0.5, HIGH))
    (line,) = panel.plot(report.ranks, np.where(np.isfinite(middle), middle, np.nan), ".-")
    shown = np.isfinite(low)
    top = np.where(np.isfinite(high), high, np.nanmax(np.where(np.isfinite(high), high, 1), initial=1))
    panel.fill_between(report.ranks, low, top, where=shown, color=line.get_color(), alpha=0.15, linewidth=0)


def finish_ratio(panel: Axes, label: str) -> None:
    """A logarithmic axis from 1, where nothing is lost."""
    panel.axhline(1, color="0.7", linewidth=0.6, zorder=0)
    panel.set(yscale="log", xlabel="number of vectors", ylabel=label)
    panel.set_ylim(0.9, max(panel.get_ylim()[1], 2))
    plain_log_ticks(panel.yaxis, panel.get_ylim()[1] / 0.9)
