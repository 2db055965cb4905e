"""TOML files of bounded length."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any


def read_toml(path: Path, most: int, error: type[ValueError]) -> dict[str, Any]:
    """Read a TOML file of at most `most` bytes."""
    if path.stat().st_size > most:
        raise error(f"{path}: longer than {most} bytes, the most that is read of such a file")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as problem:  # thousands of digits are a ValueError, nested brackets the other
        raise error(f"{path}: not valid TOML: {problem}") from None
