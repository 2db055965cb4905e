"""The loop of a training: the steps of an epoch, and the losses of a validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from spinbound.base.errors import InvalidData
from spinbound.nn.estimator import Estimator
from spinbound.nn.loss import CRBLoss, Loss, is_usable
from spinbound.nn.noise import make_generator

from .data import Samples
from .settings import TrainingSettings

VALIDATED = 4096  # samples of a validation at a time
MOST_SKIPPED = 10  # skipped steps in a row

Done = Callable[[int], object]  # takes the number of steps of the epoch that are done


@dataclass(frozen=True)
class DeviceSamples:
    """Samples on the device of the network, in its precision, with real and imaginary parts apart."""

    real: Tensor
    imag: Tensor
    truth: Tensor
    crb: Tensor

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: Tensor | slice) -> DeviceSamples:
        """Return some of the samples."""
        return DeviceSamples(self.real[rows], self.imag[rows], self.truth[rows], self.crb[rows])


def move_to_device(samples: Samples, like: Tensor) -> DeviceSamples:
    """Move samples to the device of a tensor, in its precision.

    Raises
    ------
    InvalidData
        If most bounds are not usable.
    """
    masked = 1 - is_usable(samples.crb).double().mean().item()
    if masked > 0.5:
        raise InvalidData(
            f"{100 * masked:.0f} % of the entries of the loss have no usable bound; allowed: half of them. Are all "
            "parameters identifiable in these tissues?"
        )
    parts = samples.signals.real, samples.signals.imag, samples.truth, samples.crb
    return DeviceSamples(*(part.to(like).contiguous() for part in parts))


class Loop:
    """The steps of a training, with the network, its loss and the optimiser."""

    def __init__(self, estimator: Estimator, loss: Loss, settings: TrainingSettings) -> None:
        self.estimator, self.loss, self.settings = estimator, loss, settings
        self.parameters = [parameter for parameter in estimator.parameters() if parameter.requires_grad]
        self.optimiser = torch.optim.Adam(self.parameters, settings.learning_rate, fused=True)
        compute = self._estimate_mixed if settings.mixed_precision else estimator.from_parts
        self._estimate = torch.compile(compute, fullgraph=True) if settings.compile else compute
        self._skipped = 0  # in a row

    def run_epoch(self, number: int, samples: DeviceSamples, done: Done) -> tuple[float, int, float]:
        """Take the steps of an epoch, counted from 0; return its loss, its skipped steps and its masked share."""
        settings, n = self.settings, len(samples)
        batch, n_steps = min(settings.batch, n), self.count_steps(n)
        words = settings.seed, number
        order = torch.randperm(n, generator=make_generator("cpu", *words, "order")).to(settings.device)
        generator = make_generator(settings.device, *words, "noise")
        total, skipped = torch.zeros(2, dtype=torch.float64, device=settings.device), 0
        masked = torch.zeros_like(self.loss.masked)

        for step, rows in enumerate(order[: n_steps * batch].reshape(n_steps, batch)):
            for group in self.optimiser.param_groups:
                group["lr"] = settings.rate(number + step / n_steps)
            value = self._compute_loss(samples.take(rows), generator, self.loss)
            if self._take_step(value):
                total += torch.stack([value.detach(), torch.ones_like(value)])
            else:
                skipped += 1
            masked = masked + self.loss.masked
            done(step + 1)

        loss, steps = total.tolist()
        entries = n_steps * batch * len(self.estimator.names)
        return loss / steps if steps else nan, skipped, float(masked) / entries

    def count_steps(self, n: int) -> int:
        """Count the steps of an epoch of n samples; samples that fill no batch wait for another, in a new order."""
        return max(n // self.settings.batch, 1)

    def _compute_loss(self, samples: DeviceSamples, generator: torch.Generator, loss: Loss) -> Tensor:
        """Return the loss of some samples with new scales and noise."""
        noise = self.settings.noise
        real, imag, M0 = noise.apply(samples.real, samples.imag, generator, loss.realizations)
        return loss(self._estimate(real, imag), samples.truth, samples.crb, M0, noise.sigma)

    def _estimate_mixed(self, real: Tensor, imag: Tensor) -> Tensor:
        """Return the estimates; inputs and outputs, which limit their digits, stay in single precision."""
        network, inputs = self.estimator.network, self.estimator.inputs(real, imag)
        with torch.autocast(self.settings.device.type, torch.bfloat16):
            hidden = network.hidden(inputs)
        return self.estimator.scale_outputs(network.output(hidden.to(inputs.dtype)))

    def _take_step(self, value: Tensor) -> bool:
        """Take a step down the gradient, unless it is not finite; say whether it was taken.

        Raises
        ------
        InvalidData
            After ten steps in a row that could not be taken; the weights are those before them.
        """
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(value)
        norm = clip_grad_norm_(self.parameters, self.settings.largest_norm)
        if not torch.isfinite(norm):
            self._skipped += 1
            if self._skipped == MOST_SKIPPED:
                raise InvalidData(
                    f"the gradient was not finite in {MOST_SKIPPED} steps in a row; the weights are those before them. "
                    "Is the learning rate too large?"
                )
            return False
        self._skipped = 0
        self.optimiser.step()
        return True

    @torch.no_grad()
    def validate(self, samples: DeviceSamples) -> tuple[float, float]:
        """Return the loss and the CRB loss of samples, with the same noise in every call."""
        losses = [self.loss] if isinstance(self.loss, CRBLoss) else [self.loss, CRBLoss()]
        means = [_average(self._iterate_losses(samples, loss)) for loss in losses]
        return means[0], means[-1]

    def _iterate_losses(self, samples: DeviceSamples, loss: Loss) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield, for some samples at a time, the loss and the number of entries that it is the mean of."""
        generator = make_generator(self.settings.device, self.settings.seed, "validation")
        for start in range(0, len(samples), VALIDATED):
            batch = samples.take(slice(start, start + VALIDATED))
            value = self._compute_loss(batch, generator, loss)
            yield value.double(), batch.truth.numel() - loss.masked


def _average(losses: Iterator[tuple[Tensor, Tensor]]) -> float:
    sums = [torch.stack([value * entries, entries.to(value)]) for value, entries in losses]
    weighted, entries = torch.stack(sums).sum(dim=0).tolist()
    return weighted / entries if entries else nan
