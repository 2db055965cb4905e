"""The loop of a training: steps of an epoch, and the losses of a validation."""

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
from spinbound.nn.noise import generator_of

from .data import Samples
from .settings import Settings

VALIDATED = 4096  # samples at a time
MOST_SKIPPED = 10  # steps in a row

Done = Callable[[int], object]  # steps of the epoch that are done


@dataclass(frozen=True)
class OnDevice:
    """Samples where the network is, in its precision; complex numbers in parts."""

    real: Tensor
    imag: Tensor
    truth: Tensor
    crb: Tensor

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: Tensor | slice) -> OnDevice:
        """Some of them."""
        return OnDevice(self.real[rows], self.imag[rows], self.truth[rows], self.crb[rows])


def on_device(samples: Samples, like: Tensor) -> OnDevice:
    """Samples beside a tensor, in its precision.

    Raises
    ------
    InvalidData
        If most bounds are of no use.
    """
    refuse_masked(1 - is_usable(samples.crb).double().mean().item())
    parts = samples.signals.real, samples.signals.imag, samples.truth, samples.crb
    return OnDevice(*(part.to(like).contiguous() for part in parts))


def refuse_masked(share: float) -> None:
    """Refuse to learn where most entries of the loss are left out."""
    if share > 0.5:
        raise InvalidData(
            f"{100 * share:.0f} % of the entries of the loss have no usable bound; allowed: half of them. Are all "
            "parameters identifiable in these tissues?"
        )


class Loop:
    """What takes the steps: the network, its loss and the optimiser."""

    def __init__(self, estimator: Estimator, loss: Loss, settings: Settings) -> None:
        self.estimator, self.loss, self.settings = estimator, loss, settings
        self.parameters = [parameter for parameter in estimator.parameters() if parameter.requires_grad]
        self.optimiser = torch.optim.Adam(self.parameters, settings.learning_rate, fused=True)
        compute = self._in_mixed_precision if settings.mixed_precision else estimator.from_parts
        self._estimated = torch.compile(compute, fullgraph=True) if settings.compile else compute
        self._skipped = 0  # in a row

    def epoch(self, number: int, samples: OnDevice, done: Done) -> tuple[float, int, float]:
        """Take the steps of an epoch, counted from 0; returns its loss, its skipped steps and its masked share."""
        settings, n = self.settings, len(samples)
        batch, n_steps = min(settings.batch, n), self.n_steps(n)
        words = settings.seed, number
        order = torch.randperm(n, generator=generator_of("cpu", *words, "order")).to(settings.device)
        generator = generator_of(settings.device, *words, "noise")
        total, skipped = torch.zeros(2, dtype=torch.float64, device=settings.device), 0
        masked = torch.zeros_like(self.loss.masked)
        for step, rows in enumerate(order[: n_steps * batch].reshape(n_steps, batch)):
            self._set_rate(settings.rate(number + step / n_steps))
            value = self._value(samples.take(rows), generator, self.loss)
            if self._step(value):
                total += torch.stack([value.detach(), torch.ones_like(value)])
            else:
                skipped += 1
            masked = masked + self.loss.masked
            done(step + 1)
        loss, steps = total.tolist()
        entries = n_steps * batch * len(self.estimator.names)
        return loss / steps if steps else nan, skipped, float(masked) / entries

    def n_steps(self, n: int) -> int:
        """Of an epoch of n samples; those that do not fill a batch are left for another, in a new order."""
        return max(n // self.settings.batch, 1)

    def _set_rate(self, rate: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def _value(self, samples: OnDevice, generator: torch.Generator, loss: Loss) -> Tensor:
        """The loss of some samples with new scales and noise."""
        noise = self.settings.noise
        real, imag, M0 = noise.applied(samples.real, samples.imag, generator, loss.realizations)
        return loss(self._estimated(real, imag), samples.truth, samples.crb, M0, noise.sigma)

    def _in_mixed_precision(self, real: Tensor, imag: Tensor) -> Tensor:
        """The estimates; inputs and outputs, whose digits are those of the estimates, in single precision."""
        network, inputs = self.estimator.network, self.estimator.inputs(real, imag)
        with torch.autocast(self.settings.device.type, torch.bfloat16):
            hidden = network.hidden(inputs)
        return self.estimator.scaled(network.output(hidden.to(inputs.dtype)))

    def _step(self, value: Tensor) -> bool:
        """Go down the gradient, unless it is not finite.

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
    def validated(self, samples: OnDevice) -> tuple[float, float]:
        """The loss and the CRB loss of samples, with the same noise whenever it is called."""
        losses = [self.loss] if isinstance(self.loss, CRBLoss) else [self.loss, CRBLoss()]
        means = [_mean(self._parts(samples, loss)) for loss in losses]
        return means[0], means[-1]

    def _parts(self, samples: OnDevice, loss: Loss) -> Iterator[tuple[Tensor, Tensor]]:
        """Of some samples at a time, the loss and the entries that it is the mean of."""
        generator = generator_of(self.settings.device, self.settings.seed, "validation")
        for start in range(0, len(samples), VALIDATED):
            part = samples.take(slice(start, start + VALIDATED))
            value = self._value(part, generator, loss)
            yield value.double(), part.truth.numel() - loss.masked


def _mean(parts: Iterator[tuple[Tensor, Tensor]]) -> float:
    sums = [torch.stack([value * entries, entries.to(value)]) for value, entries in parts]
    weighted, entries = torch.stack(sums).sum(dim=0).tolist()
    return weighted / entries if entries else nan
