"""The work of an evaluation: noise, estimates and their statistics, a few tissues at a time.

A *pair* is one tissue at one SNR. Every pair has its own stream of noise: a Philox generator whose key is the
sha256 of the seed, the SNR and the tissue's number. So the noise depends on nothing else, neither on the process that
draws it nor on other pairs.
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

from .adapter import Adapter
from .dataset import ReferenceSet

ROWS = 1 << 14  # largest number of signals that the estimator gets in one call
BYTES = 1 << 26  # largest memory that they fill

Pairs = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Plan:
    """The task: parameters to estimate, levels of the SNR, and realisations of noise at each."""

    names: tuple[str, ...]
    snr: FloatArray  # (S,)
    realizations: int
    seed: int
    random_phase: bool
    period: float  # of omega0
    coloring: ComplexArray | None = None  # L of the noise's covariance L L^H at SNR 1; None: white

    def rows(self, n_samples: int) -> int:
        """Return the number of signals that the estimator gets in one call."""
        return max(1, min(ROWS, BYTES // (16 * n_samples)))


@dataclass(frozen=True)
class NoisyPairs:
    """Some pairs, whose results depend on no other pairs."""

    plan: Plan
    estimator: Adapter
    numbers: Pairs  # (m,) of the tissues in the reference set
    snr: FloatArray  # (m,)
    signals: ComplexArray  # (m, samples)
    tissue: Tissue  # (m,)

    def __call__(self, threads: int | None, _progress: Progress | None) -> Arrays:
        """Compute bias, variance and the number of finite estimates of every parameter, each (m, P)."""
        errors = self._errors(threads)
        is_finite = np.isfinite(errors)
        count = is_finite.sum(axis=-1)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            bias = np.where(is_finite, errors, 0).sum(axis=-1) / count
            spread = np.where(is_finite, errors - bias[..., None], 0)
            variance = np.square(spread).sum(axis=-1) / count
        return {"bias": bias, "variance": variance, "n_finite": count.astype(np.int32)}

    def _errors(self, threads: int | None) -> FloatArray:
        """Compute errors (m, P, N): realisations last, so that any chunk sums them in the same order."""
        plan, m = self.plan, self.numbers.size
        noise = [NoiseStream(plan, snr, number) for snr, number in zip(self.snr, self.numbers, strict=True)]

        errors = np.empty((m, len(plan.names), plan.realizations))
        step = max(1, plan.rows(self.signals.shape[1]) // m)
        for first in range(0, plan.realizations, step):
            draws = slice(first, min(first + step, plan.realizations))
            n = draws.stop - draws.start
            data = np.stack([one.add_noise(signal, n) for one, signal in zip(noise, self.signals, strict=True)])
            rows = np.repeat(np.arange(m), n)
            estimates = self.estimator(data.reshape(m * n, -1), self.tissue[rows], threads)
            errors[..., draws] = estimates.reshape(-1, m, n).swapaxes(0, 1)
        return subtract_truth(errors, self.tissue, plan)


def subtract_truth(estimates: FloatArray, tissue: Tissue, plan: Plan) -> FloatArray:
    """Subtract the truth from estimates (m, P, N), in place; errors of omega0 lie within half a period."""
    with np.errstate(invalid="ignore", over="ignore"):
        for k, name in enumerate(plan.names):
            estimates[:, k] -= true_values(tissue, name)[:, None]
            if name == "omega0":
                estimates[:, k] = modulo(estimates[:, k], plan.period)
    return estimates


def modulo(errors: FloatArray, period: float) -> FloatArray:
    """Return errors within half a period."""
    return errors - period * np.round(errors / period) if math.isfinite(period) else errors


def true_values(tissue: Tissue, name: str) -> FloatArray:
    """Return a parameter of every tissue."""
    return np.broadcast_to(np.asarray(tissue[name], np.float64), tissue.shape)


class NoiseStream:
    """The noise of one pair, realisation after realisation."""

    def __init__(self, plan: Plan, snr: float, number: int) -> None:
        self.sigma, self.coloring = 1 / snr, plan.coloring
        self.numbers = _make_stream(f"{plan.seed} {float(snr)!r} {number}")
        self.phases = _make_stream(f"{plan.seed} {float(snr)!r} {number} phase") if plan.random_phase else None

    def add_noise(self, signal: ComplexArray, n: int) -> ComplexArray:
        """Return the next n realisations (n, samples) of data: a signal (samples,) of M0 = 1 or of random phase."""
        data = self.sigma * self.numbers.standard_normal((n, 2 * signal.size)).view(np.complex128)
        if self.coloring is not None:
            data = data @ self.coloring.T
        M0 = 1.0 if self.phases is None else np.exp(2j * np.pi * self.phases.random((n, 1)))
        data += M0 * signal
        return data


def _make_stream(words: str) -> np.random.Generator:
    key = int.from_bytes(hashlib.sha256(words.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def make_job(
    data: ReferenceSet,
    plan: Plan,
    estimator: Adapter,
    folder: Path | None,
    take: Callable[[Pairs, Pairs, Arrays], object],
) -> VoxelJob:
    """Make the job for all valid tissues at each SNR; `take` gets indices of SNRs and tissues, and their results."""
    valid = np.flatnonzero(data.valid)

    def find_places(pairs: slice) -> tuple[Pairs, Pairs]:
        level, place = np.divmod(np.arange(pairs.start, pairs.stop), valid.size)
        return level, valid[place]

    def make_pairs(pairs: slice) -> NoisyPairs:
        level, rows = find_places(pairs)
        return NoisyPairs(plan, estimator, rows, plan.snr[level], data.signals[rows], data.tissue[rows])

    def make_layout(n: int) -> Arrays:
        shape = (n, len(plan.names))
        return {"bias": np.empty(shape), "variance": np.empty(shape), "n_finite": np.empty(shape, np.int32)}

    size = max(1, plan.rows(data.n_samples) // plan.realizations)
    return VoxelJob(
        sizes=cut(valid.size * plan.snr.size, size),
        compute=make_pairs,
        layout=make_layout,
        take=lambda pairs, results: take(*find_places(pairs), results),
        folder=folder,
    )
