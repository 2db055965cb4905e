"""Figures over time: the pulse train, the signal, the magnetization, the sensitivities."""

from __future__ import annotations

from collections.abc import Sequence as Series
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .style import BLUE, GREY, PURPLE, QUANTITIES, RED, YELLOW, apply_style, make_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from spinbound.sequences.sequence import Sequence
    from spinbound.tissues.tissue import Tissue


@apply_style
def sequence(seq: Sequence) -> Figure:
    """Draw flip angle and pulse duration over time; pulses that are not balanced have a marker of their own.

    Parameters
    ----------
    seq
        The pulse train.

    Returns
    -------
    Figure
        Two panels over time (s): alpha/pi, and TRF in microseconds.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    """
    words = np.asarray(seq.gradient_moment)
    time, figure = np.cumsum(seq.repetition_times) - seq.repetition_times / 2, make_figure(3.2)
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, values in ((above, np.asarray(seq.alpha) / np.pi), (below, np.asarray(seq.TRF) * 1e6)):
        axes.plot(time, np.where(words == "balanced", values, np.nan), ".-", markersize=2.5, linewidth=0.7)
        for word in dict.fromkeys(words[words != "balanced"].tolist()):
            chosen = words == word
            axes.plot(time[chosen], values[chosen], "D", color=RED, markersize=4, clip_on=False, label=word)
        axes.set_ylim(min(0.0, 1.05 * values.min()), 1.08 * values.max())
    if above.get_legend_handles_labels()[1]:
        above.legend(loc="upper right")
    above.set_ylabel(r"flip angle $\alpha\,/\,\pi$")
    below.set_ylabel(r"duration $T_{\mathrm{RF}}$ (µs)")
    finish_time_axis(below, seq)
    return figure


@apply_style
def signal(seq: Sequence, signals: ArrayLike, labels: Series[str] = ()) -> Figure:
    """Draw the real and the imaginary part of simulated signals at the echoes.

    Parameters
    ----------
    seq
        The pulse train of n echoes.
    signals : array_like of complex, shape (n,) or (curves, n)
        One curve per row, as `simulate` returns them without a basis.
    labels
        A name per curve for the legend.

    Returns
    -------
    Figure
        A panel over time (s) for the real part, and one for the imaginary part unless that is zero.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    """
    curves = np.atleast_2d(np.asarray(signals))
    parts = {"Re": curves.real, "Im": curves.imag}
    if np.abs(curves.imag).max() <= 1e-12 * np.abs(curves).max():  # zero but for rounding
        del parts["Im"]
    figure = make_figure(0.7 + 1.6 * len(parts))
    panels = figure.subplots(len(parts), 1, sharex=True, squeeze=False).ravel()
    for axes, (name, part) in zip(panels, parts.items(), strict=True):
        lines = axes.plot(seq.echo_times, part.T)
        draw_zero_line(axes)
        axes.set_ylabel(rf"$\mathrm{{{name}}}\,s$")
    if labels:
        figure.legend(lines, labels, loc="outside upper right", ncols=len(labels))
    finish_time_axis(panels[-1], seq)
    return figure


@apply_style
def magnetization(seq: Sequence, states: ArrayLike) -> Figure:
    """Draw the magnetization of both pools of one voxel at the echoes.

    Parameters
    ----------
    seq
        The pulse train of n echoes.
    states : array_like, shape (n, 5)
        xf, yf, zf, xs, zs as `simulate` returns them with ``output="magnetization"``; their real part is drawn.

    Returns
    -------
    Figure
        Two panels over time (s): the free pool, and zs of the semi-solid pool, whose xs has decayed by the echo.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    """
    components, figure = np.asarray(states).real, make_figure(3.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for index, symbol in enumerate(("x^f", "y^f", "z^f")):
        above.plot(seq.echo_times, components[:, index], label=f"${symbol}$", zorder=1 if index == 1 else 2)
    below.plot(seq.echo_times, components[:, 4], color=PURPLE, label="$z^s$")
    for axes, name in ((above, "free pool"), (below, "semi-solid pool")):
        draw_zero_line(axes)
        axes.set_ylabel(name)
    figure.legend(loc="outside upper right", ncols=4)
    finish_time_axis(below, seq)
    return figure


@apply_style
def sensitivities(seq: Sequence, jacobian: ArrayLike, tissue: Tissue, wrt: Series[str]) -> Figure:
    r"""Draw the effect of each parameter on the signal of one voxel, theta ds/dtheta: slope per 100 % of the parameter.

    Where theta is zero (omega0 on resonance) ds/dtheta itself is drawn, and the panel says so.

    Parameters
    ----------
    seq
        The pulse train of n echoes.
    jacobian : array_like of complex, shape (n, P)
        ds/dtheta in SI units, as `sensitivities` returns it.
    tissue
        The voxel.
    wrt
        The P names of the columns.

    Returns
    -------
    Figure
        One panel per parameter over time (s): real and imaginary part.

    Raises
    ------
    ImportError
        If matplotlib or cmcrameri is not installed.
    """
    columns, n_rows = np.asarray(jacobian), -(-len(wrt) // 3)
    figure = make_figure(0.5 + 1.3 * n_rows)
    panels = figure.subplots(n_rows, 3, sharex=True, squeeze=False).ravel()
    for axes, name, column in zip(panels, wrt, columns.T, strict=False):
        curve, title = scale_sensitivity(name, complex(np.asarray(tissue[name]).item()), column)
        axes.plot(seq.echo_times, curve.real, color=BLUE, label="real part")
        axes.plot(seq.echo_times, curve.imag, color=YELLOW, label="imaginary part", zorder=1)
        draw_zero_line(axes)
        axes.set_title(title)
    for axes in panels[len(wrt) :]:
        axes.set_axis_off()
    for axes in panels[: len(wrt)][-3:]:
        axes.tick_params(labelbottom=True)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    panels[0].set_xlim(0, seq.duration)
    figure.supxlabel("time (s)", fontsize=8)
    return figure


def scale_sensitivity(name: str, theta: complex, column: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Return theta ds/dtheta with the title that says so, or ds/dtheta in SI units where theta = 0."""
    symbol, unit, _ = QUANTITIES[name]
    derivative = rf"\partial s\,/\,\partial {symbol}"
    if theta == 0:
        return column, f"${derivative}$" + {"": "", "rad/s": " (s/rad)"}.get(unit, " (s)")
    return theta * column, rf"${symbol}\;{derivative}$"


def draw_zero_line(axes: Axes) -> None:
    """Draw a thin line at zero, behind the curves."""
    axes.axhline(0, color=GREY, linewidth=0.5, zorder=0)


def finish_time_axis(axes: Axes, seq: Sequence) -> None:
    """Label the time axis and end it with the train."""
    axes.set_xlabel("time (s)")
    axes.set_xlim(0, seq.duration)
