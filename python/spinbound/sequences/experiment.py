"""The trains that a call simulates: one, or those of a joint experiment, whose samples follow each other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

import spinbound._core as _core
from spinbound.base.errors import InvalidSequence

from .checks import GRADIENT_MOMENTS, STARTS
from .identity import has_identity, identify
from .sequence import Sequence

Experiment = Sequence | list[Sequence] | tuple[Sequence, ...]


@dataclass(frozen=True)
class Trains:
    """The trains of a call, at least one."""

    sequences: tuple[Sequence, ...]

    @property
    def n_echoes(self) -> int:
        """Number of samples of the whole signal."""
        return sum(seq.n_echoes for seq in self.sequences)

    @property
    def sha256(self) -> str:
        """SHA-256 of the sequence, or of all sequences in their order."""
        if len(self.sequences) == 1:
            return self.sequences[0].sha256
        return hashlib.sha256("".join(seq.sha256 for seq in self.sequences).encode()).hexdigest()

    @property
    def identity(self) -> str:
        """The identities of all sequences in their order, which the last bits of their values do not change."""
        return " ".join(map(identify, self.sequences))

    def has_identity(self, identity: str) -> bool:
        """Say whether these are the sequences of an identity, to 1e-12 s and 1e-12 rad."""
        known = identity.split()
        return len(known) == len(self.sequences) and all(map(has_identity, self.sequences, known))

    def as_core(self) -> Any:
        """Return the core's form of the trains; that of a single one is kept in the sequence, which never changes."""
        if len(self.sequences) > 1:
            return _core.Experiment([as_core_sequence(seq) for seq in self.sequences])
        kept = vars(self.sequences[0])
        if "_experiment" not in kept:
            kept["_experiment"] = _core.Experiment([as_core_sequence(self.sequences[0])])
        return kept["_experiment"]


def as_trains(seq: object) -> Trains:
    """Return the trains of one `Sequence`, or of a list or tuple of them.

    Raises
    ------
    InvalidSequence
        If it is something else, or no echo is recorded.
    """
    trains = Trains((seq,) if isinstance(seq, Sequence) else _as_tuple(seq))
    if trains.n_echoes == 0:
        raise InvalidSequence("the sequence records no echo; echo is False for all pulses")
    return trains


def refuse_silence(trains: Trains) -> None:
    """Refuse an experiment without signal, whatever the tissue, where data are to tell something.

    Raises
    ------
    InvalidSequence
        If all recorded echoes are spoiled, or no train has magnetization to record.
    """
    if any(_has_signal(seq) for seq in trains.sequences):
        return
    if any(seq.alpha.any() for seq in trains.sequences):
        raise InvalidSequence(
            "the signal is zero for every tissue: the transverse magnetization is spoiled at all recorded echoes "
            "(gradient_moment is spoiler_dual); allowed: another word, or for inversion_recovery and "
            "saturation_recovery read=(alpha, TRF); simulate(output='magnetization') needs no echo"
        )
    raise InvalidSequence("the signal is zero for every tissue: all flip angles are 0")


def _has_signal(seq: Sequence) -> bool:
    """Say whether a recorded echo can hold transverse magnetization."""
    spoiled = np.array([word == "spoiler_dual" for word in seq.gradient_moment])
    excited = bool(seq.alpha.any()) or (not isinstance(seq.start, str) and bool(np.any(seq.start[:2])))
    return excited and bool((seq.echo & ~spoiled).any())


def _as_tuple(seq: object) -> tuple[Sequence, ...]:
    items = tuple(seq) if isinstance(seq, (list, tuple)) else (seq,)
    for item in items:
        if not isinstance(item, Sequence):
            raise InvalidSequence(
                f"the sequence must be a spinbound.Sequence, or a list of them; given {type(item).__name__}"
            )
    if not items:
        raise InvalidSequence("the list of sequences is empty")
    return cast(tuple[Sequence, ...], items)


def as_core_sequence(seq: Sequence) -> Any:
    """Return the core's form of a sequence."""
    moments = np.array([GRADIENT_MOMENTS.index(word) for word in seq.gradient_moment], dtype=np.int32)
    is_word = isinstance(seq.start, str)

    return _core.Sequence(
        alpha=seq.alpha,
        TRF=seq.TRF,
        TR=seq.repetition_times,
        rf_phase_increment=np.broadcast_to(seq.rf_phase_increment, seq.n_pulses),
        gradient_moment=moments,
        echo=seq.echo,
        shape=np.empty(0, np.complex128) if seq.shape is None else seq.shape,
        start=STARTS.index(str(seq.start)) if is_word else len(STARTS),
        initial=np.zeros(5) if is_word else np.asarray(seq.start),
    )
