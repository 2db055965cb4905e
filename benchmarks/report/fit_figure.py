"""The fits that were measured, as a figure."""

from spinbound.plot.style import BLUE, GREEN, GREY, apply_style, make_figure

from .figure import legend, time_panel


@apply_style
def draw(record):
    """Time over voxels, and the time of each kind of fit beside SciPy's."""
    results = record["fits"]
    growing = [r for r in results["voxels"] if r["threads"] == 1]
    figure = make_figure(2.8)
    left, right = figure.subplots(1, 2)
    time_panel(left, growing, "n_voxels", "time over voxels")
    legend(figure, growing)
    bars(right, results["kinds"], record["fit peers"])
    return figure


def bars(axes, kinds, peers):
    """Milliseconds per voxel on one core; SciPy's with how many times longer than sb.fit they take."""
    names = [r["call"] for r in kinds] + [r["name"] for r in peers]
    times = [1e3 * r["core seconds"] / r["n_voxels"] for r in kinds] + [1e3 * r["seconds"] for r in peers]
    notes = [""] * len(kinds) + [f"{r['ratio']:.0f}×" for r in peers]
    rows = range(len(names))
    axes.hlines(rows, 1, times, color=GREY, linewidth=0.6, zorder=0)
    axes.scatter(times, rows, c=[BLUE] * len(kinds) + [GREEN] * len(peers), s=16)
    for row, x, note in zip(rows, times, notes, strict=True):
        axes.annotate(note, (1.3 * x, row), va="center", fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(1, 5 * max(times))
    axes.set_yticks(rows, names)
    axes.invert_yaxis()
    axes.set_title("one core")
    axes.set_xlabel("time per voxel (ms)")
