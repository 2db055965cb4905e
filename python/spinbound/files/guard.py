"""Guards against files: no reader trusts them with memory, links or pickles.

Nothing here runs code from a file, and no file makes a reader allocate more than it can hold or than `find_max_bytes`
says: zlib expands at most 1032-fold, so an array that claims more than that times its stored bytes is refused unread. A
damaged file raises OSError; a file whose content is refused raises the error that the caller names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

MAX_EXPANSION = 1032


def optional_module(module: str, extra: str) -> Any:
    """Import a module that an extra installs, or raise one sentence that names the extra."""
    try:
        return import_module(module)
    except ImportError:
        raise ImportError(f"this needs {module}, which is missing: pip install 'spinbound[{extra}]'") from None


def find_max_bytes() -> int:
    """Return how many bytes one file may fill: 80 % of the memory of the machine."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows does not tell; few machines have less than this
        memory = 1 << 33
    return memory * 4 // 5


@dataclass
class Allowance:
    """The bytes that may still be allocated for one file, and the error that refuses more."""

    path: Path
    error: type[ValueError]
    left: int = field(default_factory=find_max_bytes)

    def take(self, name: str, claimed: int, held: int) -> None:
        """Refuse, before they are allocated, more bytes than the file can hold or than are left."""
        if not 0 <= claimed <= held:
            raise self.error(f"{self.path}: {name} claims {claimed} bytes, the file holds {held}")
        if claimed > self.left:
            raise self.error(f"{self.path}: {name} claims {claimed} bytes, only {self.left} may be allocated")
        self.left -= claimed


@contextmanager
def name_damage(path: Path, error: type[ValueError]) -> Iterator[None]:
    """Turn any error of a parser into an OSError that names the file; scipy alone raises six types."""
    try:
        yield
    except (error, ImportError, FileNotFoundError, PermissionError, IsADirectoryError, MemoryError):
        raise
    except Exception as problem:
        raise OSError(f"{path}: cannot be read, it is damaged or of another format ({problem})") from problem
