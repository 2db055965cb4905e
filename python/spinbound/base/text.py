"""Words and numbers for readers: tables in plain text, lists in words, trees for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any


def align_columns(rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a table: the first column flush left, all others flush right."""
    cells = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            [first.ljust(widths[0]), *(text.rjust(w) for text, w in zip(others, widths[1:], strict=True))]
        ).rstrip()
        for first, *others in cells
    ]


def join_words(items: Iterable[str]) -> str:
    """Join words as in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    *others, last = items
    return f"{', '.join(others)} and {last}" if others else last


def as_percent(fraction: float) -> str:
    """Return a fraction in percent with three digits, or a dash where it has no meaning."""
    return f"{100 * fraction:.3g} %" if isfinite(fraction) else "-"


def as_finite(value: Any) -> Any:
    """Return the same tree with null for infinities and NaN, as JSON has no word for them."""
    if isinstance(value, Mapping):
        return {name: as_finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_finite(entry) for entry in value]
    return None if isinstance(value, float) and not isfinite(value) else value
