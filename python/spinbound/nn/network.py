"""Fully connected networks, described by the widths of their layers and the skip connections between them.

Layer k = 1, 2, ... computes

    a_k = W_k h_(k-1) + b_k + sum of a_j over the skips (j, k),    h_k = ReLU(normalised a_k),

with a_0 = h_0 the inputs, and the output layer gives W h + b of the last h. Channels are normalised in groups, each to
mean 0 and variance 1 within one sample.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import GroupNorm, Linear, Module, ModuleList
from torch.nn.functional import layer_norm

from spinbound.base.checks import as_count
from spinbound.base.errors import InvalidParameter

GROUP = 16  # least channels of a group: the mean and variance of fewer are too uncertain


@dataclass(frozen=True)
class Architecture:
    """Widths of the fully connected layers before the output, and skip connections between them.

    Parameters
    ----------
    widths
        Number of channels of every layer.
    skips
        Pairs (from, to) of layers, counted from 1; 0 stands for the inputs. The values of layer `from` before its
        normalisation are added to those of layer `to` before its normalisation, so both must have the same width.
    n_inputs
        Number of real inputs: twice the rank of the basis.

    Raises
    ------
    InvalidParameter
        If a width is not positive, or a skip goes back, leaves the network, or joins different widths.

    Examples
    --------
    >>> from spinbound import nn
    >>> nn.Architecture((64, 64, 64), skips=((1, 3),), n_inputs=26).n_parameters(3)
    10627
    >>> nn.Architecture.paper().n_parameters(3)
    2683923
    """

    widths: tuple[int, ...]
    skips: tuple[tuple[int, int], ...] = field(default=())
    n_inputs: int = 26

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_inputs", as_count("n_inputs", self.n_inputs, 1))
        object.__setattr__(self, "widths", tuple(as_count("a width", width, 1) for width in self.widths))
        object.__setattr__(self, "skips", tuple(self._as_skip(skip) for skip in self.skips))
        if not self.widths:
            raise InvalidParameter("widths is empty; give at least one layer")

    def _as_skip(self, skip: Iterable[int]) -> tuple[int, int]:
        pair = tuple(skip) if isinstance(skip, Iterable) else (skip,)
        if len(pair) != 2:
            raise InvalidParameter(f"a skip is {skip!r}; allowed: a pair (from, to) of layers")
        source, target = (as_count("a layer of a skip", layer, 0) for layer in pair)
        if not source < target <= len(self.widths):
            raise InvalidParameter(
                f"a skip goes from layer {source} to {target}; allowed: forwards, 0 to {len(self.widths)}"
            )
        channels = (self.n_inputs, *self.widths)
        if channels[source] != channels[target]:
            raise InvalidParameter(
                f"a skip from layer {source} to {target} joins {channels[source]} and {channels[target]} channels; "
                "they must be as many"
            )
        return source, target

    @classmethod
    def paper(cls, rank: int = 13) -> Architecture:
        """Return the architecture of the CRB-weighted loss paper, for coefficients of a basis of the given rank.

        References
        ----------
        X. Zhang et al., arXiv 2109.10535, section 2.5; the widths and skips are those of the code of its authors.
        """
        widths = (128, 256, 512, 1024, 768, 640, 512, 384, 256, 192, 128, 2 * rank, 10, 6)
        return cls(widths, ((3, 7), (2, 9), (1, 11), (0, 12)), 2 * rank)

    @classmethod
    def small(cls, rank: int = 13) -> Architecture:
        """Return one that two cores train in minutes: a layer of 128 channels, then six in residual steps of two."""
        return cls((128,) * 7, ((1, 3), (3, 5), (5, 7)), 2 * rank)

    def describe(self) -> dict[str, Any]:
        """Describe the architecture as plain numbers."""
        return {"widths": list(self.widths), "skips": [list(skip) for skip in self.skips], "n_inputs": self.n_inputs}

    def n_parameters(self, n_outputs: int) -> int:
        """Count the numbers that a network of this architecture learns."""
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in Network(self, n_outputs).parameters())


def count_groups(width: int) -> int:
    """Return the largest number of equal groups with at least 16 channels each; 1 where there are fewer channels."""
    return next((groups for groups in range(width // GROUP, 1, -1) if width % groups == 0), 1)


class FastGroupNorm(GroupNorm):
    """Group normalisation of channels without spatial axes, by layer_norm: equal to rounding, 2-3 times as fast."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise each group of (n, channels) to mean 0 and variance 1 in each sample, then scale and shift it."""
        groups = inputs.reshape(*inputs.shape[:-1], self.num_groups, -1)
        normal = layer_norm(groups, groups.shape[-1:], eps=self.eps).flatten(-2)
        return torch.addcmul(self.bias, normal, self.weight)


class Network(Module):
    """A network from real inputs (..., n_inputs) to outputs (..., n_outputs).

    Parameters
    ----------
    architecture
        The layers.
    n_outputs
        Width of the output layer.

    Raises
    ------
    InvalidParameter
        If n_outputs is not a positive integer.

    Examples
    --------
    >>> import torch
    >>> from spinbound import nn
    >>> network = nn.Network(nn.Architecture.small(), 3)
    >>> network(torch.ones(5, 26)).shape
    torch.Size([5, 3])
    """

    def __init__(self, architecture: Architecture, n_outputs: int) -> None:
        super().__init__()
        self.architecture = architecture
        widths = architecture.widths
        channels = (architecture.n_inputs, *widths)
        self.layers = ModuleList(Linear(*pair) for pair in zip(channels, widths, strict=False))
        self.norms = ModuleList(FastGroupNorm(count_groups(width), width) for width in widths)
        self.output = Linear(widths[-1], as_count("n_outputs", n_outputs, 1))
        self._sources = [[j for j, to in architecture.skips if to == k] for k in range(1, len(widths) + 1)]

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs (..., n_outputs)."""
        return self.output(self.hidden(inputs))

    def hidden(self, inputs: Tensor) -> Tensor:
        """Return the values of the last layer before the output, for inputs (..., n_inputs)."""
        hidden = inputs.reshape(-1, inputs.shape[-1])
        sums = [hidden]
        for layer, norm, sources in zip(self.layers, self.norms, self._sources, strict=True):
            added = layer(hidden)
            for source in sources:
                added = added + sums[source]
            sums.append(added)
            hidden = torch.relu(norm(added))
        return hidden.reshape(*inputs.shape[:-1], -1)
