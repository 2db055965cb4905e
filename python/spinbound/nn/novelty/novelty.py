"""Novelty: a measure of how unlike all training data the data of a voxel are, in units of the noise.

Training tissues with their signals and tangents, the atoms, stand for all signals of the prior. The part of the data
that no scale, no phase and no small change of the tissue of any atom explains is compared with the noise: theory,
section 18.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import (
    as_data,
    as_instance,
    as_mask,
    as_parameter_names,
    as_sigma,
    check_progress,
    is_valid_sigma,
)
from spinbound.base.errors import FloatArray, InvalidData, InvalidParameter, Progress
from spinbound.base.progress import shift_progress, show_progress
from spinbound.estimators.matching.search import find_usable
from spinbound.nn.noise import Noise
from spinbound.sequences.experiment import Experiment
from spinbound.sequences.model import Model
from spinbound.signals.basis import Basis
from spinbound.signals.batch import SLAB, count_threads
from spinbound.signals.forward import ForwardModel
from spinbound.tissues.prior import Prior

from .charts import Charts
from .making import LEAST_ATOMS, SHARES, choose_n_atoms, find_relative_noise, find_varying, make_fields
from .measure import Measure

LIMIT = 0.999
ARRAYS = ("signals", "tangents", "places", "floor")


@dataclass(frozen=True, eq=False, repr=False)
class Novelty:
    """Distance of data from all data that an estimator was trained with.

    Data like those of the training have a novelty of about 1, whatever their scale and phase; `percentiles` describe
    how their novelty is distributed.

    Attributes
    ----------
    names : tuple of str
        The parameters by which tissues of the training differ.
    charts
        Signals of some training tissues, and how they change with the parameters.
    floor : (n,)
        ``|r|/|M0|`` of each atom from the planes of the others: the residual that the spacing of the atoms leaves.
    noise
        The noise of the training.
    percentiles : dict
        The novelty below which a share of 0.5, 0.9, 0.99 and 0.999 of the training distribution lies, for data of
        ``known`` sigma and for data whose sigma is ``assumed``.

    Examples
    --------
    >>> import spinbound as sb
    >>> from spinbound import nn
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> prior = sb.Prior(m0s=sb.Uniform(0.05, 0.2), T1a=sb.Uniform(0.8, 2), T2f=sb.Uniform(0.04, 0.1))
    >>> basis = sb.build_basis(seq, prior, n=100, rank=6, real=True)
    >>> novelty = nn.Novelty.from_prior(seq, prior, basis=basis, n=200)
    >>> tissues = sb.Tissue(m0s=[0.1, 0.1], T1a=1.2, T2f=[0.06, 0.5])  # the second one is outside the prior
    >>> novelty(sb.simulate(seq, tissues, basis=basis), sigma=0.01) > novelty.limit(sigma=0.01)
    array([False,  True])
    """

    names: tuple[str, ...]
    charts: Charts
    floor: FloatArray
    noise: Noise
    percentiles: Mapping[str, tuple[float, ...]]

    @classmethod
    def from_prior(
        cls,
        seq: Experiment,
        prior: Prior,
        *,
        basis: Basis | None = None,
        noise: Noise | None = None,
        n: int | None = None,
        seed: int = 0,
        model: Model | str = "gbloch",
        threads: int | None = None,
        progress: bool | Progress | None = None,
    ) -> Novelty:
        """Make a novelty from tissues of a prior, which are simulated.

        Parameters
        ----------
        seq, basis, model, threads, progress
            As in `spinbound.simulate`.
        prior
            The prior of the training.
        noise
            The noise of the training.
        n
            Number of atoms; 4096 unless given, or fewer where signals are so long that these fill more than 64 MB.
            Twice as many further tissues are drawn to measure how novelty is distributed.
        seed
            Seed of the draw.

        Returns
        -------
        Novelty
            The measure, of at least 17 atoms.

        Raises
        ------
        InvalidParameter, InvalidSequence
            If an argument is not accepted, or a signal has too few samples to tell noise from tissue.
        """
        as_instance("prior", prior, Prior)

        names = [name for name in prior.names if name != "M0"]
        forward = ForwardModel.of(seq, model, basis)
        n = choose_n_atoms(n, forward, len(names))
        atoms, others = prior.sample(n, seed), prior.sample(2 * n, seed, first=n)
        return cls(**make_fields(forward, atoms, others, names, noise, threads=threads, progress=progress))

    @classmethod
    def from_store(
        cls,
        store: Any,
        *,
        noise: Noise | None = None,
        n: int | None = None,
        threads: int | None = None,
        progress: bool | Progress | None = None,
    ) -> Novelty:
        """Make a novelty from tissues of a dictionary store, whose tangents are simulated.

        Parameters
        ----------
        store
            The data of the training: a `spinbound.Dictionary` on disk, or an object with the same attributes.
        noise
            The noise of the training.
        n
            Number of atoms, as in `from_prior`; a third of the tissues, if they are fewer than three times as many.
        threads, progress
            As in `spinbound.simulate`.

        Returns
        -------
        Novelty
            The measure, of at least 17 atoms.

        Raises
        ------
        InvalidData
            If the store has too few valid tissues.
        InvalidParameter
            If an argument is not accepted, or a signal has too few samples to tell noise from tissue.
        """
        tissue = store.tissue[np.isfinite(store.signals).all(axis=1)]
        names = find_varying(tissue, store.crb)
        forward = ForwardModel.of(store.sequence, Model.read(getattr(store, "configuration", {})), store.basis)
        n = min(choose_n_atoms(n, forward, len(names)), tissue.size // 3)
        if n < LEAST_ATOMS:
            raise InvalidData(f"{store!r} has {tissue.size} valid tissues; novelty needs {3 * LEAST_ATOMS}")

        atoms, others = tissue[:n], tissue[n : 3 * n]
        return cls(**make_fields(forward, atoms, others, names, noise, threads=threads, progress=progress))

    # Its values

    def __call__(
        self,
        data: npt.ArrayLike,
        sigma: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
        *,
        threads: int | None = None,
        progress: bool | Progress | None = None,
    ) -> FloatArray:
        """Compute the novelty (...) of data (..., samples); NaN outside the mask, and where data are 0 or not finite.

        Parameters
        ----------
        data
            The data, as the estimator takes them.
        sigma
            Standard deviation of the noise in the real and in the imaginary part each, a number or a map (...). By
            default the noise is taken to be that of the training relative to M0, at the middle of its range.
        mask : (...)
            Voxels that count: not zero.
        threads, progress
            As in `spinbound.simulate`.

        Returns
        -------
        ndarray (...)
            The novelty, in units of the noise.

        Raises
        ------
        InvalidData
            If data or mask have a wrong type or shape.
        InvalidParameter
            If another argument is not accepted.
        """
        array = as_data("data", data, self.n_samples, "as that of the training's signals")
        rows, shape = array.reshape(-1, self.n_samples), array.shape[:-1]
        sizes = as_sigmas(sigma, shape)
        chosen = find_usable(rows) & as_mask("mask", mask, shape).ravel() & (np.isnan(sizes) == (sigma is None))
        check_progress(progress)

        novelty = np.full(len(rows), np.nan)
        with show_progress(progress, len(rows), "novelty") as advance:
            voxels = np.flatnonzero(chosen)
            measure = Measure(self.charts, self.floor, find_relative_noise(self.noise))
            for start in range(0, voxels.size, SLAB):
                slab, share = voxels[start : start + SLAB], shift_progress(advance, start, voxels.size)
                novelty[slab] = measure.compute(rows[slab], sizes[slab], count_threads(threads), share)

        return novelty.reshape(shape)

    def limit(self, sigma: object = None, share: float = LIMIT) -> float:
        """Return the novelty that a share of the training distribution, 0.5, 0.9, 0.99 or 0.999, does not exceed.

        Parameters
        ----------
        sigma
            None: return it for data whose noise is not known.
        share
            The share of the training distribution.

        Returns
        -------
        float
            The novelty, in units of the noise.

        Raises
        ------
        InvalidParameter
            If the share is another one.
        """
        if share not in SHARES:
            raise InvalidParameter(f"share is {share}; allowed: {', '.join(map(str, SHARES))}")
        return self.percentiles["assumed" if sigma is None else "known"][SHARES.index(share)]

    @property
    def n_samples(self) -> int:
        """Number of samples of a signal."""
        return self.charts.signals.shape[1]

    # Files

    @property
    def description(self) -> dict[str, Any]:
        """The parameters, the noise and the percentiles, as plain numbers and words."""
        percentiles = {kind: list(values) for kind, values in self.percentiles.items()}
        return {"names": list(self.names), "noise": self.noise.describe(), "percentiles": percentiles}

    def as_arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the arrays in single precision, which holds them exactly; the last axis is real, imaginary."""
        arrays = {name: getattr(self.charts, name, self.floor) for name in ARRAYS}
        return {name: _as_single(values) for name, values in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any]) -> Novelty:
        """Make the novelty that `as_arrays` and `description` describe.

        Raises
        ------
        InvalidData
            If arrays or description make no sense.
        """
        try:
            names = as_parameter_names(description["names"], "names")
            percentiles = {kind: tuple(map(float, description["percentiles"][kind])) for kind in ("known", "assumed")}
            noise = Noise(**description["noise"])
            signals, tangents = (_as_complex(arrays[name]) for name in ("signals", "tangents"))
            places, floor = (np.asarray(arrays[name], np.float64) for name in ("places", "floor"))
            n, samples = signals.shape
        except (KeyError, TypeError, ValueError) as problem:
            raise InvalidData(f"what is known of novelty makes no sense: {problem}") from None

        shapes = (n, samples, len(names)), (n, len(names)), (n,)
        if (tangents.shape, places.shape, floor.shape) != shapes or n < LEAST_ATOMS:
            raise InvalidData(f"the arrays of novelty have other shapes than its {n} atoms of {samples} samples")
        if not all(np.isfinite(values).all() for values in (signals, tangents, places, floor)):
            raise InvalidData("the arrays of novelty hold NaN or infinity")
        if not all(len(values) == len(SHARES) for values in percentiles.values()):
            raise InvalidData(f"novelty has other percentiles than those of the shares {', '.join(map(str, SHARES))}")

        return cls(names, Charts(signals, tangents, places), floor, noise, percentiles)

    def __repr__(self) -> str:
        return f"Novelty({len(self.floor)} atoms in {', '.join(self.names)})"


def as_sigmas(sigma: npt.ArrayLike | None, shape: tuple[int, ...]) -> FloatArray:
    """Return the noise (n,) of the voxels of data of a shape: NaN where it is not known or not accepted.

    Raises
    ------
    InvalidParameter
        If sigma is neither a positive number nor a map of that shape.
    """
    if sigma is None:
        return np.full(int(np.prod(shape, dtype=np.int64)), np.nan)
    array = as_sigma(sigma)
    if array.ndim and array.shape != shape:
        raise InvalidParameter(f"sigma has shape {array.shape}; allowed: one number, or a map of shape {shape}")
    return np.broadcast_to(np.where(is_valid_sigma(array), array, np.nan), shape).ravel()


def _as_single(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    if values.dtype.kind == "c":
        values = np.stack([values.real, values.imag], axis=-1)
    return values.astype(np.float32)


def _as_complex(parts: npt.NDArray[Any]) -> npt.NDArray[np.complex128]:
    return np.ascontiguousarray(parts, np.float64).view(np.complex128)[..., 0]
