"""The work of making a dictionary on disk: its description, its layout, and the computation chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from spinbound.base.errors import InvalidData, Progress
from spinbound.files.stores import Layout
from spinbound.tissues.sources import Source
from spinbound.tissues.tissue import Tissue
from spinbound.work.job import Runner, Task, run_here

from .contents import small_arrays, small_layout
from .recipe import Recipe
from .store import MARK, StoredDictionary

# The store


def describe_configuration(recipe: Recipe, source: Source, chunk: int) -> dict[str, Any]:
    """Return all that the bits of a store depend on."""
    return recipe.forward.described | {
        "n": source.n,
        "chunk": chunk,
        **source.described,
        "wrt": list(recipe.wrt),
        "derivatives": list(recipe.derivatives),
        "sigma": recipe.sigma,
        "form": recipe.form,
        "dtype": recipe.dtype,
    }


def describe_contents(recipe: Recipe, n: int, chunk: int) -> dict[str, Any]:
    """Return what a reader of the store needs to know."""
    trains, basis = recipe.forward.trains, recipe.forward.basis
    return {
        "arrays": list(recipe.layouts(n, chunk)),
        "small_arrays": list(small_arrays(recipe.forward)),
        "headers_sha256": {name: layout.sha256 for name, layout in all_layouts(recipe, n, chunk).items()},
        "starts": [np.asarray(train.start).tolist() for train in trains.sequences],
        "basis_has_sequence": basis is not None and basis.sequence_identity is not None,
    }


def all_layouts(recipe: Recipe, n: int, chunk: int) -> dict[str, Layout]:
    """Return the layouts of all arrays of the store: those of the tissues, the mark, the trains and the basis."""
    layouts = recipe.layouts(n, chunk)
    mark = Layout((-(-n // chunk), len(layouts), 32), "uint8", 1, ("chunk", "array", "byte"), {"arrays": list(layouts)})
    small = {name: small_layout(name, values) for name, values in small_arrays(recipe.forward).items()}
    return layouts | {MARK: mark} | small


# The job


@dataclass(frozen=True)
class ChunkTask:
    """The task that computes a chunk and stores it; the mark comes last."""

    path: Path
    chunk: int
    draw: Callable[[], Tissue]
    recipe: Recipe
    configuration: dict[str, Any]

    def __call__(self, threads: int | None, progress: Progress | None) -> None:
        """Do the task, unless the run is dead and its store has been replaced in the meantime."""
        arrays = self.recipe.compute(self.draw(), threads, progress)
        store = StoredDictionary(self.path)
        if store.configuration != self.configuration:
            raise InvalidData(f"{self.path} holds another dictionary than when chunk {self.chunk} was begun")
        store.put(self.chunk, arrays)


@dataclass(frozen=True)
class DictionaryJob:
    """The chunks of a store as a `Job`."""

    store: StoredDictionary
    source: Source
    recipe: Recipe

    @property
    def sizes(self) -> Sequence[int]:
        """Tissues of every chunk."""
        n, chunk = len(self.store), self.store.configuration["chunk"]
        return [last - first for first, last in pairwise((*range(0, n, chunk), n))]

    def is_done(self, chunk: int) -> bool:
        """Say whether a chunk has been stored."""
        return self.store.is_done(chunk)

    def run(self, runner: Runner | None, threads: int | None, progress: Progress | None) -> None:
        """Do all chunks that are not done."""
        (runner or run_here)(self, threads, progress)

    def make_task(self, chunk: int) -> Task:
        """Make the task of one chunk."""
        draw = self.source.rows(self.store.rows(chunk))
        return ChunkTask(self.store.path, chunk, draw, self.recipe, self.store.configuration)
