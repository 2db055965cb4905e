"""The errors of a model: in signals, in bounds, and the bias of a fit with it.

A fit of model m to noise-free data s_truth of another one minimises |s_m(theta) - s_truth|^2. Linearised about the true
parameters, where the residual is r = s_truth - s_m, its estimate is off by

    bias = F^-1 Re(J^H r),  F = Re(J^H J),

which is the least-squares solution of J bias = r over real unknowns. Its error is of second order in r.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_parameter_names
from spinbound.base.errors import ComplexArray, FloatArray, Progress
from spinbound.base.parameters import ALL
from spinbound.base.progress import show_progress
from spinbound.base.text import align_columns
from spinbound.sequences.experiment import Experiment
from spinbound.sequences.model import Model
from spinbound.signals.basis import Basis
from spinbound.signals.crb import crb
from spinbound.signals.forward import ForwardModel
from spinbound.signals.simulate import sensitivities, simulate
from spinbound.tissues.tissue import Tissue

from .directions import Directions, columns_of, real_columns, triangular
from .voxels import Slab, voxels_valid_in_all

QUANTILES = {"median": 0.5, "95 %": 0.95, "largest": 1.0}


@dataclass(frozen=True, eq=False)
class ModelError:
    """The error of a model, voxel by voxel; as text, a table over all voxels.

    Attributes
    ----------
    model, against
        The model, and the one that is taken as the truth.
    signal : (...)
        ``|s - s_ref|/|s_ref|``, norms over all samples. NaN: the voxel is invalid, or there is no signal.
    crb : dict of str to (...)
        CRB/CRB_ref - 1 for each unknown, a ratio of variances. NaN: neither model determines the parameter, or the
        voxel is invalid; inf: only the reference does; -1: only the model does.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> error = sb.model_error(seq, sb.Tissue(), "gbloch", against="gbloch", wrt=("M0", "m0s"))
    >>> isinstance(error, sb.ModelError), sorted(error.crb)
    (True, ['M0', 'm0s'])
    """

    model: Model
    against: Model
    signal: npt.NDArray[np.float64]
    crb: Mapping[str, npt.NDArray[np.float64]]

    def __str__(self) -> str:
        n_voxels = np.size(self.signal)
        title = (
            f"relative error of {self.model.name} against {self.against.name}, {n_voxels:,} voxel{'s'[: n_voxels != 1]}"
        )
        rows = {"signal": self.signal} | {f"CRB of {name}": error for name, error in self.crb.items()}
        head = ("", *QUANTILES)
        return "\n".join([title, *align_columns([head, *([name, *_quantiles(error)] for name, error in rows.items())])])


def _quantiles(error: npt.ArrayLike) -> list[str]:
    """Return quantiles of the sizes of all errors but NaN; they are among the errors, as inf has no mean."""
    sizes = np.abs(np.asarray(error))
    sizes = sizes[~np.isnan(sizes)]
    if sizes.size == 0:
        return ["-"] * len(QUANTILES)
    return [f"{size:.2g}" for size in np.quantile(sizes, list(QUANTILES.values()), method="inverted_cdf")]


def model_error(
    seq: Experiment,
    tissue: Tissue,
    model: Model | str,
    against: Model | str = "gbloch-ide",
    wrt: str | Iterable[str] = ALL,
    *,
    basis: Basis | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> ModelError:
    """Measure how far a model's signals and bounds are from those of a better one.

    Parameters
    ----------
    seq
        The pulse sequence, or a list of them: a joint experiment.
    tissue
        The voxels, of shape (...).
    model
        The model in question.
    against
        The model that is taken as the truth; by default the full generalized Bloch equation.
    wrt
        P names of unknown parameters; all others are known.
    basis, threads, progress
        As in `simulate`.

    Returns
    -------
    ModelError
        With `.signal` (...) and `.crb`, a dict with (...) for each name in `wrt`; neither depends on the noise.
        A voxel that one of the models does not accept is NaN.

    Raises
    ------
    InvalidParameter
        As in `crb`, for either model; or if no voxel is valid for both.
    KeyboardInterrupt
        Within 0.2 s of Ctrl-C.

    References
    ----------
    J. Assländer et al., Magn. Reson. Med. 2022 (arXiv 2107.11000): the generalized Bloch equation; arXiv 2207.08259,
    eqs. (1)-(4): its linearisation.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> print(sb.model_error(seq, sb.Tissue(m0s=[0.1, 0.2]), "gbloch", against="gbloch", wrt="m0s"))
    relative error of gbloch against gbloch, 2 voxels
                median  95 %  largest
    signal           0     0        0
    CRB of m0s       0     0        0
    """
    names = as_parameter_names(wrt)
    forwards = [ForwardModel.of(seq, one, basis) for one in (model, against)]
    voxels = voxels_valid_in_all(forwards, tissue, names, threads=threads, progress=progress)
    options: dict[str, Any] = {"basis": basis, "threads": threads}

    errors = np.full((1 + len(names), voxels.valid.size), np.nan)
    with show_progress(progress, voxels.valid.size, "model_error") as advance:
        for slab in voxels.slabs(2 * forwards[0].n_samples, 4, advance):
            s, reference = (
                simulate(seq, slab.tissue, model=forward.model, **options, progress=of_call)
                for forward, of_call in zip(forwards, slab.progress[:2], strict=True)
            )
            bounds, references = (
                crb(seq, slab.tissue, names, model=forward.model, **options, progress=of_call)
                for forward, of_call in zip(forwards, slab.progress[2:], strict=True)
            )
            errors[0, slab.index] = _distance(s, reference)
            errors[1:, slab.index] = [_excess(bounds[name], references[name]) for name in names]

    shaped = errors.reshape(1 + len(names), *tissue.shape)
    by_name = {name: shaped[1 + k][()] for k, name in enumerate(names)}
    return ModelError(forwards[0].model, forwards[1].model, shaped[0][()], by_name)


def _distance(s: ComplexArray, reference: ComplexArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.linalg.norm(s - reference, axis=-1) / np.linalg.norm(reference, axis=-1)


def _excess(bound: FloatArray, reference: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore"):
        return bound / reference - 1


def model_bias(
    truth: Model | str,
    fit: Model | str,
    seq: Experiment,
    tissue: Tissue,
    wrt: str | Iterable[str] = ALL,
    *,
    basis: Basis | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Return the systematic error of fitting one model to noise-free data of another, to first order.

    bias = F^-1 Re(J^H (s_truth - s_fit)), with signals, sensitivities J and F = Re(J^H J) of the fitted model at the
    true parameters. It is that of the least-squares fit up to terms of second order in the mismatch of the models.

    Parameters
    ----------
    truth, fit
        The models of the data and of the fit.
    seq
        The pulse sequence, or a list of them: a joint experiment.
    tissue
        The true parameters of the voxels, of shape (...).
    wrt
        P names that are fitted; all others are fixed at their true values.
    basis, threads, progress
        As in `simulate`.

    Returns
    -------
    dict of str to (...)
        Estimate minus truth in the parameter's unit, complex for M0; a number for a single voxel. NaN: the data
        do not determine the parameter, or the voxel is invalid for one of the models.

    Raises
    ------
    InvalidParameter
        As in `sensitivities`, for either model; or if no voxel is valid for both.
    KeyboardInterrupt
        Within 0.2 s of Ctrl-C.

    Notes
    -----
    The solution comes from a QR decomposition of the Jacobian over real unknowns, and not from an inverse of F. The
    linear algebra library decides the last bits, and they may differ with its number of threads.

    References
    ----------
    J. Nocedal and S. Wright, Numerical Optimization (2006), section 10.3: the Gauss-Newton step from the truth.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq, names = sb.sequences.load("hybrid-mt-4s"), ("M0", "m0s", "R1f", "R2f")
    >>> bias = sb.model_bias(sb.Model(lineshape="gaussian"), "gbloch", seq, sb.Tissue(), names)
    >>> bool(bias["m0s"] < 0)
    True
    """
    names = as_parameter_names(wrt)
    forwards = [ForwardModel.of(seq, one, basis) for one in (truth, fit)]
    voxels = voxels_valid_in_all(forwards, tissue, names, threads=threads, progress=progress)
    options: dict[str, Any] = {"basis": basis, "threads": threads}

    n_columns = columns_of(names)[-1].stop
    bias = np.full((voxels.valid.size, n_columns), np.nan)

    def residual(slab: Slab) -> FloatArray:
        """Return (N, 2n, K + 1): the real columns of J and, last, the residual."""
        data = simulate(seq, slab.tissue, model=truth, **options, progress=slab.progress[0])
        s, J = sensitivities(seq, slab.tissue, names, model=fit, **options, progress=slab.progress[1])
        return np.concatenate([real_columns(J, names), real_columns((data - s)[..., None], ("",))], axis=-1)

    with show_progress(progress, voxels.valid.size, "model_bias") as advance:
        for slab in voxels.slabs(2 * (n_columns + 1) * forwards[0].n_samples, 2, advance):
            R = triangular(residual(slab))
            sound = np.isfinite(R).all(axis=(1, 2))  # not where a pulse is out of reach of rtol
            fits = Directions.of(R[sound, :n_columns, :n_columns])
            bias[slab.index[sound]] = fits.solve(R[sound, :n_columns, n_columns])

    return {
        name: _as_parameter(bias[:, columns]).reshape(tissue.shape)[()]
        for name, columns in zip(names, columns_of(names), strict=True)
    }


def _as_parameter(values: FloatArray) -> npt.NDArray[Any]:
    """Return (N,): one real column unchanged, two as real and imaginary part."""
    return values[:, 0] if values.shape[1] == 1 else values[:, 0] + 1j * values[:, 1]
