"""What was measured, as a figure."""

import numpy as np
from spinbound.plot.style import BLUE, GREEN, GREY, PURPLE, RED, YELLOW, apply_style, make_figure

from benchmarks.measure import scaling

COLOURS = {"crb": BLUE, "sensitivities": RED, "simulate": YELLOW, "fit": BLUE, "fit from a match": RED}
NAMES = {
    "crb": "bounds",
    "sensitivities": "sensitivities",
    "simulate": "signal",
    "fit": "from one start",
    "fit from a match": "from a match",
}
LINES = {"baseline": ":", "avx2": "--", "avx512": "-"}
MARKERS = {1: "o", 2: "s"}
OF_PEERS = ((GREEN, "D"), (PURPLE, "^"))


@apply_style
def draw(record):
    """Time over voxels, time over pulses, memory over voxels, peers: the panels of what was measured."""
    results, peers = record.get("scaling"), record.get("peers")
    heights = (2.6, 3.4)
    figure = make_figure(heights[0] * bool(results) + heights[1] * bool(peers))
    above, below = figure.subfigures(2, 1, height_ratios=heights) if results and peers else (figure, figure)
    if results:
        panels = above.subplots(1, 3)
        time_panel(panels[0], results["voxels"], "n_voxels", "time over voxels")
        time_panel(panels[1], results["pulses"], "n_pulses", "time over pulses")
        memory_panel(panels[2], results["voxels"])
        legend(above, results["voxels"])
    if peers:
        peer_panel(below.subplots(), peers)
    return figure


def time_panel(axes, results, along, title):
    """Seconds on the core of a call on one thread, log-log, one curve per call and instruction set."""
    alone = [r for r in results if r["threads"] == 1]
    for (call, isa, *_), curve in scaling.curves(alone, along).items():
        x, y = zip(*((r[along], r["core seconds"]) for r in curve), strict=True)
        axes.loglog(x, y, LINES[isa], color=COLOURS[call], marker=MARKERS[1], markersize=3)
    proportional(axes, alone, along)
    finish(axes, title, "time on the core (s)")
    axes.set_xlabel("voxels" if along == "n_voxels" else "pulses")


def proportional(axes, results, along):
    """A grey line along which time is proportional."""
    low, last = min(r[along] for r in results), max(results, key=lambda r: (r[along], r["core seconds"]))
    end = 3 * last["core seconds"]
    axes.plot((low, last[along]), (end * low / last[along], end), color=GREY, linewidth=0.7, zorder=0)
    axes.annotate("linear", (last[along], end), (-14, 0), textcoords="offset points", color=GREY, ha="right", va="top")


def memory_panel(axes, results):
    """What a call adds to the memory beside its results, with the widest instructions, on one thread and on two."""
    widest = results[0]["isa"]
    for (call, isa, threads, *_), curve in scaling.curves(results, "n_voxels").items():
        if isa == widest and curve[0]["memory"] is not None:
            x, y = zip(*((r["n_voxels"], max(r["memory"] - r["results"], 2**16) / 2**20) for r in curve), strict=True)
            axes.loglog(x, y, LINES[isa], color=COLOURS[call], marker=MARKERS[threads], markersize=3)
    finish(axes, "memory over voxels", "beside results (MiB)")
    axes.set_xlabel("voxels")


def finish(axes, title, label):
    """Title, label, and numbers at the decades only."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_title(title)
    axes.set_ylabel(label)
    axes.yaxis.set_major_locator(LogLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_ylim()
    axes.set_ylim(10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high)))


def legend(figure, results):
    """Colours are calls, lines instruction sets, markers threads."""
    from matplotlib.lines import Line2D

    isas, threads, calls = (dict.fromkeys(r[key] for r in results) for key in ("isa", "threads", "call"))
    handles = [Line2D([], [], color=COLOURS[call], label=NAMES[call]) for call in calls]
    handles += [Line2D([], [], color="black", linestyle=LINES[isa], label=isa) for isa in isas]
    handles += [
        Line2D([], [], color="black", linestyle="", marker=MARKERS[n], markersize=3, label=f"{n} thread{'s'[: n > 1]}")
        for n in sorted(threads)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))


def peer_panel(axes, results):
    """Time per voxel of each peer and of spinbound beside it, with the ratio."""
    names = list(dict.fromkeys(r["name"] for r in results))
    trains = list(dict.fromkeys(r["train"] for r in results))
    for offset, train in enumerate(trains):
        mine = [r for r in results if r["train"] == train]
        rows = [names.index(r["name"]) + 0.2 * (2 * offset - len(trains) + 1) for r in mine]
        peer, ours = ([1e3 * r["median"][key] for r in mine] for key in ("peer", "sensitivities"))
        axes.hlines(rows, ours, peer, color=GREY, linewidth=0.6, zorder=0)
        colour, marker = OF_PEERS[offset]
        axes.plot(peer, rows, marker, color=colour, markersize=4, label=f"peer, {train} train")
        axes.plot(ours, rows, "o", color=BLUE, markersize=4, label="spinbound, sensitivities" if offset == 0 else None)
        for row, r, x in zip(rows, mine, peer, strict=True):
            axes.annotate(f"{r['ratio']['sensitivities']:.0f}×", (1.25 * x, row), va="center", fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(right=3 * max(1e3 * r["median"]["peer"] for r in results))
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("time per voxel on one core (ms)")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(trains) + 1)
