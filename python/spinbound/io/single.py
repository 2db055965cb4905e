"""Values as the formats store them: single precision, and affines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import FloatArray, InvalidData


def as_single(values: npt.NDArray[Any], dtype: npt.DTypeLike, path: Path) -> npt.NDArray[Any]:
    """Convert numbers to single precision; finite ones that it cannot hold are refused."""
    if values.dtype.kind not in "biufc":
        raise InvalidData(f"{path}: the values must be numbers; given type {values.dtype}")
    with np.errstate(over="ignore", under="ignore"):
        stored = values.astype(dtype)
    if (np.isfinite(values) & ~np.isfinite(stored)).any():
        largest = np.abs(values[np.isfinite(values)]).max()
        raise InvalidData(f"{path}: values up to {largest:g} do not fit single precision")
    return stored


def check_affine(affine: npt.ArrayLike, path: Path) -> FloatArray:
    """Return an affine (4, 4); one that maps different voxels to the same place is refused."""
    matrix = np.asarray(affine, np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise InvalidData(f"{path}: the affine must be 4 x 4 finite numbers; given {matrix.tolist()}")
    if np.linalg.matrix_rank(matrix[:3, :3]) < 3:
        raise InvalidData(f"{path}: the affine is singular: {matrix.tolist()}")
    return matrix
