"""The state of a training, in memory and in a folder, so that a run that was killed can resume.

The folder of a training holds

    optimiser.safetensors   everything to resume from: last and best weights, the state of Adam, the history
    last.safetensors        the estimator after the last epoch that was saved
    best.safetensors        the estimator of the best epoch
    log.csv                 the history
    lock                    the process that is at work

The first file is written before the others, which are made from it again when a run resumes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spinbound.base.errors import InvalidData
from spinbound.files.writing import write_atomically
from spinbound.nn.checkpoint import check_tensors, copy_state, read_tensors, write_tensors
from spinbound.nn.estimator import Estimator
from spinbound.work.folder import describe_difference
from spinbound.work.locks import hold_lock

from .history import COLUMNS, History
from .loop import Loop

KIND = "spinbound training 1"
STATE, LAST, BEST, LOG = "optimiser.safetensors", "last.safetensors", "best.safetensors", "log.csv"
LOCK = "lock"
MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # of Adam


class TrainingRun:
    """The state of a training: the history, and the best weights so far."""

    def __init__(self, loop: Loop, configuration: Mapping[str, Any], folder: Path | None) -> None:
        self.loop, self.configuration, self.folder = loop, configuration, folder
        self.history = History(np.empty((0, len(COLUMNS))))
        self.best = copy_state(loop.estimator)

    def add(self, row: list[float]) -> None:
        """Add an epoch to the history, and store its weights if they are the best."""
        self.history = self.history.with_row(row)
        if self.history.best_epoch == len(self.history):
            self.best = copy_state(self.loop.estimator)

    # The folder

    def save(self) -> None:
        """Write all files, each whole or not at all."""
        if self.folder is None:
            return
        write_tensors(self.folder / STATE, KIND, self._collect_tensors(), {"configuration": self.configuration})
        estimator = self.loop.estimator
        last = copy_state(estimator)
        estimator.save(self.folder / LAST)
        estimator.load_state_dict(self.best)
        estimator.save(self.folder / BEST)
        estimator.load_state_dict(last)
        write_atomically(self.folder / LOG, lambda stream: stream.write(self.history.csv.encode()))

    def resume(self) -> None:
        """Resume the run of the folder where it has stopped, if there is one.

        Raises
        ------
        InvalidData
            If the folder holds another training, or an unknown one.
        """
        if self.folder is None or not self._is_begun(self.folder):
            return

        path = self.folder / STATE
        tensors, description = read_tensors(path, KIND)
        found = description.get("configuration")
        if found != json.loads(json.dumps(self.configuration)):
            other = describe_difference(json.dumps(found).encode(), dict(self.configuration))
            raise InvalidData(f"{self.folder} holds another training{other}; remove it, or name another folder")

        self._restore(path, tensors)
        last, estimator = self.folder / LAST, self.loop.estimator
        if estimator.novelty is None and last.exists():  # the file will be written anew, with its novelty
            estimator.novelty = Estimator.load(last).novelty

    @staticmethod
    def _is_begun(folder: Path) -> bool:
        others = [name for name in (LAST, BEST, LOG) if (folder / name).exists()]
        is_begun = (folder / STATE).exists()
        if others and not is_begun:
            raise InvalidData(
                f"{folder} holds {others[0]} but not {STATE}, which says of what; remove it, or name another folder"
            )
        return is_begun

    def _collect_tensors(self) -> dict[str, Tensor]:
        """Collect everything that the folder stores, by name."""
        loop = self.loop
        tensors = {"history": torch.from_numpy(self.history.rows)}
        tensors |= {f"last.{name}": value for name, value in loop.estimator.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for name, parameter in self._iterate_parameters():
            state = loop.optimiser.state.get(parameter) or _make_first_state(parameter)
            tensors |= {f"{key}.{name}": state[key] for key in MOMENTS}
        return tensors

    def _restore(self, path: Path, tensors: Mapping[str, Tensor]) -> None:
        """Take over the state in the tensors of a file."""
        wanted = self._collect_tensors()
        history = tensors.get("history", torch.empty(0))
        if history.ndim != 2 or history.shape[1] != len(COLUMNS):
            raise InvalidData(f"{path}: its history has shape {tuple(history.shape)}")
        check_tensors(path, {**tensors, "history": wanted["history"]}, wanted)

        self.history = History(history.double().numpy())
        device = self.loop.settings.device
        self.best = {name: tensors[f"best.{name}"].to(device) for name in self.best}
        self.loop.estimator.load_state_dict({name: tensors[f"last.{name}"] for name in self.best})
        for name, parameter in self._iterate_parameters():
            self.loop.optimiser.state[parameter] = {key: tensors[f"{key}.{name}"].to(device) for key in MOMENTS}

    def _iterate_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        return ((name, p) for name, p in self.loop.estimator.named_parameters() if p.requires_grad)


def _make_first_state(parameter: torch.nn.Parameter) -> dict[str, Tensor]:
    """Make the state of Adam before its first step."""
    return {key: torch.zeros_like(parameter) for key in MOMENTS[:2]} | {"step": torch.zeros(())}


@contextmanager
def open_folder(folder: Path | None) -> Iterator[None]:
    """Make the folder of a training, and hold its lock until the end."""
    if folder is None:
        yield
        return
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with hold_lock(folder / LOCK):
            yield
    except BaseException:
        if is_new and not (folder / STATE).exists():
            with suppress(OSError):  # a run without a result leaves no folder
                (folder / LOCK).unlink()
                folder.rmdir()
        raise
