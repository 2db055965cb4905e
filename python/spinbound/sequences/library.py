"""The sequences that ship with the package."""

from __future__ import annotations

from pathlib import Path

import numpy.typing as npt

from spinbound.base.checks import as_one_of
from spinbound.base.errors import InvalidSequence

from .sequence import Sequence

_SUFFIXES = (".npz", ".toml")


def names() -> list[str]:
    """Return the names of the sequences that ship with the package.

    Returns
    -------
    list of str
        The names, sorted.
    """
    return sorted(_list_files())


def load(name: str) -> Sequence:
    """Read a sequence that ships with the package.

    Parameters
    ----------
    name
        One of `names()`.

    Returns
    -------
    Sequence
        The sequence.

    Raises
    ------
    InvalidSequence
        If no sequence has that name; the message lists all names.

    Examples
    --------
    >>> import spinbound as sb
    >>> sb.sequences.load("hybrid-mt-4s").TR
    0.0035
    """
    files = _list_files()
    return Sequence.load(files[as_one_of("the sequence's name", name, sorted(files), InvalidSequence)])


def read_file(path: Path, TR: npt.ArrayLike | None, moments: list[str]) -> Sequence:
    """Read the sequence of a file, with TR and gradient moments that it lacks; the last moment holds for the rest."""
    seq = Sequence.load(path, TR, moments[-1] if moments else None)
    if len(moments) < 2:
        return seq
    return seq.replace(gradient_moment=moments + moments[-1:] * (seq.n_pulses - len(moments)))


def _list_files() -> dict[str, Path]:
    return {path.stem: path for path in Path(__file__).parent.iterdir() if path.suffix in _SUFFIXES}
