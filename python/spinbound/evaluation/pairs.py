"""The work of an evaluation: noise, estimates and their statistics, a few tissues at a time.

A *pair* is one tissue at one SNR. The noise of a pair is a stream of its own: a Philox generator whose key is the
sha256 of the seed, the SNR and the tissue's number. So it depends on nothing else, whoever draws it and with which
others.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import ComplexArray, FloatArray, Progress
from spinbound.tissues.tissue import Tissue
from spinbound.work.chunks import Arrays, VoxelJob, cut

from .adapter import Estimator
from .dataset import ReferenceSet

ROWS = 1 << 14  # signals that the estimator gets at once,
BYTES = 1 << 26  # and how much memory they may fill

Pairs = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Plan:
    """What is asked: estimates of these parameters, from so many realisations of noise at each SNR."""

    names: tuple[str, ...]
    snr: FloatArray  # (S,)
    realizations: int
    seed: int
    random_phase: bool
    period: float  # of omega0

    def rows(self, n_samples: int) -> int:
        """Signals that the estimator gets at once."""
        return max(1, min(ROWS, BYTES // (16 * n_samples)))


@dataclass(frozen=True)
class Chunk:
    """Some pairs, apart from all others."""

    plan: Plan
    estimator: Estimator
    numbers: Pairs  # (m,) of the tissues in the test set
    snr: FloatArray  # (m,)
    signals: ComplexArray  # (m, samples)
    tissue: Tissue  # (m,)

    def __call__(self, threads: int | None, report: Progress | None) -> Arrays:
        """Bias, variance and the number of finite estimates of every parameter, each (m, P)."""
        errors = self._errors(threads)
        is_finite = np.isfinite(errors)
        count = is_finite.sum(axis=-1)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            bias = np.where(is_finite, errors, 0).sum(axis=-1) / count
            spread = np.where(is_finite, errors - bias[..., None], 0)
            variance = np.square(spread).sum(axis=-1) / count
        return {"bias": bias, "variance": variance, "n_finite": count.astype(np.int32)}

    def _errors(self, threads: int | None) -> FloatArray:
        """(m, P, N): realisations last, so that they are summed in the same order in any chunk."""
        plan, m = self.plan, self.numbers.size
        noise = [Noise(plan, snr, number) for snr, number in zip(self.snr, self.numbers, strict=True)]
        errors = np.empty((m, len(plan.names), plan.realizations))
        step = max(1, plan.rows(self.signals.shape[1]) // m)
        for first in range(0, plan.realizations, step):
            part = slice(first, min(first + step, plan.realizations))
            n = part.stop - part.start
            data = np.stack([one.added(signal, n) for one, signal in zip(noise, self.signals, strict=True)])
            rows = np.repeat(np.arange(m), n)
            estimates = self.estimator(data.reshape(m * n, -1), self.tissue[rows], threads)
            errors[..., part] = estimates.reshape(-1, m, n).swapaxes(0, 1)
        return errors_of(errors, self.tissue, plan)


def errors_of(estimates: FloatArray, tissue: Tissue, plan: Plan) -> FloatArray:
    """Estimates (m, P, N) minus the truth, in place; those of omega0 within half a period."""
    with np.errstate(invalid="ignore", over="ignore"):
        for k, name in enumerate(plan.names):
            estimates[:, k] -= true_values(tissue, name)[:, None]
            if name == "omega0":
                estimates[:, k] = modulo(estimates[:, k], plan.period)
    return estimates


def modulo(errors: FloatArray, period: float) -> FloatArray:
    """Errors within half a period."""
    return errors - period * np.round(errors / period) if math.isfinite(period) else errors


def true_values(tissue: Tissue, name: str) -> FloatArray:
    """A parameter of every tissue."""
    return np.broadcast_to(np.asarray(tissue[name], np.float64), tissue.shape)


class Noise:
    """The noise of one pair, realisation after realisation."""

    def __init__(self, plan: Plan, snr: float, number: int) -> None:
        self.sigma = 1 / snr
        self.numbers = _stream(f"{plan.seed} {float(snr)!r} {number}")
        self.phases = _stream(f"{plan.seed} {float(snr)!r} {number} phase") if plan.random_phase else None

    def added(self, signal: ComplexArray, n: int) -> ComplexArray:
        """(n, samples) the next n realisations of the data of a signal (samples,) of M0 = 1, or of random phase."""
        data = self.sigma * self.numbers.standard_normal((n, 2 * signal.size)).view(np.complex128)
        M0 = 1.0 if self.phases is None else np.exp(2j * np.pi * self.phases.random((n, 1)))
        data += M0 * signal
        return data


def _stream(words: str) -> np.random.Generator:
    key = int.from_bytes(hashlib.sha256(words.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def job_of(
    data: ReferenceSet,
    plan: Plan,
    estimator: Estimator,
    folder: Path | None,
    take: Callable[[Pairs, Pairs, Arrays], object],
) -> VoxelJob:
    """All valid tissues at each SNR in turn; `take` gets indices of SNRs and of tissues, and their results."""
    valid = np.flatnonzero(data.valid)

    def places(pairs: slice) -> tuple[Pairs, Pairs]:
        level, place = np.divmod(np.arange(pairs.start, pairs.stop), valid.size)
        return level, valid[place]

    def chunk(pairs: slice) -> Chunk:
        level, rows = places(pairs)
        return Chunk(plan, estimator, rows, plan.snr[level], data.signals[rows], data.tissue[rows])

    def layout(n: int) -> Arrays:
        shape = (n, len(plan.names))
        return {"bias": np.empty(shape), "variance": np.empty(shape), "n_finite": np.empty(shape, np.int32)}

    size = max(1, plan.rows(data.n_samples) // plan.realizations)
    return VoxelJob(
        sizes=cut(valid.size * plan.snr.size, size),
        compute=chunk,
        layout=layout,
        take=lambda pairs, results: take(*places(pairs), results),
        folder=folder,
    )
