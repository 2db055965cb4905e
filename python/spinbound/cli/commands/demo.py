"""``spinbound demo``: Cramér-Rao maps of the bundled sequence over two planes of tissues, with tables and figures.

The planes are those of dataset #2 in section 2.4 of arXiv 2109.10535: T2f over T1 and m0s over T1, all else at the
means of the training distribution. T1 is the apparent one of both pools (T1a), so eight parameters are unknown. The
paper states no mean of T2s: here it is 10 us.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from math import isqrt
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spinbound.base.progress import shift_progress
from spinbound.base.text import as_percent
from spinbound.cli.shared.arguments import Threads, UsageError, show_bar
from spinbound.cli.shared.outputs import Output, can_draw, make_folder, provenance_of, save_arrays, save_figure
from spinbound.cli.shared.report import bound_row, print_footer, print_json, print_table
from spinbound.sequences import library
from spinbound.sequences.sequence import Sequence
from spinbound.signals.crb import crb
from spinbound.signals.simulate import sensitivities
from spinbound.signals.simulate import simulate as compute_signals
from spinbound.tissues.tissue import Tissue

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SEQUENCE = "hybrid-mt-4s"
UNKNOWN = ("M0", "m0s", "T1a", "T2f", "Rex", "T2s", "omega0", "B1")
SHOWN = ("m0s", "T1a", "T2f")  # what the paper estimates
SNR = 50.0  # of the paper's analysis of bias and variance
TRAINING_MEAN = {"m0s": 0.12, "T1a": 1.6, "T2f": 0.1, "Rex": 44.0, "T2s": 10e-6, "omega0": 0.0, "B1": 1.0, "M0": 1.0}


class Plane(NamedTuple):
    """A plane of tissues, the names of its axes (upwards, to the right), and the bounds once they are known."""

    axes: tuple[str, str]
    tissue: Tissue
    bounds: Mapping[str, NDArray[Any]]

    @property
    def name(self) -> str:
        """The name of its files."""
        return "crb_" + "_".join(self.axes)


def demo(
    *, output: Output = Path("spinbound-demo"), tissues: int = 100_000, threads: Threads = None, json: bool = False
) -> None:
    """Map the bounds of the bundled sequence for 100,000 tissues over T1 x T2f and T1 x m0s, with figures.

    Parameters
    ----------
    output
        Folder for the figures (.png) and the results (.npz); files of an earlier demo in it are replaced.
    tissues
        Number of tissues in all, rounded to two planes of 4 by 5.
    threads
        Number of threads; all cores by default.
    json
        Print the outcome as JSON on stdout.
    """
    if tissues < 40:
        raise UsageError(f"two planes take at least 40 tissues; given {tissues}")
    make_folder(output)

    drawing, seq, begin = can_draw(), library.load(SEQUENCE), perf_counter()
    planes = add_bounds(seq, make_planes(tissues), threads)

    seconds = perf_counter() - begin
    settings = provenance_of(seq, SEQUENCE) | {"wrt": UNKNOWN, "sigma": 1 / SNR, "form": "real"}
    written = [save_plane(output, plane, settings) for plane in planes]
    if drawing:
        written += [save_png(output, name, figure) for name, figure in draw_figures(seq, planes)]

    at_mean = crb(seq, Tissue.from_dict(TRAINING_MEAN), UNKNOWN, 1 / SNR, threads=threads)
    rows = [plane_row(plane, name, at_mean[name]) for plane in planes for name in SHOWN]
    size = sum(plane.tissue.size for plane in planes)
    outcome = {"voxels": size, "seconds": seconds, "bounds": rows, "written": [*map(str, written)]}
    (print_json if json else print_demo)(settings | outcome)


def make_planes(tissues: int) -> list[Plane]:
    """Make the two planes, of 4 by 5 proportion: T1a and m0s in equal steps, T2f by equal factors."""
    rows = 4 * isqrt(tissues // 40)
    columns = rows * 5 // 4
    T1a = np.linspace(0.5, 4.0, columns)
    upwards = {"T2f": np.geomspace(0.01, 0.5, rows), "m0s": np.linspace(0.01, 0.35, rows)}
    return [
        Plane((name, "T1a"), Tissue.from_dict(TRAINING_MEAN | {name: values[:, None], "T1a": T1a}), {})
        for name, values in upwards.items()
    ]


def add_bounds(seq: Sequence, planes: list[Plane], threads: int | None) -> list[Plane]:
    """Add the bounds to the planes, under one progress bar."""
    total, done, filled = sum(plane.tissue.size for plane in planes), 0, []
    with show_bar(total, "CRB") as progress:
        for plane in planes:
            of_plane = shift_progress(progress, done, total)
            bounds = crb(seq, plane.tissue, UNKNOWN, 1 / SNR, threads=threads, progress=of_plane)
            filled.append(plane._replace(bounds=bounds))
            done += plane.tissue.size
    return filled


def save_plane(folder: Path, plane: Plane, settings: Mapping[str, Any]) -> Path:
    """Write a plane's axes and bounds."""
    path = folder / f"{plane.name}.npz"
    coordinates = {name: np.ravel(plane.tissue[name]) for name in plane.axes}
    bounds = {f"crb_{name}": variance for name, variance in plane.bounds.items()}
    fixed = {name: value for name, value in TRAINING_MEAN.items() if name not in plane.axes}
    save_arrays(path, coordinates | bounds, {**settings, "tissue": fixed})
    return path


def draw_figures(seq: Sequence, planes: list[Plane]) -> Iterator[tuple[str, Figure]]:
    """Yield all figures with their names: the train and its signals at the training mean, then the maps."""
    import spinbound.plot as plot

    mean, sizes = Tissue.from_dict(TRAINING_MEAN), [0.05, 0.12, 0.25]
    yield "sequence", plot.sequence(seq)
    yield "signal", plot.signal(seq, compute_signals(seq, mean.replace(m0s=sizes)), [f"$m_0^s$ = {m}" for m in sizes])
    yield "magnetization", plot.magnetization(seq, compute_signals(seq, mean, output="magnetization"))
    yield "sensitivities", plot.sensitivities(seq, sensitivities(seq, mean, UNKNOWN)[1], mean, UNKNOWN)
    title = f"{SEQUENCE}, {seq.duration:.3g} s; unknown: {', '.join(UNKNOWN)}; ring: training mean"
    for plane in planes:
        mark = TRAINING_MEAN[plane.axes[0]], TRAINING_MEAN[plane.axes[1]]
        maps = partial(plot.crb_maps, names=SHOWN, axes=plane.axes, sigma=1 / SNR, snr=SNR)
        yield plane.name, maps(plane.tissue, plane.bounds, mark=mark, title=title)


def save_png(folder: Path, name: str, figure: Figure) -> Path:
    """Write one figure."""
    path = folder / f"{name}.png"
    save_figure(path, figure)
    return path


def plane_row(plane: Plane, name: str, at_mean: NDArray[Any]) -> dict[str, Any]:
    """Return statistics of one parameter over a plane, and its relative deviation at the training mean."""
    statistics = bound_row(plane.tissue, name, plane.bounds[name])
    relative = float(np.sqrt(at_mean)) / TRAINING_MEAN[name]
    return {"plane": " x ".join(plane.axes), **statistics, "relative_std_at_mean": relative}


def print_demo(outcome: Mapping[str, Any]) -> None:
    """Print the bounds of the demo, one parameter of one plane per line."""
    duration = outcome["sequence"]["duration"]
    print(f"{SEQUENCE}, {duration:.3g} s; SNR = |M0|/sigma = {SNR:g} per channel; unknown: {', '.join(UNKNOWN)}")
    print("least relative standard deviation of an unbiased estimate, sqrt(CRB)/theta:")
    head = ("plane", "parameter", "training mean", "5 %", "median", "95 %", "not identifiable")
    print_table(head, map(plane_cells, outcome["bounds"]))
    print_footer(outcome)


def plane_cells(row: Mapping[str, Any]) -> list[str]:
    """Return the cells of one line."""
    relative = (row["relative_std_at_mean"], *row["relative_std"].values())
    return [row["plane"], row["parameter"], *map(as_percent, relative), str(row["not_identifiable"])]
