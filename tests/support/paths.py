"""Where the repository and the pages of its documentation are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def read_page(name: str) -> str:
    """Return the text of a page of the documentation, which stands in docs/ or in some folder there."""
    path = ROOT / "docs" / name
    if not path.exists():
        (path,) = path.parent.rglob(name)
    return path.read_text(encoding="utf-8")
