"""Sources of tissues: a prior from which they are drawn, or tissues that are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, Protocol

import numpy as np

from spinbound.base.checks import as_count, as_instance
from spinbound.base.errors import InvalidParameter
from spinbound.files.hashes import hash_arrays

from .distributions import Constant, Grid
from .prior import Prior
from .tissue import Tissue, make_tissue


class Source(Protocol):
    """A source of tissues."""

    @property
    def n(self) -> int:
        """Number of tissues."""

    @property
    def described(self) -> dict[str, Any]:
        """A description that identifies the tissues."""

    def rows(self, rows: slice) -> Callable[[], Tissue]:
        """Return a callable that gives some of the tissues; it can be pickled, and holds no others."""


@dataclass(frozen=True)
class DrawnTissues:
    """Tissues that are drawn from a prior, some at a time."""

    prior: Prior
    n: int
    seed: int
    first: int

    @property
    def described(self) -> dict[str, Any]:
        """The prior and the numbers of its tissues."""
        prior = {"prior": self.prior.toml, "prior_sha256": self.prior.sha256}
        return prior | {"seed": self.seed, "first": self.first}

    def rows(self, rows: slice) -> Callable[[], Tissue]:
        """Return a callable that draws some of the tissues."""
        return partial(_draw, self.prior, rows.stop - rows.start, self.seed, self.first + rows.start)


def _draw(prior: Prior, n: int, seed: int, first: int) -> Tissue:
    return prior.sample(n, seed, first).replace(M0=1)


@dataclass(frozen=True)
class GivenTissues:
    """Tissues in one axis."""

    tissue: Tissue

    @property
    def n(self) -> int:
        """Number of tissues."""
        return self.tissue.size

    @property
    def described(self) -> dict[str, Any]:
        """The hash of their values."""
        return {"tissue_sha256": hash_arrays(*self.tissue.as_dict().values())}

    def rows(self, rows: slice) -> Callable[[], Tissue]:
        """Return a callable that holds some of the tissues."""
        return partial(make_tissue, self.tissue[rows].as_dict())


def open_source(source: Prior | Tissue, n: int | None, seed: int, first: int) -> Source:
    """Return n tissues of a prior, from number `first` on, or the given ones."""
    if isinstance(source, Prior):
        return DrawnTissues(source, as_count("n", n, 1), as_count("seed", seed, 0), as_count("first", first, 0))
    return GivenTissues(as_tissues(source, n, 0, 0))


def as_tissues(source: Prior | Tissue, n: int | None, default: int, seed: int) -> Tissue:
    """Return tissues of M0 = 1 in one axis: n, or `default`, that are drawn from a prior, or the given ones."""
    as_instance("source", source, Prior, Tissue)
    if isinstance(source, Prior):
        return source.sample(_choose_number(source, default) if n is None else as_count("n", n, 1), seed).replace(M0=1)
    if n is not None:
        raise InvalidParameter(f"n is {n}, but the tissues are given; allowed: None")
    if source.size == 0:
        raise InvalidParameter(f"source has no voxel in shape {source.shape}")
    values = {name: np.broadcast_to(value, source.shape).ravel() for name, value in source.as_dict().items()}
    return Tissue.from_dict(values | {"M0": 1})


def _choose_number(prior: Prior, usual: int) -> int:
    """Return the number of combinations of grids where nothing is drawn, as more would repeat; else `usual`."""
    is_drawn = any(not isinstance(prior[name], (Constant, Grid)) for name in prior.names)
    return usual if is_drawn else prod(prior.grid_shape)
