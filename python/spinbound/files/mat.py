"""Read MATLAB files (v4 to v7.3) in limited memory.

Nothing here follows a link out of a file, and the bytes that a variable unpacks to are counted before it is allocated.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from .guard import MAX_EXPANSION, Allowance, name_damage, optional_module

MAX_DEPTH = 4  # levels of nested structs and groups: hard links in HDF5 may form circles
MAT5_COMPRESSED = 15  # the type of an element that zlib has packed

Variables = dict[str, Any]


def join_complex(real: npt.NDArray[Any], imag: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return real + i imag in their precision, part by part: infinities and NaN stay in the part that has them."""
    joined = np.empty(real.shape, np.result_type(real, imag, np.complex64))
    joined.real, joined.imag = real, imag
    return joined


def read_mat(path: Path, wanted: Sequence[str], error: type[ValueError]) -> tuple[Variables, list[str]]:
    """Read those wanted variables that a MATLAB file (up to v7.3) holds, at top level or in one struct.

    They are squeezed and have MATLAB's order of axes; the dotted names of everything in the file come with them.
    """
    with path.open("rb") as stream:
        head = stream.read(520)
    is_hdf5 = b"\x89HDF\r\n\x1a\n" in (head[:8], head[512:])
    with name_damage(path, error):
        return (_read_hdf5 if is_hdf5 else _read_mat5)(path, wanted, Allowance(path, error))


def _read_mat5(path: Path, wanted: Sequence[str], allowance: Allowance) -> tuple[Variables, list[str]]:
    from scipy import io

    listing = io.whosmat(path)
    load = [name for name, _, kind in listing if name in wanted or kind == "struct"]
    with path.open("rb") as stream:
        for (name, shape, _), element in zip(listing, _find_mat5_elements(stream), strict=False):
            if name in load:
                held = _count_inflated(stream, element, allowance.left)
                allowance.take(name, max(held, prod(map(int, shape))), held)  # an entry takes at least a byte
    content = io.loadmat(path, variable_names=load, simplify_cells=True)
    found = dict(_flatten({name: content[name] for name in load}))
    names = list(dict.fromkeys([*(name for name, _, _ in listing), *found]))
    return _pick_wanted(found, wanted, allowance), names


class Element(NamedTuple):
    """The place and the size of a variable in a MATLAB file up to v7, in bytes, and whether it is packed."""

    place: int
    size: int
    is_packed: bool


def _find_mat5_elements(stream: BinaryIO) -> Iterator[Element]:
    """Yield all variables in their order; each of v4, which packs nothing, may fill the file."""
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


def _count_inflated(stream: BinaryIO, element: Element, limit: int) -> int:
    """Count the bytes that a variable unpacks to; the count ends beyond a limit."""
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


def _flatten(tree: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and depth < MAX_DEPTH:
            yield from _flatten(value, f"{prefix}{name}.", depth + 1)
        elif not isinstance(value, dict):
            yield prefix + name, value


def _pick_wanted(found: Mapping[str, Any], wanted: Sequence[str], allowance: Allowance) -> Variables:
    """Pick the wanted variables: from the top level if they are there, else from the only struct that has them."""
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
        datasets = dict(_find_hdf5_datasets(h5py, file, allowance))
        chosen = _pick_wanted(datasets, wanted, allowance)
        return {name: _read_hdf5_value(file, dataset, allowance) for name, dataset in chosen.items()}, list(datasets)


def _find_hdf5_datasets(
    h5py: Any, group: Any, allowance: Allowance, prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, Any]]:
    """Yield all datasets by dotted name; soft links are skipped, links to other files refused."""
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
            yield from _find_hdf5_datasets(h5py, item, allowance, f"{prefix}{name}.", depth + 1)


def _read_hdf5_value(file: Any, dataset: Any, allowance: Allowance, depth: int = 0) -> Any:
    path, error = allowance.path, allowance.error
    if dataset.external or dataset.is_virtual:
        raise error(f"{path}: {dataset.name} keeps its values in another file, which is never opened")
    allowance.take(dataset.name, _count_hdf5_bytes(dataset), MAX_EXPANSION * dataset.id.get_storage_size())
    if dataset.attrs.get("MATLAB_empty", 0):  # then the shape is stored
        return np.empty(0)
    values = np.squeeze(dataset[()])
    kind = dataset.attrs.get("MATLAB_class", b"")
    if kind == b"char":
        return "".join(chr(code) for code in values.ravel())
    if kind == b"cell":
        if depth == MAX_DEPTH:
            raise error(f"{path}: {dataset.name} lies in more than {MAX_DEPTH} cells")
        return [_read_hdf5_value(file, file[reference], allowance, depth + 1) for reference in values.ravel()]

    if values.dtype.names == ("real", "imag"):
        values = join_complex(values["real"], values["imag"])
    return values.T if kind else values  # MATLAB stores the first axis fastest, HDF5 the last


def _count_hdf5_bytes(dataset: Any) -> int:
    """Count the bytes that reading allocates: of the values, or of a whole chunk that they do not fill."""
    values = prod(dataset.shape)
    return int(max(values, prod(dataset.chunks or ())) * dataset.dtype.itemsize) if values else 0
