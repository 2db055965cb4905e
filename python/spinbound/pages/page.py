"""A report in one HTML file with text, tables and embedded figures, so that the file can be sent and archived.

All text is escaped; the file loads nothing and runs nothing.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Protocol

from spinbound.base.errors import InvalidParameter
from spinbound.files.writing import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem; }
th, td { padding: 0.25rem 0.8rem; text-align: right; border-bottom: 1px solid #e4e4e4; vertical-align: top; }
td { white-space: pre-line; }
th { border-bottom: 1px solid #888; } th:first-child, td:first-child { text-align: left; }
figure { margin: 1.2rem 0; } img { max-width: 100%; } figcaption { color: #444; font-size: 0.9rem; }
nav li { display: inline; margin-right: 1rem; } nav ul { padding: 0; }
"""


class Element(Protocol):
    """A paragraph, a table or a picture of a section."""

    @property
    def html(self) -> str:
        """The text of the element in HTML."""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    words: str

    @property
    def html(self) -> str:
        """The text of the element in HTML."""
        return f"<p>{escape(self.words)}</p>"


@dataclass(frozen=True)
class Table:
    """Rows of text under a head: the first column to the left, all others to the right."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.head):
                raise InvalidParameter(f"a row has {len(row)} cells, the head {len(self.head)}: {row}")

    @property
    def html(self) -> str:
        """The text of the element in HTML."""
        head = f"<thead>{_format_row('th', self.head)}</thead>"
        return f"<table>{head}<tbody>{''.join(_format_row('td', row) for row in self.rows)}</tbody></table>"


@dataclass(frozen=True)
class Picture:
    """A figure, already drawn as PNG, with its caption."""

    png: bytes
    caption: str

    @classmethod
    def of(cls, figure: Figure, caption: str) -> Picture:
        """Draw a figure."""
        image = BytesIO()
        figure.savefig(image, format="png")
        return cls(image.getvalue(), caption)

    @property
    def html(self) -> str:
        """The text of the element in HTML."""
        caption, data = escape(self.caption), b64encode(self.png).decode()
        image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
        return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


@dataclass(frozen=True)
class Section:
    """A heading, and the elements below it."""

    heading: str
    elements: Sequence[Element]


def write_report(path: str | os.PathLike[str], title: str, sections: Iterable[Section]) -> None:
    """Write a report, whole or not at all.

    Parameters
    ----------
    path
        The file.
    title
        The heading of the report.
    sections
        The sections, in this order.

    Raises
    ------
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from spinbound.pages import page
    >>> table = page.Table(("tissue", "m0s"), [("white matter", "0.15")])
    >>> page.write_report("r.html", "Results", [page.Section("Numbers < 1", [table])])
    >>> "Numbers &lt; 1" in Path("r.html").read_text()
    True
    """
    page = _format_page(title, list(sections)).encode()
    write_atomically(path, lambda stream: stream.write(page))


def _format_page(title: str, sections: Sequence[Section]) -> str:
    links = "".join(f'<li><a href="#s{k}">{escape(section.heading)}</a></li>' for k, section in enumerate(sections))
    body = "\n".join(_format_section(k, section) for k, section in enumerate(sections))
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n'
        f"<h1>{escape(title)}</h1>\n<nav><ul>{links}</ul></nav>\n{body}\n</body></html>\n"
    )


def _format_section(number: int, section: Section) -> str:
    elements = "\n".join(element.html for element in section.elements)
    return f'<section id="s{number}"><h2>{escape(section.heading)}</h2>\n{elements}\n</section>'


def _format_row(cell: str, texts: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{cell}>{escape(text)}</{cell}>' for text in texts)}</tr>"
