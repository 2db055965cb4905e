"""The work of making a dictionary on disk: what is computed of a tissue, how it is laid out, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from . import _core
from ._batch import store, valid_voxels, vectors_of
from ._chunks import sha256_of
from ._core import version
from ._dictionary_contents import basis_sha256, small_arrays, small_layout
from ._dictionary_store import MARK, DictionaryStore
from ._job import Task
from ._models import check_model, limits_of
from ._trains import Experiment, as_trains
from ._validate import BoolArray, InvalidData, InvalidParameter, Report
from ._voxels import reports
from .basis import Basis
from .fisher import crb, fisher, in_one_run, n_columns
from .io import zarr_store
from .io.zarr_store import Array, Layout
from .parameters import PARAMETERS, TISSUE
from .prior import Prior
from .simulate import sensitivities, simulate
from .tissue import Tissue, tissue_of

DERIVATIVES = ("crb", "fisher", "sensitivities")
CHUNK, CHUNK_BYTES = 4096, 1 << 26  # tissues, or as many as fill 64 MB


@dataclass(frozen=True)
class Recipe:
    """What is computed of each tissue."""

    seq: Experiment
    basis: Basis | None
    wrt: tuple[str, ...]
    derivatives: tuple[str, ...]
    sigma: float
    form: str
    physics: dict[str, Any]
    dtype: str  # of the signals; what is real has the same precision

    def __post_init__(self) -> None:
        check_model(*self.physics.values())
        vectors_of(self.basis, as_trains(self.seq))

    def layouts(self, n: int, chunk: int) -> dict[str, Layout]:
        """The arrays of n tissues, in the order in which they are stored."""
        samples = as_trains(self.seq).n_echoes if self.basis is None else self.basis.rank
        sample, P, columns = "echo" if self.basis is None else "vector", len(self.wrt), n_columns(self.wrt, self.form)
        real = "float64" if self.dtype == "complex128" else "float32"
        named = {"parameters": list(self.wrt), "sigma": self.sigma, "form": self.form}
        units = {"units": [f"({PARAMETERS[name].unit})^2" for name in self.wrt]}
        tissue = {f"tissue/{name}": Layout((n,), "float64", chunk, ("tissue",), _described(name)) for name in TISSUE}
        results = {
            "crb": Layout((n, P), real, chunk, ("tissue", "parameter"), named | units),
            "fisher": Layout(
                (n, columns, columns),
                self.dtype if self.form == "complex" else real,
                chunk,
                ("tissue", "row", "column"),
                named,
            ),
            "sensitivities": Layout(
                (n, samples, P), self.dtype, chunk, ("tissue", sample, "parameter"), {"parameters": list(self.wrt)}
            ),
        }
        return tissue | {
            "valid": Layout((n,), "bool", chunk, ("tissue",)),
            "signals": Layout((n, samples), self.dtype, chunk, ("tissue", sample), {"units": "M0"}),
            **{name: results[name] for name in self.derivatives},
        }

    def accepts(self, tissue: Tissue) -> BoolArray:
        """Which of the tissues can be simulated."""
        limits = [limits_of(self.physics["model"], train) for train in as_trains(self.seq).sequences]
        matrix = np.array([np.broadcast_to(tissue[name], tissue.shape) for name in TISSUE])
        return valid_voxels(matrix, np.ones(tissue.size, np.complex128), None, limits)

    def computed(self, tissue: Tissue, threads: int | None, report: Report | None) -> dict[str, Array]:
        """All arrays of some tissues; those that cannot be simulated are NaN."""
        layouts = self.layouts(tissue.size, tissue.size)
        arrays = {name: np.full(layout.shape, _missing(layout), layout.dtype) for name, layout in layouts.items()}
        for name in TISSUE:
            arrays[f"tissue/{name}"][:] = tissue[name]
        if self.accepts(tissue).any():
            for name, values in self.results(tissue, threads, report).items():
                store(arrays[name], slice(None), values)
        arrays["valid"][:] = np.isfinite(arrays["signals"]).all(axis=1)
        return arrays

    def results(self, tissue: Tissue, threads: int | None, report: Report | None) -> dict[str, Array]:
        """What the core computes; at least one of the tissues is valid."""
        options = self.physics | {"basis": self.basis, "threads": threads}
        if self.derivatives and self.basis is not None:
            asked = self.wrt, self.sigma, self.form, self.derivatives
            return in_one_run(self.seq, tissue, *asked, progress=report, **options)
        return self._in_turn(tissue, options, report)

    def _in_turn(self, tissue: Tissue, options: dict[str, Any], report: Report | None) -> dict[str, Any]:
        """In the time domain, where each is a run of its own."""
        functions: dict[str, Callable[..., Any]] = {"fisher": fisher, "crb": crb}
        further = [name for name in functions if name in self.derivatives]
        first, *others = reports(report, 1 + len(further), 0, tissue.size, tissue.size)
        results: dict[str, Any] = {}
        if "sensitivities" in self.derivatives:
            pair = sensitivities(self.seq, tissue, self.wrt, progress=first, **options)
            results["signals"], results["sensitivities"] = pair
        else:
            results["signals"] = simulate(self.seq, tissue, progress=first, **options)
        for name, share in zip(further, others, strict=True):
            asked = self.wrt, self.sigma, self.form
            results[name] = functions[name](self.seq, tissue, *asked, progress=share, **options)
        if "crb" in results:
            results["crb"] = np.stack([results["crb"][name] for name in self.wrt], axis=-1)
        return results


def _missing(layout: Layout) -> complex | float | int:
    """What the core writes where a tissue is invalid."""
    return complex(np.nan, np.nan) if layout.dtype.startswith("complex") else layout.fill


def _described(name: str) -> dict[str, Any]:
    return {"units": PARAMETERS[name].unit, "long_name": PARAMETERS[name].description}


class Source(Protocol):
    """Where tissues come from."""

    @property
    def n(self) -> int:
        """How many there are."""

    @property
    def described(self) -> dict[str, Any]:
        """What tells them from others."""

    def rows(self, rows: slice) -> Callable[[], Tissue]:
        """What gives some of them, can be pickled, and holds no others."""


@dataclass(frozen=True)
class Drawn:
    """Tissues that are drawn from a prior, a part at a time."""

    prior: Prior
    n: int
    seed: int
    first: int

    @property
    def described(self) -> dict[str, Any]:
        """The prior and the numbers of its tissues."""
        prior = {"prior": self.prior.toml, "prior_sha256": self.prior.sha256}
        return prior | {"seed": self.seed, "first": self.first}

    def rows(self, rows: slice) -> Callable[[], Tissue]:
        """What draws some of them."""
        return partial(_drawn, self.prior, rows.stop - rows.start, self.seed, self.first + rows.start)


def _drawn(prior: Prior, n: int, seed: int, first: int) -> Tissue:
    return prior.sample(n, seed, first).replace(M0=1)


@dataclass(frozen=True)
class Given:
    """Tissues in one axis."""

    tissue: Tissue

    @property
    def n(self) -> int:
        """How many there are."""
        return self.tissue.size

    @property
    def described(self) -> dict[str, Any]:
        """The hash of their values."""
        return {"tissue_sha256": sha256_of(*self.tissue.as_dict().values())}

    def rows(self, rows: slice) -> Callable[[], Tissue]:
        """What holds some of them."""
        return partial(tissue_of, self.tissue[rows].as_dict())


def default_chunk(recipe: Recipe, n: int) -> int:
    """Tissues of a chunk unless told: 4096, or a smaller power of two whose arrays fill 64 MB."""
    chunk = CHUNK
    while chunk > 1 and sum(layout.chunk_bytes for layout in recipe.layouts(chunk, chunk).values()) > CHUNK_BYTES:
        chunk //= 2
    return min(chunk, n)


def refuse_invalid(recipe: Recipe, source: Source) -> None:
    """Refuse, before any work, what cannot be computed of the first valid tissue, or tissues none of which is."""
    for start in range(0, source.n, CHUNK):
        tissue = source.rows(slice(start, min(start + CHUNK, source.n)))()
        valid = recipe.accepts(tissue)
        if valid.any():
            recipe.computed(tissue[valid][:1], 1, None)
            return
    recipe.results(source.rows(slice(0, 1))(), 1, None)  # says why


def check_chunk(recipe: Recipe, chunk: int) -> None:
    """Refuse chunks of an array that cannot be packed at once."""
    for name, layout in recipe.layouts(chunk, chunk).items():
        if layout.chunk_bytes > zarr_store.MAX_CHUNK:
            most = chunk * zarr_store.MAX_CHUNK // layout.chunk_bytes
            raise InvalidParameter(
                f"chunk is {chunk}: its {name} would take {layout.chunk_bytes} bytes; allowed: {most}"
            )


# The store


def configuration(recipe: Recipe, source: Source, chunk: int) -> dict[str, Any]:
    """All that the bits of a store depend on."""
    return {
        "spinbound": version,
        "instruction_set": _core.isa_in_use(),
        "n": source.n,
        "chunk": chunk,
        **source.described,
        "sequence_sha256": as_trains(recipe.seq).sha256,
        "basis_sha256": basis_sha256(recipe.basis),
        "wrt": list(recipe.wrt),
        "derivatives": list(recipe.derivatives),
        "sigma": recipe.sigma,
        "form": recipe.form,
        "dtype": recipe.dtype,
        **recipe.physics,
    }


def contents(recipe: Recipe, n: int, chunk: int) -> dict[str, Any]:
    """What it takes to read a store."""
    trains, basis = as_trains(recipe.seq), recipe.basis
    return {
        "arrays": list(recipe.layouts(n, chunk)),
        "small_arrays": list(small_arrays(trains, basis)),
        "headers_sha256": {name: layout.sha256 for name, layout in all_layouts(recipe, n, chunk).items()},
        "starts": [np.asarray(train.start).tolist() for train in trains.sequences],
        "basis_has_sequence": basis is not None and basis.sequence_sha256 is not None,
    }


def all_layouts(recipe: Recipe, n: int, chunk: int) -> dict[str, Layout]:
    """Of every array of the store: those of the tissues, the mark, the trains and the basis."""
    layouts = recipe.layouts(n, chunk)
    mark = Layout((-(-n // chunk), len(layouts), 32), "uint8", 1, ("chunk", "array", "byte"), {"arrays": list(layouts)})
    small = small_arrays(as_trains(recipe.seq), recipe.basis)
    return layouts | {MARK: mark} | {name: small_layout(name, values) for name, values in small.items()}


# The job


@dataclass(frozen=True)
class ChunkTask:
    """Compute a chunk and store it; the mark comes last."""

    path: Path
    chunk: int
    draw: Callable[[], Tissue]
    recipe: Recipe
    configuration: dict[str, Any]

    def __call__(self, threads: int | None, report: Report | None) -> None:
        """Do it, unless the run is dead and its store has been replaced while this process was at work."""
        arrays = self.recipe.computed(self.draw(), threads, report)
        store = DictionaryStore(self.path)
        if store.configuration != self.configuration:
            raise InvalidData(f"{self.path} holds another dictionary than when chunk {self.chunk} was begun")
        store.put(self.chunk, arrays)


@dataclass(frozen=True)
class DictionaryJob:
    """The chunks of a store as a `Job`."""

    store: DictionaryStore
    source: Source
    recipe: Recipe

    @property
    def sizes(self) -> Sequence[int]:
        """Tissues of every chunk."""
        n, chunk = len(self.store), self.store.configuration["chunk"]
        return [last - first for first, last in pairwise((*range(0, n, chunk), n))]

    def is_done(self, chunk: int) -> bool:
        """Whether a chunk has been stored."""
        return self.store.is_done(chunk)

    def task(self, chunk: int) -> Task:
        """The work of one chunk."""
        draw = self.source.rows(self.store.rows(chunk))
        return ChunkTask(self.store.path, chunk, draw, self.recipe, self.store.configuration)
