"""Data of voxels and what the three estimators make of them: the simulated phantom, and a slice that was measured."""

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
from spinbound.tissues.phantom import Phantom, tubes
from spinbound.tissues.tissue import Tissue

from .data import Run, noise_of
from .settings import ESTIMATED, UNKNOWN, Settings
from .work import Arrays

if TYPE_CHECKING:
    import spinbound.nn as nn


NLLS = "NLLS"

Maps = dict[str, Arrays]  # by estimator and parameter


def phantom_of(settings: Settings) -> Phantom:
    """The six tubes."""
    return tubes(settings.phantom_shape)


def phantom_data(run: Run, phantom: Phantom) -> npt.NDArray[Any]:
    """Noisy coefficients (rows, columns, rank) in the tubes, which are kept; zero elsewhere."""
    return run.work.kept("phantom/data", lambda: {"coefficients": _simulated(run, phantom)})["coefficients"]


def _simulated(run: Run, phantom: Phantom) -> npt.NDArray[Any]:
    in_tube = phantom.labels > 1
    signals = simulate(run.problem.seq, phantom.tissue[in_tube], basis=run.basis, **run.problem.run)
    data = np.zeros((*in_tube.shape, run.basis.rank), complex)
    data[in_tube] = signals + noise_of(signals.shape, 1 / run.settings.phantom_snr, run.settings.seed)
    return data


def measured_slice(data: npt.ArrayLike, rank: int, basis: Basis | None) -> npt.NDArray[Any]:
    """Coefficients (rows, columns, rank) of one slice in a basis that is known; there may be lone axes more."""
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
    """(rows, columns) where there is anything."""
    return np.asarray(np.any(data != 0, axis=-1))


def estimated(run: Run, networks: Mapping[str, nn.Estimator], data: npt.NDArray[Any], name: str) -> Maps:
    """Maps (rows, columns) of the estimated parameters by each estimator, kept under a name; NaN without a result."""
    mask = has_data(data)
    computed = {NLLS: partial(_fitted, run, data, mask, name)}
    computed |= {label: partial(_by_network, run, network, data, mask) for label, network in networks.items()}
    maps = {}
    for label, compute in computed.items():
        with run.work.step(f"{name} by {label}"):
            maps[label] = run.work.kept(f"{name}/{label}", compute)
    shutil.rmtree(_unfinished(run, name), ignore_errors=True)
    return maps


def _unfinished(run: Run, name: str) -> Path:
    """Where a fit keeps what it has, until all of it is kept."""
    return run.work.path(f"{name}/{NLLS}.unfinished")


def _fitted(run: Run, data: npt.NDArray[Any], mask: BoolArray, name: str) -> Arrays:
    seq, k, options = run.problem.seq, run.settings.multi_start, run.problem.run
    resume = _unfinished(run, name)
    return _maps(fit(data, seq, run.basis, UNKNOWN, mask=mask, multi_start=k, resume=resume, **options).estimates)


def _by_network(run: Run, network: nn.Estimator, data: npt.NDArray[Any], mask: BoolArray) -> Arrays:
    return _maps(network.estimate(data, mask, **run.network_options).estimates)


def _maps(tissue: Tissue) -> Arrays:
    return {name: np.asarray(tissue[name]) for name in ESTIMATED}
