"""A job over voxels whose chunks a folder keeps: a run that was killed goes on, and no two runs do the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import InvalidData, Progress
from spinbound.files.npz import read_npz, write_npz

from .folder import file_of
from .job import Runner, Task, chunks_of, run_here

Arrays = dict[str, npt.NDArray[Any]]
Compute = Callable[[int | None, Progress | None], Arrays]  # with (threads, report) the results of one chunk


def cut(n: int, size: int) -> tuple[int, ...]:
    """Sizes of the chunks of n voxels."""
    return tuple(min(size, n - first) for first in range(0, n, size))


@dataclass(frozen=True)
class Stored:
    """A task: compute a chunk, and store its results."""

    compute: Compute
    store: Callable[[Arrays], object]

    def __call__(self, threads: int | None, report: Progress | None) -> None:
        """Do it."""
        self.store(self.compute(threads, report))


@dataclass(frozen=True)
class VoxelJob:
    """A `Job` whose chunks are arrays: kept as .npz files, or without a folder handed over at once.

    `compute` makes the work of the voxels in a slice, which can be pickled; `layout` arrays like the results of n
    voxels; `take` gets the results of the voxels in a slice.
    """

    sizes: Sequence[int]
    compute: Callable[[slice], Compute]
    layout: Callable[[int], Arrays]
    take: Callable[[slice, Arrays], object]
    folder: Path | None

    def is_done(self, chunk: int) -> bool:
        """Whether the folder has its results; a damaged file raises."""
        return self._kept(chunk) is not None

    def task(self, chunk: int) -> Task:
        """The work of one chunk."""
        voxels, file = self.voxels(chunk), self._file(chunk)
        return Stored(self.compute(voxels), partial(write_npz, file) if file else partial(self.take, voxels))

    def run(self, runner: Runner | None, threads: int | None, report: Progress | None) -> None:
        """Do what is not done, and hand over the results; chunks that a runner leaves undone are left out."""
        (runner or run_here)(self, threads, report)
        for chunk in chunks_of(self, runner):
            if (results := self._kept(chunk)) is not None:
                self.take(self.voxels(chunk), results)

    def voxels(self, chunk: int) -> slice:
        """Which of the voxels a chunk has."""
        first = (0, *accumulate(self.sizes))[chunk]
        return slice(first, first + self.sizes[chunk])

    def _file(self, chunk: int) -> Path | None:
        return file_of(self.folder, self.voxels(chunk).start) if self.folder else None

    def _kept(self, chunk: int) -> Arrays | None:
        """What the file of a chunk holds, if there is one."""
        file = self._file(chunk)
        if file is None or not file.exists():
            return None
        wanted = self.layout(self.sizes[chunk])
        kept = read_npz(file, list(wanted), InvalidData)
        if _types(kept) != _types(wanted):
            raise InvalidData(
                f"{file}: not the results of {self.sizes[chunk]} voxels; remove it, and they are computed again"
            )
        return kept


def _types(arrays: Arrays) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    return {name: (values.dtype, values.shape) for name, values in arrays.items()}
