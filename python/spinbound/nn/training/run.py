"""The state of a training, in memory and in a folder, so that a run that was killed goes on.

The folder of a training holds

    optimiser.safetensors   all that it takes to go on: weights, the best of them, the state of Adam, the history
    last.safetensors        the estimator after the last epoch that was saved
    best.safetensors        the estimator of the best epoch
    log.csv                 the history
    lock                    who is at work

The first is written before the others, which are made from it again when a run goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spinbound.base.errors import InvalidData
from spinbound.files.writing import write_atomically
from spinbound.nn.checkpoint import check_tensors, read_tensors, state_of, write_tensors
from spinbound.nn.estimator import Estimator
from spinbound.work.folder import describe_difference
from spinbound.work.locks import hold_lock

from .history import COLUMNS, History, empty
from .loop import Loop

KIND = "spinbound training 1"
STATE, LAST, BEST, LOG = "optimiser.safetensors", "last.safetensors", "best.safetensors", "log.csv"
LOCK = "lock"
MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # of Adam


class Run:
    """What a training has come to: the history, and the best weights so far."""

    def __init__(self, loop: Loop, configuration: Mapping[str, Any], folder: Path | None) -> None:
        self.loop, self.configuration, self.folder = loop, configuration, folder
        self.history = empty()
        self.best = state_of(loop.estimator)

    def add(self, row: list[float]) -> None:
        """Take an epoch into the history, and its weights if they are the best."""
        self.history = self.history.with_row(row)
        if self.history.best_epoch == len(self.history):
            self.best = state_of(self.loop.estimator)

    # The folder

    def save(self) -> None:
        """Write everything, each file whole or not at all."""
        if self.folder is None:
            return
        write_tensors(self.folder / STATE, KIND, self._tensors(), {"configuration": self.configuration})
        estimator = self.loop.estimator
        last = state_of(estimator)
        estimator.save(self.folder / LAST)
        estimator.load_state_dict(self.best)
        estimator.save(self.folder / BEST)
        estimator.load_state_dict(last)
        write_atomically(self.folder / LOG, lambda stream: stream.write(self.history.csv.encode()))

    def resume(self) -> None:
        """Go on where the folder's run has stopped, if there is one.

        Raises
        ------
        InvalidData
            If it is another training, or not known which.
        """
        if self.folder is None or not self._is_begun(self.folder):
            return
        path = self.folder / STATE
        tensors, description = read_tensors(path, KIND)
        found = description.get("configuration")
        if found != json.loads(json.dumps(self.configuration)):
            other = describe_difference(json.dumps(found).encode(), dict(self.configuration))
            raise InvalidData(f"{self.folder} holds another training{other}; remove it, or name another folder")
        self._take(path, tensors)
        last, estimator = self.folder / LAST, self.loop.estimator
        if estimator.novelty is None and last.exists():  # the file will be written anew, and what it knows stays
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

    def _tensors(self) -> dict[str, Tensor]:
        """All that is kept, by name."""
        loop = self.loop
        kept = {"history": torch.from_numpy(self.history.rows)}
        kept |= {f"last.{name}": value for name, value in loop.estimator.state_dict().items()}
        kept |= {f"best.{name}": value for name, value in self.best.items()}
        for name, parameter in self._learnt():
            state = loop.optimiser.state.get(parameter) or _first_state(parameter)
            kept |= {f"{key}.{name}": state[key] for key in MOMENTS}
        return kept

    def _take(self, path: Path, tensors: Mapping[str, Tensor]) -> None:
        """Become what was kept."""
        wanted = self._tensors()
        history = tensors.get("history", torch.empty(0))
        if history.ndim != 2 or history.shape[1] != len(COLUMNS):
            raise InvalidData(f"{path}: its history has shape {tuple(history.shape)}")
        check_tensors(path, {**tensors, "history": wanted["history"]}, wanted)
        self.history = History(history.double().numpy())
        device = self.loop.settings.device
        self.best = {name: tensors[f"best.{name}"].to(device) for name in self.best}
        self.loop.estimator.load_state_dict({name: tensors[f"last.{name}"] for name in self.best})
        for name, parameter in self._learnt():
            self.loop.optimiser.state[parameter] = {key: tensors[f"{key}.{name}"].to(device) for key in MOMENTS}

    def _learnt(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        return ((name, p) for name, p in self.loop.estimator.named_parameters() if p.requires_grad)


def _first_state(parameter: torch.nn.Parameter) -> dict[str, Tensor]:
    """That of Adam before its first step."""
    return {key: torch.zeros_like(parameter) for key in MOMENTS[:2]} | {"step": torch.zeros(())}


@contextmanager
def folder_of(folder: Path | None) -> Iterator[None]:
    """Make the folder of a training; until the end nobody else may train there."""
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
            with suppress(OSError):  # where nothing was done nothing is left
                (folder / LOCK).unlink()
                folder.rmdir()
        raise
