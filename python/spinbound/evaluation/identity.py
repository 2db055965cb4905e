"""The identity of an estimator, so that stored work of one estimator is never used for another.

Answers to a few noise-free data tell networks apart, whatever their type. Fits all return the truth there, so the
content of an estimator counts as well, as far as it can be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np

from spinbound.dictionaries.dictionary import Dictionary
from spinbound.files.hashes import hash_arrays

from .adapter import Adapter
from .dataset import ReferenceSet

TISSUES = 4  # whose data the estimator answers


def describe_identity(estimator: Adapter, data: ReferenceSet) -> list[Any]:
    """Describe an estimator for JSON, by its content and by six digits of its answers."""
    rows = np.flatnonzero(data.valid)[:TISSUES]
    answers = estimator(data.signals[rows], data.tissue[rows], 1)
    return [describe_value(estimator.call), [f"{value:.6g}" for value in answers.ravel()]]


def describe_value(value: object) -> Any:
    """Describe a value for JSON: numbers and words unchanged, arrays by hash, functions and other objects by name."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case np.generic():
            return value.item()
        case Path():
            return str(value)
        case np.ndarray():
            return hash_arrays(value)
        case Dictionary():
            return [value.sequence_sha256, value.sha256]
        case partial():
            return [describe_value(value.func), describe_value(value.args), describe_value(value.keywords)]
        case MethodType():
            return [value.__qualname__, describe_value(value.__self__)]
        case Mapping():
            return {str(name): describe_value(entry) for name, entry in value.items()}
        case list() | tuple():
            return [describe_value(entry) for entry in value]
    return describe_object(value)


def describe_object(value: object) -> Any:
    """Describe an object for JSON: a dataclass by its fields, a function or a class by its name."""
    if is_dataclass(value) and not isinstance(value, type):
        entries = {field.name: describe_value(getattr(value, field.name)) for field in fields(value)}
        return [type(value).__qualname__, entries]
    return getattr(value, "__qualname__", type(value).__qualname__)
