"""Stores of arrays in Zarr format 3, written chunk by chunk: every chunk has a checksum and is whole or absent.

Arrays are cut along their first axis only. Zarr lays out a store; its chunks are written and read here, each one file
that is flushed and renamed, and that unpacks into no more memory than its array says. Extra: ``io``.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import InvalidData

from .guard import find_max_bytes, name_damage, optional_module
from .writing import name_failure, write_bytes

LEVEL = 3  # level of compression by zstd
MAX_CHUNK = 0x7E000000  # bytes that numcodecs packs at once
MAX_HEADER = 1 << 24  # bytes of a zarr.json
HEADER = "zarr.json"
DTYPES = ("bool", "uint8", "float32", "float64", "complex64", "complex128")

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Layout:
    """One array of a store.

    Attributes
    ----------
    shape, dtype
        Shape and type of the whole array; at least one axis, none of length zero.
    chunk
        Rows of a chunk. Zarr pads a last chunk that the rows do not fill.
    dimensions
        A name for each axis.
    attributes
        Units and the like.
    """

    shape: tuple[int, ...]
    dtype: str
    chunk: int
    dimensions: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_chunks(self) -> int:
        """Number of chunks."""
        return -(-self.shape[0] // self.chunk)

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of a chunk as it is stored."""
        return (self.chunk, *self.shape[1:])

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a chunk, unpacked."""
        return prod(self.chunk_shape) * np.dtype(self.dtype).itemsize

    @property
    def fill(self) -> Any:
        """The value that pads the last chunk: NaN where the type has one, else 0."""
        return np.nan if np.dtype(self.dtype).kind in "fc" else 0

    def rows(self, chunk: int) -> slice:
        """Return the rows of a chunk."""
        return slice(chunk * self.chunk, min((chunk + 1) * self.chunk, self.shape[0]))

    @property
    def sha256(self) -> str:
        """Hash of everything that a store says of the array."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def file(self, chunk: int) -> str:
        """Return the path of a chunk inside the folder of its array."""
        return "/".join(["c", str(chunk), *["0"] * (len(self.shape) - 1)])


# A new store


def create(
    path: Path, layouts: Mapping[str, Layout], attributes: Mapping[str, Any], small: Mapping[str, Array]
) -> None:
    """Create a store with all values of the arrays in `small`; it appears whole, or not at all.

    Raises
    ------
    FileExistsError
        If the path exists.
    OSError
        If it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with name_failure(path):
            _lay_out(temporary, layouts, attributes)
        write_small(temporary, layouts, small)
        _rename_into_place(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _lay_out(folder: Path, layouts: Mapping[str, Layout], attributes: Mapping[str, Any]) -> None:
    zarr = optional_module("zarr", "io")
    codec = zarr.codecs.ZstdCodec(level=LEVEL, checksum=True)
    root = zarr.create_group(zarr.storage.LocalStore(folder), zarr_format=3, attributes=dict(attributes))
    for name, layout in layouts.items():
        root.create_array(
            name,
            shape=layout.shape,
            dtype=layout.dtype,
            chunks=layout.chunk_shape,
            compressors=[codec],
            fill_value=layout.fill,
            dimension_names=layout.dimensions,
            attributes=dict(layout.attributes),
        )
    for header in folder.rglob(HEADER):
        with header.open("rb") as stream:
            os.fsync(stream.fileno())


def write_headers(path: Path, layouts: Mapping[str, Layout]) -> None:
    """Write the headers of some arrays again."""
    with tempfile.TemporaryDirectory() as folder:
        _lay_out(Path(folder), layouts, {})
        for name in layouts:
            content = (Path(folder) / name / HEADER).read_bytes()
            write_bytes(_resolve_inside(path, f"{name}/{HEADER}", f"{path}: {name}/{HEADER}"), content)


def _rename_into_place(temporary: Path, path: Path) -> None:
    """Rename a folder, unless its new name exists."""
    try:
        temporary.rename(path)
    except OSError as problem:
        if problem.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(path)) from None


def write_attributes(path: Path, attributes: Mapping[str, Any]) -> None:
    """Replace the attributes of a store."""
    content = _read_header(path, "") | {"attributes": dict(attributes)}
    text = json.dumps(content, indent=2, allow_nan=False)
    write_bytes(path / HEADER, text.encode())


def write_small(path: Path, layouts: Mapping[str, Layout], small: Mapping[str, Array]) -> None:
    """Write whole arrays."""
    for name, values in small.items():
        for chunk in range(layouts[name].n_chunks):
            write_chunk(path, name, layouts[name], chunk, values[layouts[name].rows(chunk)])


# Chunks


@cache
def _make_codec() -> Any:
    return optional_module("numcodecs.zstd", "io").Zstd(level=LEVEL, checksum=True)


def write_chunk(path: Path, name: str, layout: Layout, chunk: int, values: Array) -> bytes:
    """Store the rows of a chunk, whole or not at all, and return the sha256 of the file."""
    padded = np.full(layout.chunk_shape, layout.fill, np.dtype(layout.dtype).newbyteorder("<"))
    padded[: len(values)] = values
    content = bytes(_make_codec().encode(padded.reshape(-1).view(np.uint8)))
    file = _resolve_inside(path, f"{name}/{layout.file(chunk)}", f"{path}: chunk {chunk} of {name}")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(file, content)
    return hashlib.sha256(content).digest()


def has_chunk(path: Path, name: str, layout: Layout, chunk: int) -> bool:
    """Say whether a chunk is stored."""
    return (path / name / layout.file(chunk)).exists()


def remove_chunk(path: Path, name: str, layout: Layout, chunk: int) -> None:
    """Remove a chunk, if it is there."""
    (path / name / layout.file(chunk)).unlink(missing_ok=True)


def read_chunk(path: Path, name: str, layout: Layout, chunk: int, sha256: bytes | None = None) -> Array:
    """Read the rows of a chunk and check its checksum, and the sha256 of its file if that is given.

    Raises
    ------
    InvalidData
        If it would take more memory than may be allocated, or leads out of the store.
    OSError
        If it is missing or damaged.
    """
    place = f"{path}: chunk {chunk} of {name}"
    if layout.chunk_bytes > find_max_bytes():
        raise InvalidData(f"{place} claims {layout.chunk_bytes} bytes, only {find_max_bytes()} may be allocated")
    content = _read_content(
        path, f"{name}/{layout.file(chunk)}", place, layout.chunk_bytes + layout.chunk_bytes // 128 + 1024
    )
    if sha256 is not None and hashlib.sha256(content).digest() != sha256:
        raise OSError(f"{place} is damaged: its sha256 is not that of what was written")
    values = np.empty(layout.chunk_shape, np.dtype(layout.dtype).newbyteorder("<"))
    try:
        _make_codec().decode(content, out=values.reshape(-1).view(np.uint8))
    except (RuntimeError, ValueError) as problem:
        raise OSError(f"{place} is damaged: {problem}") from None

    rows = layout.rows(chunk)
    return values[: rows.stop - rows.start]


def read(path: Path, name: str, layout: Layout) -> Array:
    """Read a whole array."""
    return np.concatenate([read_chunk(path, name, layout, chunk) for chunk in range(layout.n_chunks)])


def _read_content(path: Path, file: str, place: str, limit: int) -> bytes:
    """Read a file that lies in the store itself and has at most `limit` bytes."""
    try:
        descriptor = os.open(_resolve_inside(path, file, place), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise OSError(f"{place} is missing") from None
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise InvalidData(f"{place} is no regular file")
        if status.st_size > limit:
            raise InvalidData(f"{place} has {status.st_size} bytes, no more than {limit} are expected")
        return stream.read()


def _resolve_inside(path: Path, file: str, place: str) -> Path:
    """Return the path of a file of the store; a link that leads out of the store is refused."""
    if not (path / file).resolve().is_relative_to(path.resolve()):
        raise InvalidData(f"{place} is a link that leads out of the store, which is never followed")
    return path / file


# Headers


def read_attributes(path: Path) -> dict[str, Any]:
    """Read the attributes of a store.

    Raises
    ------
    InvalidData
        If the folder is no store of Zarr format 3.
    OSError
        If it cannot be read or is damaged.
    """
    content = _read_header(path, "")
    if content.get("zarr_format") != 3 or content.get("node_type") != "group":
        raise InvalidData(f"{path}: no group of Zarr format 3")
    return _as_mapping(content.get("attributes", {}), f"{path}: the attributes")


def read_layout(path: Path, name: str) -> Layout:
    """Read the layout of an array.

    Raises
    ------
    InvalidData
        If it is not laid out as stores of this module are: other codecs might run code, or lack checksums.
    OSError
        If it cannot be read or is damaged.
    """
    content = _read_header(path, name)
    with name_damage(path / name / HEADER, InvalidData):
        layout = Layout(
            shape=tuple(map(int, content["shape"])),
            dtype=content["data_type"],
            chunk=int(content["chunk_grid"]["configuration"]["chunk_shape"][0]),
            dimensions=tuple(content["dimension_names"]),
            attributes=_as_mapping(content.get("attributes", {}), f"{path}: the attributes of {name}"),
        )
        if layout.dtype not in DTYPES or not layout.shape or min(*layout.shape, layout.chunk) < 1:
            raise InvalidData(f"{path}: {name} has shape {layout.shape} and type {layout.dtype}")
        if {key: content.get(key) for key in _FORM} != _describe_form(layout):
            raise InvalidData(f"{path}: {name} is stored in another way than spinbound does")
    return layout


_FORM = ("zarr_format", "node_type", "chunk_grid", "chunk_key_encoding", "codecs", "storage_transformers")


def _describe_form(layout: Layout) -> dict[str, Any]:
    """Return the entries that Zarr's header has for an array of this module."""
    is_wide = np.dtype(layout.dtype).itemsize > 1
    return {
        "zarr_format": 3,
        "node_type": "array",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(layout.chunk_shape)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}} if is_wide else {"name": "bytes"},
            {"name": "zstd", "configuration": {"level": LEVEL, "checksum": True}},
        ],
        "storage_transformers": [],
    }


def _read_header(path: Path, name: str) -> dict[str, Any]:
    file = f"{name}/{HEADER}" if name else HEADER
    content = _read_content(path, file, f"{path}: {file}", MAX_HEADER)
    with name_damage(path / file, InvalidData):
        return _as_mapping(json.loads(content), f"{path / file}")


def _as_mapping(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidData(f"{place}: no mapping of names to values")
    return value
