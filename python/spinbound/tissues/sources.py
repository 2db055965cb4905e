"""Where tissues come from: drawn from a prior, or given."""

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
from .tissue import Tissue, tissue_of


class Source(Protocol):
    """Where tissues come from."""

    @property
    def n(self) -> int:
        """How many there are."""

    @property
    def described(self) -> dict[str, Any]:
        """What tells them from others."""

    def rows(self, rows: slice) -> Callable[[], Tissue]:
        """What gives some of them, can be pickled, and holds no others."""


@dataclass(frozen=True)
class Drawn:
    """Tissues that are drawn from a prior, a part at a time."""

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
        """What draws some of them."""
        return partial(_drawn, self.prior, rows.stop - rows.start, self.seed, self.first + rows.start)


def _drawn(prior: Prior, n: int, seed: int, first: int) -> Tissue:
    return prior.sample(n, seed, first).replace(M0=1)


@dataclass(frozen=True)
class Given:
    """Tissues in one axis."""

    tissue: Tissue

    @property
    def n(self) -> int:
        """How many there are."""
        return self.tissue.size

    @property
    def described(self) -> dict[str, Any]:
        """The hash of their values."""
        return {"tissue_sha256": hash_arrays(*self.tissue.as_dict().values())}

    def rows(self, rows: slice) -> Callable[[], Tissue]:
        """What holds some of them."""
        return partial(tissue_of, self.tissue[rows].as_dict())


def tissues_of(source: Prior | Tissue, n: int | None, default: int, seed: int) -> Tissue:
    """Tissues of M0 = 1, in one axis: n, or a usual number, drawn from a prior, or those that are given."""
    as_instance("source", source, Prior, Tissue)
    if isinstance(source, Prior):
        return source.sample(_default(source, default) if n is None else as_count("n", n, 1), seed).replace(M0=1)
    if n is not None:
        raise InvalidParameter(f"n is {n}, but the tissues are given; allowed: None")
    if source.size == 0:
        raise InvalidParameter(f"source has no voxel in shape {source.shape}")
    values = {name: np.broadcast_to(value, source.shape).ravel() for name, value in source.as_dict().items()}
    return Tissue.from_dict(values | {"M0": 1})


def _default(prior: Prior, usual: int) -> int:
    """The combinations of grids where nothing is drawn, as more would repeat them; otherwise the usual number."""
    is_drawn = any(not isinstance(prior[name], (Constant, Grid)) for name in prior.names)
    return usual if is_drawn else prod(prior.grid_shape)
