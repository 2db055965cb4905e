"""Where the repository and the pages of its documentation are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def read_page(name: str) -> str:
    """Return the text of a page of the documentation: a guide by its name, or any page by its path in docs/."""
    path = ROOT / "docs" / name
    return (path if path.exists() else path.parent / "guides" / name).read_text(encoding="utf-8")
