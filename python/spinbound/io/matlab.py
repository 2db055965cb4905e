"""Named arrays of MATLAB files: v4 to v7.3 in, v5 and v7.3 out (v7.3 with the extra ``io``).

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

from spinbound.base.checks import as_one_of
from spinbound.base.errors import InvalidData
from spinbound.files.guard import optional_module
from spinbound.files.mat import read_mat
from spinbound.files.writing import write_atomically

MAX_BYTES = 2**31 - 1  # the most of one array in v5
HEADER = b"MATLAB 7.3 MAT-file, Platform: spinbound, HDF5 schema 1.00 ."
USER_BLOCK = (HEADER.ljust(124) + b"\x00\x02IM").ljust(512, b"\x00")  # before HDF5 begins in v7.3
GROWTH = 1 << 24  # bytes by which HDF5 grows in memory
INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
CLASSES = {"float64": "double", "float32": "single", **dict(zip(INTEGERS, INTEGERS, strict=True))}
NAME = re.compile(r"[A-Za-z]\w{0,30}", re.ASCII)


def read(path: str | os.PathLike[str], names: Sequence[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Read arrays of numbers by name: those of `names`, or all.

    Parameters
    ----------
    path
        The file, .mat.
    names
        Names of variables; all arrays of numbers by default.

    Returns
    -------
    dict of str to ndarray
        The arrays by their names.

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


def write(path: str | os.PathLike[str], arrays: Mapping[str, npt.ArrayLike], version: str | None = None) -> None:
    """Write arrays of numbers to a compressed file, whole or not at all; vectors become columns.

    Parameters
    ----------
    path
        The file, .mat.
    arrays
        By the names that they have in MATLAB.
    version
        ``5`` or ``7.3``; by default 5, and 7.3 where an array takes more than 2 GiB.

    Raises
    ------
    InvalidData
        For another suffix, a name that is not MATLAB's, and arrays that are no numbers of MATLAB or too large for v5.
    InvalidParameter
        For another version.
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".mat":
        raise InvalidData(f"{path}: MATLAB's files are .mat")
    content = {name: np.asarray(values) for name, values in arrays.items()}
    large = [name for name, array in content.items() if array.nbytes > MAX_BYTES]
    if version is None:
        version = "7.3" if large else "5"
    for name, array in content.items():
        if not NAME.fullmatch(name):
            raise InvalidData(f"{path}: {name!r} is no name in MATLAB: a letter, then up to 30 letters, digits and _")
        if _name_class(array) is None:
            raise InvalidData(f"{path}: {name} must be numbers; given type {array.dtype}")
    if as_one_of("version", version, ("5", "7.3")) == "7.3":
        packed = _pack_hdf5(content)
        write_atomically(path, lambda stream: stream.writelines((USER_BLOCK, packed)))
        return
    for name in large:
        raise InvalidData(
            f"{path}: {name} takes {content[name].nbytes} bytes; v5 holds {MAX_BYTES} at most, version='7.3' more"
        )
    from scipy import io

    write_atomically(path, lambda stream: io.savemat(stream, content, do_compression=True, oned_as="column"))


def _name_class(array: npt.NDArray[Any]) -> str | None:
    """Return MATLAB's class of numbers of that type, or None if it has none."""
    if array.dtype.kind == "b":
        return "logical"
    return CLASSES.get(array.real.dtype.newbyteorder("=").name) if array.dtype.kind in "iufc" else None


def _pack_hdf5(content: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Make an HDF5 file with axes reversed and complex numbers as pairs, in memory: on a full disk HDF5 would crash."""
    h5py = optional_module("h5py", "io")
    memory = {"driver": "core", "backing_store": False, "block_size": GROWTH, "userblock_size": len(USER_BLOCK)}
    with h5py.File("memory", "w", **memory) as file:
        for name, array in content.items():
            columns = array.reshape(array.shape + (1,) * (2 - array.ndim))
            values, attributes = _as_stored(columns)
            packing = {"compression": "gzip", "shuffle": True} if values.size > 1 else {}
            dataset = file.create_dataset(name, data=values, **packing)
            dataset.attrs["MATLAB_class"] = np.bytes_(_name_class(array) or "")
            dataset.attrs.update(attributes)
        file.flush()
        return bytes(file.id.get_file_image())  # without the block before it


def _as_stored(array: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    """Return values in HDF5's order of axes, and the attributes from which MATLAB knows their type."""
    if not array.size:
        return np.array(array.shape, np.uint64), {"MATLAB_empty": np.uint8(1)}
    if array.dtype.kind == "b":
        return array.T.astype(np.uint8), {"MATLAB_int_decode": np.int32(1)}
    if array.dtype.kind == "c":
        pairs = np.empty(array.T.shape, [("real", array.real.dtype), ("imag", array.real.dtype)])
        pairs["real"], pairs["imag"] = array.T.real, array.T.imag
        return pairs, {}
    return array.T, {}
