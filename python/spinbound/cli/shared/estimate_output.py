"""The maps that an estimation writes."""

from __future__ import annotations

import numpy as np

from spinbound.estimators.estimates import Estimates, EstimateStatus

from .map_output import Maps, Statuses

STATUSES = Statuses(
    kind=EstimateStatus,
    unwanted=(EstimateStatus.masked, EstimateStatus.no_data),
    failed=(EstimateStatus.not_finite,),
    done="estimated",
    missing="without an estimate: their data hold NaN or infinity",
)


def make_maps(result: Estimates) -> Maps:
    """Make all maps of an estimation."""
    estimates = {name: np.asarray(result.estimates[name]) for name in result.names}
    novelty = {} if result.novelty is None else {"novelty": result.novelty}

    return Maps(
        entry="Estimate",
        algorithm="neural network",
        arrays=result.as_arrays(),
        estimates=estimates,
        further={"status": result.status, **novelty},
        levels={"status": STATUSES.sentences},
        drawn=estimates | novelty,
    )
