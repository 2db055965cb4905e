"""Report cards of both networks, on random tissues over the SNR and on two slices through the space of parameters."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from spinbound.dictionaries.dictionary import Dictionary
from spinbound.evaluation.card import Evaluation
from spinbound.evaluation.dataset import ReferenceSet, reference_set
from spinbound.evaluation.evaluate import evaluate

from .data import PaperRun, make_plane
from .settings import ESTIMATED, UNKNOWN

if TYPE_CHECKING:
    import spinbound.nn as nn


SLICES = {"T1-T2f": ("T2f", "T1a"), "T1-m0s": ("m0s", "T1a")}  # upwards, to the right

Cards = Mapping[str, Evaluation]  # by network


@dataclass(frozen=True)
class AllCards:
    """Report cards by network, on the test set at all levels of the SNR, and on each slice at one level."""

    test: Cards
    slices: Mapping[str, Cards]


def judge(run: PaperRun, networks: Mapping[str, nn.Estimator], test: Dictionary) -> AllCards:
    """Evaluate both networks on the test set and on the slices."""
    levels, snr = list(run.settings.snr_levels), [run.settings.snr]
    on_test = {
        label: _make_card(run, f"{label}/test", network, lambda: test, levels) for label, network in networks.items()
    }
    on_slices = {
        name: {
            label: _make_card(run, f"{label}/{name}", network, partial(_make_slice, run, axes), snr)
            for label, network in networks.items()
        }
        for name, axes in SLICES.items()
    }
    return AllCards(on_test, on_slices)


def _make_slice(run: PaperRun, axes: tuple[str, str]) -> ReferenceSet:
    tissue = make_plane(run.problem.prior, axes, run.settings.slice_shape)
    return reference_set(run.problem.seq, tissue, basis=run.basis, wrt=UNKNOWN, **run.problem.options)


def _make_card(
    run: PaperRun, name: str, network: nn.Estimator, dataset: Callable[[], Dictionary], levels: list[float]
) -> Evaluation:
    """Load the report card of a name, or evaluate the network and save it."""
    path = run.work.path(f"{name}.npz")
    with run.work.step(f"report card {name}"):
        if not path.exists():
            unfinished = path.with_suffix(".unfinished")
            evaluate(
                partial(network.estimate, **run.network_options),
                dataset(),
                levels,
                run.settings.realizations,
                names=ESTIMATED,
                seed=run.settings.seed,
                resume=unfinished,
                threads=run.threads,
                progress=run.problem.progress,
            ).save(path)
            shutil.rmtree(unfinished)
    return Evaluation.load(path)
