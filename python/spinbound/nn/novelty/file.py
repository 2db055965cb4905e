"""Novelty in the file of an estimator: its arrays have names with a prefix, all else is in the description."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from spinbound.base.errors import InvalidData

from .novelty import Novelty

PREFIX = "novelty."


def as_tensors(novelty: Novelty) -> dict[str, Tensor]:
    """Return the arrays of a novelty as tensors, by their names in the file."""
    return {f"{PREFIX}{name}": torch.from_numpy(values) for name, values in novelty.as_arrays().items()}


def take_novelty(
    path: str | os.PathLike[str], tensors: dict[str, Tensor], description: Mapping[str, Any]
) -> Novelty | None:
    """Read the novelty of a file, if it has one, and remove its arrays from the tensors.

    Raises
    ------
    InvalidData
        If the arrays or the description make no sense.
    """
    arrays = {name.removeprefix(PREFIX): tensors.pop(name) for name in list(tensors) if name.startswith(PREFIX)}
    if not arrays and description.get("novelty") is None:
        return None
    try:
        novelty = Novelty.from_arrays({name: tensor.numpy() for name, tensor in arrays.items()}, description["novelty"])
        if novelty.n_samples != description["rank"]:
            raise InvalidData(f"novelty is that of {novelty.n_samples} coefficients, not of {description['rank']}")
    except (InvalidData, KeyError, TypeError) as problem:
        raise InvalidData(f"{path}: {problem}") from None
    return novelty
