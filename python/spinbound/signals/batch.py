"""One batch call: its voxels in the form of the core, their validity, and the storage of the results.

The core takes a C-contiguous float64 matrix (8, N) with a row for each tissue parameter, M0 (N,), sigma (N,) and a
mask of the voxels to compute. Beyond these and the results nothing of the size of the voxels is allocated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

import spinbound._core as _core
from spinbound.base.checks import as_instance, as_threads, broadcast_to_voxels, check_progress, is_valid_sigma
from spinbound.base.errors import BoolArray, ComplexArray, FloatArray, InvalidParameter, Progress
from spinbound.base.parameters import DERIVED, PARAMETERS, TISSUE
from spinbound.base.progress import shift_progress, show_progress
from spinbound.sequences.limits import Limits
from spinbound.tissues.tissue import Tissue, instead_of_apparent

from .forward import ForwardModel
from .noise import GaussianNoise

FORMS = ("real", "complex", "real-M0")  # of Fisher matrices, in the order of the core's codes
# Values of tissues and results in a slab, where results are not stored in the precision of the core: 17 MB.
SLAB_VALUES = 1 << 21
SLAB = 1 << 16  # voxels that are checked in one step


@dataclass(frozen=True)
class Batch:
    """A checked call: everything that the core needs, except the place for the results."""

    forward: ForwardModel
    shape: tuple[int, ...]
    tissue: FloatArray
    M0: ComplexArray
    sigma: FloatArray | None
    whitening: ComplexArray | None  # (1 or N, rank, rank)
    valid: BoolArray
    threads: int
    progress: bool | Progress | None
    single: bool = False  # compute in single precision

    @classmethod
    def of(
        cls,
        forward: ForwardModel,
        tissue: Tissue,
        noise: GaussianNoise | None = None,
        *,
        threads: int | None,
        progress: bool | Progress | None,
        all_invalid: bool = False,
    ) -> Batch:
        """Check the voxels of a call.

        Raises
        ------
        InvalidParameter
            Also if there are voxels and every one of them is invalid, unless `all_invalid` allows it.
        """
        as_instance("the tissue", tissue, Tissue)
        check_progress(progress)

        matrix, M0 = _make_matrix(tissue), _fill(tissue["M0"], tissue, np.complex128)
        sigma, whitening = (None, None) if noise is None else _spread_noise(noise, tissue)
        batch = cls(
            forward=forward,
            shape=tissue.shape,
            tissue=matrix,
            M0=M0,
            sigma=sigma,
            whitening=whitening,
            valid=valid_voxels(matrix, M0, sigma, forward.limits),
            threads=as_threads(threads),
            progress=progress,
        )
        if batch.n_voxels and not all_invalid and not batch.valid.any():
            raise InvalidParameter(_explain(batch))
        if forward.model.name == "bloch":
            remove_exchange(matrix)

        return batch

    @property
    def n_voxels(self) -> int:
        """Number of voxels, valid or not."""
        return self.valid.size

    @property
    def n_samples(self) -> int:
        """Samples of one signal: echoes, or vectors of the basis."""
        return self.forward.n_samples

    def select(self, voxels: slice) -> Batch:
        """Return the batch of some of the voxels."""
        return replace(
            self,
            tissue=np.ascontiguousarray(self.tissue[:, voxels]),
            M0=self.M0[voxels],
            sigma=None if self.sigma is None else self.sigma[voxels],
            whitening=self.whitening if self.whitening is None or len(self.whitening) == 1 else self.whitening[voxels],
            valid=self.valid[voxels],
        )

    def slabs(self, values_per_voxel: int) -> Iterator[tuple[slice, Batch]]:
        """Cut the batch into slabs of about `SLAB_VALUES` values, those of the tissues among them."""
        step = max(1, SLAB_VALUES // (len(TISSUE) + values_per_voxel))
        for start in range(0, self.n_voxels, step):
            voxels = slice(start, min(start + step, self.n_voxels))
            yield voxels, self.select(voxels)

    def call(self, progress: Progress | None) -> Any:
        """Return the call as the core has it."""
        return _core.Call(
            experiment=self.forward.trains.as_core(),
            tissue=self.tissue,
            M0=self.M0,
            valid=self.valid,
            model=self.forward.model.codes,
            basis=self.forward.vectors,
            single=self.single,
            threads=self.threads,
            progress=progress,
        )

    @property
    def noise(self) -> Any:
        """The noise as the core has it."""
        assert self.sigma is not None, "a call that has noise was prepared without"
        return _core.Noise(self.sigma, self.whitening)

    def flatten(self, result: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a view of a result with a single axis of voxels."""
        return result.reshape(self.n_voxels, *result.shape[len(self.shape) :])


def _make_matrix(tissue: Tissue) -> FloatArray:
    matrix = np.empty((len(TISSUE), tissue.size))
    for row, name in zip(matrix, TISSUE, strict=True):
        np.copyto(row.reshape(tissue.shape), tissue[name])
    return matrix


def _fill(value: npt.NDArray[Any], tissue: Tissue, dtype: Any) -> npt.NDArray[Any]:
    array = np.empty(tissue.size, dtype)
    np.copyto(array.reshape(tissue.shape), value)
    return array


def _spread_noise(noise: GaussianNoise, tissue: Tissue) -> tuple[FloatArray, ComplexArray | None]:
    """Return sigma (N,), one for each voxel, and whitening matrices (N, rank, rank), or (1, rank, rank) for all."""
    W, name = noise.whitening, "sigma" if noise.whitening is None else "noise_covariance"
    sigma = _fill(broadcast_to_voxels(name, noise.sigma, tissue.shape), tissue, np.float64)
    if W is not None:
        spread = W if W.ndim == 2 else np.broadcast_to(W, (*tissue.shape, *W.shape[-2:]))
        W = np.ascontiguousarray(spread.reshape(-1, *W.shape[-2:]))
    return sigma, W


def count_threads(threads: int | None) -> int:
    """Count threads as the core does: 0 means all cores, and the largest number is four per core."""
    cores = _core.available_threads()
    return min(as_threads(threads) or cores, 4 * cores)


def _explain(batch: Batch) -> str:
    """Explain why the first voxel of a batch without a valid one is invalid."""
    where = describe_place(0, batch.shape)
    prefix = "every voxel is invalid: " if batch.shape else ""
    values: dict[str, Any] = {"M0": batch.M0[0], **dict(zip(TISSUE, batch.tissue[:, 0], strict=True))}
    for name, value in values.items():
        if not PARAMETERS[name].contains(np.asarray(value)):
            return f"{prefix}{name} is {value:g}{where}; allowed: {PARAMETERS[name].allowed}"
    if batch.sigma is not None and not is_valid_sigma(batch.sigma[:1]).all():
        if batch.whitening is not None:
            return f"{prefix}noise_covariance{where} must be finite, Hermitian and positive definite"
        return f"{prefix}sigma is {batch.sigma[0]:g}{where}; allowed: sigma > 0, finite"

    m0s, T2s, B1 = (np.asarray(values[name], dtype=np.float64) for name in ("m0s", "T2s", "B1"))
    limit = next(limit for limit in batch.forward.limits if not limit.accepts(m0s, T2s, B1))
    return prefix + limit.explain(float(m0s), float(T2s), float(B1), where)


def as_unknowns(names: Iterable[str], form: str = "real") -> Any:
    """Return the unknown parameters as the core has them; the form is that of their Fisher matrix."""
    return _core.Unknowns([PARAMETERS[name].code for name in names], FORMS.index(form))


def check_apparent(names: tuple[str, ...], batch: Batch) -> None:
    """Refuse derivatives by R1a or T1a where R1f and R1s differ, because they are not defined there."""
    apparent = [name for name in names if len(DERIVED.get(name, ())) > 1]
    if not apparent:
        return
    for start in range(0, batch.n_voxels, SLAB):
        slab = slice(start, start + SLAB)
        unequal = batch.valid[slab] & (batch.tissue[R1F, slab] != batch.tissue[R1S, slab])
        if unequal.any():
            place = describe_place(start + int(unequal.argmax()), batch.shape)
            why = f"wrt has {apparent[0]}, which needs R1f = R1s in the tissue; they differ{place}"
            raise InvalidParameter(f"{why}; {instead_of_apparent(apparent[0])}")


# The voxels that the core can compute


M0S, R1F, R1S, T2S, B1 = (TISSUE.index(name) for name in ("m0s", "R1f", "R1s", "T2s", "B1"))


def remove_exchange(matrix: FloatArray) -> None:
    """Set the parameters of the semi-solid pool to neutral values in tissues of one pool, in place."""
    for name, value in (("Rex", 0.0), ("R1s", matrix[R1F]), ("T2s", 10e-6)):
        matrix[TISSUE.index(name)] = value


# (8, 1): the least and the largest accepted value of each row of the matrix
LOW, HIGH = (np.array([[getattr(PARAMETERS[name], limit)] for name in TISSUE]) for limit in ("least", "largest"))


def valid_voxels(matrix: FloatArray, M0: ComplexArray, sigma: FloatArray | None, limits: list[Limits]) -> BoolArray:
    """Say which voxels (N,) of a matrix (8, N) the core can compute."""
    valid = np.empty(M0.size, dtype=np.bool_)
    for start in range(0, M0.size, SLAB):
        slab = slice(start, start + SLAB)
        values = matrix[:, slab]
        ok = ((values >= LOW) & (values <= HIGH)).all(axis=0)
        ok &= np.isfinite(M0[slab])
        for limit in limits:
            ok &= limit.accepts(values[M0S], values[T2S], values[B1])
        if sigma is not None:
            ok &= is_valid_sigma(sigma[slab])
        valid[slab] = ok
    return valid


def describe_place(voxel: int, shape: tuple[int, ...]) -> str:
    """Describe the place of a voxel for a message; a single voxel has none."""
    if not shape:
        return ""
    index = tuple(int(i) for i in np.unravel_index(voxel, shape))
    return f" at voxel {index[0] if len(index) == 1 else index}"


# The results


def compute(
    batch: Batch,
    results: tuple[npt.NDArray[Any], ...],
    fill: Callable[..., object],
    label: str,
) -> None:
    """Compute the results, of double or single precision, by `fill(batch, progress, *arrays)`.

    The core writes double precision, with a single axis of voxels first: into the results themselves where possible,
    else slab by slab into other arrays.
    """
    if batch.n_voxels == 0:
        return

    views = [batch.flatten(result) for result in results]
    with show_progress(batch.progress, batch.n_voxels, label) as advance:
        if all(view.dtype in (np.float64, np.complex128) for view in views):
            fill(batch, advance, *views)
            return
        for voxels, slab in batch.slabs(sum(view[0].size for view in views)):
            doubles = [np.empty(view[voxels].shape, np.result_type(view, np.float64)) for view in views]
            fill(slab, shift_progress(advance, voxels.start, batch.n_voxels), *doubles)
            for view, double in zip(views, doubles, strict=True):
                round_into(view, voxels, double)


def round_into(view: npt.NDArray[Any], voxels: slice, double: npt.NDArray[Any]) -> None:
    """Round to the precision of the view: values beyond its range become inf, values above zero stay above zero."""
    with np.errstate(over="ignore", under="ignore"):
        view[voxels] = double
    if view.dtype == np.float32:
        view[voxels][(view[voxels] == 0) & (double > 0)] = np.finfo(np.float32).smallest_subnormal
