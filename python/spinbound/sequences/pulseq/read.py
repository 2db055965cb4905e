"""Pulseq files as the arguments of a `Sequence`.

Repetition i reaches from boundary b_i to b_(i+1), with the centre of pulse i in its middle; the centre of a readout is
a boundary, and where there is none, the boundary is as far from the pulse as the other one is. Gradients count by their
moments k(t), the integral of the field over time:

1. between the centres of consecutive pulses (the end and the beginning of the file count as one interval) k changes by
   at most `BALANCED`: no gradient counts, or by at least `SPOILED`: those along axes with a change do, or refused,
2. from b_i to the pulse and from it to b_(i+1) the changes are spoilers if they are long enough: equal ones are
   crushers, different ones a `spoiler_dual`, one before the pulse alone a `spoiler_prepulse`.
"""

from __future__ import annotations

import warnings
from bisect import bisect_right
from itertools import pairwise
from math import nan, pi
from typing import Any

import numpy as np

from spinbound.base.errors import ComplexArray, FloatArray, InvalidSequence

from .events import PS, SAME_SAMPLE, EventReader, PlayedEvents, Pulse, make_refusal
from .text import PulseqText, parse_number

BALANCED, SPOILED = 1.0, 200.0  # 1/m: a turn over 1 m, over 5 mm
ENCODED = 600.0  # 1/m: the moment that gradients leave which encode voxels of 0.8 mm
SAME = 0.02  # largest relative difference of the two moments of a crusher
SAME_PHASE = 1e-4  # rad
PHASE_DIGITS = 12  # digits of an RF phase in units of pi: sums of thousands of them have no more
START = "SpinboundStart"  # the definition that holds the magnetization before the train


def make_fields(text: PulseqText) -> dict[str, Any]:
    """Make the arguments of a `Sequence` from the text of a file.

    Raises
    ------
    InvalidSequence
        Naming the block, if the file plays what a `Sequence` cannot say.

    Warns
    -----
    UserWarning
        If a gradient selects a slice.
    """
    played = EventReader(text).read()
    if not any(played.readouts):
        raise InvalidSequence(f"{text.path}: a pulse and a readout after it are needed; the file has none")

    pulses, edges = played.pulses, _find_boundaries(text, played)
    shape = _find_shape(text, pulses)
    fields = {
        "alpha": [pulse.alpha for pulse in pulses],
        "TRF": [pulse.wave.duration / PS for pulse in pulses],
        "TR": [(end - begin) / PS for begin, end in pairwise(edges)],
        "gradient_moment": _find_gradient_moments(text, played, edges),
        "rf_phase_increment": _find_increments(text, played),
        "start": _read_start(text),
        "echo": [readout is not None for readout in played.readouts],
    }

    return fields if shape is None else {**fields, "shape": shape}


# The train


def _find_shape(text: PulseqText, pulses: list[Pulse]) -> ComplexArray | None:
    """Return the waveform of all pulses, None for rectangular ones."""
    played = [pulse for pulse in pulses if pulse.alpha]
    if not played:
        return None

    first = played[0].wave.samples
    for pulse in played:
        samples = pulse.wave.samples
        if samples is first:
            continue
        if samples.shape != first.shape or np.abs(samples - first).max() > 2 * SAME_SAMPLE * np.abs(first).max():
            other = f"another waveform than block {played[0].block}"
            raise make_refusal(text, pulse.block, f"its pulse has {other}; a Sequence has one for all pulses")

    return None if first.size == 1 else first


def _find_boundaries(text: PulseqText, played: PlayedEvents) -> list[int]:
    """Find the boundaries of the repetitions in ps: the middles of readouts, and those that follow from them."""
    middles = [pulse.middle for pulse in played.pulses]
    edges = [None, *(readout.middle if readout else None for readout in played.readouts)]
    first = next(place for place, edge in enumerate(edges) if edge is not None)
    for place in range(first, 0, -1):  # the repetitions before the first readout, from its own
        edges[place - 1] = 2 * middles[place - 1] - edges[place]  # type: ignore[operator]
    for place in range(first, len(middles)):
        before, after = edges[place], played.readouts[place]
        expected = 2 * middles[place] - before  # type: ignore[operator]
        if after is None:
            edges[place + 1] = expected
        elif abs(after.middle - expected) > 2 * after.tolerance:
            off = abs(after.middle - expected) / 2 / PS
            problem = f"the pulse is {off:g} s off the middle between this echo and the one before"
            raise make_refusal(text, after.block, f"its readout is not where the echo of a Sequence is: {problem}")
    for pulse, begin, end in zip(played.pulses, edges[:-1], edges[1:], strict=True):
        if end - begin <= pulse.wave.duration:  # type: ignore[operator]
            lasts = (end - begin) / PS  # type: ignore[operator]
            raise make_refusal(
                text, pulse.block, f"its pulse is not in the middle of a repetition, which would last {lasts:g} s"
            )

    return edges  # type: ignore[return-value]


def _find_increments(text: PulseqText, played: PlayedEvents) -> FloatArray:
    """Return the changes of the RF phase, which the receiver must follow; it begins with zero or the last pulse's."""
    phases = [pulse.phase for pulse in played.pulses]
    turned = [(readout, phase) for readout, phase in zip(played.readouts, phases, strict=True) if readout]
    reference = turned[0][0].phase - turned[0][1]
    for readout, phase in turned:
        off = np.angle(np.exp(1j * (readout.phase - phase - reference)))
        if abs(off) > SAME_PHASE:
            raise make_refusal(
                text, readout.block, f"the receiver's phase is {off:g} rad off that of the pulse, which it follows"
            )
    before = 0.0 if START in text.definitions else phases[-1]

    return pi * (np.round(np.diff([before, *phases]) / pi, PHASE_DIGITS) % 2)


def _read_start(text: PulseqText) -> str | list[float]:
    """Read the start that the file states; a file that states none is played once, from equilibrium."""
    words = text.definitions.get(START, ["thermal"])
    numbers = [parse_number(word) for word in words]
    return words[0] if len(words) == 1 else [nan if value is None else value for value in numbers]


# Gradients


def _find_gradient_moments(text: PulseqText, played: PlayedEvents, edges: list[int]) -> list[str]:
    """Find one word per pulse."""
    _warn_of_slices(text, played)
    before, after = _split_moments(text, played, edges)
    sizes, twins = np.linalg.norm(before, axis=1), np.linalg.norm(after - before, axis=1)
    crusher = (sizes >= SPOILED) & (twins <= SAME * sizes)
    least = np.where([readout is not None for readout in played.readouts], ENCODED, SPOILED)
    late = crusher | (np.linalg.norm(after, axis=1) >= least)
    spoiled = np.linalg.norm(after + np.roll(before, -1, axis=0), axis=1) >= SPOILED
    early = (sizes >= SPOILED) | np.roll(spoiled & ~late, 1)
    for place in np.flatnonzero(late & ~early):
        block = played.pulses[place].block
        raise make_refusal(
            text, block, "gradients spoil after its pulse, but not before it; a Sequence has no word for that"
        )

    words = np.where(late, "spoiler_dual", np.where(early, "spoiler_prepulse", "balanced"))
    return np.where(crusher, "crusher", words).tolist()


def _split_moments(text: PulseqText, played: PlayedEvents, edges: list[int]) -> tuple[FloatArray, FloatArray]:
    """Return the changes of k before and after each pulse, (n, 3), along axes not balanced until the next pulse."""
    middles = _integrate_moments(played, [pulse.middle for pulse in played.pulses])
    ends = _integrate_moments(played, edges[1:])
    first = middles[0] + _integrate_moments(played, [played.end])[0] - ends[-1]
    before, after = np.vstack([first, middles[1:] - ends[:-1]]), ends - middles
    net = after + np.roll(before, -1, axis=0)
    sizes = np.linalg.norm(net, axis=1)
    for place in np.flatnonzero((sizes > BALANCED) & (sizes < SPOILED)):
        problem = f"gradients leave {sizes[place]:.3g} turns/m after its pulse"
        allowed = f"at most {BALANCED:g} (balanced), or {SPOILED:g} and more (spoiled)"
        raise make_refusal(text, played.pulses[place].block, f"{problem}; allowed: {allowed}")

    counts = np.abs(net) > BALANCED
    return before * np.roll(counts, 1, axis=0), after * counts


def _integrate_moments(played: PlayedEvents, times: list[int]) -> FloatArray:
    """Return k(t) in 1/m, (times, 3)."""
    whole = [[0.0 if event is None else event.moment[-1] for event in row] for row in played.gradients]
    until = np.vstack([np.zeros(3), np.cumsum(whole, axis=0)])
    moments = np.empty((len(times), 3))
    for place, time in enumerate(times):
        block = max(bisect_right(played.starts, time) - 1, 0)
        since = (time - played.starts[block]) / PS
        parts = [0.0 if event is None else event.integrate_until(since) for event in played.gradients[block]]
        moments[place] = until[block] + parts
    return moments


def _warn_of_slices(text: PulseqText, played: PlayedEvents) -> None:
    """Warn once if a gradient is on during a pulse."""
    begins = _integrate_moments(played, [pulse.middle - pulse.wave.duration // 2 for pulse in played.pulses])
    ends = _integrate_moments(played, [pulse.middle + pulse.wave.duration // 2 for pulse in played.pulses])
    selects = np.flatnonzero(np.abs(ends - begins).max(axis=1) > BALANCED)
    if selects.size:
        block = played.pulses[selects[0]].block
        warnings.warn(
            f"{text.path}: block {block}: a gradient is on during the pulse; a Sequence has no slice profile",
            UserWarning,
            stacklevel=2,
        )
