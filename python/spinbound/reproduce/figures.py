"""The paper's figures of our results: each is drawn once, and stored as PNG.

A figure is a `Drawing`: its number in the paper, its caption, and the call that draws it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING

import numpy as np

import spinbound.plot as plot
from spinbound.base.errors import BoolArray, FloatArray
from spinbound.files.writing import write_atomically
from spinbound.pages.page import Picture
from spinbound.tissues.phantom import Phantom
from spinbound.tissues.prior import Prior

from .claims import BOTH, MEAN_BIASES, WHITE_MATTER, WORDS, find_white_matter, format_with_unit
from .data import find_middle
from .judged import SLICES, AllCards
from .measured import Maps
from .settings import ESTIMATED, Settings
from .work import Arrays, Work

if TYPE_CHECKING:
    from matplotlib.figure import Figure


BRAIN = {"m0s": (0.0, 0.25), "T1a": (1.0, 3.0), "T2f": (0.03, 0.12)}  # ends of the colours; chosen


@dataclass(frozen=True)
class Drawing:
    """One figure: the name of its file, its caption, and the call that draws it."""

    name: str
    caption: str
    draw: Callable[[], Figure]


def draw_pictures(work: Work, drawings: Iterator[Drawing]) -> Iterator[Picture]:
    """Draw the figures that are not stored yet, and yield all of them."""
    for drawing in drawings:
        path = work.path(f"figures/{drawing.name}.png")
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            png = Picture.of(drawing.draw(), drawing.caption).png
            write_atomically(path, methodcaller("write", png))
        yield Picture(path.read_bytes(), drawing.caption)


def plan_convergence(curves: Mapping[str, Arrays]) -> Iterator[Drawing]:
    """Plan Fig. 1."""
    yield Drawing(
        "figure-1-convergence",
        "Fig. 1. Losses over the epochs: each network's own in training and validation, and the CRB loss of the "
        "validation set for both networks. The line at 1 is the loss of an efficient unbiased estimator.",
        partial(plot.convergence, arrange_curves(curves)),
    )


def arrange_curves(curves: Mapping[str, Arrays]) -> dict[str, dict[str, Arrays]]:
    """Arrange the curves by panel."""
    crb, mse = (
        {"training": select_curve(curves[label], "loss"), "validation": select_curve(curves[label], "validation_loss")}
        for label in BOTH
    )
    both = {label: select_curve(curves[label], "validation_crb_loss") for label in BOTH}
    return {"CRB loss of NN-CRB": crb, "MSE loss of NN-MSE": mse, "CRB loss, validation": both}


def select_curve(columns: Arrays, name: str) -> Arrays:
    """Select one column over the epochs."""
    return {"epoch": columns["epoch"], "loss": columns[name]}


def plan_slices(judged: AllCards, settings: Settings, prior: Prior) -> Iterator[Drawing]:
    """Plan Figs. 2, 9 and 10, the last in both slices."""
    centre = find_middle(prior)
    for number, name, plane, _ in MEAN_BIASES:
        axes = SLICES[plane]
        mark = (centre[axes[0]], centre[axes[1]])
        yield Drawing(
            f"figure-{number}-bias-{name}-{plane}",
            f"Fig. {number}. Bias and standard deviation of {WORDS[name]} by both networks on the slice {plane}, and "
            f"the root of the Cramér-Rao bound; {settings.realizations} realisations of the noise at SNR "
            f"{settings.snr:g}. The dot marks the mean of the training distribution before it is truncated.",
            partial(plot.bias_maps, judged.slices[plane], name, axes=axes, mark=mark),
        )


def plan_histograms(judged: AllCards, settings: Settings) -> Iterator[Drawing]:
    """Plan Figs. 3 and 4."""
    shown = f"the test set at SNR {settings.snr:g}, {settings.realizations} realisations of the noise"
    yield Drawing(
        "figure-3-bias",
        f"Fig. 3. Bias of the estimates of {shown}.",
        partial(plot.bias_histograms, judged.test, settings.snr),
    )
    yield Drawing(
        "figure-4-std",
        f"Fig. 4. Standard deviation of the estimates of {shown}, in units of the root of the Cramér-Rao bound.",
        partial(plot.std_histograms, judged.test, settings.snr),
    )


def plan_losses(judged: AllCards, settings: Settings) -> Iterator[Drawing]:
    """Plan Figs. 5 and 6."""
    yield Drawing(
        "figure-5-snr",
        "Fig. 5. Parts of bias and variance of the CRB loss over the SNR. Grey: the range of the training.",
        partial(plot.loss_over_snr, judged.test, trained=settings.trained_snr),
    )
    yield Drawing(
        "figure-6-crb",
        f"Fig. 6. Parts of bias and variance of the CRB loss over the size of the bound, at SNR {settings.snr:g}.",
        partial(plot.loss_over_crb, judged.test, settings.snr),
    )


def plan_phantom(maps: Maps, phantom: Phantom, settings: Settings) -> Iterator[Drawing]:
    """Plan Fig. 7, and the maps from which its boxes are drawn."""
    truth = {name: np.asarray(phantom.tissue[name]) for name in ESTIMATED}
    snr = f"|M0|/sigma = {settings.phantom_snr:g}"
    yield Drawing(
        "figure-7-phantom",
        f"Fig. 7, simulated: estimates in six tubes like those of the paper, {snr}. Boxes: the middle half of the "
        "voxels with the median; whiskers: 5th to 95th percentile; dotted: truth.",
        partial(plot.region_boxes, maps, phantom.masks, truth=truth),
    )
    yield Drawing(
        "figure-7-maps",
        f"Maps of the simulated tubes, {snr}: truth and estimates, one scale for a parameter. Upper row: 10, 15 and "
        "20 % BSA; lower row: the same with MnCl2.",
        partial(plot.compared_maps, {"truth": truth, **maps}, mask=phantom.labels > 1),
    )


def plan_in_vivo(maps: Maps, shown: BoolArray) -> Iterator[Drawing]:
    """Plan Fig. 8, with the voxels that hold data."""
    low, high = WHITE_MATTER
    yield Drawing(
        "figure-8-in-vivo",
        "Fig. 8. The slice in vivo by the three estimators, one scale for a parameter. Above each map: median and "
        f"half the interquartile range where the T1 of NLLS is {low:g} to {high:g} s.",
        partial(plot.compared_maps, maps, mask=shown, scales=BRAIN, notes=write_notes(maps)),
    )


def write_notes(maps: Maps) -> dict[str, dict[str, str]]:
    """Write median and spread in white matter, by estimator and parameter."""
    mask = find_white_matter(maps)
    return {
        label: {name: format_median_and_spread(name, values[name][mask]) for name in ESTIMATED}
        for label, values in maps.items()
    }


def format_median_and_spread(name: str, values: FloatArray) -> str:
    """Format median and half the interquartile range of the finite values: few fits are far off, but very far."""
    known = values[np.isfinite(values)]
    if not known.size:
        return "no result"
    low, median, high = np.percentile(known, (25, 50, 75))
    return format_with_unit(name, median, (high - low) / 2)
