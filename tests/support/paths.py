"""Where the repository and the pages of its documentation are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def read_page(name: str) -> str:
    """Return the text of a page of the documentation, in whatever folder of docs/ it stands."""
    (path,) = (ROOT / "docs").rglob(name)
    return path.read_text(encoding="utf-8")
