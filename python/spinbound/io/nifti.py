"""NIfTI-1 and NIfTI-2 images, .nii and .nii.gz (extra ``io``).

Axes are those of the file, (i, j, k[, ...]), i fastest; the affine (4, 4) maps voxel indices to mm. Complex images stay
complex. A .nii.gz is read to its end, where its CRC is checked: a flipped bit is found. A plain .nii has no
checksum. Pairs of .hdr and .img are not read.

Images are written as float32, complex64, or integers of at most 32 bits, with scl_slope 1, qform and sform, mm and s.
"""

from __future__ import annotations

import gzip
import os
from io import BufferedReader, BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import FloatArray, InvalidData
from spinbound.files.guard import MAX_EXPANSION, Allowance, name_damage, optional_module
from spinbound.files.writing import write_atomically

from .single import as_single, check_affine

HEADER_SIZES = {348: "Nifti1Image", 540: "Nifti2Image"}
MAX_AXIS = 2**15 - 1  # the longest axis of NIfTI-1
PIECE = 1 << 20
ALIGNED = 2  # the code of a transform to another image


def read(path: str | os.PathLike[str]) -> tuple[npt.NDArray[Any], FloatArray]:
    """Read the values and the affine of an image.

    Parameters
    ----------
    path
        The file, .nii or .nii.gz.

    Returns
    -------
    values
        As stored, or scaled by the header's scl_slope and scl_inter if it has them.
    affine : (4, 4)
        From voxel indices to mm.

    Raises
    ------
    InvalidData
        If the header claims more than the file can hold, or makes no sense.
    OSError
        If the file cannot be read or is damaged.
    """
    path = Path(path)
    nibabel = optional_module("nibabel", "io")
    is_packed = path.suffix.lower() == ".gz"
    with name_damage(path, InvalidData), gzip.open(path) if is_packed else path.open("rb") as stream:
        kind, content = _read_content(nibabel, stream, path, MAX_EXPANSION if is_packed else 1)
        image = kind.from_bytes(content)
        return np.asanyarray(image.dataobj), np.array(image.affine, np.float64)


def _read_content(
    nibabel: Any, stream: gzip.GzipFile | BufferedReader, path: Path, expansion: int
) -> tuple[Any, bytes]:
    """Read the class of an image and the bytes of its file, unless the header claims more than the file can hold."""
    head = stream.read(max(HEADER_SIZES))
    sizes = {int.from_bytes(head[:4], order): order for order in ("little", "big")}
    size = next((size for size in sizes if size in HEADER_SIZES), None)
    if size is None or len(head) < size:
        raise InvalidData(f"{path}: no NIfTI image")
    kind = getattr(nibabel, HEADER_SIZES[size])
    header = kind.header_class(head[:size], sizes[size], check=False)
    _check_header(header, path)

    claimed = int(header["vox_offset"]) + _count_bytes(header, path)
    Allowance(path, InvalidData).take("the image", claimed, expansion * path.stat().st_size)
    content = head + stream.read(max(claimed - len(head), 0))
    while stream.read(PIECE):  # the CRC of a .gz is checked at its end
        pass

    return kind, content


def _check_header(header: Any, path: Path) -> None:
    if bytes(header["magic"])[:2] != b"n+":
        raise InvalidData(f"{path}: the image is in a file of its own (.hdr and .img), which is not read")
    slope, inter, offset = (float(header[name]) for name in ("scl_slope", "scl_inter", "vox_offset"))
    if not np.isfinite([slope, inter]).all():
        raise InvalidData(f"{path}: scl_slope is {slope:g} and scl_inter {inter:g}; both must be finite")
    if not header.sizeof_hdr <= offset < 2**40:
        raise InvalidData(f"{path}: vox_offset is {offset:g}; allowed: at least {header.sizeof_hdr}")


def _count_bytes(header: Any, path: Path) -> int:
    """Count the bytes of the voxels; Python's integers do not overflow."""
    dims = [int(length) for length in header["dim"]]
    shape = dims[1 : dims[0] + 1]
    if not 1 <= dims[0] <= 7 or min(shape) < 1:
        raise InvalidData(f"{path}: the header's dim is {dims}; allowed: 1 to 7 axes, each of length 1 or more")
    dtype = header.get_data_dtype()
    if dtype.kind not in "iufc":
        raise InvalidData(f"{path}: voxels of type {dtype} are not numbers")
    return prod(shape) * int(dtype.itemsize)


def write(path: str | os.PathLike[str], values: npt.ArrayLike, affine: npt.ArrayLike | None = None) -> None:
    """Write an image, whole or not at all; equal images give equal files.

    Parameters
    ----------
    path
        .nii or .nii.gz.
    values
        Real numbers become float32, complex ones complex64; integers and booleans the narrowest of uint8, int16 and
        int32 that holds them.
    affine : (4, 4)
        From voxel indices to mm; the identity by default.

    Raises
    ------
    InvalidData
        For another suffix, values beyond those types, and an affine that is not finite or singular.
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise InvalidData(f"{path}: an image is saved as .nii or .nii.gz")

    nibabel = optional_module("nibabel", "io")
    stored = _narrow(np.asarray(values), path)
    matrix = check_affine(np.eye(4) if affine is None else affine, path)
    kind = nibabel.Nifti1Image if max(stored.shape, default=1) <= MAX_AXIS else nibabel.Nifti2Image
    image = kind(stored, matrix)
    image.set_sform(matrix, ALIGNED)
    image.set_qform(matrix, ALIGNED)
    image.header.set_xyzt_units("mm", "sec")
    content = image.to_bytes()
    write_atomically(path, lambda stream: stream.write(_pack(content) if path.suffix.lower() == ".gz" else content))


def _pack(content: bytes) -> bytes:
    """Return the content of a .gz file, without the time and the name that would make equal images differ."""
    packed = BytesIO()
    with gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as stream:
        stream.write(content)
    return packed.getvalue()


def _narrow(values: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    """Convert values to the type that they are stored as."""
    if values.dtype.kind not in "biu":
        return as_single(values, np.complex64 if values.dtype.kind == "c" else np.float32, path)
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for dtype in (np.uint8, np.int16, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return values.astype(dtype)
    raise InvalidData(f"{path}: integers from {low} to {high} do not fit 32 bits")
