"""Estimates of whole volumes by a trained estimator.

Voxels go through the network in batches of one size, the last one filled up with zeros, so that on a CPU no bit of an
estimate depends on the other voxels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import inf
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spinbound.base.checks import as_data, as_mask, as_number, as_threads, check_progress
from spinbound.base.errors import BoolArray, FloatArray, InvalidData, Progress
from spinbound.base.parameters import ALL, PARAMETERS
from spinbound.base.progress import show_progress, split_progress
from spinbound.estimators.estimates import Estimates, EstimateStatus
from spinbound.estimators.matching.search import find_usable, normalise
from spinbound.estimators.result import tissue_with
from spinbound.nn.novelty.novelty import Novelty, as_sigmas
from spinbound.signals.batch import n_threads_of

from .device import as_device, use_torch_threads


class Estimator(Protocol):
    """The attributes and methods that `estimate` needs of an estimator; `spinbound.nn.Estimator` has them."""

    centre: Tensor
    novelty: Novelty | None

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that the estimator estimates."""

    @property
    def rank(self) -> int:
        """Number of coefficients of a voxel."""

    @property
    def description(self) -> dict[str, Any]:
        """Inputs and outputs of the estimator, and its training."""

    def from_parts(self, real: Tensor, imag: Tensor) -> Tensor:
        """Return estimates (..., P_e) from the real and imaginary parts (..., rank)."""

    def to(self, device: torch.device) -> Any:
        """Move the estimator to a device."""


BATCH = 2048  # voxels
UNKNOWN = np.array(np.nan)


def estimate(
    estimator: Estimator,
    data: npt.ArrayLike,
    mask: npt.ArrayLike | None,
    *,
    sigma: npt.ArrayLike | None,
    novelty: bool,
    threads: int | None,
    device: str | torch.device | None,
    progress: bool | Progress | None,
) -> Estimates:
    """Estimate the parameters of every voxel, as `Estimator.estimate` describes."""
    if not torch.isfinite(estimator.centre).all():
        raise InvalidData("the estimator has not been trained: it knows no mean and width of what it estimates")
    array = as_data("data", data, estimator.rank, "as many as the estimator was trained with")
    rows, shape = array.reshape(-1, estimator.rank), array.shape[:-1]
    chosen = as_mask("mask", mask, shape)
    as_sigmas(sigma, shape)
    place = as_device(device)
    as_threads(threads)
    check_progress(progress)

    measure = estimator.novelty if novelty else None
    with show_progress(progress, len(rows), "estimate") as advance:
        first, *others = split_progress(advance, 1 + (measure is not None), 0, len(rows), len(rows))
        found = _estimate_rows(estimator, rows, chosen.ravel(), place, threads, first)
        distance = None if measure is None else measure(array, sigma, mask, threads=threads, progress=others[0])

    maps = {name: values.reshape(shape) for name, values in zip(estimator.names, found, strict=True)}
    limit = inf if measure is None else measure.limit(sigma)
    settings = _describe(estimator, sigma, place) | ({} if measure is None else {"novelty_limit": limit})
    tissue = tissue_with(dict.fromkeys(ALL, UNKNOWN), maps)
    return Estimates(estimator.names, tissue, _find_status(array, chosen, maps, distance, limit), distance, settings)


def _describe(estimator: Estimator, sigma: npt.ArrayLike | None, place: torch.device) -> dict[str, Any]:
    """Describe the estimator, the noise of the data and the device, for the settings of the estimates."""
    noise = {} if sigma is None or np.ndim(sigma) else {"sigma": as_number("sigma", sigma)}
    return {**estimator.description, **noise, "device": place.type}


def _find_status(
    data: npt.NDArray[Any],
    chosen: BoolArray,
    maps: Mapping[str, FloatArray],
    novelty: FloatArray | None,
    limit: float,
) -> npt.NDArray[np.int8]:
    """Return the status of each voxel; where several apply, the last one below counts."""
    status = np.full(chosen.shape, EstimateStatus.estimated, np.int8)
    if novelty is not None:
        with np.errstate(invalid="ignore"):
            status[novelty > limit] = EstimateStatus.novel
    for name, values in maps.items():
        status[~PARAMETERS[name].contains(values)] = EstimateStatus.out_of_range
    status[~data.any(axis=-1)] = EstimateStatus.no_data
    status[~np.isfinite(data).all(axis=-1)] = EstimateStatus.not_finite
    status[~chosen] = EstimateStatus.masked
    return status


# The network


def _estimate_rows(
    estimator: Estimator,
    rows: npt.NDArray[Any],
    chosen: BoolArray,
    place: torch.device,
    threads: int | None,
    progress: Progress | None,
) -> FloatArray:
    """Return the estimates (P_e, voxels) of data (voxels, rank); NaN where there are none."""
    voxels = np.flatnonzero(find_usable(rows) & chosen)
    found = np.full((len(estimator.names), len(rows)), np.nan)
    with _place_estimator(estimator, place, threads):
        for start in range(0, voxels.size, BATCH):
            batch = voxels[start : start + BATCH]
            found[:, batch] = _estimate_batch(estimator, rows[batch], place)[: batch.size].T
            if progress is not None:
                progress(start + batch.size, voxels.size)
    return found


def _estimate_batch(estimator: Estimator, rows: npt.NDArray[Any], place: torch.device) -> FloatArray:
    """Return the estimates (`BATCH`, P_e) of at most as many rows."""
    units = np.zeros((BATCH, rows.shape[1], 2))
    units[: len(rows)] = normalise(rows)[0].reshape(len(rows), -1, 2)  # in range of single precision
    parts = torch.from_numpy(units).to(place, estimator.centre.dtype)
    return np.asarray(estimator.from_parts(parts[..., 0], parts[..., 1]).double().cpu().numpy())


@contextmanager
def _place_estimator(estimator: Estimator, place: torch.device, threads: int | None) -> Iterator[None]:
    """Move the estimator to a device, without gradients and with so many threads; undo all of it at the end."""
    home = estimator.centre.device
    try:
        estimator.to(place)
        with use_torch_threads(n_threads_of(threads)), torch.inference_mode():
            yield
    finally:
        estimator.to(home)
