"""The voxels of calls that combine several others: valid in all of them, in slabs of bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_sigma
from spinbound.base.errors import BoolArray, FloatArray, InvalidParameter, Progress
from spinbound.base.progress import split_progress
from spinbound.signals.batch import Batch, check_apparent
from spinbound.signals.forward import ForwardModel
from spinbound.signals.noise import GaussianNoise
from spinbound.tissues.tissue import Tissue

VALUES = 1 << 22  # of the largest array of a slab: 34 MB, which LAPACK factorises in less than 0.2 s


@dataclass(frozen=True)
class Slab:
    """Some voxels, all of them valid, and the progress of each call on them."""

    index: npt.NDArray[np.intp]
    tissue: Tissue
    progress: tuple[Progress | None, ...]


@dataclass(frozen=True)
class Voxels:
    """The voxels of a call: `tissue` has an axis even for a single one, `valid` and `sigma` have one axis."""

    tissue: Tissue
    valid: BoolArray
    sigma: FloatArray | None

    def slabs(self, values_per_voxel: int, n_calls: int, progress: Progress | None) -> Iterator[Slab]:
        """Cut the valid voxels into slabs of about `VALUES` values."""
        step, total = max(1, VALUES // values_per_voxel), self.valid.size
        for start in range(0, total, step):
            stop = min(start + step, total)
            index = start + np.flatnonzero(self.valid[start:stop])
            if index.size:
                tissue = self.tissue[np.unravel_index(index, self.tissue.shape)]
                yield Slab(index, tissue, split_progress(progress, n_calls, start, stop, total))
            elif progress is not None:
                progress(stop, total)


def voxels_valid_in_all(
    forwards: Iterable[ForwardModel],
    tissue: Tissue,
    names: tuple[str, ...],
    sigma: npt.ArrayLike | None = None,
    *,
    threads: int | None,
    progress: bool | Progress | None,
) -> Voxels:
    """Find the voxels that each of the forward models accepts.

    Raises
    ------
    InvalidParameter
        As in the calls themselves; also if no voxel is valid for all models together.
    """
    valid, deviations = np.ones(getattr(tissue, "size", 0), dtype=np.bool_), None
    noise = None if sigma is None else GaussianNoise(as_sigma(sigma))
    for forward in forwards:
        batch = Batch.of(forward, tissue, noise, threads=threads, progress=progress)
        check_apparent(names, batch)
        valid, deviations = valid & batch.valid, batch.sigma
    if valid.size and not valid.any():
        raise InvalidParameter("every voxel is invalid for one of the models")
    return Voxels(tissue if tissue.shape else tissue.replace(m0s=tissue["m0s"][None]), valid, deviations)
