"""Data of voxels and their maps by the three estimators: the simulated phantom, and a measured slice."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_array
from spinbound.base.errors import BoolArray, InvalidData
from spinbound.estimators.fitting.fit import fit
from spinbound.signals.basis import Basis
from spinbound.signals.simulate import simulate
from spinbound.tissues.phantom import Phantom
from spinbound.tissues.tissue import Tissue

from .data import PaperRun, draw_noise
from .settings import ESTIMATED, UNKNOWN
from .work import Arrays

if TYPE_CHECKING:
    import spinbound.nn as nn


NLLS = "NLLS"

Maps = dict[str, Arrays]  # by estimator and parameter


def make_phantom_data(run: PaperRun, phantom: Phantom) -> npt.NDArray[Any]:
    """Make noisy coefficients (rows, columns, rank) in the tubes, zero elsewhere; they are stored."""
    return run.work.load_or_compute("phantom/data", lambda: {"coefficients": _simulate(run, phantom)})["coefficients"]


def _simulate(run: PaperRun, phantom: Phantom) -> npt.NDArray[Any]:
    in_tube = phantom.labels > 1
    signals = simulate(run.problem.seq, phantom.tissue[in_tube], basis=run.basis, **run.problem.options)
    data = np.zeros((*in_tube.shape, run.basis.rank), complex)
    data[in_tube] = signals + draw_noise(signals.shape, 1 / run.settings.phantom_snr, run.settings.seed)
    return data


def as_slice(data: npt.ArrayLike, rank: int, basis: Basis | None) -> npt.NDArray[Any]:
    """Check the coefficients of one slice, and return them as (rows, columns, rank), without axes of length one."""
    if basis is None:
        raise InvalidData("in_vivo holds coefficients of a basis; give that basis, too")
    array = as_array("in_vivo", data, InvalidData)
    if array.dtype.kind != "c":
        raise InvalidData(f"in_vivo must be complex coefficients of the basis; given type {array.dtype}")
    axes = tuple(n for n in array.shape[:-1] if n != 1)
    if len(axes) != 2 or array.shape[-1] != rank:
        raise InvalidData(f"in_vivo has shape {array.shape}; allowed: (rows, columns, {rank}), coefficients of a slice")
    return array.reshape(*axes, rank)


def has_data(data: npt.NDArray[Any]) -> BoolArray:
    """Say which voxels (rows, columns) have data that are not zero."""
    return np.asarray(np.any(data != 0, axis=-1))


def estimate_maps(run: PaperRun, networks: Mapping[str, nn.Estimator], data: npt.NDArray[Any], name: str) -> Maps:
    """Estimate maps (rows, columns) of the parameters by each estimator, stored under a name; NaN without a result."""
    mask = has_data(data)
    computed = {NLLS: partial(_fit, run, data, mask, name)}
    computed |= {label: partial(_estimate, run, network, data, mask) for label, network in networks.items()}
    maps = {}
    for label, compute in computed.items():
        with run.work.step(f"{name} by {label}"):
            maps[label] = run.work.load_or_compute(f"{name}/{label}", compute)
    shutil.rmtree(_name_unfinished(run, name), ignore_errors=True)
    return maps


def _name_unfinished(run: PaperRun, name: str) -> Path:
    """Name the folder in which a fit stores its chunks until it is complete."""
    return run.work.path(f"{name}/{NLLS}.unfinished")


def _fit(run: PaperRun, data: npt.NDArray[Any], mask: BoolArray, name: str) -> Arrays:
    seq, k, options = run.problem.seq, run.settings.multi_start, run.problem.options
    resume = _name_unfinished(run, name)
    return _as_maps(fit(data, seq, run.basis, UNKNOWN, mask=mask, multi_start=k, resume=resume, **options).estimates)


def _estimate(run: PaperRun, network: nn.Estimator, data: npt.NDArray[Any], mask: BoolArray) -> Arrays:
    return _as_maps(network.estimate(data, mask, **run.network_options).estimates)


def _as_maps(tissue: Tissue) -> Arrays:
    return {name: np.asarray(tissue[name]) for name in ESTIMATED}
