"""Report cards of both networks, on random tissues over the SNR and on two slices through the space of parameters."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
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

    def make_cards(name: str, dataset: Callable[[], Dictionary], levels: Sequence[float]) -> Cards:
        return {label: _make_card(run, f"{label}/{name}", net, dataset, levels) for label, net in networks.items()}

    on_test = make_cards("test", lambda: test, run.settings.snr_levels)
    slices = {name: partial(_make_slice, run, axes) for name, axes in SLICES.items()}
    return AllCards(on_test, {name: make_cards(name, make, [run.settings.snr]) for name, make in slices.items()})


def _make_slice(run: PaperRun, axes: tuple[str, str]) -> ReferenceSet:
    tissue = make_plane(run.problem.prior, axes, run.settings.slice_shape)
    return reference_set(run.problem.seq, tissue, basis=run.basis, wrt=UNKNOWN, **run.problem.options)


def _make_card(
    run: PaperRun, name: str, network: nn.Estimator, dataset: Callable[[], Dictionary], levels: Sequence[float]
) -> Evaluation:
    """Load the report card of a name, or evaluate the network and save it."""
    path = run.work.path(f"{name}.npz")
    with run.work.step(f"report card {name}"):
        if not path.exists():
            unfinished = path.with_suffix(".unfinished")
            evaluate(
                partial(network.estimate, **run.network_options),
                dataset(),
                list(levels),
                run.settings.realizations,
                names=ESTIMATED,
                seed=run.settings.seed,
                resume=unfinished,
                threads=run.threads,
                progress=run.problem.progress,
            ).save(path)
            shutil.rmtree(unfinished)
    return Evaluation.load(path)
