"""All steps of the reproduction in their order."""

from __future__ import annotations

import os
from collections.abc import Sequence as Rows
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_threads, check_progress
from spinbound.base.errors import Progress
from spinbound.files.hashes import hash_arrays
from spinbound.pages.page import Picture, write_report
from spinbound.sequences.model import Model, as_model
from spinbound.sequences.sequence import Sequence
from spinbound.signals.basis import Basis
from spinbound.signals.forward import ForwardModel
from spinbound.tissues.prior import Prior

from . import claims, figures
from .data import Problem, Run, basis_of, sets_of
from .judged import judged
from .measured import estimated, has_data, measured_slice, phantom_data, phantom_of
from .networks import networks_of
from .pages import TITLE, sections
from .settings import Settings
from .work import Tell, opened

IN_VIVO = "A slice in vivo (Fig. 8)"


def crb_paper(
    seq: Sequence,
    folder: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    basis: Basis | None = None,
    prior: Prior | None = None,
    in_vivo: npt.ArrayLike | None = None,
    model: Model | str = "gbloch",
    device: str | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
    tell: Tell = lambda line: None,
) -> Path:
    """Train both networks, judge them, and compare them with NLLS; write one HTML report.

    Parameters
    ----------
    seq
        The pulse sequence.
    folder
        For all results. A run that was killed goes on from there; what is done is not done again.
    settings
        How much is computed; by default `Settings.full`.
    basis
        Of the signals, at least as many vectors as the settings want; by default made from the prior.
    prior
        Of the tissues; by default that of the paper for the sequence's TR, within what the model takes.
    in_vivo : (rows, columns, rank) complex
        Coefficients of a slice in the basis, zero where there is nothing, for Fig. 8.
    device
        Of the networks; by default a GPU if there is one.
    tell
        Called with a line at the begin of every step.
    model, threads, progress
        As in `simulate`.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    InvalidData
        If the folder holds another reproduction, basis and settings do not fit each other, or `in_vivo` is no slice or
        comes without its basis.
    InvalidParameter, InvalidSequence
        If another argument is not accepted.
    OSError
        If the folder cannot be written.
    """
    settings = settings or Settings.full()
    as_threads(threads)
    check_progress(progress)
    TR = float(np.median(seq.repetition_times))
    problem = Problem(
        seq=seq,
        prior=prior or Prior.paper(TR).within(seq, model),
        model=as_model(model),
        threads=threads,
        device=device,
        progress=progress,
    )
    data = None if in_vivo is None else measured_slice(in_vivo, settings.rank, basis)
    with opened(Path(folder), _described(problem, settings, basis), tell) as work:
        run = Run(work, problem, settings, basis_of(work, problem, settings, basis))
        return _reproduced(run, data)


def _reproduced(run: Run, in_vivo: npt.NDArray[Any] | None) -> Path:
    """Every step, and the report."""
    sets = sets_of(run)
    networks, curves = networks_of(run, sets)
    cards = judged(run, networks, sets["test"])
    phantom = phantom_of(run.settings)
    tubes = estimated(run, networks, phantom_data(run, phantom), "phantom")
    rows = [*claims.convergence_rows(curves), *claims.slice_rows(cards), *claims.test_rows(cards, run.settings)]
    rows += claims.phantom_rows(tubes, phantom)
    drawings = {
        "Convergence (Fig. 1)": figures.of_training(curves),
        "Slices of tissues (Figs. 2, 9, 10)": figures.of_slices(cards, run.settings, run.problem.prior),
        "Random tissues (Figs. 3, 4)": figures.of_histograms(cards, run.settings),
        "Parts of the loss (Figs. 5, 6)": figures.of_losses(cards, run.settings),
        "Six tubes (Fig. 7)": figures.of_phantom(tubes, phantom, run.settings),
    }
    if in_vivo is not None:
        maps = estimated(run, networks, in_vivo, f"in-vivo-{hash_arrays(in_vivo):.8}")
        rows += claims.in_vivo_rows(maps)
        drawings[IN_VIVO] = figures.of_slice(maps, has_data(in_vivo))
    pictures = {heading: list(figures.pictures(run.work, each)) for heading, each in drawings.items()}
    return _written(run, rows, pictures)


def _written(run: Run, rows: Rows[claims.Row], pictures: dict[str, list[Picture]]) -> Path:
    path = run.work.path("report.html")
    provenance = {**_sources(run.problem, run.basis), "seconds": run.work.seconds}
    write_report(path, TITLE, sections(rows, pictures, run.settings, provenance))
    return path


def _described(problem: Problem, settings: Settings, basis: Basis | None) -> dict[str, Any]:
    """All that the results depend on but the slice in vivo, in plain words and numbers."""
    return {**_sources(problem, basis), **asdict(settings)}


def _sources(problem: Problem, basis: Basis | None) -> dict[str, Any]:
    """What the results are made from and by."""
    return ForwardModel.of(problem.seq, problem.model, basis).described | {"prior": problem.prior.toml}
