"""A `Sequence` as a Pulseq file (1.5): its pulses, spoilers and echoes, without gradients that encode an image.

Repetition i: [spoiler] pulse [spoiler] readout, where the readout's middle is the end of the repetition. The file
begins with a pause of half a readout's time. Durations are integers in ps.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from math import pi
from typing import Any

import numpy as np

from spinbound.base.errors import ComplexArray, InvalidSequence
from spinbound.sequences.checks import SMALLEST_MEAN

from .events import PS
from .read import PHASE_DIGITS, START
from .text import SIGNATURE

US = 10**6  # ps
BLOCK = 10 * US  # raster of the blocks and gradients
RF_RASTERS = (US, US // 2, US // 10)  # the first is that of most scanners
READOUT = 200 * US  # a block with 16 samples of 5 us in its middle
ADC = "16 5000 60 0 0 0"
DEAD = 100 * US  # before and after a pulse, without readout and spoilers
SPOILER = 1000 * US
TRAPEZOID = "1e+06 200 600 200 0"  # Hz/m and us: 800 turns/m
# Axes of the spoilers before and after the pulse: of a dual one, different axes, so that nothing refocuses.
SPOILERS = {"balanced": (0, 0), "crusher": (3, 3), "spoiler_prepulse": (3, 0), "spoiler_dual": (3, 1)}

EVENTS = ("RF", "gx", "gy", "gz", "ADC", "extension")  # columns of a block
HEADINGS = {
    "BLOCKS": "# number duration RF gx gy gz ADC extension",
    "RF": "# id amplitude/Hz magnitude angle time center/us delay/us ppm rad/MHz Hz phase/rad use",
    "TRAP": "# id amplitude/(Hz/m) rise/us flat/us fall/us delay/us",
    "ADC": "# id samples dwell/ns delay/us ppm rad/MHz Hz phase/rad phase_shape",
}


def make_text(fields: Mapping[str, Any]) -> bytes:
    """Make the content of a file, with its signature.

    Raises
    ------
    InvalidSequence
        Naming the pulse, where a time is not on its raster or a repetition too short.

    Warns
    -----
    UserWarning
        If the pulses need a finer raster than most scanners have.
    """
    writer = _Writer(fields)
    body = writer.make_text().encode()
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    signature = f"\n# of all before the new line in front of this section\nType md5\nHash {md5}\n"
    return body + SIGNATURE + signature.encode()


class _Writer:
    """The events of a train as they are collected; equal ones get the same id."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        n = fields["alpha"].size
        self.alpha = fields["alpha"].tolist()
        self.TRF = [round(TRF * PS) for TRF in fields["TRF"].tolist()]
        self.TR = [round(TR * PS) for TR in np.broadcast_to(fields["TR"], n).tolist()]
        self.words = fields["gradient_moment"]
        turns = np.cumsum(np.broadcast_to(fields["rf_phase_increment"], n) / pi)
        self.phases = (pi * (np.round(turns, PHASE_DIGITS) % 2)).tolist()
        self.echo = fields["echo"].tolist()
        self.start = fields["start"]
        self.shape = _check_shape(fields.get("shape"))
        self.raster = _find_rf_raster(self.TRF, self.TR)
        self.events: dict[str, dict[str, int]] = {"RF": {}, "TRAP": {}, "ADC": {}, "SHAPES": {}}

    def make_text(self) -> str:
        """Make the text of all sections but the signature."""
        blocks = list(self._make_blocks())
        duration = sum(int(block.split()[0]) for block in blocks) * BLOCK / PS
        start = self.start if isinstance(self.start, str) else " ".join(map(repr, self.start.tolist()))
        definitions = {
            "AdcRasterTime": "1e-07",
            "BlockDurationRaster": repr(BLOCK / PS),
            "GradientRasterTime": repr(BLOCK / PS),
            "RadiofrequencyRasterTime": repr(self.raster / PS),
            START: start,
            "TotalDuration": repr(duration),
        }
        tables = {"BLOCKS": blocks} | {name: list(self.events[name]) for name in ("RF", "TRAP", "ADC")}
        parts = ["# Pulseq sequence file\n# Created by spinbound\n", "[VERSION]\nmajor 1\nminor 5\nrevision 0\n"]
        parts.append("\n".join(["[DEFINITIONS]", *(f"{name} {value}" for name, value in definitions.items()), ""]))
        for name, rows in tables.items():
            if rows:
                numbered = (f"{number} {row}" for number, row in enumerate(rows, 1))
                parts.append("\n".join([HEADINGS[name], f"[{name}]", *numbered, ""]))
        shapes = (f"shape_id {number}\n{shape}" for shape, number in self.events["SHAPES"].items())

        return "\n".join([*parts, "[SHAPES]\n", *shapes])

    def _make_blocks(self) -> Iterator[str]:
        """Yield the duration and the ids of events of every block."""
        yield _make_block(READOUT // 2)
        for pulse, (TRF, TR) in enumerate(zip(self.TRF, self.TR, strict=True)):
            before, after = SPOILERS[self.words[pulse]]
            spoiled = SPOILER * bool(before), SPOILER * bool(after)
            free = (TR - TRF) // 2 - READOUT // 2
            if free < DEAD + max(spoiled):
                raise InvalidSequence(
                    f"(TR - TRF)/2 of pulse {pulse} is {(TR - TRF) / 2 / PS:g} s; its readout, dead times and spoilers "
                    f"take {(DEAD + max(spoiled) + READOUT // 2) / PS:g} s"
                )
            if before:
                yield self._make_spoiler(before)
            rf = self._assign_id("RF", self._make_pulse(pulse, (free - spoiled[0]) / US))
            yield _make_block(TR - READOUT - sum(spoiled), RF=rf)
            if after:
                yield self._make_spoiler(after)
            adc = self._assign_id("ADC", f"{ADC} {self.phases[pulse]!r} 0") if self.echo[pulse] else 0
            yield _make_block(READOUT, ADC=adc)

    def _make_spoiler(self, axis: int) -> str:
        return _make_block(SPOILER, **{f"g{'xyz'[axis - 1]}": self._assign_id("TRAP", TRAPEZOID)})

    def _make_pulse(self, pulse: int, delay: float) -> str:
        """Make the row of an RF event: the field alpha/TRF w, with the sign of alpha in the phase of the waveform."""
        TRF, alpha = self.TRF[pulse], self.alpha[pulse]
        amplitude = abs(alpha) / (TRF / PS) / (2 * pi) * np.abs(self.shape).max()
        steps, rest = divmod(TRF // self.raster, self.shape.size)
        if self.shape.size == 1:
            steps, time = 2, self._store_shape([0, TRF // self.raster])
        elif rest == 0:
            time = 0
        else:
            raise InvalidSequence(
                f"pulse {pulse} lasts {TRF / PS:g} s, which is not {self.shape.size} samples of its shape on the RF "
                f"raster of {self.raster / PS:g} s"
            )
        samples = np.repeat(self.shape, steps)
        magnitude = self._store_shape((np.abs(samples) / np.abs(samples).max()).tolist())
        angle = self._store_shape(((np.angle(samples) / (2 * pi) + 0.5 * (alpha < 0)) % 1).tolist())
        ids = f"{magnitude} {angle} {time} {TRF / 2 / US!r} {delay!r}"

        return f"{float(amplitude)!r} {ids} 0 0 0 {self.phases[pulse]!r} u"

    def _store_shape(self, samples: list[float]) -> int:
        return self._assign_id("SHAPES", "\n".join([f"num_samples {len(samples)}", *map(repr, samples), ""]))

    def _assign_id(self, section: str, row: str) -> int:
        return self.events[section].setdefault(row, len(self.events[section]) + 1)


def _make_block(duration: int, **ids: int) -> str:
    return " ".join(str(number) for number in (duration // BLOCK, *(ids.get(name, 0) for name in EVENTS)))


def _check_shape(shape: ComplexArray | None) -> ComplexArray:
    """Return the samples of the waveform; a mean of zero is refused, as alpha could not be read back."""
    samples = np.ones(1, np.complex128) if shape is None else shape
    if abs(samples.mean()) <= SMALLEST_MEAN * np.abs(samples).max():
        raise InvalidSequence("the mean of the shape nearly vanishes, so that a Pulseq file cannot say its alpha")
    return samples


def _find_rf_raster(TRF: list[int], TR: list[int]) -> int:
    """Return the coarsest raster on which all pulses begin and end."""
    for pulse, time in enumerate(TR):
        if time % BLOCK:
            raise InvalidSequence(f"TR of pulse {pulse} is {time / PS:g} s; allowed: multiples of {BLOCK / PS:g} s")

    def find_misfit(raster: int) -> int | None:
        """Find the first pulse that is not on a raster."""
        times = enumerate(zip(TRF, TR, strict=True))
        return next((pulse for pulse, (TRF, TR) in times if TRF % raster or (TR - TRF) % (2 * raster)), None)

    raster = next((raster for raster in RF_RASTERS if find_misfit(raster) is None), RF_RASTERS[-1])
    wrong = find_misfit(raster)
    if wrong is not None:
        rule = f"TRF and (TR - TRF)/2 must be multiples of {raster / PS:g} s"
        raise InvalidSequence(f"TRF of pulse {wrong} is {TRF[wrong] / PS:.9g} s; {rule}")
    if raster != RF_RASTERS[0]:
        warnings.warn(
            f"pulses begin and end on a raster of {raster / PS:g} s, as the file says; scanners have {US / PS:g} s",
            UserWarning,
            stacklevel=2,
        )
    return raster
