"""BART's files: .cfl with .hdr, and .ra; complex64, the first axis fastest.

A .hdr names the lengths of the axes in the line after ``# Dimensions``; its other sections are not read. BART pads them
with ones: trailing axes of length one are dropped. Neither format has a checksum. The .hdr is written last, so that
there is none without its data.
"""

from __future__ import annotations

import os
import struct
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import InvalidData
from spinbound.files.guard import Allowance, name_damage
from spinbound.files.writing import write_atomically

from .single import as_single

COMPLEX64 = np.dtype("<c8")
MAX_AXES = 32
# Header of a .ra: magic, flags (0: little endian), kind (4: complex), bytes per value, bytes of values, number of axes.
RA_HEADER = struct.Struct("<8s5Q")
RA_MAGIC, RA_COMPLEX = b"rawarray", 4


def read(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Read the array of a .cfl (or its .hdr) or .ra file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    ndarray of complex64
        The values, without trailing axes of length one.

    Raises
    ------
    InvalidData
        If the file does not hold as many values as its header says, or the header makes no sense.
    OSError
        If a file cannot be read or is damaged.
    """
    path = Path(path)
    with name_damage(path, InvalidData):
        if path.suffix.lower() == ".ra":
            with path.open("rb") as stream:
                return _read_values(stream, path, _read_ra_shape(stream, path))
        shape = _read_hdr_shape(path.with_suffix(".hdr"))
        with path.with_suffix(".cfl").open("rb") as stream:
            return _read_values(stream, path.with_suffix(".cfl"), shape)


def _read_hdr_shape(path: Path) -> list[int]:
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    try:
        dims = [int(word) for word in lines[lines.index("# Dimensions") + 1].split()]
    except (ValueError, IndexError):
        raise InvalidData(f"{path}: no line of integers after '# Dimensions'") from None
    return _as_shape(dims, path)


def _read_ra_shape(stream: BinaryIO, path: Path) -> list[int]:
    head = stream.read(RA_HEADER.size)
    if len(head) < RA_HEADER.size or not head.startswith(RA_MAGIC):
        raise InvalidData(f"{path}: no .ra file: it does not begin with {RA_MAGIC.decode()}")
    _, flags, kind, width, _, n_axes = RA_HEADER.unpack(head)
    if (flags, kind, width) != (0, RA_COMPLEX, COMPLEX64.itemsize):
        raise InvalidData(
            f"{path}: flags {flags}, type {kind} of {width} bytes; read are little-endian complex64 (0, 4, 8)"
        )
    if not 1 <= n_axes <= MAX_AXES:
        raise InvalidData(f"{path}: {n_axes} axes; allowed: 1 to {MAX_AXES}")

    return _as_shape(list(struct.unpack(f"<{n_axes}Q", stream.read(8 * n_axes))), path)


def _as_shape(dims: list[int], path: Path) -> list[int]:
    """Return the lengths of the axes, without trailing ones."""
    if not dims or min(dims) < 1 or len(dims) > MAX_AXES:
        raise InvalidData(f"{path}: lengths of axes {dims}; allowed: 1 to {MAX_AXES} axes, each of length 1 or more")
    while len(dims) > 1 and dims[-1] == 1:
        dims.pop()
    return dims


def _read_values(stream: BinaryIO, path: Path, shape: list[int]) -> npt.NDArray[Any]:
    """Read the rest of the file, which must be as long as the header says."""
    begin = stream.tell()
    held, claimed = stream.seek(0, os.SEEK_END) - begin, prod(shape) * COMPLEX64.itemsize
    if claimed != held:
        raise InvalidData(f"{path}: the header claims {claimed} bytes (shape {tuple(shape)}), the file holds {held}")
    Allowance(path, InvalidData).take("the array", claimed, held)
    stream.seek(begin)
    return np.fromfile(stream, COMPLEX64).reshape(shape, order="F")


def write(path: str | os.PathLike[str], values: npt.ArrayLike) -> None:
    """Write an array of numbers as complex64 to a .cfl with its .hdr, or to a .ra, whole or not at all.

    Parameters
    ----------
    path
        The file: .cfl, .hdr or .ra.
    values
        Numbers of any shape.

    Raises
    ------
    InvalidData
        For another suffix, or an array without values.
    OSError
        If a file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".cfl", ".hdr", ".ra"):
        raise InvalidData(f"{path}: BART's files are .cfl, .hdr or .ra")
    array = as_single(np.asarray(values), COMPLEX64, path)
    dims = array.shape or (1,)
    if not array.size:
        raise InvalidData(f"{path}: no values in shape {array.shape}")
    content = array.tobytes(order="F")
    if suffix == ".ra":
        head = RA_HEADER.pack(RA_MAGIC, 0, RA_COMPLEX, COMPLEX64.itemsize, len(content), len(dims))
        head += struct.pack(f"<{len(dims)}Q", *dims)
        write_atomically(path, lambda stream: stream.writelines((head, content)))
        return

    write_atomically(path.with_suffix(".cfl"), lambda stream: stream.write(content))
    text = f"# Dimensions\n{' '.join(map(str, dims))}\n"
    write_atomically(path.with_suffix(".hdr"), lambda stream: stream.write(text.encode()))
