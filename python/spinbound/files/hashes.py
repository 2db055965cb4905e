"""Hashes of arrays."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

PIECE = 1 << 24  # bytes that are hashed at once


def hash_arrays(*arrays: npt.NDArray[Any] | None) -> str:
    """Return the sha256 of the types, shapes and values of arrays."""
    content = hashlib.sha256()
    for array in arrays:
        if array is None:
            content.update(b"none")
            continue
        content.update(f"{array.dtype}{array.shape}".encode())
        values = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for first in range(0, values.size, PIECE):  # Ctrl-C takes effect between them
            content.update(values[first : first + PIECE].data)
    return content.hexdigest()
