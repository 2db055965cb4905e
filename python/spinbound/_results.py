"""What results of voxels have in common, whoever estimated: counts of statuses, tissues, files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import IntEnum
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._files import write_npz
from ._validate import InvalidData
from .parameters import bases, is_reciprocal
from .tissue import Tissue, Values, tissue_of

Arrays = dict[str, npt.NDArray[Any]]


def counts_of(status: npt.NDArray[np.int8], kind: type[IntEnum]) -> dict[str, int]:
    """How many voxels have each status, of those that occur."""
    numbers = np.bincount(status.ravel(), minlength=len(kind))
    return {code.name: int(numbers[code]) for code in kind if numbers[code]}


def described(result: object, names: tuple[str, ...], shape: tuple[int, ...], counts: Mapping[str, int]) -> str:
    """A result in one line."""
    told = ", ".join(f"{number} {name}" for name, number in counts.items())
    return f"{type(result).__name__}({', '.join(names)}; shape {shape}: {told})"


def tissue_with(known: Values, found: Mapping[str, npt.NDArray[Any]]) -> Tissue:
    """What was known, and what was found; NaN is a finding even where a tissue of one voxel would refuse it."""
    values = dict(known)
    for name, estimate in found.items():
        with np.errstate(divide="ignore"):
            values |= dict.fromkeys(bases(name), 1 / estimate if is_reciprocal(name) else estimate)
    return tissue_of(values)


def save_result(path: str | PathLike[str], what: str, arrays: Arrays, settings: Mapping[str, Any]) -> None:
    """Write arrays and settings as .npz.

    Raises
    ------
    InvalidData
        For another suffix.
    OSError
        If the file cannot be written; nothing is left behind then.
    """
    if Path(path).suffix.lower() != ".npz":
        raise InvalidData(f"{path}: {what} saved as .npz")
    write_npz(path, arrays | {"settings": np.array(json.dumps(settings, allow_nan=False))})
