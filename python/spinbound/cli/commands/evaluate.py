"""``spinbound evaluate``: the report card of an estimator."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Literal

from cyclopts import Parameter, validators

from spinbound.cli.shared.arguments import (
    DONE,
    DONE_WITH_FAILED_VOXELS,
    Count,
    Inputs,
    Number,
    UsageError,
    open_basis_of,
    open_sequence,
    parse_unknowns,
    show_bar,
    split_words,
)
from spinbound.cli.shared.estimators import Choices, check_word, make_estimator
from spinbound.cli.shared.fit_unknowns import parse_number
from spinbound.cli.shared.outputs import Output, check_files, save_figure, work_beside
from spinbound.cli.shared.prior import PAPER, PriorSource, open_prior
from spinbound.cli.shared.report import print_json
from spinbound.cli.shared.runner import Workers, make_runner, print_part_done
from spinbound.dictionaries.store import open_dictionary
from spinbound.evaluation.card import Evaluation
from spinbound.evaluation.dataset import FULL_MODEL, ReferenceSet, as_reference_set, reference_set
from spinbound.evaluation.evaluate import evaluate as judge
from spinbound.sequences.experiment import as_trains
from spinbound.sequences.model import Model
from spinbound.work.job import as_part


def evaluate(
    estimator: str,
    data: str,
    /,
    *,
    output: Output = Path("evaluation.npz"),
    figure: Path | None = None,
    snr: str = "50",
    realizations: Annotated[int, Parameter(validator=validators.Number(gte=2))] = 300,
    names: str = "",
    phase: Literal["fixed", "random"] = "fixed",
    prior: PriorSource = PAPER,
    n: Count | None = None,
    first: Number = 0,
    wrt: str = "",
    seed: Number = 0,
    margin: Annotated[float, Parameter(validator=validators.Number(gt=0, lt=1))] = 0.1,
    beside: list[Path] | None = None,
    choices: Choices | None = None,
    workers: Workers | None = None,
    inputs: Inputs | None = None,
) -> int:
    """Judge an estimator: bias, variance and loss in units of the Cramér-Rao bound, with a verdict.

    A run that was killed goes on where it stopped when the same command is given again.

    Parameters
    ----------
    estimator
        nlls (non-linear least squares), match (the best atom of a dictionary), interpolate (between atoms), or a
        trained network, NAME.safetensors.
    data
        The reference set: a dictionary with bounds, NAME.zarr; or a sequence, for which tissues are drawn from the
        prior.
    output
        The report card as .npz.
    figure
        A figure: the loss over the SNR, if there are several levels, else histograms of std/sqrt(CRB).
    snr
        Levels of |M0|/sigma, separated by commas.
    realizations
        Number of realizations of the noise of each tissue.
    names
        The parameters to judge, separated by commas; by default all that the estimator gives.
    phase
        Phase of M0 in the data: always 0, or a new random one in each realisation.
    n
        Number of tissues to draw; by default each combination of the prior's grids, or 9056.
    first
        Number of the first tissue; a network must not be judged by tissues that it has learnt.
    wrt
        The unknowns of the full model, separated by commas; by default M0, m0s, T1a, T2f, Rex, T2s, omega0, B1.
    seed
        Seed of the tissues and of the noise.
    margin
        Largest relative distance from the bound that the verdict calls near.
    beside
        Other report cards (.npz), to show beside this one in the table and the figure.
    """
    inputs, choices, runner = inputs or Inputs(), choices or Choices(), make_runner(workers)
    work, levels = work_beside(output, "evaluate"), [parse_number(level, "--snr") for level in snr.split(",")]

    check_word(estimator)
    check_files(output, figure, inputs.overwrite or work.exists())

    label, *labels = make_labels(estimator, beside or [])
    others = {label: Evaluation.load(path) for label, path in zip(labels, beside or [], strict=True)}
    dataset, model = open_reference(data, prior, inputs, n=n, first=first, wrt=wrt, seed=seed)

    train = as_trains(dataset.sequence).sequences[0]
    chosen = make_estimator(estimator, dataset, lambda: open_prior(prior, train, inputs), choices, model)
    options: dict[str, Any] = {"names": split_words(names), "phase": phase, "seed": seed, "threads": inputs.threads}
    check_beside(others, levels, split_words(names) or tuple(getattr(chosen, "names", dataset.wrt)))

    begin = perf_counter()
    with show_bar(len(dataset) * len(levels), "evaluate") as progress:
        options |= {"resume": work, "runner": runner, "progress": progress}
        found = judge(chosen, dataset, levels, realizations, **options)
    if as_part(runner):
        return print_part_done(runner, work, inputs.json)

    found.save(output)
    cards = {label: found, **others}
    if figure:
        save_figure(figure, draw_cards(cards))
    outcome = {"estimator": estimator, "data": data, "seconds": perf_counter() - begin}
    outcome["written"] = [str(path) for path in (output, figure) if path]
    print_cards(cards, margin, outcome, inputs.json)
    return finish(found, dataset, work)


def make_labels(estimator: str, beside: list[Path]) -> list[str]:
    """Name report cards by the last parts of their paths, or by the whole paths where these parts agree.

    Raises
    ------
    UsageError
        If a file is given twice.
    """
    if twice := [str(path) for path, times in Counter(beside).items() if times > 1]:
        raise UsageError(f"--beside has {twice[0]} twice")

    stems = [Path(estimator).stem, *(path.stem for path in beside)]
    paths = [estimator, *map(str, beside)]
    return [stem if stems.count(stem) == 1 else path for stem, path in zip(stems, paths, strict=True)]


def check_beside(others: Mapping[str, Evaluation], levels: list[float], names: Sequence[str]) -> None:
    """Refuse, before any work, report cards that share nothing with the new one.

    Raises
    ------
    UsageError
        If one has no level of the SNR, or no parameter, in common with those asked for.
    """
    for label, card in others.items():
        if not set(card.snr.tolist()) & set(levels):
            known = ", ".join(f"{level:g}" for level in card.snr)
            raise UsageError(f"--beside: {label} has no SNR of --snr; it has: {known}")
        if not set(card.names) & set(names):
            raise UsageError(f"--beside: {label} has none of {', '.join(names)}; it has: {', '.join(card.names)}")


def open_reference(
    source: str, prior: str, inputs: Inputs, *, n: int | None, first: int, wrt: str, seed: int
) -> tuple[ReferenceSet, Model]:
    """Open the reference set of a store, or make that of a sequence and a prior; also return its model."""
    if Path(source).suffix.lower() == ".zarr":
        if n is not None or any((first, wrt, inputs.basis, inputs.TR, inputs.gradient_moment)):
            given = "--n, --first, --wrt, --basis, --TR and --gradient-moment"
            raise UsageError(f"{source} has its tissues and its sequence; leave {given} out")

        store = open_dictionary(Path(source))
        return as_reference_set(store), Model.read(store.configuration)
    seq = open_sequence(source, inputs)
    options = inputs.options | {"basis": open_basis_of(seq, inputs), "seed": seed, "first": first}

    names, tissues = parse_unknowns(wrt) if wrt else FULL_MODEL, open_prior(prior, seq, inputs)
    return reference_set(seq, tissues, n, wrt=names, **options), inputs.chosen_model


def draw_cards(cards: Mapping[str, Evaluation]) -> Any:
    """Draw some report cards."""
    from spinbound.plot import loss_over_snr, std_histograms

    return loss_over_snr(cards) if next(iter(cards.values())).snr.size > 1 else std_histograms(cards)


def print_cards(cards: Mapping[str, Evaluation], margin: float, outcome: Mapping[str, Any], as_json: bool) -> None:
    """Print the report card as JSON; or as a table, with others beside it."""
    found = next(iter(cards.values()))
    if as_json:
        print_json({**outcome, **found.settings, **as_tree(found, margin)})
        return

    print(found.table(margin))
    if len(cards) > 1:
        print(f"\n{Evaluation.compare(cards)}")
    print(f"\nwrote {' and '.join(outcome['written'])} in {outcome['seconds']:.1f} s")


def as_tree(found: Evaluation, margin: float) -> dict[str, Any]:
    """Return scores and verdicts as numbers and words."""
    scores = {**found.scores, "overall": found.overall}

    verdicts = {
        name: [asdict(verdict) | {"verdict": str(verdict)} for verdict in levels]
        for name, levels in found.verdicts(margin).items()
    }
    lists = {name: {part: values.tolist() for part, values in vars(score).items()} for name, score in scores.items()}
    return {"scores": lists, "verdicts": verdicts}


def finish(found: Evaluation, dataset: ReferenceSet, work: Path) -> int:
    """Remove the work in progress if all of it is done; return the exit status, which says so."""
    not_done = int((found.n_finite[found.names[0]] < 0).sum()) - found.snr.size * int((~dataset.valid).sum())
    if not_done:
        print(f"spinbound: {not_done} tissues are not done: the same command does what is missing", file=sys.stderr)
        return DONE_WITH_FAILED_VOXELS

    shutil.rmtree(work, ignore_errors=True)
    return DONE
