"""Reading files that nobody vouches for, and writing files that are whole or absent.

Nothing here runs code from a file (no pickle), follows a link out of it, or allocates more than the file can hold or
than `max_bytes`: zlib expands at most 1032-fold, so an array that claims more than that times its stored bytes is
refused unread. A file that is damaged raises OSError; one whose content is refused raises the error the caller names.
"""

from __future__ import annotations

import json
import os
import secrets
import struct
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from itertools import repeat
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from ._text import finite
from ._validate import InvalidData

MAX_EXPANSION = 1032
MAX_DEPTH = 4  # of nested structs and groups: hard links in HDF5 may form circles
MAT5_COMPRESSED = 15  # the type of an element that zlib has packed

Variables = dict[str, Any]


def optional_module(module: str, extra: str) -> Any:
    """A module that an extra installs, or one sentence that names the extra."""
    try:
        return import_module(module)
    except ImportError:
        raise ImportError(f"this needs {module}, which is missing: pip install 'spinbound[{extra}]'") from None


# Writing


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Have `write` fill a temporary file in the same folder, then move it into place: the file is whole or absent."""
    final = Path(os.path.realpath(path))
    temporary = final.with_name(f".{final.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with failure_named(path), open(temporary, "xb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        with failure_named(path):
            os.replace(temporary, final)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def failure_named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Have an OSError name the file that the caller wants, not the temporary one."""
    try:
        yield
    except OSError as problem:
        if problem.errno is None:
            raise OSError(f"{path}: {problem}") from problem
        raise OSError(problem.errno, problem.strerror, os.fspath(path)) from problem


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays of numbers or text as .npz; nothing is pickled."""
    write_atomically(path, lambda stream: np.savez(stream, **arrays))  # type: ignore[arg-type]


def save_npz(path: str | os.PathLike[str], called: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write what is called so ("a fit is", in the sentence that refuses another suffix) as .npz."""
    if Path(path).suffix.lower() != ".npz":
        raise InvalidData(f"{path}: {called} saved as .npz")
    write_npz(path, arrays)


def write_json(path: str | os.PathLike[str], tree: Mapping[str, Any]) -> None:
    """Write a tree of numbers and text as JSON; what is not finite becomes null."""
    text = json.dumps(finite(tree), indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda stream: stream.write(text.encode()))


def complex_of(real: npt.NDArray[Any], imag: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """real + i imag in their precision, part by part: infinities and NaN stay in the part that has them."""
    joined = np.empty(real.shape, np.result_type(real, imag, np.complex64))
    joined.real, joined.imag = real, imag
    return joined


# Reading


def max_bytes() -> int:
    """How much one file may fill: 80 % of the memory of the machine."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows does not tell; few machines have less than this
        memory = 1 << 33
    return memory * 4 // 5


@dataclass
class Allowance:
    """What may still be allocated for one file, and the error that refuses more."""

    path: Path
    error: type[ValueError]
    left: int = field(default_factory=max_bytes)

    def take(self, name: str, claimed: int, held: int) -> None:
        """Refuse, before they are allocated, bytes that the file cannot hold or that are more than what is left."""
        if not 0 <= claimed <= held:
            raise self.error(f"{self.path}: {name} claims {claimed} bytes, the file holds {held}")
        if claimed > self.left:
            raise self.error(f"{self.path}: {name} claims {claimed} bytes, only {self.left} may be allocated")
        self.left -= claimed


def read_npz(path: Path, wanted: Sequence[str], error: type[ValueError]) -> Variables:
    """Those of the wanted variables that an .npz file holds."""
    allowance = Allowance(path, error)
    with damage_named(path, error), zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        return {name: _npz_array(archive, members[name], allowance) for name in wanted if name in members}


def read_toml(path: Path, most: int, error: type[ValueError]) -> dict[str, Any]:
    """The content of a TOML file of at most so many bytes."""
    if path.stat().st_size > most:
        raise error(f"{path}: longer than {most} bytes, the most that is read of such a file")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as problem:  # thousands of digits are a ValueError, nested brackets the other
        raise error(f"{path}: not valid TOML: {problem}") from None


def npz_names(path: Path, error: type[ValueError]) -> list[str]:
    """Names of all variables in an .npz file."""
    with damage_named(path, error), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def _npz_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, allowance: Allowance) -> npt.NDArray[Any]:
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
        stream.read()  # reaching the end of the member is what checks its CRC
    return values.reshape(shape, order="F" if fortran_order else "C")


def read_mat(path: Path, wanted: Sequence[str], error: type[ValueError]) -> tuple[Variables, list[str]]:
    """Those of the wanted variables that a MATLAB file (up to v7.3) holds, at top level or in one struct.

    Returns them squeezed and with MATLAB's order of axes, and the dotted names of everything the file holds.
    """
    with open(path, "rb") as stream:
        head = stream.read(520)
    is_hdf5 = b"\x89HDF\r\n\x1a\n" in (head[:8], head[512:])
    with damage_named(path, error):
        return (_read_hdf5 if is_hdf5 else _read_mat5)(path, wanted, Allowance(path, error))


def _read_mat5(path: Path, wanted: Sequence[str], allowance: Allowance) -> tuple[Variables, list[str]]:
    from scipy import io

    listing = io.whosmat(path)
    load = [name for name, _, kind in listing if name in wanted or kind == "struct"]
    with open(path, "rb") as stream:
        for (name, shape, _), element in zip(listing, _mat5_elements(stream), strict=False):
            if name in load:
                held = _inflated_size(stream, element, allowance.left)
                allowance.take(name, max(held, prod(map(int, shape))), held)  # an entry takes at least a byte
    content = io.loadmat(path, variable_names=load, simplify_cells=True)
    found = dict(_flattened({name: content[name] for name in load}))
    names = list(dict.fromkeys([*(name for name, _, _ in listing), *found]))
    return _picked(found, wanted, allowance), names


class Element(NamedTuple):
    """Where a variable of a MATLAB file up to v7 lies, in bytes, and whether it is packed."""

    place: int
    size: int
    is_packed: bool


def _mat5_elements(stream: BinaryIO) -> Iterator[Element]:
    """All variables in their order; those of v4, which packs nothing, may each fill the file."""
    head = stream.read(128)
    if 0 in head[:4]:
        yield from repeat(Element(0, stream.seek(0, os.SEEK_END), False))
    order, place = "<" if head[126:] == b"IM" else ">", len(head)
    while len(tag := _read_at(stream, place, 8)) == 8:
        kind, size = struct.unpack(f"{order}II", tag)
        place += len(tag)
        yield Element(place, size, kind == MAT5_COMPRESSED)
        place += size


def _read_at(stream: BinaryIO, place: int, size: int) -> bytes:
    stream.seek(place)
    return stream.read(size)


def _inflated_size(stream: BinaryIO, element: Element, limit: int) -> int:
    """How many bytes a variable unpacks to; the count ends beyond a limit."""
    place, size, is_packed = element
    if not is_packed:
        return size
    inflater, inflated, end = zlib.decompressobj(), 0, place + size
    while place < end and inflated <= limit:
        piece = _read_at(stream, place, min(end - place, 1 << 14))
        if not piece:
            break
        inflated += len(inflater.decompress(piece))
        place += len(piece)
    return inflated


def _flattened(tree: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and depth < MAX_DEPTH:
            yield from _flattened(value, f"{prefix}{name}.", depth + 1)
        elif not isinstance(value, dict):
            yield prefix + name, value


def _picked(found: Mapping[str, Any], wanted: Sequence[str], allowance: Allowance) -> Variables:
    """The wanted variables: at top level if they are there, else from the only struct that has them."""
    picked = {}
    for name in wanted:
        places = [place for place in found if name in (place, place.rpartition(".")[2])]
        if name in places:
            places = [name]
        if len(places) > 1:
            raise allowance.error(f"{allowance.path}: {name} is there more than once: {', '.join(places)}")
        if places:
            picked[name] = found[places[0]]
    return picked


def _read_hdf5(path: Path, wanted: Sequence[str], allowance: Allowance) -> tuple[Variables, list[str]]:
    h5py = optional_module("h5py", "io")
    with h5py.File(path, "r") as file:
        datasets = dict(_hdf5_datasets(h5py, file, allowance))
        chosen = _picked(datasets, wanted, allowance)
        return {name: _hdf5_value(file, dataset, allowance) for name, dataset in chosen.items()}, list(datasets)


def _hdf5_datasets(
    h5py: Any, group: Any, allowance: Allowance, prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, Any]]:
    """All datasets by dotted name; soft links are skipped, links to other files refused."""
    for name in group:
        if name.startswith("#"):  # MATLAB's own bookkeeping
            continue
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise allowance.error(
                f"{allowance.path}: {prefix}{name} is a link to another file, which is never followed"
            )
        if not isinstance(link, h5py.HardLink):
            continue
        item = group[name]
        if isinstance(item, h5py.Dataset):
            yield prefix + name, item
        elif isinstance(item, h5py.Group) and depth < MAX_DEPTH:
            yield from _hdf5_datasets(h5py, item, allowance, f"{prefix}{name}.", depth + 1)


def _hdf5_value(file: Any, dataset: Any, allowance: Allowance, depth: int = 0) -> Any:
    path, error = allowance.path, allowance.error
    if dataset.external or dataset.is_virtual:
        raise error(f"{path}: {dataset.name} keeps its values in another file, which is never opened")
    allowance.take(dataset.name, _hdf5_claim(dataset), MAX_EXPANSION * dataset.id.get_storage_size())
    if dataset.attrs.get("MATLAB_empty", 0):  # what is stored then is the shape
        return np.empty(0)
    values = np.squeeze(dataset[()])
    kind = dataset.attrs.get("MATLAB_class", b"")
    if kind == b"char":
        return "".join(chr(code) for code in values.ravel())
    if kind == b"cell":
        if depth == MAX_DEPTH:
            raise error(f"{path}: {dataset.name} lies in more than {MAX_DEPTH} cells")
        return [_hdf5_value(file, file[reference], allowance, depth + 1) for reference in values.ravel()]
    if values.dtype.names == ("real", "imag"):
        values = complex_of(values["real"], values["imag"])
    return values.T if kind else values  # MATLAB stores the first axis fastest, HDF5 the last


def _hdf5_claim(dataset: Any) -> int:
    """Bytes that reading allocates: the values', or a whole chunk's where the values do not fill one."""
    values = prod(dataset.shape)
    return int(max(values, prod(dataset.chunks or ())) * dataset.dtype.itemsize) if values else 0


@contextmanager
def damage_named(path: Path, error: type[ValueError]) -> Iterator[None]:
    """Turn whatever a parser stumbles over into an OSError that names the file; scipy alone raises six types."""
    try:
        yield
    except (error, ImportError, FileNotFoundError, PermissionError, IsADirectoryError, MemoryError):
        raise
    except Exception as problem:
        raise OSError(f"{path}: cannot be read, it is damaged or of another format ({problem})") from problem
