"""The simulations of `nn.simulate`, stored under keys, as operators of torch take only tensors, numbers and words.

A key is a hash of everything that the numbers depend on, so that a compiled graph in a cache on disk never stands for
another sequence in another process.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

import spinbound._core as _core
from spinbound.base.checks import as_parameter_names, refuse_conflicts
from spinbound.base.errors import ComplexArray, FloatArray, InvalidParameter
from spinbound.base.parameters import ALL, bases, is_reciprocal
from spinbound.signals.batch import Batch, as_unknowns, compute
from spinbound.signals.forward import ForwardModel
from spinbound.tissues.tissue import Tissue, make_tissue, take_reciprocal

REMEMBERED = 256  # simulations of about 0.3 MB each


@dataclass(frozen=True)
class Simulation:
    """A checked experiment: the columns that differ between voxels, and everything that voxels share."""

    forward: ForwardModel
    names: tuple[str, ...]  # of the parameters theta (N, P)
    maps: tuple[str, ...]  # of the parameters known (N, K)
    others: Tissue  # a single voxel

    @property
    def n_samples(self) -> int:
        """Number of samples of a signal: echoes, or vectors of the basis."""
        return self.forward.n_samples

    @property
    def key(self) -> str:
        """SHA-256 of the contents."""
        digest = hashlib.sha256(b"spinbound simulation")
        others = [complex(self.others[name]) for name in ALL]
        words = (self.forward.trains.sha256, self.names, self.maps, others, *self.forward.model.described.values())
        digest.update(repr(words).encode())
        if self.forward.vectors is not None:
            digest.update(self.forward.vectors.tobytes())
        return digest.hexdigest()

    def compute_signals(self, theta: FloatArray, known: FloatArray, threads: int) -> ComplexArray:
        """Simulate signals (N, n_samples); NaN for voxels that are not accepted, even if that is all of them."""
        batch = self._make_batch(theta, known, threads)
        signals = np.empty((batch.n_voxels, batch.n_samples), np.complex128)
        compute(batch, (signals,), lambda slab, progress, s: _core.simulate(slab.call(progress), s), "simulate")
        return signals

    def compute_sensitivities(
        self, theta: FloatArray, known: FloatArray, threads: int
    ) -> tuple[ComplexArray, ComplexArray]:
        """Simulate the same signals and their derivatives (N, n_samples, P) by theta."""
        batch = self._make_batch(theta, known, threads)
        signals = np.empty((batch.n_voxels, batch.n_samples), np.complex128)
        jacobians = np.empty((*signals.shape, len(self.names)), np.complex128)
        unknowns = as_unknowns(self.names)
        fill = lambda slab, progress, s, J: _core.sensitivities(slab.call(progress), unknowns, s, J)
        compute(batch, (signals, jacobians), fill, "sensitivities")

        return signals, jacobians

    def _make_batch(self, theta: FloatArray, known: FloatArray, threads: int) -> Batch:
        tissue = self._make_tissue(theta, known)
        return Batch.of(self.forward, tissue, threads=threads, progress=None, all_invalid=True)

    def _make_tissue(self, theta: FloatArray, known: FloatArray) -> Tissue:
        """Make the tissue; known maps come from a user and are checked for values in percent, theta is not checked."""
        given = Tissue.from_dict(dict(zip(self.maps, known.T, strict=True))).as_dict()
        values = self.others.as_dict() | {base: given[base] for name in self.maps for base in bases(name)}
        for name, column in zip(self.names, theta.T, strict=True):
            values |= dict.fromkeys(bases(name), take_reciprocal(column) if is_reciprocal(name) else column)
        return make_tissue(values)


def make_simulation(
    forward: ForwardModel, names: str | Iterable[str], maps: tuple[str, ...], numbers: Mapping[str, Any]
) -> Simulation:
    """Make a simulation, and check everything that the voxels share.

    Raises
    ------
    InvalidParameter, InvalidSequence
        As in `spinbound.simulate`; also for M0, and for a parameter that is given twice.
    """
    chosen, others = as_parameter_names(names, "names"), Tissue.from_dict(numbers)
    for where, given in (("names", chosen), ("known", (*maps, *numbers))):
        if "M0" in given:
            raise InvalidParameter(f"{where} has M0, to which the signal is proportional; give it as M0=...")
    refuse_conflicts((*chosen, *maps, *numbers), "names and known together")
    return Simulation(forward, chosen, maps, others)


# The simulations in memory

_REMEMBERED: OrderedDict[str, Simulation] = OrderedDict()  # the last used is last
_LOCK = Lock()


def remember(new: Simulation) -> str:
    """Store a simulation and return its key; beyond `REMEMBERED` the least recently used one is dropped."""
    key = new.key
    with _LOCK:
        _REMEMBERED.setdefault(key, new)
        _REMEMBERED.move_to_end(key)
        while len(_REMEMBERED) > REMEMBERED:
            _REMEMBERED.popitem(last=False)
    return key


def recall(key: str) -> Simulation:
    """Return the simulation of a key.

    Raises
    ------
    InvalidParameter
        If this process does not know the key, or no longer.
    """
    with _LOCK:
        if key in _REMEMBERED:
            _REMEMBERED.move_to_end(key)
            return _REMEMBERED[key]
    raise InvalidParameter(
        f"no simulation of the key {key:.12}... is known: a graph from another process, or one that {REMEMBERED} "
        "others have displaced; call nn.simulate with the sequence once more"
    )
