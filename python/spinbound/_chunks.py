"""Work in chunks of voxels that a folder keeps: a run that was killed goes on, and no two runs do the same.

The folder of a run holds

    WORK.json                what is computed, so that other work is not taken for it
    voxels-0000004096.npz    the results of a chunk, named by its first voxel; whole or absent
    lock, lock-2-of-5        who is at work: on everything, or on one of several parts
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ._files import read_npz, write_atomically, write_npz
from ._job import Part, Runner, Task, chunks_of, run_here
from ._validate import InvalidData, Report

RESULTS = "voxels-*.npz"
PIECE = 1 << 24  # bytes of a hash

Arrays = dict[str, npt.NDArray[Any]]
Compute = Callable[[int | None, Report | None], Arrays]  # with (threads, report) the results of one chunk


# The job


def cut(n: int, size: int) -> tuple[int, ...]:
    """Sizes of the chunks of n voxels."""
    return tuple(min(size, n - first) for first in range(0, n, size))


@dataclass(frozen=True)
class Stored:
    """A task: compute a chunk, and store its results."""

    compute: Compute
    store: Callable[[Arrays], object]

    def __call__(self, threads: int | None, report: Report | None) -> None:
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

    def run(self, runner: Runner | None, threads: int | None, report: Report | None) -> None:
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


# The folder


def file_of(folder: Path, first: int) -> Path:
    """The results of a chunk by its first voxel."""
    return folder / f"voxels-{first:010d}.npz"


@contextmanager
def opened(folder: Path | None, configuration: dict[str, Any], work: str, part: Part | None = None) -> Iterator[None]:
    """Make the folder of a run, or go on with the one that is there; until the end nobody else may do the same.

    Raises
    ------
    InvalidData
        If it belongs to another configuration, or to none that is known, or another run is at work there.
    """
    if folder is None:
        yield
        return
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with claimed(folder / "lock", part):
        try:
            _check_folder(folder, configuration, work, is_alone=part is None)
            yield
        except BaseException:
            if is_new and part is None and not any(folder.glob(RESULTS)):
                _remove(folder, work)
            raise


def _remove(folder: Path, work: str) -> None:
    """Leave nothing behind where nothing was done."""
    with suppress(OSError):
        (folder / f"{work}.json").unlink(missing_ok=True)
        (folder / "lock").unlink()
        folder.rmdir()


def _check_folder(folder: Path, configuration: dict[str, Any], work: str, is_alone: bool) -> None:
    """Whether what is there is this work; a folder without results becomes this work's."""
    text = json.dumps(configuration, sort_keys=True, indent=1).encode()
    file = folder / f"{work}.json"
    is_empty = not any(folder.glob(RESULTS))
    if file.exists() and not (is_empty and is_alone):  # others may be at the first results
        if (found := file.read_bytes()) != text:
            other = difference(found, configuration)
            raise InvalidData(f"{folder} holds the work of another {work}{other}; remove it, or name another folder")
        return
    if not is_empty:
        raise InvalidData(
            f"{folder} holds results but not {file.name}, which says of what; remove them, or name another"
        )
    write_atomically(file, lambda stream: stream.write(text))


def n_missing(folder: Path, n: int, size: int) -> int:
    """How many of n voxels, in chunks of a size, a folder has no results of."""
    return sum(min(size, n - first) for first in range(0, n, size) if not file_of(folder, first).exists())


def difference(found: bytes, configuration: dict[str, Any]) -> str:
    """What is not as in a description, if it can be read."""
    try:
        content = dict(json.loads(found))
    except (ValueError, TypeError):
        return ""
    names = sorted(name for name in configuration | content if content.get(name) != configuration.get(name))
    return f", which differs in {', '.join(names)}" if names else ""


def sha256_of(*arrays: npt.NDArray[Any] | None) -> str:
    """Hash of types, shapes and values."""
    content = hashlib.sha256()
    for array in arrays:
        if array is None:
            content.update(b"none")
            continue
        content.update(f"{array.dtype}{array.shape}".encode())
        values = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for first in range(0, values.size, PIECE):  # between them Ctrl-C is heard
            content.update(values[first : first + PIECE].data)
    return content.hexdigest()


# Locks


@contextmanager
def claimed(lock: Path, part: Part | None = None, folder: Path | None = None) -> Iterator[None]:
    """Keep others out until the end, be it a kill: every run, or for a part those of all the work or the same part.

    The lock is one of the operating system on a file that stays. On Windows, and on file systems without locks, the
    user must see to it. `folder` is what the message calls the place; by default that of the lock.

    Raises
    ------
    InvalidData
        If another run is at work; the message says where.
    """
    with ExitStack() as held:
        held.enter_context(_locked(lock, lock, folder or lock.parent, is_shared=part is not None))
        if part is not None:
            own = lock.with_name(f"{lock.name}-{part.number}-of-{part.n_parts}")
            held.enter_context(_locked(own, lock, folder or lock.parent, is_shared=False))
        yield


@contextmanager
def _locked(path: Path, lock: Path, folder: Path, is_shared: bool) -> Iterator[None]:
    with _opened(path) as file:
        if not _lock(file, is_shared):
            raise InvalidData(
                f"{folder} is in use by another run{_holder(lock)}; wait for its end, or name another folder"
            )
        if not is_shared:
            file.truncate(0)
            file.write(f", process {os.getpid()} on {socket.gethostname()}".encode())
            file.flush()
        yield


def _opened(path: Path) -> BinaryIO:
    """The file of a lock; a link would have another file emptied."""
    if path.is_symlink():
        raise InvalidData(f"{path} is a link, which is never followed; remove it")
    return open(path, "a+b", opener=_without_links)  # NFS wants to read for a shared lock, to write for the other


def _without_links(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _holder(lock: Path) -> str:
    """Who has locked a file or one of its parts for itself, if that can be told."""
    for path in (lock, *sorted(lock.parent.glob(f"{lock.name}-*"))):
        with open(path, "rb") as file:
            if not _lock(file, is_shared=True):
                return file.read().decode(errors="replace")
    return ""


def _lock(file: BinaryIO, is_shared: bool) -> bool:
    """Lock a file until it is closed, unless another run has; where nothing can be locked nobody has."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as problem:
        if problem.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
            raise
    return True
