"""The reference lists all that can be called, and all that can be typed."""

import re
import sys

import pytest
import spinbound as sb
from spinbound import nn
from spinbound.cli.main import app

from tests.support.paths import ROOT

DOCS = ROOT / "docs"
MODULES = {"cluster": "work.cluster", "phantom": "tissues.phantom"}  # the face exports them under another path
UNLISTED = {"__version__", "parameters"}


@pytest.fixture(scope="module")
def listed():
    """Every name that a page of the API documents."""
    pages = [DOCS / "reference" / "api.md", *(DOCS / "reference" / "api").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    return re.findall(r"(?m)^\.\. auto\w+:: spinbound\.(\S+)$", text)


def test_every_public_name_has_its_place_in_the_api(listed):
    wanted = [MODULES.get(name, name) for name in sb.__all__ if name not in UNLISTED]
    assert [name for name in wanted + [f"nn.{name}" for name in nn.__all__] if name not in listed] == []


def test_no_name_is_listed_twice(listed):
    assert len(listed) == len(set(listed))


def test_the_page_of_commands_holds_the_help_of_each(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    pytest.importorskip("sphinx")
    import command_help

    names = list(command_help.walk(app))
    assert {("fit",), ("reproduce", "crb-paper")} <= {*names}
    assert all(command_help.print_help(each).startswith(f"Usage: spinbound {' '.join(each)}") for each in names)
    sys.modules.pop("command_help")
