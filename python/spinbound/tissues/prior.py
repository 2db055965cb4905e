"""Priors: distributions of tissues, from which any tissue can be drawn by its number.

Tissue k takes the k-th number of a stream of each parameter: a Philox generator whose key is the sha256 of the seed and
the parameter's name, and whose counter is k // 4 (a step makes four numbers). So a tissue depends on the seed and on k
alone, and the values of a parameter on those parameters only that limit it. Grids are counted through instead: tissue k
has the combination k modulo their number.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import pi, prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_count, as_pair, as_parameter, as_positive, refuse_conflicts
from spinbound.base.errors import FloatArray, InvalidData, InvalidParameter
from spinbound.base.units import check_plausible
from spinbound.sequences.experiment import Experiment, as_trains
from spinbound.sequences.limits import Limits, explain_value, find_limits, find_range
from spinbound.sequences.model import Model, as_model

from .distributions import Constant, Distribution, Grid, LogUniform, TruncatedNormal, Uniform
from .mixture import Mixture
from .moments import find_moments
from .prior_file import as_text, read_distributions, write_distributions
from .prior_limits import find_accepted_range, find_supports
from .tissue import Tissue

__all__ = ["Constant", "Grid", "LogUniform", "Mixture", "Prior", "TruncatedNormal", "Uniform"]

PER_STEP = 4  # numbers of 64 bits that Philox makes of one value of its counter
MAX_COMBINATIONS = 2**53  # the most combinations of the values of grids


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Prior:
    """Independent distributions of parameters, some of which may limit others.

    Parameters
    ----------
    **distributions
        A distribution by the name of its parameter, base or derived: `TruncatedNormal`, `Uniform`, `LogUniform`,
        `Constant`, `Mixture` or `Grid`. An infinite limit becomes that of the parameter (m0s < 1); a limit that is the
        name of another parameter of the prior is its value in the same tissue:
        ``T2f=sb.TruncatedNormal(0.1, 0.2, 0.005, "T1a")``. Parameters without a distribution have the value that
        `Tissue` gives them.

    Raises
    ------
    InvalidParameter
        For names as in `Tissue`, what is no distribution, limits outside the range of a parameter, limits that
        depend on each other in a circle, and those that could cross or leave nothing of a mixture between them.

    Examples
    --------
    >>> import spinbound as sb
    >>> prior = sb.Prior(m0s=sb.TruncatedNormal(0.12, 0.08, low=0), B1=sb.Uniform(0.8, 1.2))
    >>> prior.sample(1000).shape, prior.bounds["B1"]
    ((1000,), (0.8, 1.2))
    >>> prior.sample(10, first=990) == prior.sample(1000)[990:]
    True
    """

    _distributions: dict[str, Distribution]
    _supports: dict[str, tuple[float, float]]  # in an order in which limits come before what they limit

    def __init__(self, **distributions: Distribution) -> None:
        if not distributions:
            raise InvalidParameter("the prior is empty; give at least one distribution")
        refuse_conflicts(distributions, "the prior")
        for name, distribution in distributions.items():
            if not isinstance(distribution, Distribution):
                raise InvalidParameter(f"{name} must be a distribution; given {type(distribution).__name__}")
        object.__setattr__(self, "_distributions", distributions)
        object.__setattr__(self, "_supports", find_supports(distributions))
        if prod(self.grid_shape) > MAX_COMBINATIONS:
            raise InvalidParameter(f"the grids have {prod(self.grid_shape)} combinations; allowed: {MAX_COMBINATIONS}")

    @classmethod
    def paper(cls, TR: float = 3.5e-3) -> Prior:
        """Make the prior of the tissues that the CRB-weighted loss was trained with, of equal R1 in both pools.

        m0s 0.12 +- 0.08 (>= 0), T1a 1.6 +- 0.8 s, T2f 0.1 +- 0.2 s (<= T1a), Rex 44 +- 20 /s (>= 0), B1 1 +- 0.3, all
        of them normal before they are truncated; omega0 uniform between -2 pi/TR and 2 pi/TR. The paper leaves the rest
        open; chosen here:

        - T2s uniform between 5 and 20 us, the range that fits of brains leave it.
        - T1a >= 0.2 s: half that of fat at 3 T, the shortest in a head.
        - T2f >= 5 ms: half that of myelin water, the shortest of a free pool.
        - B1 from 0.1 to 1.9, three standard deviations, so that it stays positive.

        A model takes pulses up to a flip angle B1 alpha only; `within` adapts B1 to a sequence.

        Parameters
        ----------
        TR
            Repetition time in s.

        Returns
        -------
        Prior

        Raises
        ------
        InvalidParameter
            If TR is not positive.

        References
        ----------
        X. Zhang et al., Cramér-Rao bound-informed training of neural networks for quantitative MRI (arXiv 2109.10535),
        section 2.4.
        """
        as_positive("TR", TR)
        return cls(
            m0s=TruncatedNormal(0.12, 0.08, low=0),
            T1a=TruncatedNormal(1.6, 0.8, low=0.2),
            T2f=TruncatedNormal(0.1, 0.2, low=5e-3, high="T1a"),
            Rex=TruncatedNormal(44, 20, low=0),
            T2s=Uniform(5e-6, 20e-6),
            omega0=Uniform(-2 * pi / TR, 2 * pi / TR),
            B1=TruncatedNormal(1, 0.3, low=0.1, high=1.9),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Prior:
        r"""Read a prior from a TOML file, in which every parameter has a table, in SI units.

        `distribution` is truncated-normal, uniform, log-uniform, constant, mixture or grid; its numbers have the names
        of the arguments in Python. `save` writes such files.

        Parameters
        ----------
        path
            The file.

        Returns
        -------
        Prior

        Raises
        ------
        InvalidData
            If the file is no TOML, has a key that is unknown or lacks one, or the prior makes no sense; for B1 that
            looks like percent.
        OSError
            If the file cannot be read.

        Warns
        -----
        UserWarning
            Where the middle of a distribution suggests another unit.

        Examples
        --------
        >>> from pathlib import Path
        >>> import spinbound as sb
        >>> text = '[m0s]\ndistribution = "truncated-normal"\nmean = 0.12\nstd = 0.08\nlow = 0'
        >>> _ = Path("m0s.toml").write_text(text)
        >>> sb.Prior.load("m0s.toml")
        Prior(m0s=TruncatedNormal(mean=0.12, std=0.08, low=0.0, high=inf))
        """
        path = Path(path)
        try:
            prior = cls(**read_distributions(path))
            middle = prior._draw_values(lambda _name: np.array([0.5]))
        except InvalidParameter as problem:
            raise InvalidData(f"{path}: {problem}") from None
        for name, value in middle.items():
            check_plausible(name, value, path, "The numbers of a prior are in SI units")
        return prior

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the prior as TOML, whole or not at all; `load` gives an equal one with the same hash.

        Parameters
        ----------
        path
            The file.

        Raises
        ------
        InvalidParameter
            If the file would be longer than the million bytes that `load` reads.
        OSError
            If the file cannot be written.
        """
        write_distributions(path, self._distributions)

    @property
    def toml(self) -> str:
        """The text that `save` writes."""
        return as_text(self._distributions)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that have a distribution."""
        return tuple(self._distributions)

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """The limits between which all values of each parameter lie."""
        return {name: self._supports[name] for name in self.names}

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """Number of values of each `Grid`, in the order of their names; the tissues repeat after their product."""
        return tuple(len(grid.values) for grid in self._grids.values())

    @property
    def _grids(self) -> dict[str, Grid]:
        return {name: grid for name, grid in self._distributions.items() if isinstance(grid, Grid)}

    @cached_property
    def _moments(self) -> tuple[FloatArray, FloatArray]:
        return find_moments(self.names, self._draw_values)

    @property
    def mean(self) -> dict[str, float]:
        """The mean of each parameter, of all tissues that the prior makes."""
        return dict(zip(self.names, self._moments[0].tolist(), strict=True))

    @property
    def covariance(self) -> FloatArray:
        """The covariance (P, P) in the order of `names`; parameters that limit each other are correlated."""
        return self._moments[1].copy()

    def __getitem__(self, name: str) -> Distribution:
        """Return the distribution of a parameter."""
        if as_parameter(name).name not in self._distributions:
            raise InvalidParameter(f"the prior has no {name}; it has: {', '.join(self.names)}")
        return self._distributions[name]

    def sample(self, n: int, seed: int = 0, first: int = 0) -> Tissue:
        """Draw tissues `first` to `first + n - 1`; each depends on its number and on the seed alone.

        Parameters
        ----------
        n
            Number of tissues, of shape (n,).
        seed
            Any integer >= 0.
        first
            Number of the first tissue.

        Returns
        -------
        Tissue
            Of shape (n,).

        Raises
        ------
        InvalidParameter
            If one of them is no integer or negative.
        """
        n, seed, first = as_count("n", n, 0), as_count("seed", seed, 0), as_count("first", first, 0)
        turns = self._find_turns(n, first)
        return Tissue(
            **self._draw_values(lambda name: turns[name] if name in turns else _draw_uniforms(name, n, seed, first))
        )

    def _find_turns(self, n: int, first: int) -> dict[str, FloatArray]:
        """Return each grid's u in tissues `first` to `first + n - 1`: the middles of the shares of their values."""
        shape = self.grid_shape
        if not shape:
            return {}
        combinations = (first % prod(shape) + np.arange(n)) % prod(shape)
        places = zip(self._grids, np.unravel_index(combinations, shape), shape, strict=True)
        return {name: (place + 0.5) / size for name, place, size in places}

    def _draw_values(self, uniforms: Callable[[str], FloatArray]) -> dict[str, Any]:
        """Draw the values of all parameters, each from its own u, in an order in which limits come first."""
        values: dict[str, Any] = {}
        for name in self._supports:
            low, high = self._find_limits(name, values)
            values[name] = self[name].between(uniforms(name), low, high)
        return values

    def _find_limits(self, name: str, values: Mapping[str, FloatArray]) -> tuple[npt.ArrayLike, npt.ArrayLike]:
        """Return the limits of a parameter in each tissue, from the parameters that are known so far."""
        least, largest = self._supports[name]
        low, high = (values[limit] if isinstance(limit, str) else limit for limit in (self[name].low, self[name].high))
        return np.maximum(low, least), np.minimum(high, largest)

    def truncated(self, **limits: tuple[float | None, float | None]) -> Prior:
        """Return the prior with narrower limits of some parameters.

        Parameters
        ----------
        **limits
            (low, high) by the name of the parameter; None leaves a limit as it is.

        Returns
        -------
        Prior
            A new one.

        Raises
        ------
        InvalidParameter
            If the prior lacks the parameter, nothing remains of it, or its limit is another parameter.

        Examples
        --------
        >>> import spinbound as sb
        >>> sb.Prior.paper().truncated(B1=(0.5, 1.3)).bounds["B1"]
        (0.5, 1.3)
        """
        changed = {name: self._truncate(name, pair) for name, pair in limits.items()}
        return Prior(**(self._distributions | changed))

    def _truncate(self, name: str, pair: Any) -> Distribution:
        distribution = self[name]
        low, high = as_pair(name, pair, "low, high")
        try:
            return distribution.truncated(low, high)
        except InvalidParameter as problem:
            raise InvalidParameter(f"{name}: {problem}") from None

    def within(self, seq: Experiment, model: Model | str = "gbloch") -> Prior:
        """Return the prior with B1 and T2s, if it has them, narrowed to the range that a model accepts in a sequence.

        Parameters
        ----------
        seq
            The pulse sequence, or a list of them as in `simulate`.
        model
            As in `simulate`.

        Returns
        -------
        Prior
            A new one.

        Raises
        ------
        InvalidParameter
            For an unknown model, and if nothing remains of a parameter.
        InvalidSequence
            If the model does not know something in the sequence.

        Examples
        --------
        >>> import spinbound as sb
        >>> prior = sb.Prior.paper().within(sb.sequences.load("hybrid-mt-4s"))
        >>> round(prior.bounds["B1"][1], 4)
        1.7507
        """
        limits = [find_limits(as_model(model), train) for train in as_trains(seq).sequences]
        return self.truncated(
            **{name: _find_demanded(name, self.bounds[name], limits) for name in ("B1", "T2s") if name in self.names}
        )

    @property
    def sha256(self) -> str:
        """Hash of the contents, whatever the order of the parameters but that of several grids."""
        content = ", ".join(f"{name}={self[name]!r}" for name in sorted(self.names))
        if len(self._grids) > 1:
            content += f", grids: {', '.join(self._grids)}"
        return hashlib.sha256(content.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        """Say whether all distributions agree, and the order of the grids."""
        if not isinstance(other, Prior):
            return NotImplemented
        return self._distributions == other._distributions and list(self._grids) == list(other._grids)

    def __repr__(self) -> str:
        return f"Prior({', '.join(f'{name}={self[name]!r}' for name in self.names)})"


def _draw_uniforms(name: str, n: int, seed: int, first: int) -> FloatArray:
    """Draw numbers `first` to `first + n - 1` of a parameter's stream: odd multiples of 2^-53, so never 0 or 1."""
    key = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:16], "little")
    skipped = first % PER_STEP
    raw = np.random.Philox(key=key, counter=first // PER_STEP).random_raw(skipped + n)[skipped:]
    return ((raw >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def _find_demanded(name: str, own: tuple[float, float], limits: list[Limits]) -> tuple[float | None, float | None]:
    """Return the limits that models add to a parameter's own; None for a side to which they add none."""
    (low, high), (least, largest) = find_range(name, limits), find_accepted_range(name)
    if own[0] > high or own[1] < low:
        nearest = own[0] if own[0] > high else own[1]
        raise InvalidParameter(f"no {name} of the prior is accepted{explain_value(name, nearest, limits)}")
    return low if low > least else None, high if high < largest else None
