"""The contents of a dictionary on disk beside its tissues: the trains, the basis, and its description."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from spinbound.base.errors import InvalidData
from spinbound.files import stores
from spinbound.files.guard import Allowance
from spinbound.files.stores import Array, Layout
from spinbound.sequences.checks import GRADIENT_MOMENTS
from spinbound.sequences.sequence import Sequence
from spinbound.signals.basis import Basis
from spinbound.signals.forward import ForwardModel

EVERY_PULSE = ("alpha", "TRF", "TR", "rf_phase_increment", "gradient_moment", "echo")
BASIS = {"vectors": "basis/vectors", "singular_values": "basis/singular_values"}
MAX_TISSUES = 2**63 - 1
AXES = {"vectors": ("echo", "vector"), "singular_values": ("value",), "shape": ("sample",)}  # of others: pulses
ATTRIBUTES: dict[str, dict[str, Any]] = {  # for readers without spinbound
    "alpha": {"units": "rad"},
    "TRF": {"units": "s"},
    "TR": {"units": "s"},
    "rf_phase_increment": {"units": "rad"},
    "gradient_moment": {"flag_values": list(range(len(GRADIENT_MOMENTS))), "flag_meanings": " ".join(GRADIENT_MOMENTS)},
}


def description_sha256(attributes: Mapping[str, Any]) -> str:
    """Return the hash of the description of a store."""
    description = [attributes.get(name) for name in ("configuration", "contents")]
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def is_sound(attributes: Mapping[str, Any]) -> bool:
    """Say whether a store describes its content and its size, in the right types."""
    configuration, contents = attributes.get("configuration"), attributes.get("contents")
    if not isinstance(configuration, dict) or not isinstance(contents, dict):
        return False
    counts = configuration.get("n"), configuration.get("chunk")
    has_names = isinstance(configuration.get("wrt"), list)
    return has_names and all(type(count) is int and 0 < count <= MAX_TISSUES for count in counts)


def small_arrays(forward: ForwardModel) -> dict[str, Array]:
    """Return the arrays of the trains and the basis, whose size does not depend on the tissues, by names in a store."""
    arrays: dict[str, Array] = {}
    for k, train in enumerate(forward.trains.sequences):
        fields = {name: np.broadcast_to(getattr(train, name), train.n_pulses) for name in EVERY_PULSE}
        fields["gradient_moment"] = np.array([GRADIENT_MOMENTS.index(word) for word in train.gradient_moment], np.uint8)
        if train.shape is not None:
            fields["shape"] = train.shape
        arrays |= {f"sequence/{k}/{name}": values for name, values in fields.items()}
    if forward.basis is not None:
        parts = {place: getattr(forward.basis, name) for name, place in BASIS.items()}
        arrays |= {place: values for place, values in parts.items() if values is not None}
    return arrays


def small_layout(name: str, values: Array) -> Layout:
    """Return the layout of a small array, which is one chunk."""
    word = name.rpartition("/")[2]
    axes, attributes = AXES.get(word, ("pulse",)), ATTRIBUTES.get(word, {})
    return Layout(values.shape, str(values.dtype), len(values), axes, attributes)


def check_memory(path: Path, name: str, layout: Layout) -> None:
    """Refuse, before it is allocated, an array that takes more than most of the memory."""
    n_bytes = prod(layout.shape) * np.dtype(layout.dtype).itemsize
    Allowance(path, InvalidData).take(name, n_bytes, n_bytes)


def read_small(path: Path, name: str) -> Array:
    """Read a small array."""
    layout = stores.read_layout(path, name)
    check_memory(path, name, layout)
    return stores.read(path, name, layout)


def read_train(path: Path, k: int, contents: Mapping[str, Any]) -> Sequence:
    """Read the k-th train."""
    fields: dict[str, Any] = {name: read_small(path, f"sequence/{k}/{name}") for name in EVERY_PULSE}
    fields["gradient_moment"] = [GRADIENT_MOMENTS[code] for code in fields["gradient_moment"]]
    if f"sequence/{k}/shape" in contents["small_arrays"]:
        fields["shape"] = read_small(path, f"sequence/{k}/shape")
    return Sequence(**fields, start=contents["starts"][k])


def read_basis(path: Path, contents: Mapping[str, Any], seq: Sequence | list[Sequence]) -> Basis:
    """Read the basis, which belongs to a sequence if it did when it was stored."""
    parts: dict[str, Any] = {
        name: read_small(path, place) for name, place in BASIS.items() if place in contents["small_arrays"]
    }
    return Basis(**parts, seq=seq if contents["basis_has_sequence"] else None)
