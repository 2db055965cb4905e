"""Maps of Cramér-Rao bounds.

Voxels whose input was invalid (NaN) show the hatched background, unidentifiable ones (inf) a flat grey: neither
is in a colour map, so neither can be taken for a small value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinbound.tissues.tissue import read_value

from .style import BLUE, QUANTITIES, WIDTH, apply_style, make_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.collections import QuadMesh
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

    from spinbound.tissues.tissue import Tissue


UNIDENTIFIABLE = "#b4b4b4"
DOTS_HEIGHT = 1.8  # inches: of a panel of dots over the voxel index


class Ruler(NamedTuple):
    """One axis of a map: the centres of its cells in the unit of the label; `geometric` if spaced by a factor."""

    centres: NDArray[np.float64]
    label: str = ""
    geometric: bool = False


@apply_style
def crb_maps(
    tissue: Tissue,
    bounds: Mapping[str, ArrayLike],
    *,
    names: Iterable[str] = (),
    axes: tuple[str, str] | None = None,
    sigma: ArrayLike = 1.0,
    snr: float | None = None,
    relative: bool = True,
    mark: tuple[float, float] | None = None,
    title: str = "",
) -> Figure:
    r"""Draw the smallest standard deviation, sqrt(CRB), that an unbiased estimate of each parameter can have.

    It is drawn relative to the parameter in percent, unless the parameter is zero somewhere or ``relative=False``: then
    in its own unit. Two-dimensional tissues become maps, further axes are cut in their middle; one-dimensional ones
    become dots over the voxel index.

    Parameters
    ----------
    tissue
        The voxels, shape (...).
    bounds : mapping of str to array_like, shape (...)
        Variances in SI units, as `crb` returns them.
    names
        The parameters to draw, in this order; all of `bounds` by default.
    axes
        The parameters that vary along axis 0 (drawn upwards) and axis 1 of a regular grid, see `grid_axes`.
    sigma : array_like, shape () or (...)
        The noise for which `bounds` was computed.
    snr
        Draw the bounds for ``|M0|/sigma = snr`` in every voxel, rather than for `sigma`.
    relative
        Divide by the parameter.
    mark
        A point of the plane (along axis 0, axis 1; SI units) to mark with a ring.
    title
        The heading.

    Returns
    -------
    Figure
        One panel per parameter with its own colour scale, logarithmic where it spans more than a decade. NaN (invalid)
        is hatched, inf (not identifiable) grey.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    """
    chosen = list(names) or list(bounds)
    noise = 1.0 if snr is None else np.abs(np.asarray(tissue["M0"])) / (np.asarray(sigma) * snr)
    drawn = {
        name: scale_deviation(tissue, name, noise * np.sqrt(np.asarray(bounds[name])), relative) for name in chosen
    }

    figure, panels = make_panels(len(chosen), choose_panel_height(tissue, axes))
    for panel, (name, (values, label)) in zip(panels, drawn.items(), strict=False):
        if len(tissue.shape) < 2:
            draw_dots(panel, values, label)
        else:
            draw_map(panel, values, label, name, make_rulers(tissue, axes))
            if axes and mark:
                mark_point(panel, axes, mark)

    special = explain_special_voxels(figure, [values for values, _ in drawn.values()], len(tissue.shape) >= 2)
    noise_level = f"SNR = $|M_0|/\\sigma$ = {snr:g} per channel" if snr else ""
    figure.suptitle("\n".join(filter(None, (title, noise_level, special))), fontsize=8)
    return figure


def choose_panel_height(tissue: Tissue, axes: tuple[str, str] | None) -> float:
    """Choose the height of a panel in inches, so that maps of voxels keep their proportions."""
    if len(tissue.shape) < 2:
        return DOTS_HEIGHT
    return 2.8 if axes else 0.8 + 2.0 * float(np.clip(tissue.shape[0] / max(tissue.shape[1], 1), 0.3, 1.6))


def make_panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """Make a figure with `count` panels, three in a row."""
    n_rows, n_columns = -(-count // 3), min(3, count)
    figure = make_figure(height * n_rows + 0.3, WIDTH if n_columns == 3 else 3.2 * n_columns)
    panels: list[Axes] = list(figure.subplots(n_rows, n_columns, squeeze=False).ravel())
    for panel in panels[count:]:
        panel.set_axis_off()
    return figure, panels[:count]


def scale_deviation(tissue: Tissue, name: str, std: NDArray[Any], relative: bool) -> tuple[NDArray[Any], str]:
    """Scale the standard deviation, relative (%) or to the parameter's unit, and return it with its label.

    The result has a value in every voxel; axes beyond the second are cut in their middle.
    """
    symbol, unit, scale = QUANTITIES[name]
    is_valid, bound = ~np.isnan(std), rf"\sqrt{{\mathrm{{CRB}}({symbol})}}"
    theta = np.abs(read_value(tissue, name, is_valid))
    values, label = scale * std, f"${bound}$" + (f" ({unit})" if unit else "")
    if relative and not (is_valid & (theta == 0)).any():
        values, label = 100 * std / theta, rf"${bound}\,/\,{f'|{symbol}|' if name == 'M0' else symbol}$ (%)"
    return cut_middle_slice(np.broadcast_to(values, tissue.shape)), label


def cut_middle_slice(values: NDArray[Any]) -> NDArray[Any]:
    """Return the slice along the first two axes, in the middle of all others; a single voxel becomes a list of one."""
    for n in values.shape[:1:-1]:
        values = values[..., n // 2]
    return np.atleast_1d(values)


def fill_map(tissue: Tissue, name: str) -> NDArray[Any]:
    """Broadcast a parameter to every voxel."""
    return np.broadcast_to(np.asarray(tissue[name]), tissue.shape)


def grid_axes(tissue: Tissue, names: Iterable[str]) -> tuple[str, str] | None:
    """Find the first parameters that vary along axis 0 alone and along axis 1 alone of a grid of tissues.

    Parameters
    ----------
    tissue
        The voxels, shape (...).
    names
        Parameters in the order in which they are tried.

    Returns
    -------
    (str, str) or None
        The parameters along axis 0 and axis 1, as `crb_maps` takes them; None if tissues have not two axes, or no
        parameter varies along one of them alone.

    Raises
    ------
    InvalidParameter
        If a name is not that of a parameter.
    """
    if len(tissue.shape) != 2:
        return None
    found: dict[int, str] = {}
    for name in names:
        varies = [axis for axis in (0, 1) if np.ptp(np.abs(fill_map(tissue, name)), axis=axis).any()]
        if len(varies) == 1:
            found.setdefault(varies[0], name)
    return (found[0], found[1]) if len(found) == 2 else None


def make_rulers(tissue: Tissue, axes: tuple[str, str] | None) -> tuple[Ruler, Ruler]:
    """Make the vertical and the horizontal axis: in the parameters of a grid, otherwise in voxels."""
    if axes is None:
        rows, columns = tissue.shape[:2]
        return Ruler(np.arange(float(rows)), "voxel, axis 0"), Ruler(np.arange(float(columns)), "voxel, axis 1")
    vertical = fill_map(tissue, axes[0])[:, 0] * QUANTITIES[axes[0]].scale
    horizontal = fill_map(tissue, axes[1])[0] * QUANTITIES[axes[1]].scale
    return make_ruler(axes[0], vertical), make_ruler(axes[1], horizontal)


def make_ruler(name: str, centres: NDArray[np.float64]) -> Ruler:
    """Make an axis along which a parameter varies, spaced by a factor, rather than a step, if that fits to rounding."""
    geometric = len(centres) > 2 and (centres > 0).all() and np.ptp(np.diff(np.log(centres))) < 1e-6
    return Ruler(centres, QUANTITIES[name].label, bool(geometric))


def find_cell_edges(ruler: Ruler) -> NDArray[np.float64]:
    """Find the borders of the cells, halfway between their centres."""
    centres = np.log(ruler.centres) if ruler.geometric else ruler.centres
    steps = np.diff(centres) if len(centres) > 1 else np.ones(1)
    edges = np.concatenate([[centres[0] - steps[0] / 2], centres + np.append(steps, steps[-1])[: len(centres)] / 2])
    return np.exp(edges) if ruler.geometric else edges


def draw_map(panel: Axes, values: NDArray[Any], label: str, name: str, rulers: tuple[Ruler, Ruler]) -> None:
    """Draw one map with its axes, and its colour bar above."""
    low, high, cut = find_colour_limits(values)
    image = draw_plane(panel, lift_infinite(values, high), rulers, make_norm(low, high), choose_colour_map(name))
    panel.patch.set(hatch="//////", facecolor="white", edgecolor="0.7")
    bar = panel.figure.colorbar(image, ax=panel, location="top", pad=0.02, aspect=22)
    bar.set_label(label + ("\nscale ends at the 99th percentile" if cut else ""))
    finish_bar(bar, low, high)


def lift_infinite(values: NDArray[Any], high: float) -> NDArray[Any]:
    """Return values up to `high`, the end of the colours; infinite ones lie above it, where colours are others."""
    return np.where(np.isinf(values), 2 * high, np.minimum(values, high))


def draw_plane(
    panel: Axes, values: NDArray[Any], rulers: tuple[Ruler, Ruler], norm: Normalize, colours: Colormap
) -> QuadMesh:
    """Draw one map with its axes; values that are not finite are left out."""
    vertical, horizontal = rulers
    edges, shown = (find_cell_edges(horizontal), find_cell_edges(vertical)), np.ma.masked_invalid(values)
    image = panel.pcolormesh(*edges, shown, norm=norm, cmap=colours, rasterized=True)
    finish_axes(panel, vertical, horizontal)
    return image


def make_norm(low: float, high: float) -> Normalize:
    """Make the scale from values to colours, logarithmic where values span more than a decade."""
    from matplotlib.colors import LogNorm, Normalize

    return LogNorm(low, high) if spans_decades(low, high) else Normalize(low, high)


def spans_decades(low: float, high: float) -> bool:
    """Say whether a linear scale would hide the small values."""
    return low > 0 and high > 10 * low


def finish_bar(bar: Colorbar, low: float, high: float) -> None:
    """Write plain numbers at the ticks of a logarithmic scale."""
    if spans_decades(low, high):
        set_log_ticks(bar.ax.xaxis, high / low)


def finish_axes(panel: Axes, vertical: Ruler, horizontal: Ruler) -> None:
    """Set labels and scales; maps of voxels lie as a matrix does, with square voxels and axis 0 downwards."""
    panel.set(xlabel=horizontal.label, ylabel=vertical.label)
    panel.spines[:].set_visible(True)
    if vertical.geometric:
        panel.set_yscale("log")
        set_log_ticks(panel.yaxis, vertical.centres.max() / vertical.centres.min())
    if horizontal.geometric:
        panel.set_xscale("log")
        set_log_ticks(panel.xaxis, horizontal.centres.max() / horizontal.centres.min())
    if vertical.label.startswith("voxel"):
        panel.set_aspect("equal")
        panel.invert_yaxis()


def choose_colour_map(name: str) -> Colormap:
    """Choose relaxometry's colours: navia for transverse relaxation, lipari for all else, grey above the top."""
    import cmcrameri  # noqa: F401  (registers its colour maps)
    import matplotlib

    chosen = matplotlib.colormaps["cmc.navia" if name[1] == "2" else "cmc.lipari"]
    return chosen.with_extremes(over=UNIDENTIFIABLE, bad=(1, 1, 1, 0))


def find_colour_limits(values: NDArray[Any]) -> tuple[float, float, bool]:
    """Find the ends of the colours, and whether they end at the 99th percentile because few voxels are far beyond."""
    usable = values[np.isfinite(values)]
    if not usable.size:
        return 1.0, 2.0, False
    low, high, top = float(usable.min()), float(usable.max()), float(np.percentile(usable, 99))
    cut = high > 10 * top
    end = top if cut else high
    return low, end if end > low else low + max(abs(low), 1e-300), cut


def set_log_ticks(axis: Axis, span: float) -> None:
    """Set ticks at 1, 2, 5 times powers of ten, or at fewer where the axis is long, written as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if span < 30 else (1, 3) if span < 300 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def mark_point(panel: Axes, axes: tuple[str, str], point: tuple[float, float]) -> None:
    """Draw a ring around a point that the figure's caption names."""
    y, x = (value * QUANTITIES[name].scale for name, value in zip(axes, point, strict=True))
    panel.plot(x, y, "o", markersize=6, markerfacecolor="none", markeredgecolor="white", markeredgewidth=1.2)


def draw_dots(panel: Axes, values: NDArray[Any], label: str) -> None:
    """Draw finite values over the voxel index, on a log axis where they span more than a decade."""
    panel.plot(np.where(np.isfinite(values), values, np.nan).ravel(), "o", markersize=2.5, color=BLUE)
    low, high, _ = find_colour_limits(values)
    if spans_decades(low, high):
        panel.set_yscale("log")
    panel.set(xlabel="voxel", ylabel=label)


def explain_special_voxels(figure: Figure, drawn: list[NDArray[Any]], is_map: bool) -> str:
    """Add a legend for voxels without a value in maps; return words for dots, which leave such voxels out."""
    from matplotlib.patches import Patch

    invalid = max(int(np.isnan(values).sum()) for values in drawn)
    unbounded = max(int(np.isinf(values).sum()) for values in drawn)
    if not is_map:
        return f"not drawn: {invalid} invalid, {unbounded} not identifiable voxels" if invalid or unbounded else ""
    handles = [Patch(hatch="//////", facecolor="white", edgecolor="0.7", label="invalid input")] if invalid else []
    handles += [Patch(color=UNIDENTIFIABLE, label="not identifiable")] if unbounded else []
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return ""
