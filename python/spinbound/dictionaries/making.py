"""The life of a store during its making: it is created, resumed or replaced, and in the end marked complete."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spinbound.base.errors import InvalidData
from spinbound.files import stores
from spinbound.tissues.sources import Source
from spinbound.work.folder import describe_difference
from spinbound.work.job import Part
from spinbound.work.locks import hold_lock

from .contents import description_sha256, small_arrays
from .job import all_layouts, describe_configuration, describe_contents
from .recipe import Recipe
from .store import FORMAT, MARK, VERSION, StoredDictionary, bytes_of


@contextmanager
def open_store(
    path: Path,
    recipe: Recipe,
    source: Source,
    chunk: int,
    part: Part | None,
    *,
    overwrite: bool,
    rebuild: bool,
) -> Iterator[StoredDictionary]:
    """Create the store or resume it, and hold its lock until the end. Then mark it complete if every chunk is there.

    Raises
    ------
    InvalidData
        If there is a dictionary of another configuration, or another run is at work in it.
    OSError
        If it cannot be created, or the disk has no room for it.
    """
    wanted = describe_configuration(recipe, source, chunk)
    _check_place(path)
    if overwrite and path.exists():
        _require_room(path, recipe, source.n, chunk, freed=bytes_of(path))
        _remove(path)
    if not path.exists():
        _require_room(path, recipe, source.n, chunk)
        _create(path, recipe, wanted)
    store = StoredDictionary(path)
    with hold_lock(path / MARK / "lock", part, path):
        _check_configuration(store, wanted)
        if part is None:
            _sweep(path)
        if rebuild:
            stores.write_headers(path, all_layouts(recipe, source.n, chunk))
            _forget_damaged(store, recipe)
        _require_room(path, recipe, source.n, chunk, sum(map(store.is_done, range(store.n_chunks))))
        yield store
        _mark_complete(path, all(map(store.is_done, range(store.n_chunks))))


def _check_place(path: Path) -> None:
    """Refuse, before any work, a place that cannot be written to."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise PermissionError(f"{path}: no permission to write there")


def _remove(path: Path) -> None:
    """Remove a dictionary that no other run uses, and nothing else."""
    if stores.read_attributes(path).get("format") != FORMAT:
        raise InvalidData(f"{path} is no dictionary; what is there must be removed by hand")
    away = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    if path.is_symlink():
        raise InvalidData(f"{path} is a link, and only a folder can be replaced; name {path.resolve()}")
    with hold_lock(path / MARK / "lock", None, path):
        path.rename(away)
    shutil.rmtree(away)


def _create(path: Path, recipe: Recipe, wanted: dict[str, Any]) -> None:
    """Create a store, unless another part of the work was faster."""
    n, chunk = wanted["n"], wanted["chunk"]
    description = {"configuration": wanted, "contents": describe_contents(recipe, n, chunk)}
    attributes = {"format": FORMAT, "format_version": VERSION, "complete": False, **description}
    attributes["sha256"] = description_sha256(description)
    try:
        stores.create(path, all_layouts(recipe, n, chunk), attributes, small_arrays(recipe.forward))
    except FileExistsError:
        StoredDictionary(path)


def _check_configuration(store: StoredDictionary, wanted: dict[str, Any]) -> None:
    """Refuse to resume another dictionary."""
    if store.configuration != wanted:
        other = describe_difference(json.dumps(store.configuration).encode(), wanted)
        raise InvalidData(f"{store.path} holds another dictionary{other}; overwrite it, or name another")


def _sweep(path: Path) -> None:
    """Remove files and folders that a killed run had half written, or half removed."""
    for file in path.rglob(".*.tmp"):
        file.unlink()
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9]+\.[0-9a-f]{{8}}\.tmp")
    for folder in path.absolute().parent.glob(".*.tmp"):
        if name.fullmatch(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def _forget_damaged(store: StoredDictionary, recipe: Recipe) -> None:
    """Remove the marks of damaged chunks, so that they are computed again; write trains and basis again."""
    check = store.verify()
    if check.damaged:
        _mark_complete(store.path, False)
    for chunk in check.damaged:
        store.forget(chunk)
    if check.other:
        layouts = all_layouts(recipe, len(store), store.configuration["chunk"])
        stores.write_small(store.path, layouts, small_arrays(recipe.forward))


def _require_room(path: Path, recipe: Recipe, n: int, chunk: int, n_done: int = 0, freed: int = 0) -> None:
    """Refuse, before any work, a store without room on the disk, even if packing would save a tenth."""
    layouts = recipe.layouts(n, chunk).values()
    needed = sum(layout.chunk_bytes * (layout.n_chunks - n_done) for layout in layouts)
    free = shutil.disk_usage(path if path.exists() else path.absolute().parent).free + freed
    if needed > free:
        raise OSError(f"{path} takes {needed / 1e6:,.1f} MB more, but only {free / 1e6:,.1f} MB are free")


def _mark_complete(path: Path, complete: bool) -> None:
    attributes = stores.read_attributes(path)
    if attributes.get("complete") is not complete:
        stores.write_attributes(path, attributes | {"complete": complete})
