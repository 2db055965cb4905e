"""Files of NumPy's .npz format: read without pickle and in limited memory, written whole."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import InvalidData

from .guard import MAX_EXPANSION, Allowance, name_damage
from .mat import Variables
from .writing import write_atomically


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays of numbers or text as .npz; nothing is pickled."""
    write_atomically(path, lambda stream: np.savez(stream, **arrays))  # type: ignore[arg-type]


def save_npz(path: str | os.PathLike[str], called: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays as .npz; `called` ("a fit is") begins the sentence that refuses another suffix."""
    if Path(path).suffix.lower() != ".npz":
        raise InvalidData(f"{path}: {called} saved as .npz")
    write_npz(path, arrays)


def read_npz(path: Path, wanted: Sequence[str], error: type[ValueError]) -> Variables:
    """Read those wanted variables that an .npz file holds."""
    allowance = Allowance(path, error)
    with name_damage(path, error), zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        return {name: _read_npz_array(archive, members[name], allowance) for name in wanted if name in members}


def read_npz_names(path: Path, error: type[ValueError]) -> list[str]:
    """Read the names of all variables in an .npz file."""
    with name_damage(path, error), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def _read_npz_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, allowance: Allowance) -> npt.NDArray[Any]:
    path, error = allowance.path, allowance.error
    allowance.take(info.filename, info.file_size, MAX_EXPANSION * info.compress_size)
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran_order, dtype = read_header(stream)
        if dtype.hasobject:
            raise error(f"{path}: {info.filename} holds pickled Python objects, which are never loaded")
        claimed = prod(shape) * dtype.itemsize
        held = info.file_size - stream.tell()
        if min(shape, default=0) < 0 or claimed > held:
            raise error(f"{path}: {info.filename} claims {claimed} bytes (shape {shape}), the file holds {held}")
        values = np.frombuffer(stream.read(claimed), dtype)
        stream.read()  # the CRC is checked at the end of the member

    return values.reshape(shape, order="F" if fortran_order else "C")
