"""Reports: one file, which nothing in it leaves or alters."""

from html.parser import HTMLParser

import pytest
import spinbound as sb
from matplotlib.figure import Figure
from spinbound.pages.page import Picture, Section, Table, Text, write_report

HOSTILE = "<script>alert('1 & 2')</script>\""


class Seen(HTMLParser):
    """Elements with their attributes, and the text."""

    def __init__(self):
        super().__init__()
        self.elements, self.text, self.open = [], "", []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def written(folder, *parts, title="A title", heading="A heading"):
    """A report of one section, as a reader sees it."""
    write_report(folder / "report.html", title, [Section(heading, parts)])
    page = Seen()
    page.feed((folder / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    return page


def test_whatever_comes_in_is_text(tmp_path):
    parts = Text(HOSTILE), Table([HOSTILE], [[HOSTILE]]), Picture(b"png", HOSTILE)
    page = written(tmp_path, *parts, title=HOSTILE, heading=HOSTILE)
    assert "script" not in {tag for tag, _ in page.elements}
    # title twice, heading and its link, text, head, cell, caption
    assert page.text.count(HOSTILE) == 8
    assert [attributes["alt"] for tag, attributes in page.elements if tag == "img"] == [HOSTILE]


def test_figures_are_in_the_file_and_nothing_is_loaded(tmp_path):
    page = written(tmp_path, Picture.of(Figure(), "nothing"))
    sources = [attributes[key] for _, attributes in page.elements for key in ("src", "href") if key in attributes]
    assert sources[0] == "#s0"
    assert sources[1].startswith("data:image/png;base64,iVBOR")
    assert len(sources) == 2


def test_tables_have_a_cell_for_each_column(tmp_path):
    page = written(tmp_path, Table(("a", "b"), [("1", "2"), ("3", "4")]))
    tags = [tag for tag, _ in page.elements]
    assert (tags.count("th"), tags.count("td"), tags.count("tr")) == (2, 4, 3)
    with pytest.raises(sb.InvalidParameter, match="a row has 1 cells, the head 2"):
        Table(("a", "b"), [("1",)])


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="report.html"):
        written(tmp_path / "missing", Text("a"))
    assert not list(tmp_path.iterdir())
