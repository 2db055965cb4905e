"""The folder of a run in chunks of voxels: which work it holds, and which chunks are there.

The folder of a run holds

    WORK.json                a description of the work, so that other work is not taken for it
    voxels-0000004096.npz    the results of a chunk, named by its first voxel; whole or absent
    lock, lock-2-of-5        the process at work: on everything, or on one of several parts
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from spinbound.base.errors import InvalidData
from spinbound.files.writing import write_bytes

from .job import Part
from .locks import hold_lock

RESULTS = "voxels-*.npz"


def name_chunk_file(folder: Path, first: int) -> Path:
    """Name the file of a chunk's results by its first voxel."""
    return folder / f"voxels-{first:010d}.npz"


@contextmanager
def open_folder(
    folder: Path | None, configuration: dict[str, Any], work: str, part: Part | None = None
) -> Iterator[None]:
    """Create the folder of a run or resume it, and hold its lock until the end.

    Raises
    ------
    InvalidData
        If it belongs to another configuration or to an unknown one, or another run is at work there.
    """
    if folder is None:
        yield
        return

    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder / "lock", part):
        try:
            _check_folder(folder, configuration, work, is_alone=part is None)
            yield
        except BaseException:
            if is_new and part is None and not any(folder.glob(RESULTS)):
                _remove(folder, work)
            raise


def _remove(folder: Path, work: str) -> None:
    """Remove the folder of a run that has no results."""
    with suppress(OSError):
        (folder / f"{work}.json").unlink(missing_ok=True)
        (folder / "lock").unlink()
        folder.rmdir()


def _check_folder(folder: Path, configuration: dict[str, Any], work: str, is_alone: bool) -> None:
    """Refuse a folder of other work; a folder without results becomes this work's."""
    text = json.dumps(configuration, sort_keys=True, indent=1).encode()
    file = folder / f"{work}.json"
    is_empty = not any(folder.glob(RESULTS))
    if file.exists() and not (is_empty and is_alone):  # others may be at the first results
        if (found := file.read_bytes()) != text:
            other = describe_difference(found, configuration)
            raise InvalidData(f"{folder} holds the work of another {work}{other}; remove it, or name another folder")
        return
    if not is_empty:
        raise InvalidData(
            f"{folder} holds results but not {file.name}, which says of what; remove them, or name another"
        )

    write_bytes(file, text)


def count_missing(folder: Path, n: int, size: int) -> int:
    """Count those of n voxels, in chunks of a size, of which a folder has no results."""
    return sum(min(size, n - first) for first in range(0, n, size) if not name_chunk_file(folder, first).exists())


def describe_difference(found: bytes, configuration: dict[str, Any]) -> str:
    """Name the entries that differ from a configuration, for the message of a refusal."""
    try:
        content = dict(json.loads(found))
    except (ValueError, TypeError):
        return ""
    names = sorted(name for name in configuration | content if content.get(name) != configuration.get(name))
    return f", which differs in {', '.join(names)}" if names else ""
