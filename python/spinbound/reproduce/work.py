"""The folder of a reproduction: what is done is kept there, and a second call does only what is missing.

settings.json    what is computed from what, so that other work is not taken for it
seconds.json     how long each step took
lock             who is at work
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import InvalidData
from spinbound.base.text import as_finite
from spinbound.files.npz import read_npz, read_npz_names, write_npz
from spinbound.files.writing import write_json
from spinbound.work.folder import describe_difference
from spinbound.work.locks import hold_lock

SETTINGS, SECONDS = "settings.json", "seconds.json"

Arrays = dict[str, npt.NDArray[Any]]
Tell = Callable[[str], object]


@dataclass(frozen=True)
class Work:
    """A folder, and who is told of each step."""

    folder: Path
    tell: Tell

    def path(self, name: str) -> Path:
        """Where a result lies."""
        return self.folder / name

    @property
    def seconds(self) -> dict[str, float]:
        """How long each step took, in the order in which they were done."""
        file = self.path(SECONDS)
        return dict(json.loads(file.read_text())) if file.exists() else {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A step: its time is kept the first time it comes to its end."""
        done = name in self.seconds
        self.tell(f"{name}: {'there' if done else 'begins'}")
        begin = perf_counter()
        yield
        if not done:
            write_json(self.path(SECONDS), {**self.seconds, name: perf_counter() - begin})

    def kept(self, name: str, compute: Callable[[], Mapping[str, npt.ArrayLike]]) -> Arrays:
        """The arrays of a file; if it is not there, they are computed and written."""
        path = self.path(f"{name}.npz")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_npz(path, {key: np.asarray(value) for key, value in compute().items()})
        return read_npz(path, read_npz_names(path, InvalidData), InvalidData)


@contextmanager
def opened(folder: Path, description: Mapping[str, Any], tell: Tell) -> Iterator[Work]:
    """Make the folder, or go on with the one that is there; until the end nobody else may do the same.

    Raises
    ------
    InvalidData
        If it holds another reproduction, or another run is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder / "lock"):
        _check(folder / SETTINGS, json.loads(json.dumps(as_finite(description))))
        yield Work(folder, tell)


def _check(file: Path, description: dict[str, Any]) -> None:
    """Whether the folder is this reproduction's; one without a description becomes it."""
    if not file.exists():
        write_json(file, description)
    elif not _same(file, description):
        other = describe_difference(file.read_bytes(), description)
        raise InvalidData(f"{file.parent} holds another reproduction{other}; remove it, or name another folder")


def _same(file: Path, description: dict[str, Any]) -> bool:
    try:
        return bool(json.loads(file.read_text()) == description)
    except ValueError:
        return False
