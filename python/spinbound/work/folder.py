"""The folder of a run in chunks of voxels: whose work it holds, and which chunks are there.

The folder of a run holds

    WORK.json                what is computed, so that other work is not taken for it
    voxels-0000004096.npz    the results of a chunk, named by its first voxel; whole or absent
    lock, lock-2-of-5        who is at work: on everything, or on one of several parts
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from spinbound.base.errors import InvalidData
from spinbound.files.writing import write_atomically

from .job import Part
from .locks import claimed

RESULTS = "voxels-*.npz"


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
