"""Random scale, phase and noise for the signals of a training, new in each epoch (arXiv 2109.10535, section 2.4)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import pi
from typing import Any

import torch
from torch import Tensor

from spinbound.base.checks import as_number, as_pair, as_positive
from spinbound.base.errors import InvalidParameter


@dataclass(frozen=True)
class Noise:
    """The law of scale and noise: ``|M0|`` and the phase of M0 are uniform, the noise is normal.

    Parameters
    ----------
    sigma
        Standard deviation in the real and in the imaginary part each, > 0.
    M0
        The least and the largest magnitude.

    Raises
    ------
    InvalidParameter
        If sigma is not positive, or M0 not a pair 0 < low <= high.

    Examples
    --------
    >>> import torch
    >>> from spinbound import nn
    >>> nn.Noise(sigma=0.01, M0=(0.1, 1)).snr
    (10.0, 100.0)
    >>> signals = torch.ones(5, 13), torch.zeros(5, 13)
    >>> real, imag, M0 = nn.Noise().apply(*signals, torch.Generator().manual_seed(0))
    >>> real.shape, M0.shape
    (torch.Size([5, 13]), torch.Size([5]))
    """

    sigma: float = 0.01
    M0: tuple[float, float] = (0.1, 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", as_positive("sigma", self.sigma))
        low, high = (as_number("M0", limit) for limit in as_pair("M0", self.M0, "low, high"))
        if not 0 < low <= high:
            raise InvalidParameter(f"M0 is ({low:g}, {high:g}); allowed: 0 < low <= high")
        object.__setattr__(self, "M0", (low, high))

    @property
    def snr(self) -> tuple[float, float]:
        """The least and the largest ``|M0|/sigma``."""
        return self.M0[0] / self.sigma, self.M0[1] / self.sigma

    def describe(self) -> dict[str, Any]:
        """Describe the law as plain numbers."""
        return {"sigma": self.sigma, "M0": list(self.M0)}

    def apply(
        self, real: Tensor, imag: Tensor, generator: torch.Generator, realizations: int = 1
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the signals with a random M0 and noise, and ``|M0|``.

        Parameters
        ----------
        real, imag : (n, samples)
            Parts of the signals for M0 = 1.
        generator
            A generator on the device of the signals.
        realizations
            Realisations of the noise per signal, which share its M0. If more than one, they are the first axis.

        Returns
        -------
        real, imag : (n, samples) or (realizations, n, samples)
        M0 : (n,)
            Its magnitude.
        """
        options: dict[str, Any] = {"generator": generator, "device": real.device, "dtype": real.dtype}
        low, high = self.M0
        uniform = torch.rand((2, len(real), 1), **options)
        M0, phase = low + (high - low) * uniform[0], 2 * pi * uniform[1]

        turned = M0 * phase.cos(), M0 * phase.sin()
        leading = () if realizations == 1 else (realizations,)
        noise = self.sigma * torch.randn((2, *leading, *real.shape), **options)
        noisy_real = noise[0] + (turned[0] * real - turned[1] * imag)

        return noisy_real, noise[1] + (turned[0] * imag + turned[1] * real), M0[:, 0]


def make_generator(device: torch.device | str, *words: object) -> torch.Generator:
    """Make a generator whose seed is the hash of the words, so that a resumed run needs no stored state."""
    seed = int.from_bytes(hashlib.sha256(" ".join(map(str, words)).encode()).digest()[:8], "little")
    return torch.Generator(device).manual_seed(seed >> 1)
