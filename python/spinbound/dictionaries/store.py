"""Dictionaries on disk: their arrays, read block by block, and the check of a store against its checksums.

===================  ================================  =====================================================
array                shape                             content
===================  ================================  =====================================================
tissue/NAME          (n,)                              the eight parameters; M0 = 1
valid                (n,)                              whether the tissue could be simulated; if not, rows are NaN
signals              (n, samples)                      echoes, or coefficients of the basis
crb                  (n, P)                            Cramér-Rao bounds
fisher               (n, P', P')                       Fisher matrices
sensitivities        (n, samples, P)                   derivatives of the signals
chunk_sha256         (chunks, arrays, 32)              hash of each chunk's files; written last, as the mark "done"
sequence/K/NAME      (pulses,)                         the arguments of each `Sequence`
basis/NAME           (echoes, rank), (values,)         vectors, singular_values
===================  ================================  =====================================================
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from spinbound.base.errors import BoolArray, FloatArray, InvalidData, Progress
from spinbound.base.progress import show_progress
from spinbound.files import stores
from spinbound.files.guard import name_damage
from spinbound.files.hashes import hash_arrays
from spinbound.files.stores import Array, Layout
from spinbound.sequences.experiment import as_trains
from spinbound.sequences.sequence import Sequence
from spinbound.signals.basis import Basis
from spinbound.tissues.tissue import Tissue

from .contents import check_memory, description_sha256, is_sound, read_basis, read_train
from .dictionary import TISSUES, Dictionary, norms, tissue_from

FORMAT, VERSION = "spinbound dictionary", 1
MARK = "chunk_sha256"
RESULTS = ("valid", "signals", "crb", "fisher", "sensitivities")


@dataclass(frozen=True)
class StoreCheck:
    """The result of the check of a store.

    Attributes
    ----------
    n_chunks : int
        Number of chunks that the store should have.
    missing : tuple of int
        Chunks that are not done.
    damaged : dict of int to str
        The problem of a chunk, in words.
    other : tuple of str
        Problems of the sequence or the basis, in words.

    Examples
    --------
    >>> import spinbound as sb
    >>> sb.StoreCheck(n_chunks=3, missing=(1, 2), damaged={}, other=()).ok
    False
    """

    n_chunks: int
    missing: tuple[int, ...]
    damaged: Mapping[int, str]
    other: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether all chunks are there and unchanged."""
        return not (self.missing or self.damaged or self.other)


class StoredDictionary(Dictionary):
    """A dictionary on disk, which is read chunk by chunk; `open_dictionary` and `build_dictionary` return it.

    Attributes
    ----------
    path
        The folder.
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "path", Path(path).absolute())  # valid even if the process changes its folder
        attributes = stores.read_attributes(self.path)
        kind = attributes.get("format"), attributes.get("format_version")
        if kind != (FORMAT, VERSION):
            raise InvalidData(f"{self.path}: format {kind[0]!r} of version {kind[1]!r}; read: {FORMAT!r} of {VERSION}")
        if description_sha256(attributes) != attributes.get("sha256"):
            raise OSError(f"{self.path}: its description is damaged: the sha256 is not that of what was written")
        if not is_sound(attributes):
            raise InvalidData(f"{self.path}: its description lacks what was computed, or how much of it")

    # Description

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """The settings of the computation: all that the numbers depend on."""
        return dict(stores.read_attributes(self.path)["configuration"])

    @cached_property
    def _contents(self) -> dict[str, Any]:
        return dict(stores.read_attributes(self.path)["contents"])

    @property
    def complete(self) -> bool:
        """Whether all chunks have been done."""
        return stores.read_attributes(self.path).get("complete") is True

    def __len__(self) -> int:
        """Return the number of tissues."""
        return int(self.configuration["n"])

    @property
    def n_chunks(self) -> int:
        """Number of chunks."""
        return self._layouts[MARK].shape[0]

    @property
    def n_samples(self) -> int:
        """Samples of one signal: echoes, or vectors of the basis."""
        return self._layouts["signals"].shape[1]

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the arrays that have a row for each tissue."""
        return tuple(name for name in self._layouts if name != MARK)

    @property
    def shapes(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and type of each array."""
        return {name: (self._layouts[name].shape, self._layouts[name].dtype) for name in self.arrays}

    @property
    def sequence_sha256(self) -> str:
        """Hash of the sequence, or of all sequences of a joint experiment."""
        return str(self.configuration["sequence_sha256"])

    @cached_property
    def sequence(self) -> Sequence | list[Sequence]:
        """The sequence, or the list of them."""
        with name_damage(self.path, InvalidData):
            trains = [read_train(self.path, k, self._contents) for k in range(len(self._contents["starts"]))]
            sha256 = as_trains(trains).sha256
        if sha256 != self.sequence_sha256:
            raise OSError(f"{self.path}: the sequence is damaged: its sha256 is not that of what was written")
        return trains if len(trains) > 1 else trains[0]

    @cached_property
    def basis(self) -> Basis | None:
        """The basis of the signals; None in the time domain."""
        wanted = self.configuration["basis_sha256"]
        with name_damage(self.path, InvalidData):
            basis = None if wanted is None else read_basis(self.path, self._contents, self.sequence)
        if (None if basis is None else basis.sha256) != wanted:
            raise OSError(f"{self.path}: the basis is damaged: its sha256 is not that of what was written")
        return basis

    def __repr__(self) -> str:
        state = "" if self.complete else ", incomplete"
        return f"Dictionary({str(self.path)!r}, {len(self)} tissues of {self.n_samples} samples{state})"

    # Content

    @property
    def tissue(self) -> Tissue:
        """All tissues, of shape (n,), with M0 = 1."""
        return tissue_from({name: self._read_whole(name) for name in TISSUES})

    @property
    def valid(self) -> BoolArray:
        """(n,) whether each tissue could be simulated; the results of others are NaN."""
        return self._read_whole("valid")

    @property
    def signals(self) -> Array:
        """(n, samples) signals for M0 = 1, not scaled."""
        return self._read_whole("signals")

    @property
    def crb(self) -> dict[str, FloatArray]:
        """Cramér-Rao bounds (n,) by the name of the parameter, in its unit squared."""
        return dict(zip(self.configuration["wrt"], self._read_whole("crb").T, strict=True))

    @property
    def fisher(self) -> Array:
        """(n, P', P') Fisher matrices, as in `fisher`."""
        return self._read_whole("fisher")

    @property
    def sensitivities(self) -> Array:
        """(n, samples, P) derivatives of the signals, as in `sensitivities`."""
        return self._read_whole("sensitivities")

    def block(self, chunk: int) -> Dictionary:
        """Read the tissues of one chunk."""
        content = self.columns(chunk, *self.arrays)
        crb = content.get("crb")
        return Dictionary(
            sequence=self.sequence,
            tissue=tissue_from(content),
            signals=content["signals"],
            basis=self.basis,
            crb={} if crb is None else dict(zip(self.configuration["wrt"], crb.T, strict=True)),
            fisher=content.get("fisher"),
            sensitivities=content.get("sensitivities"),
            first=self.rows(chunk).start,
            configuration=self.configuration,
        )

    def columns(self, chunk: int, *names: str) -> dict[str, Array]:
        """Read some of the arrays of one chunk."""
        sha256 = self._read_sha256(chunk)
        return {name: self._read_chunk(name, chunk, sha256[name]) for name in names}

    def blocks(self) -> Iterator[Dictionary]:
        """Yield all tissues, chunk by chunk."""
        return map(self.block, range(self.n_chunks))

    def load(self) -> Dictionary:
        """Read tissues and signals into memory; tissues that are invalid or give no signal are left out and counted."""
        signals = np.ascontiguousarray(self.signals, np.complex128)
        usable = norms(signals) > 0
        n_left_out = int(np.count_nonzero(~usable))
        return Dictionary(self.sequence, self.tissue[usable], signals[usable], self.basis, n_left_out=n_left_out)

    @property
    def sha256(self) -> str:
        """Hash of all that the numbers depend on."""
        return hash_arrays(np.frombuffer(json.dumps(self.configuration, sort_keys=True).encode(), np.uint8))

    @cached_property
    def _layouts(self) -> dict[str, Layout]:
        """Layouts of all arrays that have a row for each tissue, and of the mark."""
        with name_damage(self.path, InvalidData):
            return self._check_layouts([str(name) for name in self._contents["arrays"]])

    def _check_layouts(self, names: list[str]) -> dict[str, Layout]:
        if not set(names) <= {*TISSUES, *RESULTS}:
            raise InvalidData(f"{self.path}: unknown arrays among {', '.join(names)}")
        layouts = {name: stores.read_layout(self.path, name) for name in (*names, MARK)}
        n, chunk = self.configuration["n"], self.configuration["chunk"]
        for name, layout in layouts.items():
            shapes = {MARK: (-(-n // chunk), len(names), 32), "crb": (n, len(self.configuration["wrt"]))}
            wanted = shapes.get(name, (n, *layout.shape[1:]))
            if layout.shape != wanted or layout.chunk != (1 if name == MARK else chunk):
                raise InvalidData(f"{self.path}: {name} has shape {layout.shape}, but the store {n} tissues")
        return layouts

    def _read_whole(self, name: str) -> Array:
        layout = self._find_layout(name)
        check_memory(self.path, name, layout)
        whole = np.empty(layout.shape, layout.dtype)
        for chunk in range(layout.n_chunks):
            whole[layout.rows(chunk)] = self._read_chunk(name, chunk, self._read_sha256(chunk)[name])
        return whole

    def _find_layout(self, name: str) -> Layout:
        if name not in self._layouts:
            raise InvalidData(f"{self.path} holds no {name}; it has: {', '.join(self.arrays)}")
        return self._layouts[name]

    def _read_chunk(self, name: str, chunk: int, sha256: bytes) -> Array:
        return stores.read_chunk(self.path, name, self._layouts[name], chunk, sha256)

    def rows(self, chunk: int) -> slice:
        """Return the rows of the tissues of a chunk."""
        return self._layouts["signals"].rows(chunk)

    def is_done(self, chunk: int) -> bool:
        """Say whether a chunk has been stored."""
        return stores.has_chunk(self.path, MARK, self._layouts[MARK], chunk)

    def forget(self, chunk: int) -> None:
        """Remove the mark of a chunk, so that it is computed again."""
        stores.remove_chunk(self.path, MARK, self._layouts[MARK], chunk)

    def put(self, chunk: int, arrays: Mapping[str, Array]) -> None:
        """Store a chunk; its mark comes last, so that a chunk which has one is whole."""
        layouts = self._layouts
        sha256 = [stores.write_chunk(self.path, name, layouts[name], chunk, arrays[name]) for name in self.arrays]
        marks = np.frombuffer(b"".join(sha256), np.uint8).reshape(1, -1, 32)
        stores.write_chunk(self.path, MARK, layouts[MARK], chunk, marks)

    def _read_sha256(self, chunk: int) -> dict[str, bytes]:
        """Read the hashes of the files of a chunk that is done."""
        if not self.is_done(chunk):
            raise InvalidData(f"{self.path} is not complete: chunk {chunk} of {self.n_chunks} is not done")
        marks = stores.read_chunk(self.path, MARK, self._layouts[MARK], chunk)[0]
        return {name: mark.tobytes() for name, mark in zip(self.arrays, marks, strict=True)}

    # Check

    def verify(self, progress: bool | Progress | None = None) -> StoreCheck:
        """Read everything and compare it with its checksums.

        Parameters
        ----------
        progress
            True: a bar on stderr; or a callable (done, total), in chunks.
        """
        store = StoredDictionary(self.path)  # a new object, which has read nothing yet
        check_memory(self.path, MARK, store._layouts[MARK])  # else a damaged number of chunks could cost years
        missing, damaged = [], {}
        with show_progress(progress, store.n_chunks, "verify", "chunk") as advance:
            for chunk in range(store.n_chunks):
                if not store.is_done(chunk):
                    missing.append(chunk)
                elif problem := _describe_problem(partial(store.block, chunk)):
                    damaged[chunk] = problem
                if advance:
                    advance(chunk + 1, store.n_chunks)
        other = filter(
            None, map(_describe_problem, (store._check_headers, lambda: store.sequence, lambda: store.basis))
        )
        return StoreCheck(store.n_chunks, tuple(missing), damaged, tuple(other))

    def _check_headers(self) -> None:
        """Compare the header of each array, with its units and names, to the one that was written."""
        for name, sha256 in self._contents.get("headers_sha256", {}).items():
            if stores.read_layout(self.path, name).sha256 != sha256:
                raise OSError(f"{self.path}: {name}/{stores.HEADER} is damaged: it is not what was written")


def open_dictionary(path: str | os.PathLike[str]) -> StoredDictionary:
    """Open a dictionary on disk; arrays are read on request, and checked while they are read.

    Parameters
    ----------
    path
        The folder.

    Returns
    -------
    StoredDictionary
        A `Dictionary` on disk.

    Raises
    ------
    InvalidData
        If it is no dictionary, or was created by another program; when an array is read, also if its chunk is not
        done, or if it does not fit into memory.
    OSError
        If it cannot be read; when an array is read, also if its chunk is missing or damaged.

    Examples
    --------
    >>> import spinbound as sb, tempfile
    >>> seq, tissue = sb.sequences.load("hybrid-mt-4s"), sb.Tissue(m0s=[0.1, 0.2, 0.3])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = sb.build_dictionary(seq, tissue, None, f"{folder}/atoms.zarr", chunk=2)
    ...     store = sb.open_dictionary(store.path)
    ...     store.complete, [(block.first, block.signals.shape) for block in store.blocks()], store.verify().ok
    (True, [(0, (2, 1142)), (2, (1, 1142))], True)
    """
    return StoredDictionary(path)


def bytes_of(path: Path) -> int:
    """Return the number of bytes of a store on its disk."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _describe_problem(read: Callable[[], object]) -> str:
    """Describe the problem of a read, or return an empty text."""
    try:
        read()
    except (OSError, ValueError) as problem:
        return str(problem)
    return ""
