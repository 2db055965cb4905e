"""Tensors in files: safetensors with a description in JSON, and a checksum of both.

safetensors holds numbers alone, so that nothing is unpickled. The file's metadata have one entry, `spinbound`, of JSON:

    kind           what the file is
    description    what its tensors mean
    sha256         of the kind, the description and the tensors, as the format has no checksum of its own

With several entries their order would differ between processes, and the bytes of the same training with it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spinbound.base.errors import InvalidData
from spinbound.base.text import as_finite
from spinbound.files.guard import name_damage, optional_module
from spinbound.files.hashes import hash_arrays
from spinbound.files.writing import write_atomically

Tensors = Mapping[str, Tensor]
ENTRY = "spinbound"


def write_tensors(path: str | os.PathLike[str], kind: str, tensors: Tensors, description: Mapping[str, Any]) -> None:
    """Write tensors and what they mean, whole or not at all.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    said = {"kind": kind, "description": as_finite(description)}
    text = json.dumps(said | {"sha256": _hash_content(said, contiguous)}, sort_keys=True, allow_nan=False)
    content = optional_module("safetensors.torch", "nn").save(contiguous, {ENTRY: text})
    write_atomically(path, lambda stream: stream.write(content))


def read_tensors(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors of a file of the given kind, and their description.

    Raises
    ------
    InvalidData
        If the file is of another kind.
    OSError
        If it cannot be read or is damaged.
    """
    path = Path(path)
    if path.is_dir() or not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")

    with name_damage(path, InvalidData):
        with optional_module("safetensors", "nn").safe_open(path, "pt") as file:
            said = json.loads((file.metadata() or {}).get(ENTRY, "{}"))
            if said.get("kind") != kind:
                raise InvalidData(f"{path} holds {said.get('kind', 'tensors of unknown kind')!r}, not {kind!r}")
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
        if said.pop("sha256") != _hash_content(said, tensors):
            raise OSError("the sha256 is not that of what was written")
        return tensors, dict(said["description"])


def _hash_content(said: Mapping[str, Any], tensors: Tensors) -> str:
    content = hashlib.sha256(json.dumps([said, sorted(tensors)], sort_keys=True).encode())
    for name in sorted(tensors):
        content.update(hash_tensors(tensors[name]).encode())
    return content.hexdigest()


def hash_tensors(*tensors: Tensor) -> str:
    """Hash the types, shapes and values of tensors."""
    return hash_arrays(*(tensor.detach().cpu().numpy() for tensor in tensors))


def check_tensors(path: str | os.PathLike[str], tensors: Tensors, wanted: Tensors) -> None:
    """Refuse tensors of other names or shapes than wanted."""
    found, expected = _list_shapes(tensors), _list_shapes(wanted)
    differing = sorted(name for name in found | expected if found.get(name) != expected.get(name))
    if differing:
        name = differing[0]
        raise InvalidData(
            f"{path}: the tensor {name} has {found.get(name, 'no')} shape, its description asks for "
            f"{expected.get(name, 'none')}"
        )


def check_precision(path: str | os.PathLike[str], tensors: Tensors) -> None:
    """Refuse tensors that are not all in single, or all in double precision."""
    kinds = {str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()}
    if len(kinds) != 1 or not kinds <= {"float32", "float64"}:
        raise InvalidData(f"{path}: its tensors are {', '.join(sorted(kinds))}; allowed: all float32, or all float64")


def check_texts(description: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse a named entry that is neither text nor None."""
    for name in names:
        if not isinstance(description[name], str | None):
            raise InvalidData(f"{name} is {description[name]!r}; allowed: text, or nothing")


def _list_shapes(tensors: Tensors) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def copy_state(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return a copy of the weights and buffers of a module."""
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
