"""The maps that a fit writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spinbound.base.text import as_percent
from spinbound.estimators.fitting.result import Fit, FitStatus

from .map_output import Maps, Statuses, Target
from .outputs import work_beside

UNFINISHED = ".spinbound-fit"
ALGORITHM = "non-linear least squares (Levenberg-Marquardt)"
STATUSES = Statuses(
    kind=FitStatus,
    unwanted=(FitStatus.masked, FitStatus.no_data),
    failed=(FitStatus.singular, FitStatus.not_finite, FitStatus.invalid, FitStatus.failed, FitStatus.unfinished),
    done="fitted",
    missing="without a result for every unknown: what is missing is NaN",
)


def work_folder(target: Target) -> Path:
    """Return the folder of work in progress, beside or inside the output; while it exists, a run has not finished."""
    return work_beside(target.path, "fit") if target.is_file else target.path / UNFINISHED


def make_maps(result: Fit) -> Maps:
    """Make all maps of a fit."""
    bits = {1 << k: name for k, name in enumerate(result.at_bound)}
    at_bound = sum(
        (bit * result.at_bound[name] for bit, name in bits.items()), np.zeros(result.status.shape, np.uint16)
    )

    further: dict[str, Any] = {"status": result.status, "iterations": result.iterations, "at_bound": at_bound}
    further |= {"residual": result.residual, "sigma": result.sigma}
    further |= {} if result.agreement is None else {"agreement": result.agreement}

    estimates = {name: result.estimates[name] for name in result.free}

    return Maps(
        entry="Fit",
        algorithm=ALGORITHM,
        arrays=result.as_arrays(),
        estimates=estimates,
        drawn=estimates,
        std=result.std,
        further=further,
        levels={"status": STATUSES.sentences, "at_bound": bits},
        outcome={"doubtful": result.doubtful_share},
        remarks=tuple(describe_doubt(result)),
    )


def describe_doubt(result: Fit) -> Iterator[str]:
    """Describe how many voxels may be in a wrong minimum, and how far omega0 is determined."""
    share, period = result.doubtful_share, result.settings["omega0_period"]
    if share is not None:
        yield f"doubtful, as few starts agree on the minimum: {as_percent(share)} of the voxels with a result"
    if period is not None:
        yield f"omega0 is determined modulo {period:.4g} rad/s ({period / (2 * np.pi):.4g} Hz)"
