"""Samples to learn from: those of a dictionary store, or new ones that are simulated while the network learns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spinbound.base.checks import as_count, as_instance, as_parameter_names, as_threads
from spinbound.base.errors import BoolArray, InvalidData, InvalidParameter
from spinbound.base.parameters import TISSUE
from spinbound.dictionaries.recipe import Recipe, refuse_invalid
from spinbound.nn.checkpoint import hash_tensors
from spinbound.nn.noise import Noise
from spinbound.nn.novelty.making import ATOMS, LEAST_ATOMS
from spinbound.nn.novelty.novelty import Novelty
from spinbound.sequences.experiment import Experiment
from spinbound.sequences.model import Model
from spinbound.signals.basis import Basis
from spinbound.signals.forward import ForwardModel
from spinbound.tissues.prior import Prior
from spinbound.tissues.sources import DrawnTissues
from spinbound.tissues.tissue import Tissue

UNKNOWNS = ("M0", "m0s", "T1a", "T2f", "Rex", "T2s", "omega0", "B1")  # of the paper's model


@dataclass(frozen=True, eq=False)
class Samples:
    """Tissues to learn from, all valid.

    Attributes
    ----------
    signals : (n, samples) complex64
        The signals for M0 = 1, without noise.
    truth : (n, P_e) float32
        The parameters in SI units.
    crb : (n, P_e) float32
        The bounds of the parameters for M0 = 1 and sigma = 1.
    left_out : int
        Number of tissues that could not be simulated.
    """

    signals: Tensor
    truth: Tensor
    crb: Tensor
    left_out: int

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.truth)


class Data(Protocol):
    """The source of a training's samples."""

    n: int
    seq: Experiment
    basis: Basis | None
    prior: str | None  # as TOML
    model: Model | None  # of the signals; None if it is not known

    def samples(self, epoch: int, names: tuple[str, ...]) -> Samples:
        """Return the samples of an epoch, with the named parameters."""

    def prepare(self, epoch: int) -> None:
        """Begin to make the samples of an epoch, if that takes time."""

    def close(self) -> None:
        """End the work that `prepare` has begun."""

    def describe(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Describe everything that the samples depend on, in plain words and numbers."""

    def novelty(self, noise: Noise) -> Novelty:
        """Make the measure of how unlike these samples, with such noise, other data are."""


class StoredData:
    """The tissues of a dictionary store, the same in every epoch; those that could not be simulated are left out.

    Parameters
    ----------
    store
        A store of `spinbound.build_dictionary` with ``derivatives="crb"``, M0 among its unknowns; or an object with the
        same attributes, such as a reference set.

    Raises
    ------
    InvalidData
        If the bounds are those of a known M0: an estimator of signals of any scale does not know M0.

    Examples
    --------
    >>> import spinbound as sb, tempfile
    >>> from spinbound import nn
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> prior = sb.Prior.paper().within(seq)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = sb.build_dictionary(seq, prior, 10, f"{folder}/atoms.zarr", wrt=("M0", "m0s", "T1a"))
    ...     nn.StoredData(store).samples(0, ("T1a",)).truth.shape
    torch.Size([10, 1])
    """

    def __init__(self, store: Any) -> None:
        self.store = store
        self.seq: Experiment = store.sequence
        self.basis: Basis | None = store.basis
        configuration = getattr(store, "configuration", {})
        self.prior: str | None = configuration.get("prior")
        self.model: Model | None = Model.read(configuration) if "model" in configuration else None
        self._sigma = float(configuration.get("sigma", 1))
        self._kept: dict[tuple[str, ...], Samples] = {}
        self._crb: Mapping[str, npt.NDArray[Any]] = store.crb
        if "M0" not in self._crb:
            raise InvalidData(f"the bounds of {store!r} know M0, which is not among: {', '.join(self._crb)}")
        self._signals, self._tissue = store.signals, store.tissue
        self._valid: BoolArray = np.isfinite(self._signals).all(axis=1)
        self.n = int(np.count_nonzero(self._valid))

    def samples(self, epoch: int, names: tuple[str, ...]) -> Samples:  # noqa: ARG002  (as all data)
        """Return all samples with the named parameters, the same for every epoch."""
        if names not in self._kept:
            check_bounded(names, self._crb)
            crb = np.stack([self._crb[name] for name in names], axis=-1) / self._sigma**2
            self._kept[names] = _select_valid(self._tissue, self._signals, crb, self._valid, names)
        return self._kept[names]

    def prepare(self, epoch: int) -> None:
        """Do nothing: the samples are there."""

    def close(self) -> None:
        """Do nothing: there is nothing to end."""

    def describe(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Describe the samples by their number and their hash."""
        samples = self.samples(0, names)
        signals = torch.view_as_real(samples.signals)
        return {"n": self.n, "sha256": hash_tensors(signals, samples.truth, samples.crb)}

    def novelty(self, noise: Noise) -> Novelty:
        """Make the novelty by `Novelty.from_store`."""
        return Novelty.from_store(self.store, noise=noise)


class SimulatedData:
    """Tissues that are drawn and simulated anew for every epoch, while the network learns from the epoch before.

    Epoch k has the tissues ``first + k n`` to ``first + (k + 1) n - 1`` of the prior: no tissue is seen twice, and
    a training that resumes after a kill sees the tissues that it would have seen without.

    Parameters
    ----------
    seq
        The pulse sequence, or a list of them as in `spinbound.simulate`.
    prior
        The prior of the tissues.
    n
        Number of tissues of one epoch; tissues that cannot be simulated are left out.
    basis
        The basis of the signals; None: the time domain.
    wrt
        The unknowns of the bounds, M0 among them; by default those of arXiv 2109.10535.
    seed, first
        Seed and first number of the draw, as in `Prior.sample`.
    threads
        Number of threads that simulate; by default all cores.
    model
        As in `spinbound.simulate`.

    Raises
    ------
    InvalidParameter, InvalidSequence
        If an argument is not accepted, M0 is not among the unknowns, or no tissue can be simulated.

    Examples
    --------
    >>> import spinbound as sb
    >>> from spinbound import nn
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> data = nn.SimulatedData(seq, sb.Prior.paper().within(seq), 20, wrt=("M0", "m0s"))
    >>> data.samples(3, ("m0s",)).signals.shape
    torch.Size([20, 1142])
    """

    def __init__(
        self,
        seq: Experiment,
        prior: Prior,
        n: int,
        *,
        basis: Basis | None = None,
        wrt: str | Iterable[str] = UNKNOWNS,
        seed: int = 0,
        first: int = 0,
        model: Model | str = "gbloch",
        threads: int | None = None,
    ) -> None:
        as_instance("prior", prior, Prior)
        unknowns = as_parameter_names(wrt)
        if "M0" not in unknowns:
            raise InvalidParameter(f"wrt is {', '.join(unknowns)}; M0 must be among them: no estimator knows it")

        forward = ForwardModel.of(seq, model, basis)
        self.seq, self.basis, self.n = seq, basis, as_count("n", n, 1)
        self.prior: str | None = prior.toml
        self.model: Model | None = forward.model
        self._recipe = Recipe(forward, unknowns, ("crb",), 1.0, "real", "complex128")
        self._source = DrawnTissues(prior, self.n, as_count("seed", seed, 0), as_count("first", first, 0))
        self._threads = threads
        as_threads(threads)
        refuse_invalid(self._recipe, self._source)
        self._pool: ThreadPoolExecutor | None = None
        self._begun: dict[int, Future[dict[str, npt.NDArray[Any]]]] = {}
        self._ended = Event()

    def samples(self, epoch: int, names: tuple[str, ...]) -> Samples:
        """Return the samples of an epoch with the named parameters, at once if they are prepared."""
        check_bounded(names, self._recipe.wrt)
        begun = self._begun.pop(epoch, None)
        arrays = begun.result() if begun else self._simulate(epoch)
        crb = arrays["crb"][:, [self._recipe.wrt.index(name) for name in names]]
        tissue = Tissue.from_dict({name: arrays[f"tissue/{name}"] for name in TISSUE})
        return _select_valid(tissue, arrays["signals"], crb, arrays["valid"], names)

    def prepare(self, epoch: int) -> None:
        """Begin to simulate an epoch in a thread of its own."""
        if epoch not in self._begun:
            self._pool = self._pool or ThreadPoolExecutor(1, "spinbound-simulate")
            self._begun[epoch] = self._pool.submit(self._simulate, epoch)

    def close(self) -> None:
        """End the simulation that is running, within some tenths of a second."""
        self._ended.set()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._ended.clear()
        self._pool, self._begun = None, {}

    def describe(self, names: tuple[str, ...]) -> dict[str, Any]:  # noqa: ARG002  (as all data)
        """Describe the prior, the sequence, and the computed arrays."""
        recipe, source = self._recipe, self._source
        return {"n": self.n, **source.described, **recipe.forward.described, "wrt": list(recipe.wrt)}

    def novelty(self, noise: Noise) -> Novelty:
        """Make the novelty by `Novelty.from_prior`, with no more atoms than an epoch has tissues."""
        source, n = self._source, max(self.n, LEAST_ATOMS) if self.n < ATOMS else None
        options: dict[str, Any] = {"basis": self.basis, "model": self.model, "threads": self._threads}
        return Novelty.from_prior(self.seq, source.prior, noise=noise, n=n, seed=source.seed, **options)

    def _simulate(self, epoch: int) -> dict[str, npt.NDArray[Any]]:
        """Simulate the arrays of all tissues of an epoch."""
        source = replace(self._source, first=self._source.first + epoch * self.n)
        return self._recipe.compute(source.rows(slice(0, self.n))(), self._threads, self._stop_if_ended)

    def _stop_if_ended(self, _done: int, _total: int) -> None:
        """Raise to end a simulation; the core calls this as its progress, a few times a second."""
        if self._ended.is_set():
            raise CancelledError


def check_bounded(names: Iterable[str], bounded: Iterable[str]) -> None:
    """Refuse parameters that have no bound in the data."""
    missing = [name for name in names if name not in bounded]
    if missing:
        raise InvalidData(f"the data have no bounds of {', '.join(missing)}; they have: {', '.join(bounded)}")


def _select_valid(
    tissue: Tissue,
    signals: npt.NDArray[Any],
    crb: npt.NDArray[Any],
    valid: BoolArray,
    names: tuple[str, ...],
) -> Samples:
    """Return the valid samples in single precision; a bound beyond its range becomes infinite."""
    if not valid.any():
        raise InvalidData(f"none of the {valid.size} tissues could be simulated: there is nothing to learn from")
    truth = np.stack([np.broadcast_to(tissue[name], tissue.shape)[valid] for name in names], axis=-1)
    with np.errstate(over="ignore", under="ignore"):
        return Samples(
            torch.from_numpy(signals[valid].astype(np.complex64)),
            torch.from_numpy(truth.astype(np.float32)),
            torch.from_numpy(crb[valid].astype(np.float32)),
            int(np.count_nonzero(~valid)),
        )
