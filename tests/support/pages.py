"""The code of the documentation's pages, run once each at a smaller size."""

import re
from pathlib import Path

import pytest
import spinbound as sb

from tests.support.paths import ROOT, read_page

PAGES = sorted((ROOT / "docs").rglob("*.md"))

# What pages compute many of, and how few of them show the same.
SMALLER = {
    "reference/api/sequences.md": {},
    "reference/models.md": {},
    "index.md": {},
    "bases.md": {"n=500": "n=60", "n=100": "n=30"},
    "cluster.md": {},
    "dictionaries.md": {"2000": "300", "5000": "1500"},
    "estimation.md": {"20_000": "256", "epochs=20": "epochs=2, batch=64"},
    "evaluation.md": {"prior, 60": "prior, 12", "2000": "200", "30": "10", "0.12, 10": "0.12, 3", "2.5, 12": "2.5, 4"},
    "experiments.md": {},
    "fitting.md": {"64": "16", "8, 8": "4, 4", "3.5": "1.5", "< 4": "< 2"},
    "formats.md": {},
    "identifiability.md": {},
    "learning.md": {
        **{"92_160": "400", "10_240": "64", "20_000": "200", "20_480": "48", "4096": "32"},
        "epochs=[0-9]+": "epochs=2",
    },
    "reproduce.md": {},
    "simulate_operator.md": {},
    "training_set.md": {"92_160": "96", "10_240": "10", "9_056": "9", "102400": "106", "41": "3", "33": "2"},
}


def pages_with_code():
    """The pages that show Python."""
    return [path for path in PAGES if blocks_of(path.read_text(encoding="utf-8"), "python")]


def blocks_of(text, language):
    """The blocks of a language in a text."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def blocks(name, language):
    """The blocks of a language on a page."""
    return blocks_of(read_page(name), language)


def code(name, language="python"):
    """All blocks of a language on a page as one text, with fewer of everything."""
    text = "\n".join(blocks(name, language))
    for many, few in SMALLER[name].items():
        text = re.sub(rf"(?<![\w.])({many}|{many.replace('_', '')})(?![\w.])", few, text)
    return text


def run(name, folder):
    """What Python knows after a page that is run in a folder, and `here`, that folder."""
    known = {"sb": sb}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(code(name), name, "exec"), known)
    return known | {"here": Path(folder)}
