"""The voxels that the core can compute."""

from __future__ import annotations

import numpy as np

from spinbound.base.checks import is_valid_sigma
from spinbound.base.errors import BoolArray, ComplexArray, FloatArray
from spinbound.base.parameters import PARAMETERS, TISSUE
from spinbound.sequences.limits import Limits

SLAB = 1 << 16  # voxels that are checked in one step


M0S, R1F, R1S, T2S, B1 = (TISSUE.index(name) for name in ("m0s", "R1f", "R1s", "T2s", "B1"))


def remove_exchange(matrix: FloatArray) -> None:
    """Set the parameters of the semi-solid pool to neutral values in tissues of one pool, in place."""
    for name, value in (("Rex", 0.0), ("R1s", matrix[R1F]), ("T2s", 10e-6)):
        matrix[TISSUE.index(name)] = value


# (8, 1): the least and the largest accepted value of each row of the matrix
LOW, HIGH = (np.array([[getattr(PARAMETERS[name], limit)] for name in TISSUE]) for limit in ("least", "largest"))


def valid_voxels(matrix: FloatArray, M0: ComplexArray, sigma: FloatArray | None, limits: list[Limits]) -> BoolArray:
    """Say which voxels (N,) of a matrix (8, N) the core can compute."""
    valid = np.empty(M0.size, dtype=np.bool_)
    for start in range(0, M0.size, SLAB):
        slab = slice(start, start + SLAB)
        values = matrix[:, slab]
        ok = ((values >= LOW) & (values <= HIGH)).all(axis=0)
        ok &= np.isfinite(M0[slab])
        for limit in limits:
            ok &= limit.accepts(values[M0S], values[T2S], values[B1])
        if sigma is not None:
            ok &= is_valid_sigma(sigma[slab])
        valid[slab] = ok
    return valid


def describe_place(voxel: int, shape: tuple[int, ...]) -> str:
    """Describe the place of a voxel for a message; a single voxel has none."""
    if not shape:
        return ""
    index = tuple(int(i) for i in np.unravel_index(voxel, shape))
    return f" at voxel {index[0] if len(index) == 1 else index}"
