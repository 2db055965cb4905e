"""Citations lead somewhere: sections and equations of docs/theory by their numbers, and files by their paths.

The form is "theory, section 14", "theory, sections 2 to 9" or "theory, (18.4)"; within docs/theory, and in the tests of
its mathematics, a number alone will do.
"""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

THEORY = ROOT / "docs" / "theory"
CITING = ("python", "cpp", "bindings", "tests", "docs", "benchmarks", "tools", "studies", "examples")
SUFFIXES = {".py", ".pyi", ".cpp", ".hpp", ".md", ".toml"}

SECTION, EQUATION = r"\d+(?!\d|\.\d)", r"\(\d+\.\d+\)"
LIST = r"{0}(?:(?:, | and |, and | to ){0})*"
CITATION = re.compile(rf"\btheory, (?:sections? {LIST.format(SECTION)}|{LIST.format(EQUATION)})", re.IGNORECASE)
WITHIN = re.compile(rf"\bsections? {LIST.format(SECTION)}|(?<![\w)\]}}.\\])(?<!eq\. ){EQUATION}")
OLD = re.compile(r"theory\.md, |\btheory, (?:sections? )?[\"“]", re.IGNORECASE)
LINK = re.compile(r"\[theory, sections? (\d+)[^]]*\]\(([^)]*)\)", re.IGNORECASE)
FILE = re.compile(
    r"(?<![\w/.-])(?:docs|tools|studies|benchmarks|examples|tests|cpp|bindings)/[\w/.-]+\.(?:md|py|png|[ch]pp|toml)\b"
)


@cache
def pages():
    """Read every page of the theory, by its name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(THEORY.glob("*.md"))}


@cache
def citing_files():
    """Read all that may cite, its lines joined: a citation may go over the end of a line of a comment."""
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    paths += [path for folder in CITING for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    ours = (path for path in paths if "_build" not in path.parts and path != Path(__file__))
    return {path: re.sub(r"\s*\n\s*(?:(?://|#|>) )?", " ", path.read_text(encoding="utf-8")) for path in ours}


def is_of_the_theory(path):
    """Say if numbers alone are those of the theory."""
    return path == ROOT / "docs" / "theory.md" or path.parent in (THEORY, ROOT / "tests" / "theory")


def numbers(citation):
    """Return all numbers of one citation, "14" or "18.4", and those between the ends of "2 to 9"."""
    found = re.findall(r"\d+(?:\.\d+)?", citation)
    if " to " in citation and "." not in citation:
        return [str(n) for n in range(int(found[0]), int(found[-1]) + 1)]
    return found


def defined():
    """Find the numbers of sections and equations: pairs of which one is empty."""
    return [number for text in pages().values() for number in re.findall(r"(?m)^#+ (\d+)\. |\\tag\{(\d+\.\d+)\}", text)]


SECTIONS = [section for section, _ in defined() if section]
EQUATIONS = [equation for _, equation in defined() if equation]


@pytest.mark.parametrize("numbers", [SECTIONS, EQUATIONS], ids=["sections", "equations"])
def test_no_number_of_the_theory_is_given_twice(numbers):
    assert [number for number, times in Counter(numbers).items() if times > 1] == []


def test_sections_are_counted_without_a_gap():
    assert sorted(map(int, SECTIONS)) == list(range(1, len(SECTIONS) + 1))


def test_equations_are_counted_within_their_section():
    for section in SECTIONS:
        (text,) = (text for text in pages().values() if re.search(rf"(?m)^#+ {section}\. ", text))
        text = re.split(r"(?m)^#+ \d+\. ", text.split(f"# {section}. ", 1)[1])[0]
        tags = [tuple(map(int, tag.split("."))) for tag in re.findall(r"\\tag\{([\d.]+)\}", text)]
        assert tags == [(int(section), n) for n in range(1, len(tags) + 1)]


def test_what_is_cited_of_the_theory_is_there():
    known, missing, cited = {*SECTIONS, *EQUATIONS}, [], set()
    for path, text in citing_files().items():
        for citation in (WITHIN if is_of_the_theory(path) else CITATION).findall(text):
            cited |= {*numbers(citation)}
            missing += [f"{path.relative_to(ROOT)}: {citation}" for number in numbers(citation) if number not in known]
    assert missing == []
    assert len(cited) > 60  # or the patterns find nothing any more


def test_the_theory_is_cited_in_one_form():
    assert [str(path.relative_to(ROOT)) for path, text in citing_files().items() if OLD.search(text)] == []


def test_a_link_leads_to_the_page_of_its_section():
    links = [(path, *link) for path, text in citing_files().items() for link in LINK.findall(text)]
    assert len(links) > 5
    for path, section, page in links:
        text = (path.parent / page).read_text(encoding="utf-8")
        assert "toctree" in text or re.search(rf"(?m)^#+ {section}\. ", text), (path, section, page)


def test_cited_files_are_there():
    cited = {(path, name) for path, text in citing_files().items() for name in FILE.findall(text)}
    assert len(cited) > 30
    assert sorted(f"{path.relative_to(ROOT)}: {name}" for path, name in cited if not (ROOT / name).exists()) == []
