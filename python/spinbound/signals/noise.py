"""The noise of data: white, or of coefficients in a basis that are correlated.

Noise n of coefficients with the covariance C = E[n n^H]/2, that of the real and of the imaginary part each, becomes
white with sigma = 1 by W = L^-1, C = L L^H: W C W^H = 1. All that holds for white noise holds for W c and W J.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_complex, as_mask, as_sigma
from spinbound.base.errors import BoolArray, ComplexArray, FloatArray, InvalidData, InvalidParameter

from .basis import Basis

# Largest |C - C^H| of a covariance, relative to its largest entry: rounding of single precision.
HERMITIAN = 1e-6


@dataclass(frozen=True)
class GaussianNoise:
    """The noise of a call, checked: sigma (...), and whitening matrices (..., rank, rank) if it is correlated."""

    sigma: FloatArray
    whitening: ComplexArray | None = None

    @classmethod
    def of(cls, sigma: npt.ArrayLike, covariance: npt.ArrayLike | None, basis: Basis | None) -> GaussianNoise:
        """Check the arguments `sigma` and `noise_covariance` of a call; sigma is NaN where one of several is none."""
        if covariance is None:
            return cls(as_sigma(sigma))
        if basis is None:
            raise InvalidParameter("noise_covariance is that of the coefficients of a basis; give basis as well")
        if np.ndim(sigma) or sigma != 1:
            raise InvalidParameter("noise_covariance takes the place of sigma; give one of them")
        whitening = make_whitening(covariance, basis.rank)
        is_covariance = np.asarray(np.isfinite(whitening).all(axis=(-2, -1)))
        whitening = np.where(is_covariance[..., None, None], whitening, np.eye(basis.rank))
        return cls(np.where(is_covariance, 1.0, np.nan), whitening)


def make_whitening(covariance: npt.ArrayLike, rank: int) -> ComplexArray:
    """Return W (..., rank, rank) of covariances C of that shape; NaN where one of several is no covariance.

    Raises
    ------
    InvalidParameter
        If the shape is another, or the only matrix is not Hermitian and positive definite.
    """
    C = as_complex("noise_covariance", covariance)
    if C.shape[-2:] != (rank, rank):
        raise InvalidParameter(f"noise_covariance has shape {C.shape}; allowed: (..., {rank}, {rank}), of the basis")
    is_covariance = _is_covariance(C)
    if C.ndim == 2 and not is_covariance:
        raise InvalidParameter("noise_covariance must be finite, Hermitian and positive definite")
    W = np.linalg.inv(np.linalg.cholesky(np.where(is_covariance[..., None, None], C, np.eye(rank))))
    return np.where(is_covariance[..., None, None], W, np.nan)


def _is_covariance(C: ComplexArray) -> BoolArray:
    """Say which matrices are finite, Hermitian and positive definite in double precision."""
    is_finite = np.asarray(np.isfinite(C).all(axis=(-2, -1)))
    finite = np.where(is_finite[..., None, None], C, 0)
    size = np.abs(finite).max(axis=(-2, -1))
    is_hermitian = np.abs(finite - np.swapaxes(finite.conj(), -1, -2)).max(axis=(-2, -1)) <= HERMITIAN * size
    eigenvalues = np.linalg.eigvalsh(finite)
    return np.asarray(
        is_finite & is_hermitian & (eigenvalues[..., 0] > C.shape[-1] * np.finfo(float).eps * eigenvalues[..., -1])
    )


def noise_covariance(
    image: npt.ArrayLike | None = None,
    *,
    replicas: npt.ArrayLike | None = None,
    background: npt.ArrayLike | None = None,
    per_voxel: bool = False,
) -> ComplexArray:
    """Estimate the covariance of the noise of coefficients, from repeated images or from a background.

    Parameters
    ----------
    image : (..., rank)
        Complex coefficients of one image; needs `background`.
    replicas : (n, ..., rank)
        n >= 2 images of one object with independent noise, complex; instead of `image`. Repeated measurements, or
        reconstructions of measured data with simulated noise added.
    background : (...)
        Voxels to use: not zero. With `image` those without signal, whose values are noise alone.
    per_voxel
        A matrix for each voxel, of replicas; it needs more replicas than coefficients.

    Returns
    -------
    (rank, rank) or (..., rank, rank)
        E[n n^H]/2, the covariance of the real and of the imaginary part each: sigma^2 times the identity for white
        noise. What `crb`, `fisher`, `fit` and others take as `noise_covariance`.

    Raises
    ------
    InvalidParameter
        If neither or both of `image` and `replicas` are given, or a mask of another shape.
    InvalidData
        If the data are not complex, not finite where they are used, or too few for a positive definite matrix.

    References
    ----------
    P. Kellman, E. R. McVeigh, Magn. Reson. Med. 54, 1439 (2005); pseudo replicas: P. M. Robson et al., Magn. Reson.
    Med. 60, 895 (2008).

    Examples
    --------
    >>> import numpy as np, spinbound as sb
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (50, 40, 3, 2)) @ [1, 1j]
    >>> sb.noise_covariance(replicas=noise).real.round(3).tolist()
    [[0.01, 0.0, 0.0], [0.0, 0.01, 0.0], [0.0, 0.0, 0.01]]
    """
    if (image is None) == (replicas is None):
        raise InvalidParameter("give either image with background, or replicas")
    if replicas is not None:
        return _covariance_of_replicas(_as_coefficients("replicas", replicas, 2), background, per_voxel)
    if background is None or per_voxel:
        raise InvalidParameter("one image gives a single matrix, from the voxels without signal: give background")
    values = _as_coefficients("image", image, 1)
    noise = values[as_mask("background", background, values.shape[:-1])]
    return _average(noise, len(noise))


def _as_coefficients(name: str, values: npt.ArrayLike | None, least: int) -> npt.NDArray[np.complexfloating]:
    array = np.asarray(values)
    if array.dtype.kind != "c" or array.ndim < least or array.shape[-1] == 0:
        raise InvalidData(f"{name} must be complex, with the coefficients last; given {array.dtype} {array.shape}")
    return array


def _covariance_of_replicas(
    values: npt.NDArray[np.complexfloating], mask: npt.ArrayLike | None, per_voxel: bool
) -> ComplexArray:
    n, *shape, rank = values.shape
    if n < 2:
        raise InvalidData("replicas has 1 image; allowed: 2 or more")
    residual = values - values.mean(axis=0)
    if per_voxel:
        if mask is not None:
            raise InvalidParameter("background chooses the voxels of a single matrix; leave it out for one per voxel")
        return _average(np.moveaxis(residual, 0, -2), n - 1)
    if mask is not None:
        residual = residual[:, as_mask("background", mask, tuple(shape))]
    return _average(residual.reshape(-1, rank), (n - 1) * residual[0].size // rank)


def _average(noise: npt.NDArray[np.complexfloating], freedom: int) -> ComplexArray:
    """Return sum n n^H/(2 freedom) of rows (..., m, rank) of noise."""
    rank = noise.shape[-1]
    if freedom < rank:
        raise InvalidData(f"{freedom} independent values are too few for the covariance of {rank} coefficients")
    if noise.ndim == 2 and not np.isfinite(noise).all():
        raise InvalidData("the data hold NaN or infinity where the noise is taken from")
    C = np.asarray(np.swapaxes(noise, -1, -2) @ noise.conj() / (2 * freedom), np.complex128)
    return (C + np.swapaxes(C.conj(), -1, -2)) / 2
