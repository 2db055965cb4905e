"""Named arrays of MATLAB files: v4 to v7.3 in (v7.3 with the extra ``io``), v5 out.

Axes are MATLAB's; those of length one are dropped. Fields of structs go by dotted names. An HDF5 file that MATLAB did
not write keeps its own order of axes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._files import read_mat, write_atomically
from .._validate import InvalidData

MAX_BYTES = 2**31 - 1  # of one array in v5
NAME = re.compile(r"[A-Za-z]\w{0,30}", re.ASCII)


def read(path: str | os.PathLike[str], names: Sequence[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Arrays of numbers by name: those of `names`, or all.

    Raises
    ------
    InvalidData
        If a variable of that name is missing or no array of numbers, or the file claims more than it can hold.
    OSError
        If the file cannot be read or is damaged.
    """
    path = Path(path)
    present = read_mat(path, (), InvalidData)[1]
    found, _ = read_mat(path, present if names is None else names, InvalidData)
    arrays = {name: np.asarray(value) for name, value in found.items() if not isinstance(value, str | list)}
    arrays = {name: value for name, value in arrays.items() if value.dtype.kind in "biufc"}
    for name in names or ():
        if name not in arrays:
            raise InvalidData(f"{path}: no array of numbers {name}; the file has: {', '.join(present) or 'nothing'}")
    return arrays


def write(path: str | os.PathLike[str], arrays: Mapping[str, npt.ArrayLike]) -> None:
    """Write arrays of numbers to a compressed v5 file, whole or not at all; vectors become columns.

    Raises
    ------
    InvalidData
        For another suffix, a name that is not MATLAB's, and arrays that are no numbers or larger than 2 GiB.
    OSError
        If the file cannot be written.
    """
    from scipy import io

    path = Path(path)
    if path.suffix.lower() != ".mat":
        raise InvalidData(f"{path}: MATLAB's files are .mat")
    content = {name: np.asarray(values) for name, values in arrays.items()}
    for name, array in content.items():
        if not NAME.fullmatch(name):
            raise InvalidData(f"{path}: {name!r} is no name in MATLAB: a letter, then up to 30 letters, digits and _")
        if array.dtype.kind not in "biufc":
            raise InvalidData(f"{path}: {name} must be numbers; given type {array.dtype}")
        if array.nbytes > MAX_BYTES:
            raise InvalidData(f"{path}: {name} takes {array.nbytes} bytes; a .mat file of v5 holds {MAX_BYTES} at most")
    write_atomically(path, lambda stream: io.savemat(stream, content, do_compression=True, oned_as="column"))
