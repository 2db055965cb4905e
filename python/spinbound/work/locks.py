"""Locks of the operating system, which keep two runs from doing the same work."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from spinbound.base.errors import InvalidData

from .job import Part


@contextmanager
def hold_lock(lock: Path, part: Part | None = None, folder: Path | None = None) -> Iterator[None]:
    """Lock out other runs until the end, even by a kill: all, or for a part those of all the work or the same part.

    The lock is one of the operating system on a file that stays. On Windows, and on file systems without locks, the
    user must take care. `folder` is the place that the message names; by default that of the lock.

    Raises
    ------
    InvalidData
        If another run is at work; the message says where.
    """
    with ExitStack() as held:
        held.enter_context(_hold_file(lock, lock, folder or lock.parent, is_shared=part is not None))
        if part is not None:
            own = lock.with_name(f"{lock.name}-{part.number}-of-{part.n_parts}")
            held.enter_context(_hold_file(own, lock, folder or lock.parent, is_shared=False))
        yield


@contextmanager
def _hold_file(path: Path, lock: Path, folder: Path, is_shared: bool) -> Iterator[None]:
    with _open_lock(path) as file:
        if not _try_lock(file, is_shared):
            raise InvalidData(
                f"{folder} is in use by another run{_name_holder(lock)}; wait for its end, or name another folder"
            )
        if not is_shared:
            file.truncate(0)
            file.write(f", process {os.getpid()} on {socket.gethostname()}".encode())
            file.flush()
        yield


def _open_lock(path: Path) -> BinaryIO:
    """Open the file of a lock; a link is refused, as the file that it leads to would be emptied."""
    if path.is_symlink():
        raise InvalidData(f"{path} is a link, which is never followed; remove it")
    return open(path, "a+b", opener=_open_without_links)  # NFS wants to read for a shared lock, to write for the other


def _open_without_links(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _name_holder(lock: Path) -> str:
    """Name the process that has locked a file or one of its parts for itself, if it is known."""
    for path in (lock, *sorted(lock.parent.glob(f"{lock.name}-*"))):
        with path.open("rb") as file:
            if not _try_lock(file, is_shared=True):
                return file.read().decode(errors="replace")
    return ""


def _try_lock(file: BinaryIO, is_shared: bool) -> bool:
    """Lock a file until it is closed, and say whether that succeeded; it does where files cannot be locked."""
    if sys.platform == "win32":
        return True
    import fcntl  # Windows lacks this module; folders cannot be locked there

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as problem:
        if problem.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
            raise
    return True
