"""The result of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

import spinbound._core as _core
from spinbound.base.checks import as_parameter, as_real, refuse_shape
from spinbound.base.errors import BoolArray, FloatArray, InvalidParameter
from spinbound.base.parameters import bases, is_reciprocal
from spinbound.base.text import as_percent
from spinbound.estimators.result import Result, tissue_with
from spinbound.tissues.tissue import Tissue

from .goodness import Goodness
from .limits_reached import Sides, advise, count_sides
from .problem import Problem

DOUBT = 1 / 3  # of the starts: fewer agree in 8 % of random tissues, and in a fifth of those in a wrong minimum
CODES = {name: code for code, (name, _) in enumerate(_core.statuses)}


class FitStatus(IntEnum):
    """The status of a voxel of a fit; `sentence` describes it in words.

    Examples
    --------
    >>> import spinbound as sb
    >>> sb.FitStatus(6).name, sb.FitStatus.no_data.sentence
    ('no_data', 'the data are zero')
    """

    gradient = CODES["gradient"]
    step = CODES["step"]
    cost = CODES["cost"]
    at_bound = CODES["at_bound"]
    max_iterations = CODES["max_iterations"]
    singular = CODES["singular"]
    no_data = CODES["no_data"]
    not_finite = CODES["not_finite"]
    invalid = CODES["invalid"]
    failed = CODES["failed"]
    masked = CODES["masked"]
    unfinished = len(CODES)  # not a status of the core, which finishes all voxels that it begins

    @property
    def sentence(self) -> str:
        """The status in words for the user."""
        if self == FitStatus.unfinished:
            return "not fitted yet: in a part of the work that is not done"
        return str(_core.statuses[self][1])


CONVERGED = (FitStatus.gradient, FitStatus.step, FitStatus.cost)


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Result):
    """Estimates of every voxel, their standard errors, and the status of the voxel.

    Attributes
    ----------
    estimates
        The tissue of the voxels (...): fitted parameters, NaN where there is no result, and known ones.
    std : dict
        Standard error (...) of each free parameter in its unit: the root of the Cramér-Rao bound at the estimate, for
        the given noise or else for that of the residual. inf where the data do not determine the parameter; the bound
        ignores the limits, even where an estimate is at one. M0: that of the complex estimate.
    covariance : (..., P', P') or None
        Covariance of the free parameters in their order, Re M0 and Im M0 in the place of M0; None unless wanted.
    residual : (...)
        ``|y - M0 s|/|y|`` of data y and signal M0 s.
    sigma : (...)
        Noise in the real and in the imaginary part each: given, or the root of
        ``|y - M0 s|^2/(2 n_samples - P')``.
    chi_squared : (...) or None
        ``|y - M0 s|^2/(sigma^2 (2 n_samples - P'))``, about 1 where noise is all that is left; None where the noise is
        not given.
    status : (...) int8
        Codes of `FitStatus`; `counts` has them in words.
    iterations : (...) int32
        Evaluations of the model after the first, those of all starts together.
    at_bound : dict
        Whether (...) each free parameter of the tissue is at a limit; `bound_counts` counts them by side.
    agreement : (...) or None
        The share of the starts that reached the residual of the best one; None for a single start.
    doubtful : (...) bool
        Where fewer than a third of the starts did: a better minimum may have been missed there.
    settings : dict
        The settings of the fit, as plain numbers and words; "omega0_period" is that of the signal in rad/s: omega0 is
        determined only modulo it.

    Examples
    --------
    >>> import spinbound as sb
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> data = sb.simulate(seq, sb.Tissue(m0s=[0.1, 0.2], T1a=1.2))
    >>> result = sb.fit(data, seq, free=("M0", "m0s", "T1a"), start={"m0s": 0.15, "T1a": 1}, sigma=1e-3)
    >>> isinstance(result, sb.Fit), (result.std["m0s"] < 1e-2).all(), result.std_of("R1f").shape
    (True, np.True_, (2,))
    """

    called: ClassVar[str] = "a fit is"
    statuses: ClassVar[type[IntEnum]] = FitStatus

    free: tuple[str, ...]
    estimates: Tissue
    std: dict[str, FloatArray]
    covariance: FloatArray | None
    residual: FloatArray
    sigma: FloatArray
    chi_squared: FloatArray | None
    status: npt.NDArray[np.int8]
    iterations: npt.NDArray[np.int32]
    at_bound: dict[str, BoolArray]
    agreement: FloatArray | None
    settings: dict[str, Any]

    @property
    def converged(self) -> BoolArray:
        """Whether (...) the fit has converged within the limits; where it is at one, its status is at_bound."""
        return np.isin(self.status, CONVERGED)

    @property
    def bound_counts(self) -> Sides:
        """Number of voxels at the lower and at the upper limit, by the names of the free parameters of the tissue."""
        limits = self.settings["bounds"]
        return {name: count_sides(where, self.estimates[name], limits[name]) for name, where in self.at_bound.items()}

    @property
    def bound_advice(self) -> str:
        """What to do about parameters that are at a limit in more than 20 % of the fitted voxels; empty without any."""
        return advise(self.bound_counts, self.settings["bounds"], int(np.count_nonzero(np.isfinite(self.residual))))

    @property
    def goodness(self) -> Goodness:
        """Residual and, where the noise is given, chi^2 of the voxels with a result but those stopped on their way."""
        ended = self.status != FitStatus.max_iterations
        return Goodness.of(self.residual[ended], None if self.chi_squared is None else self.chi_squared[ended])

    def summary(self) -> str:
        """Return in words what became of the voxels, and how well the fitted signals explain the data."""
        counts = [f"{number} of {self.status.size}: {FitStatus[name].sentence}" for name, number in self.counts.items()]
        advice = [self.bound_advice] if self.bound_advice else []
        return "\n".join([f"fit of {', '.join(self.free)}", *counts, *self.goodness.lines, *advice])

    @property
    def doubtful(self) -> BoolArray:
        """Whether (...) few starts reached the best residual; nowhere after a single start."""
        if self.agreement is None:
            return np.zeros(self.status.shape, np.bool_)
        return np.asarray(self.agreement < DOUBT)

    @property
    def doubtful_share(self) -> float | None:
        """The share of doubtful voxels among those with a result; None after a single start, which cannot tell."""
        if self.agreement is None:
            return None
        n_fitted = int(np.isfinite(self.agreement).sum())
        return float(self.doubtful.sum() / n_fitted) if n_fitted else 0.0

    def __repr__(self) -> str:
        share = self.doubtful_share
        return super().__repr__() if share is None else f"{super().__repr__()[:-1]}; {as_percent(share)} doubtful)"

    @property
    def _names(self) -> tuple[str, ...]:
        return self.free

    def std_of(self, parameter: str | Mapping[str, npt.ArrayLike]) -> FloatArray:
        """Return the standard error (...) of a quantity that depends on the free parameters, by the delta method.

        Parameters
        ----------
        parameter
            A parameter that a free one determines, such as T1f where R1a is free; or the gradient of any quantity:
            its derivative by each free parameter of the tissue, a number or a map, 0 for those left out. A gradient
            of several needs the covariance.

        Returns
        -------
        (...)
            In the unit of the quantity.

        Raises
        ------
        InvalidParameter
            If no free parameter determines it, a derivative is no real number or map, or the covariance was not kept.
        """
        given = self._find_gradient(parameter) if isinstance(parameter, str) else dict(parameter)
        for name in given:
            if name not in self.at_bound:
                raise InvalidParameter(f"{name} is not free in the tissue; free are: {', '.join(self.at_bound)}")

        gradient = {name: as_real(f"the derivative by {name}", slope) for name, slope in given.items()}
        for name, slope in gradient.items():
            refuse_shape(f"the derivative by {name}", slope.shape, self.status.shape)
        if len(gradient) == 1:
            ((name, slope),) = gradient.items()
            return np.asarray(np.abs(slope) * self.std[name])
        if self.covariance is None:
            raise InvalidParameter("the standard error of a combination needs covariance=True in the fit")

        places = {name: place for place, name in enumerate(_columns(self.free))}
        variance = np.zeros(self.status.shape)
        for one, slope in gradient.items():
            for other, other_slope in gradient.items():
                entry = self.covariance[..., places[one], places[other]]
                variance += slope * other_slope * entry
        return np.asarray(np.sqrt(variance))

    def _find_gradient(self, name: str) -> dict[str, npt.ArrayLike]:
        wanted = as_parameter(name).name
        for free in self.at_bound:
            if set(bases(wanted)) <= set(bases(free)):
                same = is_reciprocal(wanted) == is_reciprocal(free)
                return {free: 1.0 if same else self.estimates[free] ** -2.0}
        raise InvalidParameter(f"no free parameter of the tissue determines {wanted}; free are: {', '.join(self.free)}")

    def as_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all maps: the free parameters, std_NAME, residual, sigma, status, iterations, at_bound_NAME."""
        arrays = {name: np.asarray(self.estimates[name]) for name in self.free}
        arrays |= {f"std_{name}": values for name, values in self.std.items()}
        arrays |= {"residual": self.residual, "sigma": self.sigma, "status": self.status, "iterations": self.iterations}
        arrays |= {f"at_bound_{name}": where for name, where in self.at_bound.items()}
        optional = {"covariance": self.covariance, "agreement": self.agreement, "chi_squared": self.chi_squared}
        return arrays | {name: values for name, values in optional.items() if values is not None}


def _columns(free: tuple[str, ...]) -> list[str]:
    """Return the free parameters, with Re M0 and Im M0 in the place of M0."""
    return [column for name in free for column in (("Re M0", "Im M0") if name == "M0" else (name,))]


class FittedVolume:
    """The maps of a fit, filled chunk by chunk."""

    def __init__(self, problem: Problem, covariance: bool, several: bool) -> None:
        n, size = int(np.prod(problem.shape, dtype=np.int64)), problem.size
        self.problem = problem
        dtypes = {"M0": np.complex128, "status": np.int8, "iterations": np.int32}
        names = (*problem.free, *(f"std_{name}" for name in problem.free), "sigma", "residual", "status", "iterations")
        self.maps: dict[str, npt.NDArray[Any]] = {
            name: np.full(n, _filler(name), dtypes.get(name, np.float64)) for name in names
        }
        self.maps["status"][problem.voxels] = FitStatus.unfinished
        self.maps |= {f"at_bound_{name}": np.zeros(n, np.bool_) for name in problem.unknowns}
        if problem.sigma is not None:
            self.maps["chi_squared"] = np.full(n, np.nan)
        if several:
            self.maps["agreement"] = np.full(n, np.nan)
        if covariance:
            self.maps["covariance"] = np.full((n, size, size), np.nan)

    def take(self, voxels: npt.NDArray[np.intp], results: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take the results of some voxels from the core: the unknowns of the tissue first, Re M0 and Im M0 last."""
        maps, problem = self.maps, self.problem
        columns = [*problem.unknowns, "Re M0", "Im M0"]
        order = [columns.index(column) for column in _columns(problem.free)]
        with np.errstate(invalid="ignore"):
            std = np.sqrt(np.einsum("nkk->nk", results["covariance"]))
        for k, name in enumerate(problem.unknowns):
            maps[name][voxels] = results["estimates"][k]
            maps[f"std_{name}"][voxels] = std[:, k]
            maps[f"at_bound_{name}"][voxels] = results["at_bound"] >> k & 1
        if "M0" in problem.free:
            maps["M0"][voxels] = results["M0"]
            maps["std_M0"][voxels] = np.hypot(std[:, -2], std[:, -1])
        for name in {"sigma", "residual", "status", "iterations", "agreement", "chi_squared"} & maps.keys():
            maps[name][voxels] = results[name]
        if "covariance" in maps:
            maps["covariance"][voxels] = results["covariance"][:, order][:, :, order]

    def make_result(self, settings: dict[str, Any]) -> Fit:
        """Make the result, in the shape of the data."""
        problem = self.problem
        maps = {name: values.reshape(problem.shape + values.shape[1:]) for name, values in self.maps.items()}

        return Fit(
            free=problem.free,
            estimates=tissue_with(problem.fixed.as_dict(), {name: maps[name] for name in problem.free}),
            std={name: maps[f"std_{name}"] for name in problem.free},
            covariance=maps.get("covariance"),
            residual=maps["residual"],
            sigma=maps["sigma"],
            chi_squared=maps.get("chi_squared"),
            status=maps["status"],
            iterations=maps["iterations"],
            at_bound={name: maps[f"at_bound_{name}"] for name in problem.unknowns},
            agreement=maps.get("agreement"),
            settings=settings,
        )


def _filler(name: str) -> Any:
    """Return the value of a voxel outside the mask."""
    return {"status": FitStatus.masked, "iterations": 0, "M0": complex(np.nan, np.nan)}.get(name, np.nan)
