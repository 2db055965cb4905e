"""The folder of a reproduction: it stores every result, so a second call does only the missing steps.

settings.json    settings and inputs, by which the folder of another reproduction is recognised
seconds.json     duration of each step
lock             the process that is at work
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
    """A folder, and the callable that takes a line on each step."""

    folder: Path
    tell: Tell

    def path(self, name: str) -> Path:
        """Return the path of a result."""
        return self.folder / name

    @property
    def seconds(self) -> dict[str, float]:
        """Duration of each step, in the order in which they were done."""
        file = self.path(SECONDS)
        return dict(json.loads(file.read_text())) if file.exists() else {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Do a step, and store its duration the first time it ends."""
        done = name in self.seconds
        self.tell(f"{name}: {'there' if done else 'begins'}")
        begin = perf_counter()
        yield
        if not done:
            write_json(self.path(SECONDS), {**self.seconds, name: perf_counter() - begin})

    def load_or_compute(self, name: str, compute: Callable[[], Mapping[str, npt.ArrayLike]]) -> Arrays:
        """Load the arrays of a file; if it is not there, compute and write them."""
        path = self.path(f"{name}.npz")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_npz(path, {key: np.asarray(value) for key, value in compute().items()})
        return read_npz(path, read_npz_names(path, InvalidData), InvalidData)


@contextmanager
def open_work(folder: Path, description: Mapping[str, Any], tell: Tell) -> Iterator[Work]:
    """Make the folder or resume the one that is there, and hold its lock until the end.

    Raises
    ------
    InvalidData
        If the folder holds another reproduction, or another run is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder / "lock"):
        _check(folder / SETTINGS, json.loads(json.dumps(as_finite(description))))
        yield Work(folder, tell)


def _check(file: Path, description: dict[str, Any]) -> None:
    """Refuse the folder of another reproduction; one without a description becomes this one's."""
    if not file.exists():
        write_json(file, description)
    elif not _is_same(file, description):
        other = describe_difference(file.read_bytes(), description)
        raise InvalidData(f"{file.parent} holds another reproduction{other}; remove it, or name another folder")


def _is_same(file: Path, description: dict[str, Any]) -> bool:
    try:
        return bool(json.loads(file.read_text()) == description)
    except ValueError:
        return False
