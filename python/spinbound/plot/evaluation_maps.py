"""Maps of bias and standard deviation over a slice, beside the root of the Cramér-Rao bound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from spinbound.base.errors import FloatArray, InvalidParameter
from spinbound.tissues.tissue import Tissue

from .evaluation import select_cards, select_level
from .maps import (
    UNIDENTIFIABLE,
    Ruler,
    choose_colour_map,
    draw_plane,
    find_colour_limits,
    finish_bar,
    grid_axes,
    lift_infinite,
    make_norm,
    make_rulers,
)
from .style import QUANTITIES, WIDTH, apply_style, make_figure

if TYPE_CHECKING:
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

    from .evaluation import Cards, OneOrMore


DOT = "#3fae49"


@apply_style
def bias_maps(
    reports: OneOrMore,
    name: str,
    snr: float | None = None,
    *,
    axes: tuple[str, str] | None = None,
    mark: tuple[float, float] | None = None,
) -> Figure:
    r"""Draw maps of bias and standard deviation over a slice, beside the root of the Cramér-Rao bound.

    The figure is like Figs. 2, 9 and 10 of arXiv 2109.10535. All maps of the bias share their colours, and so do the
    standard deviations and the bound.

    Parameters
    ----------
    reports
        One report card or several, of the same two-dimensional reference set.
    name
        The parameter.
    snr
        The level of the SNR; by default the first that all report cards have.
    axes
        The parameters along axis 0 (drawn upwards) and axis 1; by default the first that vary along one alone.
    mark
        A point of the plane (along axis 0, axis 1; SI units) to mark with a dot, such as the mean of a training set.

    Returns
    -------
    Figure
        A row of biases, with the mean of their sizes, and a row of standard deviations, whose last map is the bound.
        Points without a value are white, infinite bounds are grey.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    InvalidParameter
        If a reference set has not two dimensions, or the report cards do not have the parameter or level in common.
    """
    cards, level = select_cards(reports, snr, name)
    tissue = as_plane(cards)
    chosen = axes or grid_axes(tissue, list(next(iter(cards.values())).truth))
    rulers, scale = make_rulers(tissue, chosen), QUANTITIES[name].scale

    figure = make_figure(5.4, min(WIDTH, 2.4 * (len(cards) + 1)))
    panels = figure.subplots(2, len(cards) + 1, squeeze=False)
    panels[0, -1].set_axis_off()

    biases = {label: scale * select_level(card, level, card.bias[name]) for label, card in cards.items()}
    stds = {label: scale * np.sqrt(select_level(card, level, card.variance[name])) for label, card in cards.items()}
    bound = scale * np.sqrt(next(select_level(card, level, card.bound(name)) for card in cards.values()))
    draw_biases(panels[0, :-1], biases, rulers, name)
    draw_stds(panels[1], stds, bound, rulers, name)
    if chosen and mark:
        y, x = (QUANTITIES[axis].scale * value for axis, value in zip(chosen, mark, strict=True))
        for panel in [*panels[0, :-1], *panels[1]]:
            panel.plot(x, y, "o", markersize=4, color=DOT, markeredgecolor="white", markeredgewidth=0.6)
    figure.suptitle(f"SNR $|M_0|/\\sigma$ = {level:g}", fontsize=8)
    return figure


def as_plane(cards: Cards) -> Tissue:
    """Return the tissues of a slice; refuse reference sets of other or different shapes."""
    shapes = {card.grid_shape for card in cards.values()}
    if len(shapes) > 1 or len(next(iter(shapes))) != 2:
        raise InvalidParameter(
            f"maps need reference sets of one shape of two dimensions; given {', '.join(map(str, shapes))}"
        )
    return Tissue.from_dict(next(iter(cards.values())).truth)


def draw_biases(panels: Any, biases: Mapping[str, FloatArray], rulers: tuple[Ruler, Ruler], name: str) -> None:
    """Draw maps of the bias, in the same colours around zero."""
    import cmcrameri  # noqa: F401  (registers its colour maps)
    import matplotlib

    every = np.abs(np.stack([*biases.values()]))
    limit = float(np.percentile(every[np.isfinite(every)], 98)) if np.isfinite(every).any() else 1.0
    colours, unit = matplotlib.colormaps["cmc.vik"], QUANTITIES[name].unit
    for panel, (label, values) in zip(panels, biases.items(), strict=True):
        image = draw_plane(panel, values, rulers, make_norm(-limit, limit or 1.0), colours)
        size = np.mean(np.abs(values[np.isfinite(values)])) if np.isfinite(values).any() else np.nan
        panel.set_title(f"{label}\nbias: {size:.3g} {unit} on average".strip(), fontsize=8)
    add_bar(image, panels, f"bias of {QUANTITIES[name].label}")


def draw_stds(
    panels: Any, stds: Mapping[str, FloatArray], bound: FloatArray, rulers: tuple[Ruler, Ruler], name: str
) -> None:
    """Draw the standard deviations, and the bound last, in colours that show the least and the largest of all."""
    low, high, _ = find_colour_limits(np.stack([*stds.values(), bound]))
    norm = make_norm(low, high)
    colours = choose_colour_map(name).with_extremes(over=choose_colour_map(name)(1.0))
    for panel, (label, values) in zip(panels, stds.items(), strict=False):
        draw_plane(panel, values, rulers, norm, colours)
        panel.set_title(f"{label}\nstandard deviation".strip(), fontsize=8)
    grey_above = colours.with_extremes(over=UNIDENTIFIABLE)
    image = draw_plane(panels[-1], lift_infinite(bound, high), rulers, norm, grey_above)
    panels[-1].set_title(r"$\sqrt{\mathrm{CRB}}$", fontsize=8)
    finish_bar(add_bar(image, panels, f"standard deviation of {QUANTITIES[name].label}"), low, high)


def add_bar(image: Any, panels: Any, label: str) -> Colorbar:
    """Add the colour bar of a row of maps."""
    bar = panels[0].figure.colorbar(image, ax=list(panels), location="bottom", pad=0.03, aspect=40, extend="both")
    bar.set_label(label)
    return bar
