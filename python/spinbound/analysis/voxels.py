"""Calls that combine several others: the voxels that all of them accept, in parts of bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import BoolArray, FloatArray, InvalidParameter, Report
from spinbound.base.progress import reports
from spinbound.sequences.experiment import Experiment, as_trains
from spinbound.signals.basis import Basis
from spinbound.signals.batch import check_apparent, prepare
from spinbound.tissues.tissue import Tissue

VALUES = 1 << 22  # of the largest array of a part: 34 MB, which LAPACK factorises in less than 0.2 s


@dataclass(frozen=True)
class Part:
    """Some voxels, all of them valid, and whom each of the calls upon them reports to."""

    index: npt.NDArray[np.intp]
    tissue: Tissue
    reports: tuple[Report | None, ...]


@dataclass(frozen=True)
class Voxels:
    """The voxels of a call: `tissue` has an axis even for a single one, `valid` and `sigma` have one axis."""

    tissue: Tissue
    valid: BoolArray
    sigma: FloatArray | None

    def parts(self, values_per_voxel: int, n_calls: int, report: Report | None) -> Iterator[Part]:
        """The valid voxels in parts of about `VALUES` values."""
        step, total = max(1, VALUES // values_per_voxel), self.valid.size
        for start in range(0, total, step):
            stop = min(start + step, total)
            index = start + np.flatnonzero(self.valid[start:stop])
            if index.size:
                part = self.tissue[np.unravel_index(index, self.tissue.shape)]
                yield Part(index, part, reports(report, n_calls, start, stop, total))
            elif report is not None:
                report(stop, total)


def accepted(
    seq: Experiment,
    tissue: Tissue,
    names: tuple[str, ...],
    models: Iterable[tuple[str, str]],
    sigma: npt.ArrayLike | None = None,
    **options: Any,
) -> Voxels:
    """The voxels that each model, given with its lineshape, accepts.

    Raises
    ------
    InvalidParameter, InvalidSequence
        As in the calls themselves; also if no voxel is valid for all models together.
    """
    valid, noise = np.ones(getattr(tissue, "size", 0), dtype=np.bool_), None
    for model, lineshape in models:
        batch = prepare(seq, tissue, sigma, model=model, lineshape=lineshape, **options)
        check_apparent(names, batch)
        valid, noise = valid & batch.valid, batch.sigma
    if valid.size and not valid.any():
        raise InvalidParameter("every voxel is invalid for one of the models")
    return Voxels(tissue if tissue.shape else tissue.replace(m0s=tissue["m0s"][None]), valid, noise)


def n_samples(seq: Experiment, basis: Basis | None) -> int:
    """Samples of one signal."""
    if basis is not None:
        return int(basis.rank)
    return as_trains(seq).n_echoes
