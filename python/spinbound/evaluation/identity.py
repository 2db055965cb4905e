"""What tells one estimator from another, so that the work of one is not taken for that of another.

Its answers to a few noise-free data tell networks apart, whatever they are made of. Fits all give the truth there: so
what an estimator is made of counts as well, as far as it can be looked into.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np

from spinbound.files.hashes import hash_arrays

from .adapter import Estimator
from .dataset import ReferenceSet

TISSUES = 4  # whose data are asked about


def identity_of(estimator: Estimator, data: ReferenceSet) -> list[Any]:
    """As JSON takes it: what the estimator is made of, and six digits of its answers."""
    rows = np.flatnonzero(data.valid)[:TISSUES]
    answers = estimator(data.signals[rows], data.tissue[rows], 1)
    return [made_of(estimator.call), [f"{value:.6g}" for value in answers.ravel()]]


def made_of(value: object) -> Any:
    """Numbers and words as they are, arrays by their hash, functions and other objects by their names."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case np.generic():
            return value.item()
        case Path():
            return str(value)
        case np.ndarray():
            return hash_arrays(value)
        case partial():
            return [made_of(value.func), made_of(value.args), made_of(value.keywords)]
        case MethodType():
            return [value.__qualname__, made_of(value.__self__)]
        case Mapping():
            return {str(name): made_of(entry) for name, entry in value.items()}
        case list() | tuple():
            return [made_of(entry) for entry in value]
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__qualname__, {field.name: made_of(getattr(value, field.name)) for field in fields(value)}]
    return getattr(value, "__qualname__", type(value).__qualname__)
