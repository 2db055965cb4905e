"""Words and numbers for people: tables in plain text, and lists as they are spoken."""

from __future__ import annotations

from collections.abc import Iterable


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
