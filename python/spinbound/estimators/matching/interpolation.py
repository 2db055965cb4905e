"""Estimates between atoms: a linear regression of the parameters on the signals of the atoms nearest to the data.

Of the K nearest atoms, signals s_j of unit norm and the phase of the data d, parameters p_j and weights w_j that fall
with the distance 1 - |<s_j, d>|^2, the regression predicts

    p(d) = q + C_ps (C_ss + lambda I)^-1 (d - m),    m = sum_j w_j s_j,  q = sum_j w_j p_j,

where C are the weighted covariances. lambda is the mean square of the components of d - m that are not among the
`LEADING` principal ones of C_ss: tissues vary along no more directions than there are parameters, and the components
in the others are noise, or the curvature of the signals. So with noise the estimate returns to the mean of the
neighbours.
With the rows sqrt(w_j) (s_j - m) of Y it is p = q + sum_j sqrt(w_j) x_j (p_j - q), (Y Y^T + lambda I) x = Y (d - m).
The principal components come from `STEPS` steps of orthogonal iteration, which is near enough for lambda.

No estimate leaves the range of its neighbours. omega0, in which signals are nearly periodic so that neighbours lie in
several periods, and the phase of M0, which differs between these, are those of the best atom.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import BoolArray, ComplexArray, FloatArray
from spinbound.base.parameters import TISSUE

from .atoms import Atoms, Index
from .search import Best, apply_scale, normalise, power_of

NEIGHBOURS = 48
LEADING, STEPS = 8, 3  # a tissue has 8 parameters
SLICE = 64  # numbers of a matrix product: so few that the linear algebra library computes it in one thread
FALL = 2.0  # of the logarithm of the weights, from a correlation of one to that of the last neighbour
VOXELS = 64  # in one task of a thread
INTERPOLATED = tuple(name for name in TISSUE if name != "omega0")


def interpolate_atoms(rows: npt.NDArray[Any], best: Best, atoms: Atoms, n_threads: int) -> dict[str, npt.NDArray[Any]]:
    """Estimate each voxel, (voxels, 1), from its data (voxels, n) and its nearest atoms; NaN where there is none."""
    tissue = atoms.tissue(best.index)
    estimate: dict[str, npt.NDArray[Any]] = {name: tissue[name][:, :1].copy() for name in TISSUE}
    estimate["M0"] = np.full((len(rows), 1), complex(np.nan, np.nan))
    numbers, place = np.unique(best.index, return_inverse=True)
    signals, place = atoms.signals(numbers), place.reshape(best.index.shape)
    targets = np.stack([*(tissue[name] for name in INTERPOLATED), best.scale], axis=-1)  # (voxels, K, targets)

    def fill(voxels: Index) -> None:
        data, norm, exponent = normalise(rows[voxels])
        product, found = best.product[voxels], best.index[voxels] >= 0
        values = _regress(data, signals[place[voxels]], product, targets[voxels], found)
        for name, column in zip(INTERPOLATED, values.T, strict=False):
            estimate[name][voxels, 0] = column
        phase = product[:, :1] / np.abs(product[:, :1])
        estimate["M0"][voxels] = apply_scale(phase, norm / values[:, -1:], exponent)

    usable = np.flatnonzero(best.index[:, 0] >= 0)
    with ThreadPoolExecutor(n_threads) as pool:
        for _ in pool.map(fill, [usable[start : start + VOXELS] for start in range(0, len(usable), VOXELS)]):
            pass
    return estimate


def _regress(
    data: FloatArray, signals: FloatArray, product: ComplexArray, targets: FloatArray, found: BoolArray
) -> FloatArray:
    """Predict (voxels, targets) from signals (voxels, K, 2 n) and targets (voxels, K, targets) of neighbours."""
    targets = np.where(found[..., None], targets, targets[:, :1])  # with fewer neighbours: the best, of no weight
    weights = _compute_weights(power_of(product), found)
    aligned = _turn(signals, product)
    mean = np.sum(weights[..., None] * aligned, axis=1)
    root, off = np.sqrt(weights), data - mean
    y = root[..., None] * (aligned - mean[:, None])
    gram, c = _gram(y), np.sum(y * off[:, None], axis=2)[..., None]
    size = np.trace(gram, axis1=1, axis2=2)
    least = np.finfo(np.float64).eps * size + np.finfo(np.float64).tiny
    ridge = np.maximum(_noise(off, gram, c, least), least)
    b = root * np.linalg.solve(_add_ridge(gram, ridge), c)[..., 0]
    centre = np.sum(weights[..., None] * targets, axis=1)
    values = centre + np.sum(b[..., None] * (targets - centre[:, None]), axis=1)
    return np.clip(values, targets.min(axis=1), targets.max(axis=1))


def _compute_weights(power: FloatArray, found: BoolArray) -> FloatArray:
    """Return weights of sum one, from the squared correlation of each neighbour."""
    distance = np.where(found, np.maximum(1 - power, 0), 0)
    farthest = distance.max(axis=1, keepdims=True)
    weights = found * np.exp(-FALL * distance / np.where(farthest > 0, farthest, 1))
    return weights / weights.sum(axis=1, keepdims=True)


def _turn(signals: FloatArray, product: ComplexArray) -> FloatArray:
    """Turn signals to the phase of the data."""
    size = np.abs(product)
    phase = np.where(size > 0, product, 1) / np.where(size > 0, size, 1)
    return (signals.view(np.complex128) * phase[..., None]).view(np.float64)


def _gram(y: FloatArray) -> FloatArray:
    """Return Y Y^T of each voxel."""
    slices = (y[..., start : start + SLICE] for start in range(0, y.shape[2], SLICE))
    return np.asarray(sum(rows @ rows.swapaxes(1, 2) for rows in slices))


def _add_ridge(matrices: FloatArray, ridge: FloatArray) -> FloatArray:
    """Return matrices + ridge I."""
    return matrices + ridge[:, None, None] * np.eye(matrices.shape[1])


def _noise(off: FloatArray, gram: FloatArray, c: FloatArray, least: FloatArray) -> FloatArray:
    """Return the mean square (voxels,) of the components of d - m that are not among the leading ones."""
    Z = gram[:, :, :LEADING]
    for _ in range(STEPS):
        Z = gram @ np.linalg.qr(Z)[0]
    Z = np.linalg.qr(Z)[0]
    inner = Z.swapaxes(1, 2) @ c
    within = np.sum(inner * np.linalg.solve(_add_ridge(Z.swapaxes(1, 2) @ gram @ Z, least), inner), axis=(1, 2))
    n_others = max(off.shape[1] - 2 - LEADING, 1)  # of all, two are scale and phase
    return np.asarray((np.sum(np.square(off), axis=1) - within) / n_others)
