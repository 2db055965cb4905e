"""Hashes of arrays."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

PIECE = 1 << 24  # bytes of a hash


def sha256_of(*arrays: npt.NDArray[Any] | None) -> str:
    """Hash of types, shapes and values."""
    content = hashlib.sha256()
    for array in arrays:
        if array is None:
            content.update(b"none")
            continue
        content.update(f"{array.dtype}{array.shape}".encode())
        values = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for first in range(0, values.size, PIECE):  # between them Ctrl-C is heard
            content.update(values[first : first + PIECE].data)
    return content.hexdigest()
