"""Figures that set estimators side by side: how networks converged, estimates in regions, maps of one slice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinbound.base.errors import BoolArray, InvalidParameter

from .fit import draw_border, draw_image, find_limits, find_sides_beyond, find_window, scale_values
from .maps import make_panels, set_log_ticks
from .style import BLUE, GREEN, GREY, PURPLE, QUANTITIES, RED, WIDTH, YELLOW, apply_style, make_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


COLOURS = (GREY, BLUE, RED, YELLOW, GREEN, PURPLE)  # of estimators in their order
WHISKERS = (5, 95)  # percentiles at which whiskers end
BOX = 0.8  # share of the room between two regions that the boxes of a region fill

Curves = Mapping[str, ArrayLike]


@apply_style
def convergence(histories: Mapping[str, Mapping[str, Curves]]) -> Figure:
    """Draw losses over the epochs, with a panel for each kind of loss.

    Parameters
    ----------
    histories
        For each label of a loss, curves by their names, each a mapping with `epoch` and `loss`. In a panel whose label
        holds "CRB" a line marks 1, the loss of an efficient unbiased estimator.

    Returns
    -------
    Figure
        One panel per loss, with a logarithmic axis.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    InvalidParameter
        If there are no histories.
    """
    if not histories:
        raise InvalidParameter("histories is empty; give at least one loss with a curve")
    figure, panels = make_panels(len(histories), 2.2)
    for panel, (label, curves) in zip(panels, histories.items(), strict=True):
        for name, curve in curves.items():
            panel.plot(curve["epoch"], curve["loss"], label=name)
        if "CRB" in label:
            panel.axhline(1, color="0.6", linewidth=0.6, zorder=0)
        panel.set(yscale="log", xlabel="epoch", ylabel=label)
        low, high = panel.get_ylim()
        if high < 1e4 * low:
            set_log_ticks(panel.yaxis, high / low)
        panel.legend()
    return figure


@apply_style
def region_boxes(
    estimates: Mapping[str, Mapping[str, ArrayLike]],
    masks: Mapping[str, ArrayLike],
    *,
    truth: Mapping[str, ArrayLike] | None = None,
    title: str = "",
) -> Figure:
    """Draw boxes of the estimates in each region, with several estimators side by side.

    Parameters
    ----------
    estimates
        For each name of an estimator, maps (...) by the names of parameters, in SI units.
    masks : mapping of str to array_like of bool, shape (...)
        The regions.
    truth : mapping of str to array_like, shape (...)
        Maps of the true values, whose mean in each region becomes a line.
    title
        The heading.

    Returns
    -------
    Figure
        A panel per parameter. Boxes hold the middle half of the finite estimates of a region, with the median;
        whiskers reach from the 5th to the 95th percentile.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    InvalidParameter
        If there are no estimates, the estimators have not the same parameters, or there is no region.
    """
    names = find_shared_names(estimates)
    if not masks:
        raise InvalidParameter("masks is empty; give at least one region")

    chosen = {region: np.asarray(mask, bool) for region, mask in masks.items()}
    figure = make_figure(1.7 * len(names) + 0.9)
    panels: list[Axes] = list(figure.subplots(len(names), 1, sharex=True, squeeze=False).ravel())
    for panel, name in zip(panels, names, strict=True):
        draw_boxes(panel, name, {label: maps[name] for label, maps in estimates.items()}, chosen)
        if truth is not None:
            draw_truth(panel, scale_values(name, truth[name]), chosen)
        panel.set_ylabel(QUANTITIES[name].label)
    panels[-1].set_xticks(np.arange(len(chosen)), [region.replace(", ", "\n") for region in chosen])
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.suptitle(title, fontsize=8)
    return figure


def find_shared_names(estimates: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Find the parameters of all estimators, in the order of the first; refuse different ones."""
    names = list(next(iter(estimates.values()))) if estimates else []
    if not names or any(set(maps) != set(names) for maps in estimates.values()):
        raise InvalidParameter("estimates must be those of one or more estimators of the same parameters")
    return names


def draw_boxes(panel: Axes, name: str, maps: Mapping[str, ArrayLike], masks: Mapping[str, BoolArray]) -> None:
    """Draw the boxes of one parameter."""
    width = BOX / len(maps)
    for k, ((label, values), colour) in enumerate(zip(maps.items(), COLOURS, strict=False)):
        drawn = scale_values(name, values)
        samples = [drawn[mask][np.isfinite(drawn[mask])] for mask in masks.values()]
        places = np.arange(len(masks)) + (k - (len(maps) - 1) / 2) * width
        line = {"color": colour, "linewidth": 0.8}
        panel.boxplot(
            samples, positions=places, widths=0.75 * width, whis=WHISKERS, showfliers=False, manage_ticks=False,
            patch_artist=True, boxprops={"facecolor": colour, "alpha": 0.35, "edgecolor": colour},
            medianprops={"color": colour, "linewidth": 1.4}, whiskerprops=line, capprops=line,
        )  # fmt: skip
        panel.plot([], [], "s", color=colour, alpha=0.7, label=label)


def draw_truth(panel: Axes, truth: NDArray[Any], masks: Mapping[str, BoolArray]) -> None:
    """Draw a line over each region at its true mean."""
    truth = np.broadcast_to(truth, next(iter(masks.values())).shape)
    means = [truth[mask].mean() for mask in masks.values()]
    places = np.arange(len(masks))
    panel.hlines(means, places - 0.5, places + 0.5, color="black", linewidth=0.8, linestyle=":", label="truth")


@apply_style
def compared_maps(
    estimates: Mapping[str, Mapping[str, ArrayLike]],
    *,
    mask: ArrayLike | None = None,
    scales: Mapping[str, tuple[float, float]] | None = None,
    notes: Mapping[str, Mapping[str, str]] | None = None,
    title: str = "",
) -> Figure:
    """Draw maps of a slice by several estimators: a row per parameter with one scale, a column per estimator.

    Parameters
    ----------
    estimates
        For each name of an estimator, maps (rows, columns) by the names of parameters, in SI units; NaN without a
        result.
    mask : array_like of bool, shape (rows, columns)
        The voxels to show; all by default.
    scales
        Ends (low, high) of the colours in SI units, by parameter; by default the 3rd and 97th percentile of the first
        estimator.
    notes
        A line above a map, by estimator and parameter.
    title
        The heading.

    Returns
    -------
    Figure
        A panel per map. Voxels outside the mask are white, voxels inside it without a result grey.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    InvalidParameter
        If there are no estimates, or the estimators have not the same parameters.
    """
    names, labels = find_shared_names(estimates), list(estimates)
    shape = np.shape(estimates[labels[0]][names[0]])
    shown = np.ones(shape, bool) if mask is None else np.asarray(mask, bool)
    window = find_window(shown)
    shown = shown[window]

    figure = make_figure(choose_map_height(shown.shape, len(labels)) * len(names) + 0.4)
    panels = figure.subplots(len(names), len(labels), squeeze=False)
    for row, name in zip(panels, names, strict=True):
        maps = [np.where(shown, scale_values(name, estimates[label][name])[window], np.nan) for label in labels]
        draw_row(list(row), name, maps, shown, find_ends(name, maps[0], scales or {}))
        for panel, label in zip(row, labels, strict=True):
            panel.set_title(make_title(name == names[0], label, (notes or {}).get(label, {}).get(name, "")), fontsize=8)
    figure.suptitle(title, fontsize=8)
    return figure


def choose_map_height(shape: tuple[int, ...], n_columns: int) -> float:
    """Choose the height of a row in inches, so that voxels are square."""
    width = (WIDTH - 0.8) / n_columns
    return width * float(np.clip(shape[0] / max(shape[1], 1), 0.3, 2)) + 0.2


def make_title(is_first: bool, label: str, note: str) -> str:
    """Make the title of a map: the estimator in the first row, and the note on the map."""
    return "\n".join(filter(None, (label if is_first else "", note)))


def find_ends(name: str, values: NDArray[Any], scales: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    """Find the values at which the colours of a parameter end, in the unit of its label."""
    if name not in scales:
        return find_limits(values[np.isfinite(values)])
    low, high = (QUANTITIES[name].scale * end for end in scales[name])
    return low, high


def draw_row(
    panels: list[Axes], name: str, maps: list[NDArray[Any]], shown: BoolArray, ends: tuple[float, float]
) -> None:
    """Draw the maps of one parameter, with one colour bar at their right."""
    for panel, values in zip(panels, maps, strict=True):
        panel.set_axis_off()
        image = draw_image(panel, name, values, shown, ends)
        draw_border(panel, shown)
    everything = np.concatenate([values[np.isfinite(values)] for values in maps])
    bar = panels[0].figure.colorbar(image, ax=panels, pad=0.02, aspect=18, extend=find_sides_beyond(everything, *ends))
    bar.set_label(QUANTITIES[name].label)
