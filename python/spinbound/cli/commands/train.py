"""``spinbound train``: the training of an estimator, as a TOML file describes it."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from spinbound.cli.shared.arguments import DONE, Count, Threads
from spinbound.cli.shared.outputs import OptionalOutput
from spinbound.cli.shared.report import print_json, print_table

if TYPE_CHECKING:
    from spinbound.nn import History, Training


def train(
    configuration: Path,
    /,
    *,
    output: OptionalOutput = None,
    epochs: Count | None = None,
    device: str | None = None,
    threads: Threads = None,
    json: bool = False,
) -> int:
    """Train an estimator, as a .toml file describes it.

    A run that was killed goes on where it stopped when the same command is given again.

    Parameters
    ----------
    configuration
        The file that names the network, the data and the settings: the page "Learning" of the documentation lists the
        keys.
    output
        The folder for checkpoints and the log; by default one of the file's name without .toml, where the command is
        given.
    epochs
        Number of epochs, in place of that of the file.
    device
        Device of the network: cpu, cuda, ...; by default the GPU if there is one.
    threads
        Number of threads of the network on a CPU; all cores by default.
    json
        Print the outcome as JSON on stdout.
    """
    from spinbound.nn import Training
    from spinbound.nn.device import use_torch_threads

    training, folder = Training.load(configuration), output or Path(configuration.stem)
    given = {"epochs": epochs, "device": device}
    options = {name: value for name, value in given.items() if value is not None}

    begin = perf_counter()
    with use_torch_threads(threads):
        history = training.run(folder, progress=sys.stderr.isatty(), **options)
    print_epochs(training, history, folder, perf_counter() - begin, json)
    return DONE


def print_epochs(training: Training, history: History, folder: Path, seconds: float, as_json: bool) -> None:
    """Print the first, the best and the last epoch, or all of them as JSON."""
    if as_json:
        print_json(describe_training(training, history, folder, seconds))
        return
    rows = sorted({0, history.best_epoch - 1, len(history) - 1})
    head = ("epoch", "learning rate", "loss", "validation", "CRB loss")
    columns = ("learning_rate", "loss", "validation_loss", "validation_crb_loss")
    print_table(head, ([str(row + 1), *(f"{history[name][row]:.4g}" for name in columns)] for row in rows))
    print(f"{len(history)} epochs in {seconds:.0f} s; the best is {history.best_epoch}")
    print(f"wrote {folder / 'best.safetensors'} and {folder / 'last.safetensors'}")


def describe_training(training: Training, history: History, folder: Path, seconds: float) -> dict[str, Any]:
    """Return the description of the network, and the history of its training."""
    from spinbound.nn.training.history import COLUMNS

    return {
        "estimator": training.estimator.description,
        "history": {name: history[name].tolist() for name in COLUMNS},
        "best_epoch": history.best_epoch,
        "seconds": seconds,
        "written": [str(folder / name) for name in ("best.safetensors", "last.safetensors", "log.csv")],
    }
