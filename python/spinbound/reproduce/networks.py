"""The two networks, which differ only in the loss of their training."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import spinbound.nn as nn
from spinbound.dictionaries.dictionary import Dictionary
from spinbound.nn.device import use_torch_threads

from .data import PaperRun
from .settings import ESTIMATED
from .work import Arrays

LOSSES = {"NN-CRB": nn.CRBLoss, "NN-MSE": nn.MSELoss}
OPTIONS = ("epochs", "batch", "learning_rate", "halve_every", "schedule", "clip", "seed")  # of a training
CURVES = ("epoch", "loss", "validation_loss", "validation_crb_loss", "seconds")


def train_networks(run: PaperRun, sets: Mapping[str, Dictionary]) -> tuple[dict[str, nn.Estimator], dict[str, Arrays]]:
    """Train both networks, and return them with their best weights and the curves of their training."""
    networks, curves = {}, {}
    for label in LOSSES:
        with run.work.step(f"training of {label}"), use_torch_threads(run.threads):
            curves[label] = run.work.load_or_compute(f"{label}/curves", partial(_train, run, sets, label))
        networks[label] = nn.Estimator.load(run.work.path(f"{label}/best.safetensors"))
    return networks, curves


def _train(run: PaperRun, sets: Mapping[str, Dictionary], label: str) -> Arrays:
    """Train a network, or resume a training that was killed, and return the curves."""
    settings = run.settings
    history = nn.train(
        _make_network(run),
        nn.StoredData(sets["training"]),
        validation=nn.StoredData(sets["validation"]),
        loss=LOSSES[label](),
        noise=nn.Noise(sigma=settings.sigma, M0=settings.M0),
        folder=run.work.path(label),
        device=run.problem.device,
        progress=run.problem.progress,
        **{name: getattr(settings, name) for name in OPTIONS},
    )
    return {name: history[name] for name in CURVES}


def _make_network(run: PaperRun) -> nn.Estimator:
    """Make a network before its training; both networks begin with the same weights."""
    settings, problem = run.settings, run.problem
    architecture = getattr(nn.Architecture, settings.architecture)(settings.rank)
    return nn.Estimator(
        ESTIMATED,
        basis=run.basis,
        seq=problem.seq,
        prior=problem.prior,
        model=problem.model,
        architecture=architecture,
        phase=settings.phase,
        seed=settings.seed,
    )
