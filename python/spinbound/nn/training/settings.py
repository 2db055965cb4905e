"""The settings of a training: its steps, their sizes, and its device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import cos, inf, pi
from typing import Any

import torch

from spinbound.base.checks import as_count, as_instance, as_one_of, as_positive
from spinbound.base.errors import InvalidParameter
from spinbound.nn.noise import Noise

WARM_UP = 0.02  # share of a cosine schedule, by whose end Adam knows the size of the gradients
SCHEDULES = ("halving", "cosine")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The options of `train`, checked."""

    noise: Noise
    epochs: int
    batch: int
    learning_rate: float
    halve_every: int
    schedule: str
    clip: float | None
    seed: int
    device: torch.device
    mixed_precision: bool
    compile: bool

    def __post_init__(self) -> None:
        as_instance("noise", self.noise, Noise)
        for name, low in (("epochs", 1), ("batch", 1), ("halve_every", 1), ("seed", 0)):
            as_count(name, getattr(self, name), low)
        for name in ("learning_rate", "clip"):
            if (value := getattr(self, name)) is not None:
                as_positive(name, value)
        as_one_of("schedule", self.schedule, SCHEDULES)
        for name in ("mixed_precision", "compile"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidParameter(f"{name} is {getattr(self, name)!r}; allowed: True, False")
        if self.mixed_precision and self.device.type != "cuda":
            raise InvalidParameter(f"mixed_precision needs a GPU; the device is {self.device}")

    def describe(self) -> dict[str, Any]:
        """Describe the settings that the curve depends on: not the device, nor the epochs if no step does."""
        settings = asdict(self) | {"noise": self.noise.describe()}
        apart = ("device", "compile", *(("epochs",) if self.schedule == "halving" else ("halve_every",)))
        return {name: value for name, value in settings.items() if name not in apart}

    def rate(self, done: float) -> float:
        """Return the learning rate when so many epochs are done."""
        return self.learning_rate * FACTORS[self.schedule](self, done)

    @property
    def largest_norm(self) -> float:
        """The largest norm of a gradient; longer gradients are shortened."""
        return inf if self.clip is None else self.clip


def _halve(settings: TrainingSettings, done: float) -> float:
    return 0.5 ** (int(done) // settings.halve_every)


def _follow_cosine(settings: TrainingSettings, done: float) -> float:
    """Rise linearly for a short time, then follow half a period of a cosine down to 0."""
    share = done / settings.epochs
    if share < WARM_UP:
        return max(share, 1e-3 * WARM_UP) / WARM_UP
    return (1 + cos(pi * (share - WARM_UP) / (1 - WARM_UP))) / 2


FACTORS: dict[str, Callable[[TrainingSettings, float], float]] = {"halving": _halve, "cosine": _follow_cosine}
