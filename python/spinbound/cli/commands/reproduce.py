"""``spinbound reproduce``: the experiments of a paper with one command."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from spinbound.cli.shared.arguments import Inputs, ModelName, Number, SequenceSource, Threads, open_basis, open_sequence
from spinbound.cli.shared.images import Images, open_data
from spinbound.cli.shared.outputs import Output
from spinbound.cli.shared.report import print_json

OPTIONS = Parameter(negative=())
reproduce = App(name="reproduce", help="Repeat the experiments of a paper.", default_parameter=OPTIONS)


@reproduce.command(name="crb-paper")
def crb_paper(
    *,
    output: Output = Path("crb-paper"),
    quick: bool = False,
    train: SequenceSource = "hybrid-mt-4s",
    TR: Annotated[float | None, Parameter(name="--TR")] = None,
    gradient_moment: str | None = None,
    basis: Path | None = None,
    in_vivo: str | None = None,
    model: ModelName = "gbloch",
    seed: Number = 0,
    device: str | None = None,
    threads: Threads = None,
    json: bool = False,
) -> None:
    """Compare networks trained with the Cramér-Rao bound to those trained with squared errors (arXiv 2109.10535).

    The command trains both, judges them, compares them with least squares, and writes report.html with the paper's
    figures and numbers. A run that was killed goes on where it stopped when the same command is given again.

    Parameters
    ----------
    output
        The folder for everything.
    quick
        Take an hour of two cores, with a smaller network and fewer tissues, instead of the paper's work on a GPU.
    train
        The pulse sequence: a bundled one, or a file.
    TR
        Repetition time in s, where the sequence's file has none.
    gradient_moment
        Gradient moments, where the sequence's file has none: words separated by commas, one per pulse, the last of
        which holds for all further pulses: "crusher,balanced".
    basis
        File of a basis, of which the first 13 vectors are used; by default it is made from the tissues' distribution.
    in_vivo
        Coefficients of a slice in the basis (.npz, .nii, .mat, .cfl), for Fig. 8.
    model
        The model of magnetization transfer.
    seed
        Seed of tissues, weights and noise.
    device
        Device of the networks: cpu, cuda, ...; by default a GPU if there is one.
    threads
        Number of threads; all cores by default.
    json
        Print the outcome as JSON on stdout.
    """
    import spinbound.reproduce as library

    inputs = Inputs(TR=TR, gradient_moment=gradient_moment, model=model, threads=threads)
    seq, data = open_sequence(train, inputs), None if in_vivo is None else open_data(in_vivo, Images()).data
    settings = library.Settings.quick() if quick else library.Settings.full()

    options = inputs.options | {"basis": open_basis(basis), "in_vivo": data, "device": device, "tell": print_step}
    report = library.crb_paper(seq, output, replace(settings, seed=seed), progress=sys.stderr.isatty(), **options)
    print_json({"written": [str(report)]}) if json else print(f"wrote {report}")


def print_step(line: str) -> None:
    """Print on stderr what is done now."""
    print(f"spinbound: {line}", file=sys.stderr, flush=True)
