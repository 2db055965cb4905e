"""A job over voxels whose chunks a folder keeps: a killed run resumes, and no two runs do the same work."""

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

from .folder import name_chunk_file
from .job import Runner, Task, find_chunks, run_here

Arrays = dict[str, npt.NDArray[Any]]
Compute = Callable[
    [int | None, Progress | None], Arrays
]  # computes, with (threads, progress), the results of one chunk


def cut(n: int, size: int) -> tuple[int, ...]:
    """Cut n voxels into chunks, and return the sizes of these."""
    return tuple(min(size, n - first) for first in range(0, n, size))


@dataclass(frozen=True)
class ChunkTask:
    """A task: compute a chunk, and store its results."""

    compute: Compute
    store: Callable[[Arrays], object]

    def __call__(self, threads: int | None, progress: Progress | None) -> None:
        """Compute the chunk and store its results."""
        self.store(self.compute(threads, progress))


@dataclass(frozen=True)
class VoxelJob:
    """A `Job` whose chunks are arrays: stored as .npz files, or without a folder handed over at once.

    `compute` returns the work of the voxels in a slice, which can be pickled; `layout` returns arrays like the results
    of n voxels; `take` gets the results of the voxels in a slice.
    """

    sizes: Sequence[int]
    compute: Callable[[slice], Compute]
    layout: Callable[[int], Arrays]
    take: Callable[[slice, Arrays], object]
    folder: Path | None

    def is_done(self, chunk: int) -> bool:
        """Say whether the folder has the results of a chunk; a damaged file raises."""
        return self._read_chunk(chunk) is not None

    def make_task(self, chunk: int) -> Task:
        """Return the work of one chunk."""
        voxels, file = self.voxels(chunk), self._name_file(chunk)
        return ChunkTask(self.compute(voxels), partial(write_npz, file) if file else partial(self.take, voxels))

    def run(self, runner: Runner | None, threads: int | None, progress: Progress | None) -> None:
        """Do the chunks that are not done, and hand over all results, except of chunks that the runner left undone."""
        (runner or run_here)(self, threads, progress)
        for chunk in find_chunks(self, runner):
            if (results := self._read_chunk(chunk)) is not None:
                self.take(self.voxels(chunk), results)

    def voxels(self, chunk: int) -> slice:
        """Return the slice of the voxels of a chunk."""
        first = (0, *accumulate(self.sizes))[chunk]
        return slice(first, first + self.sizes[chunk])

    def _name_file(self, chunk: int) -> Path | None:
        return name_chunk_file(self.folder, self.voxels(chunk).start) if self.folder else None

    def _read_chunk(self, chunk: int) -> Arrays | None:
        """Read the file of a chunk, if there is one."""
        file = self._name_file(chunk)
        if file is None or not file.exists():
            return None
        wanted = self.layout(self.sizes[chunk])
        kept = read_npz(file, list(wanted), InvalidData)
        if _describe_types(kept) != _describe_types(wanted):
            raise InvalidData(
                f"{file}: not the results of {self.sizes[chunk]} voxels; remove it, and they are computed again"
            )
        return kept


def _describe_types(arrays: Arrays) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    return {name: (values.dtype, values.shape) for name, values in arrays.items()}
