"""Maps of fitted parameters.

Voxels outside the mask are white; voxels inside it without a result are grey. Neither colour is in a colour map, so
neither can be taken for a small value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinbound.base.errors import BoolArray, InvalidParameter

from .maps import DOTS_HEIGHT, UNIDENTIFIABLE, choose_colour_map, cut_middle_slice, draw_dots, make_panels
from .style import BLUE, GREEN, PURPLE, QUANTITIES, RED, WIDTH, YELLOW, apply_style, make_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


COLUMNS = 4
MARGIN = 3  # voxels around those of the mask
PERCENTILES = (3, 97)  # of the values, where the colours end: a few voxels at a limit must not decide them
# Colours of the status: blues and greens first, as the codes of converged fits come first.
STATUS_COLOURS = (
    BLUE, "#4f9fc4", GREEN, YELLOW, "#e07b39", PURPLE, "#d9d9d9", "#7a4b3a", RED, "#2b2b2b", "white",
)  # fmt: skip


@apply_style
def fit_maps(
    maps: Mapping[str, ArrayLike],
    *,
    mask: ArrayLike | None = None,
    status: ArrayLike | None = None,
    levels: Mapping[int, str] | None = None,
    bound_counts: Mapping[str, tuple[int, int]] | None = None,
    title: str = "",
) -> Figure:
    """Draw fitted parameters, one panel each, and the status in which the fits of the voxels ended.

    Two-dimensional maps stand as a matrix does, axis 0 downwards; of volumes the middle slice of every further axis is
    drawn. One-dimensional maps become dots over the voxel index.

    Parameters
    ----------
    maps : mapping of str to array_like, shape (...)
        Parameters in SI units, NaN where there is no result. The magnitude of a complex M0 is drawn.
    mask : array_like of bool, shape (...)
        The voxels that were fitted; all by default. A thin line follows its border.
    status : array_like of int, shape (...)
        A code per voxel, 0 to 10.
    levels
        The meaning of each code.
    bound_counts
        Voxels at the lower and at the upper limit of each parameter, all of them and not those of the slice alone;
        written above its panel.
    title
        The heading.

    Returns
    -------
    Figure
        A panel per map, whose colours end at the 3rd and the 97th percentile of its values, and one for the status.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    InvalidParameter
        If there is no map, or shapes differ.
    """
    slices = {name: cut_middle_slice(scale_values(name, values)) for name, values in maps.items()}
    inside = None if mask is None else cut_middle_slice(np.asarray(mask, bool))
    codes = None if status is None else cut_middle_slice(np.asarray(status))
    shape = find_common_shape({**slices, "mask": inside, "status": codes})
    notes = {name: describe_limits(*pair) for name, pair in (bound_counts or {}).items()}
    if len(shape) == 1:
        return draw_dots_of_maps(slices, title, notes)

    shown = np.ones(shape, bool) if inside is None else inside
    window = find_window(shown)
    shown = shown[window]

    figure, panels = make_map_panels(len(slices) + (codes is not None), shown.shape)
    for panel, (name, values) in zip(panels, slices.items(), strict=False):
        draw_values(panel, name, np.where(shown, values[window], np.nan), shown)
        panel.set_title(notes.get(name, ""), fontsize=6)
    if codes is not None:
        has_gaps = any(np.isnan(values[window][shown]).any() for values in slices.values())
        draw_status(panels[-1], np.ma.masked_where(~shown, codes[window]), levels or {}, has_gaps)
    for panel in panels:
        draw_border(panel, shown)
    figure.suptitle(title, fontsize=8)
    return figure


def describe_limits(low: int, high: int) -> str:
    """Describe how many voxels are at the limits of a parameter; nothing where none is."""
    sides = [f"{n:,} at its {side} limit" for n, side in ((low, "lower"), (high, "upper")) if n]
    return ", ".join(sides)


def scale_values(name: str, values: ArrayLike) -> NDArray[Any]:
    """Scale a map to the unit of its label, and take the magnitude of complex values."""
    array = np.asarray(values)
    return QUANTITIES[name].scale * (np.abs(array) if array.dtype.kind == "c" else array)


def find_window(shown: BoolArray) -> tuple[slice, ...]:
    """Find the rows and columns with a voxel of the mask, and a few around them; all if the mask is empty."""
    if not shown.any():
        return (slice(None), slice(None))
    ranges = [np.flatnonzero(shown.any(axis=1 - axis)) for axis in (0, 1)]
    return tuple(slice(max(int(found[0]) - MARGIN, 0), int(found[-1]) + MARGIN + 1) for found in ranges)


def find_common_shape(arrays: Mapping[str, NDArray[Any] | None]) -> tuple[int, ...]:
    """Find the shape of all arrays that are given; refuse different shapes."""
    shapes = {name: array.shape for name, array in arrays.items() if array is not None}
    if len(set(shapes.values())) != 1:
        described = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "none"
        raise InvalidParameter(f"the maps, the mask and the status must have one shape; given {described}")
    return next(iter(shapes.values()))


def draw_dots_of_maps(maps: Mapping[str, NDArray[Any]], title: str, notes: Mapping[str, str]) -> Figure:
    """Draw a panel of dots over the voxel index for each map."""
    figure, panels = make_panels(len(maps), DOTS_HEIGHT)
    for panel, (name, values) in zip(panels, maps.items(), strict=True):
        draw_dots(panel, values, QUANTITIES[name].label)
        panel.set_title(notes.get(name, ""), fontsize=6)
    figure.suptitle(title, fontsize=8)
    return figure


def make_map_panels(count: int, shape: tuple[int, ...]) -> tuple[Figure, list[Axes]]:
    """Make a figure of `count` panels without axes, in rows of four, that keep the proportions of the slice."""
    n_columns = min(COLUMNS, count)
    n_rows, width = -(-count // n_columns), WIDTH / COLUMNS
    height = width * float(np.clip(shape[0] / max(shape[1], 1), 0.3, 2)) + 0.5
    figure = make_figure(height * n_rows + 0.3, max(width * n_columns, WIDTH / 2))
    panels: list[Axes] = list(figure.subplots(n_rows, n_columns, squeeze=False).ravel())
    for panel in panels:
        panel.set_axis_off()
    return figure, panels[:count]


def draw_values(panel: Axes, name: str, values: NDArray[Any], inside: BoolArray) -> None:
    """Draw one map with its colour bar; voxels of the mask without a result are grey."""
    finite = values[np.isfinite(values)]
    low, high = find_limits(finite)
    image = draw_image(panel, name, values, inside, (low, high))
    bar = panel.figure.colorbar(
        image, ax=panel, location="bottom", pad=0.02, aspect=16, extend=find_sides_beyond(finite, low, high)
    )
    bar.set_label(f"$|{QUANTITIES[name].symbol}|$" if name == "M0" else QUANTITIES[name].label)
    bar.ax.locator_params(nbins=4)


def find_limits(values: NDArray[Any]) -> tuple[float, float]:
    """Find the values at which the colours end."""
    low, high = np.percentile(values, PERCENTILES) if values.size else (0.0, 1.0)
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def draw_image(panel: Axes, name: str, values: NDArray[Any], inside: BoolArray, ends: tuple[float, float]) -> AxesImage:
    """Draw a map in the colours of its parameter; voxels of the mask without a result are grey."""
    panel.imshow(np.where(inside, 0.0, np.nan), cmap=make_single_colour(UNIDENTIFIABLE), interpolation="nearest")
    colours = choose_colour_map(name).with_extremes(over=choose_colour_map(name)(1.0), bad=(1, 1, 1, 0))
    low, high = ends
    shown = np.ma.masked_invalid(values)
    return panel.imshow(shown, vmin=low, vmax=high, cmap=colours, interpolation="nearest", rasterized=True)


def find_sides_beyond(values: NDArray[Any], low: float, high: float) -> Any:
    """Find the sides on which values lie beyond the colours."""
    below, above = bool((values < low).any()), bool((values > high).any())
    return {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")


def make_single_colour(colour: str) -> Any:
    """Make a colour map of one colour, transparent where there is no value."""
    from matplotlib.colors import ListedColormap

    return ListedColormap([colour]).with_extremes(bad=(1, 1, 1, 0))


def draw_border(panel: Axes, inside: BoolArray) -> None:
    """Draw the border of the mask, where it has one."""
    if inside.any() and not inside.all() and min(inside.shape) > 1:
        panel.contour(inside.astype(float), [0.5], colors="0.35", linewidths=0.4)


def draw_status(panel: Axes, codes: np.ma.MaskedArray[Any, Any], levels: Mapping[int, str], has_gaps: bool) -> None:
    """Draw a colour per status; the legend says what each means and how many voxels of the slice have it."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    colours, last = ListedColormap(STATUS_COLOURS), len(STATUS_COLOURS) - 1
    panel.imshow(codes, vmin=-0.5, vmax=last + 0.5, cmap=colours, interpolation="nearest", rasterized=True)
    panel.set_title("status", fontsize=8)
    present, counts = np.unique(codes.compressed(), return_counts=True)
    entries = [
        (STATUS_COLOURS[code], f"{n:,} {levels.get(code, code)}") for code, n in zip(present, counts, strict=True)
    ]
    entries += [(UNIDENTIFIABLE, "in maps: no result")] if has_gaps else []
    handles = [Patch(facecolor=colour, edgecolor="0.6", linewidth=0.4, label=text) for colour, text in entries]
    panel.figure.legend(handles=handles, loc="outside lower left", ncols=2, fontsize=6.5)
