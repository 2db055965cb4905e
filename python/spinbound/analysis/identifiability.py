"""The parameters that an experiment can and cannot tell apart, and the effect of knowing some of them.

All results follow from the triangular factor R of the Jacobian over real unknowns, F = R^T R. A known parameter removes
its column; prior knowledge with standard deviation tau adds a row, with 1/tau in the column of the parameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_mapping, as_one_of, as_parameter_names, as_real, broadcast_to_voxels
from spinbound.base.errors import FloatArray, InvalidParameter, Progress
from spinbound.base.parameters import ALL
from spinbound.base.progress import show_progress
from spinbound.sequences.experiment import Experiment
from spinbound.sequences.model import Model
from spinbound.signals.basis import Basis
from spinbound.signals.forward import ForwardModel
from spinbound.signals.simulate import sensitivities
from spinbound.tissues.tissue import Tissue

from . import summary as words
from .directions import Directions, columns_of, real_columns, triangular
from .voxels import voxels_valid_in_all

Bounds = Mapping[str, npt.NDArray[np.float64]]

AT_ONCE = 1000  # voxels whose matrices LAPACK decomposes in one call: about 50 ms


@dataclass(frozen=True, eq=False, repr=False)
class Identifiability:
    """The bounds, correlations and directions of an experiment's parameters; as text, in words.

    P names stand for K real unknowns: K = P + 1 with M0 among them, Re M0 and Im M0 in its place, else K = P. Invalid
    voxels are NaN.

    Attributes
    ----------
    names : tuple of str
        The unknown parameters.
    unknowns : tuple of str
        The real unknowns, in the order of all axes of length K.
    tissue
        The voxels, of shape (...).
    factor : (..., K, K)
        R, upper triangular: the Fisher matrix is R^T R.
    correlation : (..., K, K)
        Correlation of the estimates; NaN for unknowns that the data do not determine.
    condition : (...)
        Condition number of the Jacobian with columns of unit norm: 1 if the effects of all unknowns on the signal are
        orthogonal; inf if some combination has no effect, to the accuracy of the Jacobian (1e-13).
    worst : tuple of two arrays, (..., K) and (..., K, K)
        Singular values of that Jacobian, smallest first, and for each the direction: a unit vector over the unknowns
        (the last axis), each in the unit in which it changes the signal by 1 in norm. A direction of singular value S
        changes the signal by S.
    bound : dict of str to (...)
        Least variances with all unknown (marginalised), as `crb` gives them.
    bound_alone : dict of str to (...)
        Least variances with all others known.
    bound_fixed : (..., P, P)
        Least variance of parameter j with parameter k known at [..., j, k]; 0 for j = k.
    bound_prior : dict of str to (...), or None
        Least variances with the prior knowledge that was given.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq, names = sb.sequences.load("hybrid-mt-4s"), ("M0", "m0s", "R1f")
    >>> known = sb.identifiability(seq, sb.Tissue(m0s=[0.1, 0.2]), names)
    >>> isinstance(known, sb.Identifiability), known.unknowns
    (True, ('Re M0', 'Im M0', 'm0s', 'R1f'))
    """

    names: tuple[str, ...]
    unknowns: tuple[str, ...]
    tissue: Tissue
    factor: npt.NDArray[np.float64]
    correlation: npt.NDArray[np.float64]
    condition: npt.NDArray[np.float64]
    worst: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
    bound: Bounds
    bound_alone: Bounds
    bound_fixed: npt.NDArray[np.float64]
    bound_prior: Bounds | None

    def summary(self, voxel: int | tuple[int, ...] = ()) -> str:
        """Describe in words what a voxel's data do not determine, what is hardest to tell apart, and the bounds.

        Parameters
        ----------
        voxel
            Index of the voxel; none for a single one.

        Returns
        -------
        str
            Sentences, and a table of the bounds.

        Raises
        ------
        IndexError
            If there is no such voxel.
        """
        voxel = voxel if isinstance(voxel, tuple) else (voxel,)
        if len(voxel) != len(self.tissue.shape):
            raise IndexError(f"voxel has {len(voxel)} indices; the voxels have shape {self.tissue.shape}")
        if np.isnan(self.condition[voxel]):
            return "The voxel is invalid."
        return words.describe_voxel(self._take_voxel(voxel))

    def _take_voxel(self, voxel: tuple[int, ...]) -> words.Voxel:
        """Return the numbers of one voxel."""
        tissue = self.tissue[voxel] if voxel else self.tissue

        def numbers(bounds: Bounds) -> dict[str, float]:
            return {name: float(bound[voxel]) for name, bound in bounds.items()}

        return words.Voxel(
            values={name: complex(tissue[name]) for name in self.names},
            factor=self.factor[voxel],
            condition=float(self.condition[voxel]),
            bound=numbers(self.bound),
            alone=numbers(self.bound_alone),
            fixed=self.bound_fixed[voxel],
            prior=None if self.bound_prior is None else numbers(self.bound_prior),
        )

    def __str__(self) -> str:
        """Return the summary of a single voxel, or a table of all and the summary of the worst conditioned one."""
        if not self.tissue.shape:
            return self.summary()
        return words.describe_voxels(self.condition, self.bound, self.summary)

    def __repr__(self) -> str:
        return f"Identifiability(shape={self.tissue.shape}, names={self.names})"


def identifiability(
    seq: Experiment,
    tissue: Tissue,
    wrt: str | Iterable[str] = ALL,
    sigma: npt.ArrayLike = 1.0,
    *,
    prior: Mapping[str, npt.ArrayLike] | None = None,
    model: Model | str = "gbloch",
    basis: Basis | None = None,
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> Identifiability:
    """Analyse which parameters the data tell apart.

    The result has correlations, the directions that are hard to see, and bounds with and without knowledge of other
    parameters, over real parameters as in the real form of `fisher`: M0 stands for Re M0 and Im M0.

    Parameters
    ----------
    seq
        The pulse sequence, or a list of them: a joint experiment.
    tissue
        The voxels, of shape (...).
    wrt
        P names of unknown parameters, base or derived; all others are known.
    sigma
        Standard deviation of the noise in the real and in the imaginary part each; one number or one per voxel, > 0.
    prior
        Knowledge of some parameters beside the data: name to standard deviation, > 0 (inf: no knowledge), in the
        parameter's unit; one number or one per voxel. That of M0 holds for its real and imaginary part each.
    model, basis, threads, progress
        As in `simulate`.

    Returns
    -------
    Identifiability
        `print` shows it in words.

    Raises
    ------
    InvalidParameter
        If an argument is not accepted, names in `wrt` determine each other, or every voxel is invalid.
    KeyboardInterrupt
        Within 0.2 s of Ctrl-C.

    Notes
    -----
    The linear algebra library decides the last bits, and they may differ with its number of threads.

    References
    ----------
    S. M. Kay, Fundamentals of Statistical Signal Processing (1993), section 3.7; collinearity: D. A. Belsley, E. Kuh
    and R. E. Welsch, Regression Diagnostics (1980), chapter 3.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq, names = sb.sequences.load("hybrid-mt-4s"), ("M0", "m0s", "R1f", "R2f", "B1")
    >>> known = sb.identifiability(seq, sb.Tissue(), names, sigma=0.01, prior={"B1": 0.02})
    >>> bool(known.bound_alone["B1"] < known.bound_prior["B1"] < known.bound["B1"])
    True
    """
    names = as_parameter_names(wrt)
    forward = ForwardModel.of(seq, model, basis)
    voxels = voxels_valid_in_all([forward], tissue, names, as_real("sigma", sigma), threads=threads, progress=progress)

    knowledge = _prior_rows(prior, names, tissue)
    n_columns = columns_of(names)[-1].stop
    found: dict[str, FloatArray] = {}
    options: dict[str, Any] = {"model": forward.model, "basis": basis, "threads": threads}
    with show_progress(progress, voxels.valid.size, "identifiability") as advance:
        for slab in voxels.slabs(2 * n_columns * forward.n_samples, 2, advance):
            J = sensitivities(seq, slab.tissue, names, **options, progress=slab.progress[0])[1]
            for start in range(0, slab.index.size, AT_ONCE):
                index = slab.index[start : start + AT_ONCE]
                R = triangular(real_columns(J[start : start + AT_ONCE], names))
                with np.errstate(over="ignore", invalid="ignore"):
                    R = R if voxels.sigma is None else R / voxels.sigma[index, None, None]
                sound = np.isfinite(R).all(axis=(1, 2))  # not where a pulse is out of reach of rtol, or R overflows
                index = index[sound]
                analysis = _analyse(R[sound], names, None if knowledge is None else knowledge[index])
                _place(analysis, index, voxels.valid.size, found)
                if (of_slab := slab.progress[1]) is not None:
                    of_slab(min(start + AT_ONCE, slab.index.size), slab.index.size)

    return _make_result(names, tissue, found)


def _prior_rows(prior: Mapping[str, npt.ArrayLike] | None, names: tuple[str, ...], tissue: Tissue) -> FloatArray | None:
    """Return 1/tau (N, K) of every real unknown, 0 where nothing is known."""
    if prior is None:
        return None
    as_mapping("prior", prior, "names to standard deviations")
    rows = np.zeros((*tissue.shape, columns_of(names)[-1].stop))
    for name, given in prior.items():
        columns = columns_of(names)[names.index(as_one_of("a name in prior", name, names))]
        tau = as_real(f"prior[{name!r}]", given)
        if not (tau > 0).all():
            raise InvalidParameter(f"prior[{name!r}] has {tau[~(tau > 0)][0]:g}; allowed: standard deviations > 0")
        rows[..., columns] = 1 / broadcast_to_voxels(f"prior[{name!r}]", tau, tissue.shape)[..., None]
    return rows.reshape(-1, rows.shape[-1])


def _analyse(R: FloatArray, names: tuple[str, ...], knowledge: FloatArray | None) -> dict[str, FloatArray]:
    """Analyse N voxels by their factors R (N, K, K)."""
    found = Directions.of(R)
    analysis = {
        "factor": R,
        "correlation": found.correlation(),
        "condition": found.condition,
        "singular": found.S[:, ::-1],
        "direction": np.swapaxes(found.V, -1, -2)[:, ::-1],
        "bound": _sum_by_name(found.variances(), names),
        "alone": _sum_by_name(_variances_alone(found), names),
        "fixed": _variances_with_fixed(R, names),
    }
    if knowledge is not None:
        analysis["prior"] = _sum_by_name(_variances_with_prior(R, knowledge), names)
    return analysis


def _place(
    results: Mapping[str, FloatArray], index: npt.NDArray[np.intp], n: int, whole: dict[str, FloatArray]
) -> None:
    """Put the results of some voxels in their places among all n, which are NaN elsewhere."""
    for key, values in results.items():
        if key not in whole:
            whole[key] = np.full((n, *values.shape[1:]), np.nan)
        whole[key][index] = values


def _make_result(names: tuple[str, ...], tissue: Tissue, found: Mapping[str, FloatArray]) -> Identifiability:
    n_columns = columns_of(names)[-1].stop
    none = _analyse(np.empty((0, n_columns, n_columns)), names, None)  # for a call without voxels

    def reshape(key: str) -> npt.NDArray[Any]:
        values = found.get(key, none.get(key))
        assert values is not None
        return values.reshape((*tissue.shape, *values.shape[1:]))

    def bounds(key: str) -> Bounds:
        return {name: column[()] for name, column in zip(names, np.moveaxis(reshape(key), -1, 0), strict=True)}

    return Identifiability(
        names=names,
        unknowns=tuple(unknown for name in names for unknown in (("Re M0", "Im M0") if name == "M0" else (name,))),
        tissue=tissue,
        factor=reshape("factor"),
        correlation=reshape("correlation"),
        condition=reshape("condition")[()],
        worst=(reshape("singular"), reshape("direction")),
        bound=bounds("bound"),
        bound_alone=bounds("alone"),
        bound_fixed=reshape("fixed"),
        bound_prior=bounds("prior") if "prior" in found else None,
    )


def _sum_by_name(variances: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """Return variances (N, P) from (N, K): that of the complex M0 is the sum of its two."""
    return np.stack([variances[:, columns].sum(axis=1) for columns in columns_of(names)], axis=1)


def _variances_alone(found: Directions) -> FloatArray:
    with np.errstate(divide="ignore"):
        return 1 / found.norm**2


def _variances_with_fixed(R: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """Return bounds (N, P, P) without the columns of one name; 0 for the name itself."""
    result = np.zeros((len(R), len(names), len(names)))
    for k, columns in enumerate(columns_of(names) if len(names) > 1 else ()):
        others = names[:k] + names[k + 1 :]
        variances = Directions.of(np.delete(R, columns, axis=-1)).variances()
        result[:, np.arange(len(names)) != k, k] = _sum_by_name(variances, others)
    return result


def _variances_with_prior(R: FloatArray, knowledge: FloatArray) -> FloatArray:
    """Return bounds (N, K) of the data together with independent Gaussian knowledge of each unknown."""
    return Directions.of(np.concatenate([R, knowledge[:, :, None] * np.eye(R.shape[-1])], axis=1)).variances()
