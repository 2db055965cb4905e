"""Words and numbers for people: tables in plain text, lists as they are spoken, trees for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any


def aligned(rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table: the first column to the left, all others to the right."""
    cells = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            [first.ljust(widths[0]), *(text.rjust(w) for text, w in zip(others, widths[1:], strict=True))]
        ).rstrip()
        for first, *others in cells
    ]


def spoken(items: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *others, last = items
    return f"{', '.join(others)} and {last}" if others else last


def percent(fraction: float) -> str:
    """A fraction in percent with three digits, or a dash where it has no meaning."""
    return f"{100 * fraction:.3g} %" if isfinite(fraction) else "-"


def finite(value: Any) -> Any:
    """The same tree with null for infinities and NaN, as JSON has no word for them."""
    if isinstance(value, Mapping):
        return {name: finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not isfinite(value) else value
