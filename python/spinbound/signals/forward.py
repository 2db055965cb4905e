"""The forward model, which turns tissues into samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import spinbound._core as _core
from spinbound.base.checks import as_instance
from spinbound.base.errors import ComplexArray
from spinbound.sequences.experiment import Experiment, Trains, as_trains
from spinbound.sequences.limits import Limits, find_limits
from spinbound.sequences.model import Model, as_model

from .basis import Basis


@dataclass(frozen=True)
class ForwardModel:
    """Trains of pulses, a model of their effect, and a basis of the signals or none; checked to fit together."""

    trains: Trains
    model: Model
    basis: Basis | None

    @classmethod
    def of(cls, seq: Experiment, model: Model | str = "gbloch", basis: Basis | None = None) -> ForwardModel:
        """Check a sequence or a list of them, a model, and a basis against each other.

        Raises
        ------
        InvalidParameter, InvalidSequence
            If one of them is not accepted, the model does not know something in a train, or the basis belongs to
            another sequence, as `Basis.check_sequence` finds.
        """
        trains, checked = as_trains(seq), as_model(model)
        for train in trains.sequences:
            find_limits(checked, train)
        if basis is not None:
            as_instance("basis", basis, Basis).check_sequence(seq)
        return cls(trains, checked, basis)

    @property
    def sequence(self) -> Experiment:
        """The sequence, or the list of them."""
        return self.trains.sequences[0] if len(self.trains.sequences) == 1 else list(self.trains.sequences)

    @property
    def n_samples(self) -> int:
        """Samples of one signal: echoes, or vectors of the basis."""
        return self.trains.n_echoes if self.basis is None else self.basis.rank

    @property
    def limits(self) -> list[Limits]:
        """The limits of the model for a tissue in each train."""
        return [find_limits(self.model, train) for train in self.trains.sequences]

    @cached_property
    def vectors(self) -> ComplexArray | None:
        """(n, rank) vectors of the basis in the form of the core; None in the time domain."""
        return None if self.basis is None else np.ascontiguousarray(self.basis.vectors, dtype=np.complex128)

    @property
    def described(self) -> dict[str, Any]:
        """All that the bits of a result depend on, apart from tissues and noise, in words and numbers."""
        return describe_samples(self.trains, self.basis) | self.model.described


def describe_samples(trains: Trains, basis: Basis | None) -> dict[str, Any]:
    """Describe the program and the samples of a signal, in words and numbers."""
    return {
        "spinbound": _core.version,
        "instruction_set": _core.isa_in_use(),
        "sequence_sha256": trains.sha256,
        "basis_sha256": None if basis is None else basis.sha256,
    }
