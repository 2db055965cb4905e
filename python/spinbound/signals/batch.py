"""One batch call: its voxels as the core wants them, which of them are valid, and the way of its results.

The core takes a C-contiguous float64 matrix (8, N) with a row for each tissue parameter, M0 (N,), sigma (N,) and a
mask of the voxels to compute. Beyond these and the results nothing of the size of the voxels is allocated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Any

import numpy as np
import numpy.typing as npt

import spinbound._core as _core
from spinbound.base.checks import as_real, as_threads, check_progress
from spinbound.base.errors import BoolArray, ComplexArray, FloatArray, InvalidParameter, Report
from spinbound.base.parameters import DERIVED, PARAMETERS, TISSUE
from spinbound.base.progress import reporting, shifted
from spinbound.sequences.experiment import Experiment, Trains, as_trains
from spinbound.sequences.limits import Limits, limits_of
from spinbound.sequences.model import check_model
from spinbound.tissues.tissue import Tissue

from .basis import Basis
from .valid import CHUNK, R1F, R1S, accepted_sigma, place_of, valid_voxels, without_exchange

PART = 1 << 21  # values of tissues and results at a time where results are not stored as they are computed: 17 MB


@dataclass(frozen=True)
class Batch:
    """A checked call: everything that the core needs but the place for the results."""

    trains: Trains
    experiment: Any  # _core.Experiment
    n_samples: int  # of one signal: echoes, or vectors of the basis
    shape: tuple[int, ...]
    tissue: FloatArray
    M0: ComplexArray
    sigma: FloatArray | None
    valid: BoolArray
    physics: tuple[int, int, float]  # codes of the model and the lineshape, rtol
    basis: ComplexArray | None
    threads: int
    progress: bool | Report | None
    single: bool = False  # compute in single precision

    @property
    def n_voxels(self) -> int:
        """Number of voxels, valid or not."""
        return self.valid.size

    def part(self, voxels: slice) -> Batch:
        """The batch of some of the voxels."""
        return changed(
            self,
            tissue=np.ascontiguousarray(self.tissue[:, voxels]),
            M0=self.M0[voxels],
            sigma=None if self.sigma is None else self.sigma[voxels],
            valid=self.valid[voxels],
        )

    def parts(self, values_per_voxel: int) -> Iterator[tuple[slice, Batch]]:
        """The batch cut into parts of about `PART` values, those of the tissues among them."""
        step = max(1, PART // (len(TISSUE) + values_per_voxel))
        for start in range(0, self.n_voxels, step):
            voxels = slice(start, min(start + step, self.n_voxels))
            yield voxels, self.part(voxels)

    def flat(self, result: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A view of a result with a single axis of voxels."""
        return result.reshape(self.n_voxels, *result.shape[len(self.shape) :])


def prepare(
    seq: Experiment,
    tissue: Tissue,
    sigma: npt.ArrayLike | None = None,
    *,
    model: str,
    lineshape: str,
    rtol: float,
    basis: Basis | None,
    threads: int | None,
    progress: bool | Report | None,
    all_invalid: bool = False,
) -> Batch:
    """Check the arguments of a batch call.

    Raises
    ------
    InvalidParameter, InvalidSequence
        Also if there are voxels and every one of them is invalid, unless `all_invalid` allows it.
    """
    trains = as_trains(seq)
    if not isinstance(tissue, Tissue):
        raise InvalidParameter(f"the tissue must be a spinbound.Tissue; given {type(tissue).__name__}")
    physics = check_model(model, lineshape, rtol)
    limits = [limits_of(model, train) for train in trains.sequences]
    check_progress(progress)
    vectors = vectors_of(basis, trains)
    matrix, M0, noise = _matrix(tissue), _filled(tissue["M0"], tissue, np.complex128), _sigma(sigma, tissue)
    batch = Batch(
        trains=trains,
        experiment=trains.core(),
        n_samples=trains.n_echoes if vectors is None else vectors.shape[1],
        shape=tissue.shape,
        tissue=matrix,
        M0=M0,
        sigma=noise,
        valid=valid_voxels(matrix, M0, noise, limits),
        physics=physics,
        basis=vectors,
        threads=as_threads(threads),
        progress=progress,
    )
    if batch.n_voxels and not all_invalid and not batch.valid.any():
        raise InvalidParameter(_reason(batch, limits))
    if model == "bloch":
        without_exchange(matrix)
    return batch


def vectors_of(basis: object, trains: Trains) -> ComplexArray | None:
    """The vectors of a basis that belongs to the trains; None in the time domain."""
    if basis is None:
        return None
    if not isinstance(basis, Basis):
        raise InvalidParameter(f"basis must be a spinbound.Basis; given {type(basis).__name__}")
    basis.check_sequence(trains)
    return np.ascontiguousarray(basis.vectors, dtype=np.complex128)


def _matrix(tissue: Tissue) -> FloatArray:
    matrix = np.empty((len(TISSUE), tissue.size))
    for row, name in zip(matrix, TISSUE, strict=True):
        np.copyto(row.reshape(tissue.shape), tissue[name])
    return matrix


def _filled(value: npt.NDArray[Any], tissue: Tissue, dtype: Any) -> npt.NDArray[Any]:
    filled = np.empty(tissue.size, dtype)
    np.copyto(filled.reshape(tissue.shape), value)
    return filled


def _sigma(sigma: npt.ArrayLike | None, tissue: Tissue) -> FloatArray | None:
    """(N,) standard deviations of the noise; a single number must make sense, an entry marks its voxel."""
    if sigma is None:
        return None
    array = as_real("sigma", sigma)
    if array.ndim == 0 and not accepted_sigma(array):
        raise InvalidParameter(f"sigma is {array[()]:g}; allowed: sigma > 0, finite")
    try:
        return _filled(array, tissue, np.float64)
    except ValueError:
        raise InvalidParameter(
            f"sigma has shape {array.shape}, which does not broadcast to the voxels {tissue.shape}"
        ) from None


def n_threads_of(threads: int | None) -> int:
    """As the core counts them: 0 is all cores, absurd numbers come down to four per core."""
    cores = _core.available_threads()
    return min(as_threads(threads) or cores, 4 * cores)


def _reason(batch: Batch, limits: list[Limits]) -> str:
    """Why the first voxel of a batch without a valid one is invalid."""
    where = place_of(0, batch.shape)
    prefix = "every voxel is invalid: " if batch.shape else ""
    values: dict[str, Any] = {"M0": batch.M0[0], **dict(zip(TISSUE, batch.tissue[:, 0], strict=True))}
    for name, value in values.items():
        if not PARAMETERS[name].contains(np.asarray(value)):
            return f"{prefix}{name} is {value:g}{where}; allowed: {PARAMETERS[name].allowed}"
    if batch.sigma is not None and not accepted_sigma(batch.sigma[:1]).all():
        return f"{prefix}sigma is {batch.sigma[0]:g}{where}; allowed: sigma > 0, finite"
    m0s, T2s, B1 = (np.asarray(values[name], dtype=np.float64) for name in ("m0s", "T2s", "B1"))
    limit = next(limit for limit in limits if not limit.accepts(m0s, T2s, B1))
    return prefix + limit.reason(float(m0s), float(T2s), float(B1), where)


def check_apparent(names: tuple[str, ...], batch: Batch) -> None:
    """Refuse derivatives by R1a or T1a where R1f and R1s differ: there they are not defined."""
    apparent = [name for name in names if len(DERIVED.get(name, ())) > 1]
    if not apparent:
        return
    for start in range(0, batch.n_voxels, CHUNK):
        part = slice(start, start + CHUNK)
        unequal = batch.valid[part] & (batch.tissue[R1F, part] != batch.tissue[R1S, part])
        if unequal.any():
            place = place_of(start + int(unequal.argmax()), batch.shape)
            raise InvalidParameter(f"wrt has {apparent[0]}, which needs R1f = R1s in the tissue; they differ{place}")


# The way of the results


def compute(
    batch: Batch,
    results: tuple[npt.NDArray[Any], ...],
    fill: Callable[..., object],
    label: str,
) -> None:
    """Have `fill(batch, report, *arrays)` compute the results, which hold double or single precision.

    The core writes double precision, with a single axis of voxels first: into the results themselves where it can,
    else part by part into an array of its own.
    """
    if batch.n_voxels == 0:
        return
    views = [batch.flat(result) for result in results]
    with reporting(batch.progress, batch.n_voxels, label) as report:
        if all(view.dtype in (np.float64, np.complex128) for view in views):
            fill(batch, report, *views)
            return
        for voxels, part in batch.parts(sum(view[0].size for view in views)):
            doubles = [np.empty(view[voxels].shape, np.result_type(view, np.float64)) for view in views]
            fill(part, shifted(report, voxels.start, batch.n_voxels), *doubles)
            for view, double in zip(views, doubles, strict=True):
                store(view, voxels, double)


def store(view: npt.NDArray[Any], voxels: slice, double: npt.NDArray[Any]) -> None:
    """Round to the precision of the view: beyond its range is inf; what is above zero stays so."""
    with np.errstate(over="ignore", under="ignore"):
        view[voxels] = double
    if view.dtype == np.float32:
        view[voxels][(view[voxels] == 0) & (double > 0)] = np.finfo(np.float32).smallest_subnormal
