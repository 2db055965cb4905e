"""The events of a Pulseq file's blocks: pulses, readouts and gradients, at their times.

Times are integers in ps, so that sums of rasters are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, cos, isclose, pi, sin

import numpy as np

from spinbound.base.errors import ComplexArray, FloatArray, InvalidSequence
from spinbound.sequences.checks import SMALLEST_MEAN

from .text import PulseqText, Row

PS = 10**12  # per second
AXES = ("gx", "gy", "gz")
SAME_SAMPLE = 1e-6  # difference of equal samples, relative to the peak: files hold six to nine digits
LATE = 10**6  # ps: a readout may be off the middle by this, or by half a sample if that is longer
HARMLESS = ("TRIGGERS", "LABELSET", "LABELINC")  # extensions that do not change what is played


@dataclass(frozen=True)
class Wave:
    """An RF waveform of amplitude 1: its mean, its samples divided by the mean, its duration (ps)."""

    mean: complex
    samples: ComplexArray
    duration: int


@dataclass(frozen=True)
class Pulse:
    """A pulse around its middle (ps); alpha is negative for a real waveform with a negative mean."""

    block: int
    middle: int
    wave: Wave
    alpha: float
    phase: float


@dataclass(frozen=True)
class Readout:
    """A readout around its middle (ps)."""

    block: int
    middle: int
    tolerance: int
    phase: float


@dataclass
class PlayedEvents:
    """All events that a file plays, in their order."""

    pulses: list[Pulse] = field(default_factory=list)
    readouts: list[Readout | None] = field(default_factory=list)  # after each pulse
    starts: list[int] = field(default_factory=list)  # begin of each block, in ps
    gradients: list[tuple[Gradient | None, ...]] = field(default_factory=list)  # of each block, by axis
    end: int = 0


@dataclass(frozen=True)
class Gradient:
    """A gradient through points (s, 1/m/s) from the beginning of its block."""

    time: FloatArray
    value: FloatArray
    moment: FloatArray  # at the points

    def integrate_until(self, time: float) -> float:
        """Integrate the gradient from the beginning of its block to a time."""
        last = int(np.searchsorted(self.time, time, "right")) - 1
        if last < 0 or last == self.time.size - 1:
            return 0.0 if last < 0 else float(self.moment[-1])
        value = np.interp(time, self.time, self.value)
        return float(self.moment[last] + (time - self.time[last]) * (self.value[last] + value) / 2)


def make_refusal(text: PulseqText, block: int, message: str) -> InvalidSequence:
    """Return the error that refuses a block which a `Sequence` cannot describe."""
    return text.make_error(text.tables["BLOCKS"][block].line, f"block {block}: {message}")


class EventReader:
    """A pass through the blocks; waveforms and gradients that are used again are made once."""

    def __init__(self, text: PulseqText) -> None:
        self.text = text
        names = ("BlockDurationRaster", "RadiofrequencyRasterTime", "GradientRasterTime")
        self.block_raster, self.rf_raster, self.gradient_raster = (text.read_raster(name) for name in names)
        self.waves: dict[tuple[float, ...], Wave] = {}
        self.gradients: dict[int, Gradient] = {}

    def read(self) -> PlayedEvents:
        """Read the events of all blocks."""
        played = PlayedEvents()
        for row in self.text.tables["BLOCKS"].values():
            self._refuse_extensions(row)
            played.starts.append(played.end)
            played.gradients.append(tuple(self._read_gradient(row, axis) for axis in AXES))
            events = [
                event for event in (self._read_pulse(row, played.end), self._read_readout(row, played.end)) if event
            ]
            for event in sorted(events, key=lambda event: event.middle):
                self._add(played, event)
            played.end += _as_ps(row["duration"] * self.block_raster)
        return played

    def _add(self, played: PlayedEvents, event: Pulse | Readout) -> None:
        if isinstance(event, Pulse):
            played.pulses.append(event)
            played.readouts.append(None)
        elif not played.pulses or played.readouts[-1]:
            problem = "a second readout after one pulse" if played.pulses else "a readout before the first pulse"
            raise make_refusal(self.text, event.block, f"{problem}; a Sequence has one echo per pulse")
        else:
            played.readouts[-1] = event

    def _refuse_extensions(self, block: Row) -> None:
        user, seen = block, set[int]()
        column = "extension"
        while row := self.text.find_row("EXTENSIONS", user, column):
            name = self.text.extensions.get(int(row["type"]), f"of type {row['type']:g}")
            if name not in HARMLESS or row.number in seen:
                problem = "a circle of extensions" if row.number in seen else f"the extension {name}"
                raise make_refusal(self.text, block.number, f"{problem} is not read; read are: {', '.join(HARMLESS)}")
            seen.add(row.number)
            user, column = row, "next"

    def _read_pulse(self, block: Row, start: int) -> Pulse | None:
        row = self.text.find_row("RF", block, "RF")
        if row is None:
            return None
        for column in ("frequency", "frequency_ppm", "phase_ppm"):
            if row[column] != 0:
                raise make_refusal(self.text, block.number, f"its pulse has a {column} of {row[column]:g}; allowed: 0")
        wave = self._read_wave(row)
        begin = _as_ps(row["delay"] * 1e-6)
        if begin < 0 or begin + wave.duration > _as_ps(block["duration"] * self.block_raster):
            raise make_refusal(self.text, block.number, "its pulse is longer than the block")

        turn = np.angle(wave.mean) if wave.mean else 0.0
        sign = 1 if cos(turn) > 0 else -1
        real = abs(sin(turn)) < SAME_SAMPLE
        alpha = 2 * pi * row["amplitude"] * abs(wave.mean) * (wave.duration / PS)
        middle = start + begin + wave.duration // 2

        return Pulse(block.number, middle, wave, sign * alpha if real else alpha, row["phase"] + (0 if real else turn))

    def _read_wave(self, row: Row) -> Wave:
        key = (row["magnitude"], row["angle"], row["time"])
        if key not in self.waves:
            samples, duration = self._read_samples(row)
            samples = _shorten(samples)
            mean, peak = complex(samples.mean()), np.abs(samples).max()
            if peak and abs(mean) <= SMALLEST_MEAN * peak:
                raise self.text.make_error(
                    row.line, "the mean of the pulse nearly vanishes, so that alpha has no meaning"
                )
            samples = samples / mean if peak else np.ones(1, np.complex128)
            self.waves[key] = Wave(mean, samples, _as_ps(duration * self.rf_raster))
        return self.waves[key]

    def _read_samples(self, row: Row) -> tuple[ComplexArray, int]:
        """Return the samples of a waveform and its duration, in steps of the RF raster."""
        text = self.text
        magnitude = text.expand_shape(row, "magnitude")
        angle = text.expand_shape(row, "angle") if row["angle"] else np.zeros_like(magnitude)
        times = text.expand_shape(row, "time") if row["time"] > 0 else None
        if angle.shape != magnitude.shape or (times is not None and times.shape != magnitude.shape):
            raise text.make_error(row.line, "magnitude, phase and times of the pulse are not equally many")
        text.take(magnitude.size, row.line)
        samples = magnitude * np.exp(2j * pi * angle)
        if times is None:
            oversampled = row["time"] == -1  # samples at the edges of the raster too
            return (samples[::2], (samples.size + 1) // 2) if oversampled else (samples, samples.size)
        duration = ceil(times[-1] - 1e-6)
        if times[0] < 0 or (np.diff(times) <= 0).any() or duration == 0:
            raise text.make_error(row.line, "the times of the pulse do not rise")
        if times[0] == 0 and isclose(times[-1], duration) and (samples == samples[0]).all():
            return samples[:1], duration

        text.take(duration, row.line)
        middles = np.arange(duration) + 0.5

        return np.interp(middles, times, samples.real) + 1j * np.interp(middles, times, samples.imag), duration

    def _read_readout(self, block: Row, start: int) -> Readout | None:
        row = self.text.find_row("ADC", block, "ADC")
        if row is None:
            return None
        middle = start + _as_ps(row["delay"] * 1e-6 + row["samples"] * row["dwell"] * 1e-9 / 2)
        return Readout(block.number, middle, max(LATE, _as_ps(row["dwell"] * 1e-9)), row["phase"])

    def _read_gradient(self, block: Row, axis: str) -> Gradient | None:
        trapezoids = self.text.tables.get("TRAP", {})
        section = "TRAP" if block[axis] in trapezoids else "GRADIENTS"
        row = self.text.find_row(section, block, axis)
        if row is None:
            return None
        if row.number not in self.gradients:
            self.gradients[row.number] = self._read_trapezoid(row) if section == "TRAP" else self._read_free(row)
        return self.gradients[row.number]

    def _read_trapezoid(self, row: Row) -> Gradient:
        time = np.cumsum([row["delay"], row["rise"], row["flat"], row["fall"]]) * 1e-6
        return _make_gradient(self.text, row, time, row["amplitude"] * np.array([0.0, 1.0, 1.0, 0.0]))

    def _read_free(self, row: Row) -> Gradient:
        """Return a gradient of any form; without times its samples are those in the middle of the raster."""
        text, samples = self.text, self.text.expand_shape(row, "shape")
        if row["time"] > 0:
            time = text.expand_shape(row, "time")
            if time.shape != samples.shape:
                raise text.make_error(row.line, "the times of the gradient are not as many as its samples")
        else:
            text.take(samples.size, row.line)
            step = 0.5 if row["time"] == -1 else 1.0
            time = np.concatenate([[0], 0.5 + step * np.arange(samples.size), [samples.size * step + (1 - step)]])
            first, last = _find_ends(row, samples)
            samples = np.concatenate([[first], samples, [last]])
        return _make_gradient(text, row, row["delay"] * 1e-6 + time * self.gradient_raster, row["amplitude"] * samples)


def _find_ends(row: Row, samples: FloatArray) -> tuple[float, float]:
    """Return the first and the last value for an amplitude of 1; version 1.4 does not state them."""
    if "first" not in row.values or row["amplitude"] == 0:
        return samples[0], samples[-1]
    return row["first"] / row["amplitude"], row["last"] / row["amplitude"]


def _make_gradient(text: PulseqText, row: Row, time: FloatArray, value: FloatArray) -> Gradient:
    if (np.diff(time) < 0).any() or time[0] < 0:
        raise text.make_error(row.line, "the times of the gradient do not rise")
    pieces = np.diff(time) * (value[1:] + value[:-1]) / 2
    return Gradient(time, value, np.concatenate([[0.0], np.cumsum(pieces)]))


def _as_ps(time: float) -> int:
    return round(time * PS)


def _shorten(samples: ComplexArray) -> ComplexArray:
    """Return the fewest samples of equal duration that make the same waveform."""
    peak = np.abs(samples).max()
    changes = np.flatnonzero(np.abs(np.diff(samples)) > SAME_SAMPLE * peak) + 1
    return samples[:: int(np.gcd.reduce([samples.size, *changes.tolist()]))]
