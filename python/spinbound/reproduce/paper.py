"""The steps of the reproduction in their order."""

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
from spinbound.tissues.phantom import tubes
from spinbound.tissues.prior import Prior

from . import claims, figures
from .data import PaperProblem, PaperRun, build_sets, prepare_basis
from .judged import judge
from .measured import as_slice, estimate_maps, has_data, make_phantom_data
from .networks import train_networks
from .pages import TITLE, make_sections
from .settings import Settings
from .work import Tell, open_work

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
    tell: Tell = lambda _: None,
) -> Path:
    """Train both networks, judge them, and compare them with NLLS; write one HTML report.

    Parameters
    ----------
    seq
        The pulse sequence.
    folder
        Folder of all results. A run that was killed resumes there, and does no finished step again.
    settings
        The sizes of the reproduction; by default `Settings.full`.
    basis
        The basis of the signals, with at least the rank of the settings; by default it is built from the prior.
    prior
        The prior of the tissues; by default that of the paper for the sequence's TR, within the limits of the model.
    in_vivo : (rows, columns, rank) complex
        Coefficients of a slice in the basis, zero where there are no data, for Fig. 8.
    device
        The device of the networks; by default a GPU if there is one.
    tell
        A callable that takes a line at the beginning of every step.
    model, threads, progress
        As in `simulate`.

    Returns
    -------
    Path
        The file of the report.

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
    problem = PaperProblem(
        seq=seq,
        prior=prior or Prior.paper(TR).within(seq, model),
        model=as_model(model),
        threads=threads,
        device=device,
        progress=progress,
    )
    data = None if in_vivo is None else as_slice(in_vivo, settings.rank, basis)

    with open_work(Path(folder), _describe(problem, settings, basis), tell) as work:
        run = PaperRun(work, problem, settings, prepare_basis(work, problem, settings, basis))
        return _reproduce(run, data)


def _reproduce(run: PaperRun, in_vivo: npt.NDArray[Any] | None) -> Path:
    """Do every step, and write the report."""
    sets = build_sets(run)
    networks, curves = train_networks(run, sets)
    cards = judge(run, networks, sets["test"])
    phantom = tubes(run.settings.phantom_shape)
    phantom_maps = estimate_maps(run, networks, make_phantom_data(run, phantom), "phantom")
    rows = [*claims.compare_convergence(curves), *claims.compare_slices(cards)]
    rows += claims.compare_random_tissues(cards, run.settings)
    rows += claims.compare_phantom(phantom_maps, phantom)
    drawings = {
        "Convergence (Fig. 1)": figures.plan_convergence(curves),
        "Slices of tissues (Figs. 2, 9, 10)": figures.plan_slices(cards, run.settings, run.problem.prior),
        "Random tissues (Figs. 3, 4)": figures.plan_histograms(cards, run.settings),
        "Parts of the loss (Figs. 5, 6)": figures.plan_losses(cards, run.settings),
        "Six tubes (Fig. 7)": figures.plan_phantom(phantom_maps, phantom, run.settings),
    }
    if in_vivo is not None:
        maps = estimate_maps(run, networks, in_vivo, f"in-vivo-{hash_arrays(in_vivo):.8}")
        rows += claims.compare_in_vivo(maps)
        drawings[IN_VIVO] = figures.plan_in_vivo(maps, has_data(in_vivo))
    pictures = {heading: list(figures.draw_pictures(run.work, each)) for heading, each in drawings.items()}
    return _write(run, rows, pictures)


def _write(run: PaperRun, rows: Rows[claims.Row], pictures: dict[str, list[Picture]]) -> Path:
    path = run.work.path("report.html")
    provenance = {**_describe_sources(run.problem, run.basis), "seconds": run.work.seconds}
    write_report(path, TITLE, make_sections(rows, pictures, run.settings, provenance))
    return path


def _describe(problem: PaperProblem, settings: Settings, basis: Basis | None) -> dict[str, Any]:
    """Describe everything but the slice in vivo that the results depend on, in plain words and numbers."""
    return {**_describe_sources(problem, basis), **asdict(settings)}


def _describe_sources(problem: PaperProblem, basis: Basis | None) -> dict[str, Any]:
    """Describe the acquisition, the model, the basis and the prior of the results."""
    return ForwardModel.of(problem.seq, problem.model, basis).described | {"prior": problem.prior.toml}
