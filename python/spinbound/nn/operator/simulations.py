"""What the operators of `nn.simulate` compute, each kept under a key: operators take tensors, numbers and words alone.

A key is a hash of all that the numbers depend on, so that a compiled graph in a cache on disk never means another
sequence in another process.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from spinbound.base.checks import parameter_names, refuse_conflicts
from spinbound.base.errors import ComplexArray, FloatArray, InvalidParameter
from spinbound.base.parameters import ALL, bases, is_reciprocal
from spinbound.sequences.experiment import Trains
from spinbound.sequences.limits import limits_of
from spinbound.sequences.model import check_model
from spinbound.signals.basis import Basis
from spinbound.signals.batch import Batch, compute, prepare, vectors_of
from spinbound.signals.simulate import fill_signal, filler_of_sensitivities
from spinbound.tissues.tissue import Tissue, reciprocal, tissue_of

REMEMBERED = 256  # of about 0.3 MB each


@dataclass(frozen=True)
class Simulation:
    """A checked experiment: which columns its voxels have, and all that they share."""

    trains: Trains
    names: tuple[str, ...]  # of the parameters theta (N, P)
    maps: tuple[str, ...]  # of the parameters known (N, K)
    others: Tissue  # a single voxel
    basis: Basis | None
    model: str
    lineshape: str
    rtol: float

    @property
    def n_samples(self) -> int:
        """Of one signal: echoes, or vectors of the basis."""
        return self.trains.n_echoes if self.basis is None else self.basis.rank

    @property
    def key(self) -> str:
        """SHA-256 of the contents."""
        digest = hashlib.sha256(b"spinbound simulation")
        others = [complex(self.others[name]) for name in ALL]
        words = (self.trains.sha256, self.names, self.maps, others, self.model, self.lineshape, self.rtol)
        digest.update(repr(words).encode())
        if self.basis is not None:
            digest.update(np.ascontiguousarray(self.basis.vectors, np.complex128).tobytes())
        return digest.hexdigest()

    def signals(self, theta: FloatArray, known: FloatArray, threads: int) -> ComplexArray:
        """(N, n_samples); NaN for voxels that are not accepted, be it all of them."""
        batch = self._batch(theta, known, threads)
        signals = np.empty((batch.n_voxels, batch.n_samples), np.complex128)
        compute(batch, (signals,), fill_signal, "simulate")
        return signals

    def sensitivities(self, theta: FloatArray, known: FloatArray, threads: int) -> tuple[ComplexArray, ComplexArray]:
        """The same, and their derivatives (N, n_samples, P) by theta."""
        batch = self._batch(theta, known, threads)
        signals = np.empty((batch.n_voxels, batch.n_samples), np.complex128)
        jacobians = np.empty((*signals.shape, len(self.names)), np.complex128)
        compute(batch, (signals, jacobians), filler_of_sensitivities(self.names), "sensitivities")
        return signals, jacobians

    def _batch(self, theta: FloatArray, known: FloatArray, threads: int) -> Batch:
        return prepare(
            self.trains.sequences,
            self._tissue(theta, known),
            model=self.model,
            lineshape=self.lineshape,
            rtol=self.rtol,
            basis=self.basis,
            threads=threads,
            progress=None,
            all_invalid=True,
        )

    def _tissue(self, theta: FloatArray, known: FloatArray) -> Tissue:
        """Known maps are a user's, and checked for what looks like percent; theta may be whatever a network says."""
        given = Tissue.from_dict(dict(zip(self.maps, known.T, strict=True))).as_dict()
        values = self.others.as_dict() | {base: given[base] for name in self.maps for base in bases(name)}
        for name, column in zip(self.names, theta.T, strict=True):
            values |= dict.fromkeys(bases(name), reciprocal(column) if is_reciprocal(name) else column)
        return tissue_of(values)


def simulation(
    trains: Trains,
    names: str | Iterable[str],
    maps: tuple[str, ...],
    numbers: Mapping[str, Any],
    basis: Basis | None,
    model: str,
    lineshape: str,
    rtol: float,
) -> Simulation:
    """Check all that the voxels share.

    Raises
    ------
    InvalidParameter, InvalidSequence
        As in `spinbound.simulate`; also for M0, and for a parameter that is given twice.
    """
    chosen, others = parameter_names(names, "names"), Tissue.from_dict(numbers)
    for where, given in (("names", chosen), ("known", (*maps, *numbers))):
        if "M0" in given:
            raise InvalidParameter(f"{where} has M0, to which the signal is proportional; give it as M0=...")
    refuse_conflicts((*chosen, *maps, *numbers), "names and known together")
    check_model(model, lineshape, rtol)
    for train in trains.sequences:
        limits_of(model, train)
    vectors_of(basis, trains)
    return Simulation(trains, chosen, maps, others, basis, model, lineshape, float(rtol))


# What is remembered

_REMEMBERED: OrderedDict[str, Simulation] = OrderedDict()  # what was used last is last
_LOCK = Lock()


def remember(new: Simulation) -> str:
    """Keep a simulation, in the place of the one that was not used for longest if there are too many."""
    key = new.key
    with _LOCK:
        _REMEMBERED.setdefault(key, new)
        _REMEMBERED.move_to_end(key)
        while len(_REMEMBERED) > REMEMBERED:
            _REMEMBERED.popitem(last=False)
    return key


def recall(key: str) -> Simulation:
    """The simulation of a key.

    Raises
    ------
    InvalidParameter
        If this process does not know it, or not any more.
    """
    with _LOCK:
        if key in _REMEMBERED:
            _REMEMBERED.move_to_end(key)
            return _REMEMBERED[key]
    raise InvalidParameter(
        f"no simulation of the key {key:.12}... is known: a graph from another process, or one that {REMEMBERED} "
        "others have displaced; call nn.simulate with the sequence once more"
    )
