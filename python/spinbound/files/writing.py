"""Write files that are whole or absent: a temporary file in the same folder is filled, flushed and renamed."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from spinbound.base.text import as_finite


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Have `write` fill a temporary file in the same folder, then move it into place: the file is whole or absent."""
    final = Path(os.path.realpath(path))
    temporary = final.with_name(f".{final.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with name_failure(path), temporary.open("xb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        with name_failure(path):
            temporary.replace(final)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file with a content, whole or not at all."""
    write_atomically(path, lambda stream: stream.write(content))


@contextmanager
def name_failure(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make an OSError name the file that the caller wants, not the temporary one."""
    try:
        yield
    except OSError as problem:
        if problem.errno is None:
            raise OSError(f"{path}: {problem}") from problem
        raise OSError(problem.errno, problem.strerror, os.fspath(path)) from problem


def write_json(path: str | os.PathLike[str], tree: Mapping[str, Any]) -> None:
    """Write a tree of numbers and text as JSON; infinities and NaN become null."""
    text = json.dumps(as_finite(tree), indent=2, allow_nan=False) + "\n"
    write_bytes(path, text.encode())
