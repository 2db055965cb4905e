"""How a training runs: its steps, their sizes, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import cos, inf, pi
from typing import Any

import torch

from spinbound.base.checks import as_count, as_instance, as_one_of, as_positive
from spinbound.base.errors import InvalidParameter
from spinbound.nn.noise import Noise

WARM_UP = 0.02  # of a cosine: by then Adam knows the size of the gradients
SCHEDULES = ("halving", "cosine")


@dataclass(frozen=True, kw_only=True)
class Settings:
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

    def described(self) -> dict[str, Any]:
        """What the curve of a training depends on: not where it runs, nor how far where all steps are the same."""
        settings = asdict(self) | {"noise": self.noise.described()}
        apart = ("device", "compile", *(("epochs",) if self.schedule == "halving" else ("halve_every",)))
        return {name: value for name, value in settings.items() if name not in apart}

    def rate(self, done: float) -> float:
        """The learning rate when so many epochs are done."""
        return self.learning_rate * FACTORS[self.schedule](self, done)

    @property
    def largest_norm(self) -> float:
        """Of a gradient; beyond it is shortened."""
        return inf if self.clip is None else self.clip


def _halving(settings: Settings, done: float) -> float:
    return 0.5 ** (int(done) // settings.halve_every)


def _cosine(settings: Settings, done: float) -> float:
    """A short linear rise, then half a period of a cosine down to 0."""
    share = done / settings.epochs
    if share < WARM_UP:
        return max(share, 1e-3 * WARM_UP) / WARM_UP
    return (1 + cos(pi * (share - WARM_UP) / (1 - WARM_UP))) / 2


FACTORS: dict[str, Callable[[Settings, float], float]] = {"halving": _halving, "cosine": _cosine}
