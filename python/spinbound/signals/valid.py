"""Which voxels the core may be given."""

from __future__ import annotations

import numpy as np

from spinbound.base.errors import BoolArray, ComplexArray, FloatArray
from spinbound.base.parameters import PARAMETERS, TISSUE
from spinbound.sequences.limits import Limits

SLAB = 1 << 16  # voxels checked at a time


M0S, R1F, R1S, T2S, B1 = (TISSUE.index(name) for name in ("m0s", "R1f", "R1s", "T2s", "B1"))


def without_exchange(matrix: FloatArray) -> None:
    """A tissue of one pool: what the other one would be does not count."""
    for name, value in (("Rex", 0.0), ("R1s", matrix[R1F]), ("T2s", 10e-6)):
        matrix[TISSUE.index(name)] = value


def accepted_sigma(sigma: FloatArray) -> BoolArray:
    return np.asarray((sigma > 0) & np.isfinite(sigma))


# (8, 1): the least and the largest accepted value of each row of the matrix
LOW, HIGH = (np.array([[getattr(PARAMETERS[name], bound)] for name in TISSUE]) for bound in ("least", "largest"))


def valid_voxels(matrix: FloatArray, M0: ComplexArray, sigma: FloatArray | None, limits: list[Limits]) -> BoolArray:
    """Which voxels (N,) of a matrix (8, N) the core may be given."""
    valid = np.empty(M0.size, dtype=np.bool_)
    for start in range(0, M0.size, SLAB):
        part = slice(start, start + SLAB)
        values = matrix[:, part]
        ok = ((values >= LOW) & (values <= HIGH)).all(axis=0)
        ok &= np.isfinite(M0[part])
        for limit in limits:
            ok &= limit.accepts(values[M0S], values[T2S], values[B1])
        if sigma is not None:
            ok &= accepted_sigma(sigma[part])
        valid[part] = ok
    return valid


def place_of(voxel: int, shape: tuple[int, ...]) -> str:
    if not shape:
        return ""
    index = tuple(int(i) for i in np.unravel_index(voxel, shape))
    return f" at voxel {index[0] if len(index) == 1 else index}"
