"""Losses of estimates in units of their Cramér-Rao bounds, and other losses for comparison.

All losses take estimate, truth and crb of shape (..., P_e) in SI units, one column for each estimated parameter, and
the scale and the noise (...) of the realisation. Bounds hold for M0 = 1 and sigma = 1 unless M0 and sigma are given:
the bound of a realisation is crb (sigma/|M0|)^2 (docs/guides/learning.md). The estimates may have one leading axis
more than the truth, for the realisations of the noise.

An entry whose bound is infinite, NaN or not positive says nothing about the estimator: it is counted in `masked` and
enters neither the mean nor a gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from spinbound.base.checks import as_count, as_number, as_positive
from spinbound.base.errors import InvalidData, InvalidParameter

Scale = Tensor | complex | None


class Loss(nn.Module):
    """The base of all losses: it counts masked entries and knows how many realisations of the noise it needs.

    Attributes
    ----------
    masked : Tensor
        Number of entries that the last call has left out.
    realizations : int
        Number of realisations of the noise that a training draws for each sample.
    """

    masked: Tensor
    realizations = 1

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("masked", torch.zeros((), dtype=torch.int64), persistent=False)

    def _average(self, values: Tensor, usable: Tensor) -> Tensor:
        """Return the mean of the usable values, where all others are 0; return 0 if none is usable."""
        self.masked = usable.numel() - usable.sum()
        return values.sum() / usable.sum().clamp(min=1)


class CRBLoss(Loss):
    """Squared errors in units of their Cramér-Rao bounds: 1 for an estimator that is unbiased and efficient.

    The mean of ``(estimate - truth)^2 / (crb (sigma/|M0|)^2)`` over all parameters and samples.

    Examples
    --------
    >>> import torch
    >>> from spinbound import nn
    >>> truth, crb = torch.tensor([[0.1, 1.2]]), torch.tensor([[1.0, 400.0]])
    >>> nn.CRBLoss()(truth + torch.tensor([[0.01, -0.4]]), truth, crb, M0=1.0, sigma=0.01)
    tensor(2.5000)

    References
    ----------
    X. Zhang et al., arXiv 2109.10535, eq. (1).
    """

    def forward(
        self, estimate: Tensor, truth: Tensor, crb: Tensor | None, M0: Scale = None, sigma: Scale = None
    ) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        estimate, truth : (..., P_e)
            Estimated and true parameters in SI units.
        crb : (..., P_e)
            Bounds for M0 = 1 and sigma = 1, in SI units squared.
        M0, sigma : () or (...)
            Scale and noise of each sample; 1 unless given.

        Returns
        -------
        Tensor
            The loss, of no dimension and without unit.

        Raises
        ------
        InvalidData
            If the shapes do not fit each other.
        """
        bound = scale_bounds(estimate, truth, crb, M0, sigma)
        usable = is_usable(bound).expand(estimate.shape)
        error = torch.where(usable, estimate - truth, 0)
        return self._average(error.square() / torch.where(usable, bound, 1), usable)


class MSELoss(Loss):
    """Mean squared error in SI units squared, as in the comparison of the paper; the bounds do not count.

    Examples
    --------
    >>> import torch
    >>> from spinbound import nn
    >>> nn.MSELoss()(torch.tensor([[0.1, 1.0]]), torch.tensor([[0.1, 1.2]]))
    tensor(0.0200)
    """

    def forward(
        self, estimate: Tensor, truth: Tensor, crb: Tensor | None = None, M0: Scale = None, sigma: Scale = None
    ) -> Tensor:
        """Return the loss; crb, M0 and sigma do not count.

        Parameters
        ----------
        estimate, truth : (..., P_e)
            Estimated and true parameters in SI units.
        crb, M0, sigma
            They are accepted, because all losses are called alike.

        Returns
        -------
        Tensor
            The loss, of no dimension; in SI units squared.

        Raises
        ------
        InvalidData
            If the shapes do not fit each other.
        """
        del crb, M0, sigma
        check_shapes(estimate, truth)
        return (estimate - truth).square().mean()


class RelativeLoss(Loss):
    """Mean relative absolute error ``|estimate - truth|/|truth|``; where the truth is 0, entries are masked.

    Examples
    --------
    >>> import torch
    >>> from spinbound import nn
    >>> nn.RelativeLoss()(torch.tensor([[0.1, 1.0]]), torch.tensor([[0.0, 2.0]]))
    tensor(0.5000)
    """

    def forward(
        self, estimate: Tensor, truth: Tensor, crb: Tensor | None = None, M0: Scale = None, sigma: Scale = None
    ) -> Tensor:
        """Return the loss; crb, M0 and sigma do not count.

        Parameters
        ----------
        estimate, truth : (..., P_e)
            Estimated and true parameters in SI units.
        crb, M0, sigma
            They are accepted, because all losses are called alike.

        Returns
        -------
        Tensor
            The loss, of no dimension and without unit.

        Raises
        ------
        InvalidData
            If the shapes do not fit each other.
        """
        del crb, M0, sigma
        check_shapes(estimate, truth)
        usable = (truth != 0).expand(estimate.shape)
        error = torch.where(usable, estimate - truth, 0)
        return self._average(error.abs() / torch.where(usable, truth, 1).abs(), usable)


class BiasConstrainedLoss(Loss):
    """Bias and variance over repeated noise, weighed separately in units of the bound.

    With the mean m and the variance v (of weight 1/R) of the estimates of each sample over R realisations of the noise,
    the mean over samples and parameters of

        (m - truth)^2 / bound + weight max(v / bound - allowed, 0).

    Variance below `allowed` bounds earns nothing, so that an estimator gains nothing by shrinking towards the mean of
    the training set. An efficient estimator has 1/R of the first term from the noise of m, and some of the second from
    that of v.

    Parameters
    ----------
    realizations
        R >= 2.
    weight
        Weight of the variance, > 0.
    allowed
        Variance in units of the bound that costs nothing, >= 0; 0: all of it counts.

    Raises
    ------
    InvalidParameter
        If an argument is out of its range.

    Examples
    --------
    >>> import torch
    >>> from spinbound import nn
    >>> estimates = torch.tensor([[[0.9]], [[1.5]]])  # two realisations of a sample of one parameter
    >>> nn.BiasConstrainedLoss(2)(estimates, torch.tensor([[1.0]]), torch.tensor([[0.04]]))
    tensor(2.2500)

    References
    ----------
    A. Mao et al., Bias-reduced neural networks for parameter estimation in quantitative MRI (arXiv 2312.11468): the
    form of their published code, weight = allowed = 1.
    """

    def __init__(self, realizations: int = 8, weight: float = 1.0, allowed: float = 1.0) -> None:
        super().__init__()
        self.realizations = as_count("realizations", realizations, 2)
        self.weight, self.allowed = as_positive("weight", weight), as_number("allowed", allowed)
        if self.allowed < 0:
            raise InvalidParameter(f"allowed is {self.allowed:g}; allowed: allowed >= 0")

    def forward(
        self, estimate: Tensor, truth: Tensor, crb: Tensor | None, M0: Scale = None, sigma: Scale = None
    ) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        estimate : (R, ..., P_e)
            Estimates of each sample over R realisations of the noise, in SI units.
        truth, crb, M0, sigma
            As in `CRBLoss`.

        Returns
        -------
        Tensor
            The loss, of no dimension and without unit.

        Raises
        ------
        InvalidData
            If the shapes do not fit each other, or there are fewer than two realisations.
        """
        bound = scale_bounds(estimate, truth, crb, M0, sigma)
        if estimate.ndim != truth.ndim + 1 or estimate.shape[0] < 2:
            raise InvalidData(
                f"estimate has shape {tuple(estimate.shape)}, the truth {tuple(truth.shape)}; the first axis must be "
                "that of at least two realisations of the noise"
            )

        usable = is_usable(bound)
        safe = torch.where(usable, bound, 1)
        error = torch.where(usable, estimate - truth, 0)
        variance, bias = torch.var_mean(error, dim=0, correction=0)
        excess = (variance / safe - self.allowed).clamp(min=0)

        return self._average(torch.where(usable, bias.square() / safe + self.weight * excess, 0), usable)

    def extra_repr(self) -> str:
        """Show the arguments in `repr`."""
        return f"realizations={self.realizations}, weight={self.weight:g}, allowed={self.allowed:g}"


LOSSES: dict[str, type[Loss]] = {
    "crb": CRBLoss,
    "mse": MSELoss,
    "relative": RelativeLoss,
    "bias-constrained": BiasConstrainedLoss,
}


def scale_bounds(estimate: Tensor, truth: Tensor, crb: Tensor | None, M0: Scale, sigma: Scale) -> Tensor:
    """Return the bounds (..., P_e) of the realisations: crb (sigma/|M0|)^2."""
    check_shapes(estimate, truth)
    if crb is None or crb.shape != truth.shape:
        given = None if crb is None else tuple(crb.shape)
        raise InvalidData(f"crb has shape {given}, the truth {tuple(truth.shape)}; they must be the same")

    bound = crb
    if sigma is not None:
        bound = bound * _as_magnitude("sigma", sigma, estimate) ** 2
    if M0 is not None:
        bound = bound / _as_magnitude("M0", M0, estimate) ** 2
    return bound


def _as_magnitude(name: str, values: Tensor | complex, estimate: Tensor) -> Any:
    """Return the magnitude of one number, or of one number per sample as (..., 1)."""
    if not isinstance(values, (Tensor, float, int, complex)):
        raise InvalidParameter(f"{name} must be a number or a tensor; given {type(values).__name__}")
    if isinstance(values, Tensor) and values.ndim:
        samples = estimate.shape[:-1]
        sizes = zip(reversed(values.shape), reversed(samples), strict=False)
        if values.ndim > len(samples) or any(size not in (1, n) for size, n in sizes):
            raise InvalidData(
                f"{name} has shape {tuple(values.shape)}, which does not broadcast to the samples {tuple(samples)}"
            )
        return values.abs().unsqueeze(-1)
    return abs(values)


def check_shapes(estimate: Tensor, truth: Tensor) -> None:
    """Refuse estimates and truths of different shapes, which torch would broadcast."""
    if estimate.shape[-truth.ndim :] != truth.shape or estimate.ndim - truth.ndim not in (0, 1):
        raise InvalidData(
            f"estimate has shape {tuple(estimate.shape)}, the truth {tuple(truth.shape)}; they must be the same, but "
            "for a first axis of realisations of the noise"
        )


def is_usable(bound: Tensor) -> Tensor:
    """Say where a bound can weigh an error: it is finite and positive."""
    return torch.isfinite(bound) & (bound > 0)
