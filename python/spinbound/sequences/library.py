"""The sequences that ship with the package."""

from __future__ import annotations

from pathlib import Path

from spinbound.base.checks import as_one_of
from spinbound.base.errors import InvalidSequence

from .sequence import Sequence

_SUFFIXES = (".npz", ".toml")


def names() -> list[str]:
    """Names of the sequences that ship with the package."""
    return sorted(_files())


def load(name: str) -> Sequence:
    """A sequence that ships with the package.

    Raises
    ------
    InvalidSequence
        If there is none of that name; the message lists those there are.

    Examples
    --------
    >>> import spinbound as sb
    >>> sb.sequences.load("hybrid-mt-4s").TR
    0.0035
    """
    files = _files()
    return Sequence.load(files[as_one_of("the sequence's name", name, sorted(files), InvalidSequence)])


def _files() -> dict[str, Path]:
    return {path.stem: path for path in Path(__file__).parent.iterdir() if path.suffix in _SUFFIXES}
